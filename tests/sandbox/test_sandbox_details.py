"""GET /v1/video/{id}."""

from __future__ import annotations

import requests

from hooked_analytics.sandbox import Sandbox
from tests.documented import SAMPLE

# the links point at the sandbox, and these two are not on the page's sample
ELSEWHERE = ("size", "teamId", "thumbnail", "url")


def test_the_pages_sample_has_the_pages_values(still, ask):
    answer = ask(still, "/v1/video/vid_abc123")
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert list(body) == ["success", "message", "data"]
    assert (body["success"], body["message"]) == (True, "Video details fetched successfully")
    data = body["data"]
    assert sorted(data) == sorted(SAMPLE)
    values = {key: value for key, value in data.items() if key not in ELSEWHERE}
    assert values == {key: value for key, value in SAMPLE.items() if key not in ELSEWHERE}


def test_the_sample_is_there_however_few_videos():
    assert Sandbox(videos=1).video_ids == ["vid_abc123"]


def test_flat_body_has_no_envelope(ask):
    with Sandbox(videos=1, flat_body=True) as sandbox:
        body = ask(sandbox, "/v1/video/vid_abc123").json()
    assert (body["id"], "data" in body) == ("vid_abc123", False)


def test_unknown_id(still, ask):
    answer = ask(still, "/v1/video/vid_none")
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "message": "Video not found"}


def test_an_encoded_slash_is_part_of_the_id(still, ask):
    answer = ask(still, "/v1/video/a%2Fb")
    assert (answer.status_code, answer.json()["message"]) == (404, "Video not found")


def test_another_teams_video(still, ask):
    for video_id in still.foreign_video_ids:
        answer = ask(still, f"/v1/video/{video_id}")
        assert answer.status_code == 403
        assert answer.json() == {"success": False, "message": "Video does not belong to the user"}


def test_wrong_or_missing_key(still, ask):
    wrong = ask(still, "/v1/video/vid_abc123", headers={"x-api-key": "nope"})
    missing = requests.get(f"{still.url}/v1/video/list", timeout=10)
    for answer in (wrong, missing):
        assert answer.status_code == 403
        assert answer.json() == {"success": False, "message": "Not authenticated"}


def test_server_error(ask):
    with Sandbox(videos=1, faults={"error_500": 1.0}) as sandbox:
        answer = ask(sandbox, "/v1/video/vid_abc123")
    assert answer.status_code == 500
    assert answer.json() == {"success": False, "message": "Internal server error"}


def test_other_methods_and_paths(still, ask):
    post = ask(still, "/v1/video/vid_abc123", method="POST")
    assert (post.status_code, post.json()["success"]) == (405, False)
    assert "GET" in post.headers["allow"]
    for path in ("/", "/v1/avatar/list", "/v1/video"):
        answer = ask(still, path, allow_redirects=False)
        assert (answer.status_code, answer.json()["success"]) == (404, False)


def test_head_has_no_body(still, ask):
    answer = ask(still, "/v1/video/vid_abc123", method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


def test_date_header_is_the_sandboxs_clock(still, ask):
    for path in ("/v1/video/vid_abc123", "/nowhere"):
        assert ask(still, path).headers["date"] == "Mon, 02 Mar 2026 12:00:00 GMT"
    still.advance(3601)
    assert ask(still, "/nowhere").headers["date"] == "Mon, 02 Mar 2026 13:00:01 GMT"


def test_fields_lie_over_the_answer(still, ask):
    video_id = still.create_video("ai_short", fields={"status": "ARCHIVED", "mood": "new"})
    data = ask(still, f"/v1/video/{video_id}").json()["data"]
    assert (data["type"], data["status"], data["mood"]) == ("ai_short", "ARCHIVED", "new")
