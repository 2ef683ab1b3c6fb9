"""The rate limit."""

from __future__ import annotations

from hooked_analytics.sandbox import Sandbox


def statuses(sandbox, ask, times):
    return [ask(sandbox, "/v1/video/vid_abc123").status_code for _ in range(times)]


def test_a_window_starts_with_the_first_request(ask):
    with Sandbox(videos=1, time_scale=0, requests_per_minute=3) as sandbox:
        sandbox.advance(100)
        assert statuses(sandbox, ask, 5) == [200, 200, 200, 429, 429]
        sandbox.advance(59)
        assert statuses(sandbox, ask, 1) == [429]
        sandbox.advance(1)
        assert statuses(sandbox, ask, 4) == [200, 200, 200, 429]


def test_the_refusal_says_how_long(ask):
    with Sandbox(videos=1, time_scale=0, requests_per_minute=1) as sandbox:
        statuses(sandbox, ask, 1)
        sandbox.advance(17.5)
        answer = ask(sandbox, "/v1/video/list")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "43")
    assert answer.json() == {
        "success": False,
        "message": "Too many requests",
        "code": "RATE_LIMITED",
    }


def test_the_minute_is_a_sandbox_minute(ask):
    with Sandbox(videos=1, time_scale=20, requests_per_minute=1) as sandbox:
        assert statuses(sandbox, ask, 1) == [200]
        assert ask(sandbox, "/v1/video/list").headers["retry-after"] == "3"
    with Sandbox(videos=1, time_scale=6000, requests_per_minute=1) as sandbox:
        statuses(sandbox, ask, 1)
        refused = [ask(sandbox, "/v1/video/list") for _ in range(3)]
    assert {answer.headers.get("retry-after", "1") for answer in refused} == {"1"}


def test_without_retry_after(ask):
    with Sandbox(videos=1, time_scale=0, requests_per_minute=1, retry_after=False) as sandbox:
        statuses(sandbox, ask, 1)
        answer = ask(sandbox, "/v1/video/list")
    assert (answer.status_code, "retry-after" in answer.headers) == (429, False)


def test_downloads_and_strangers_do_not_count(ask):
    with Sandbox(videos=1, time_scale=0, requests_per_minute=2) as sandbox:
        url = ask(sandbox, "/v1/video/vid_abc123").json()["data"]["url"]
        assert [ask(sandbox, url).status_code for _ in range(3)] == [200, 200, 200]
        ask(sandbox, "/v1/video/list", headers={"x-api-key": "nope"})
        assert statuses(sandbox, ask, 2) == [200, 429]


def test_a_bucket_refills_steadily(ask):
    with Sandbox(videos=1, time_scale=0, requests_per_minute=60, burst=2) as sandbox:
        assert statuses(sandbox, ask, 3) == [200, 200, 429]
        sandbox.advance(1)
        assert statuses(sandbox, ask, 2) == [200, 429]
        sandbox.advance(100)
        assert statuses(sandbox, ask, 3) == [200, 200, 429]
