"""Things that go wrong on purpose."""

from __future__ import annotations

import time

import pytest
import requests

from hooked_analytics.sandbox import Sandbox
from hooked_analytics.sandbox.faults import FILE_KINDS, KINDS, Faults, fault_rates

PATH = "/v1/video/vid_abc123"


def faulty(kind, **settings):
    return Sandbox(videos=2, faults={kind: 1.0}, **settings)


def test_html_502(ask):
    with faulty("html_502") as sandbox:
        answer = ask(sandbox, PATH)
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")


def test_drop(ask):
    with faulty("drop") as sandbox, pytest.raises(requests.ConnectionError):
        ask(sandbox, PATH)


def test_truncate(ask):
    with faulty("truncate") as sandbox:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            ask(sandbox, PATH)
        with ask(sandbox, PATH, stream=True) as answer:
            whole = int(answer.headers["content-length"])
            assert answer.status_code == 200
            assert "date" in answer.headers
            assert len(answer.raw.read(whole, decode_content=False)) < whole


def test_drip(ask):
    with faulty("drip", drip_seconds=0.4) as sandbox:
        began = time.monotonic()
        answer = ask(sandbox, PATH)
        assert 0.4 <= time.monotonic() - began < 3
    assert answer.json()["data"]["id"] == "vid_abc123"


def test_wrong_id(ask):
    with faulty("wrong_id") as sandbox:
        answer = ask(sandbox, PATH).json()
        listed = ask(sandbox, "/v1/video/list").json()["data"]["videos"]
        missing = ask(sandbox, "/v1/video/vid_none")
    assert answer["success"] is True
    assert answer["data"]["id"] != "vid_abc123"
    assert listed[-1]["id"] == "vid_abc123"
    assert missing.status_code == 404


def test_stray_429(ask):
    with faulty("rate_limit") as sandbox:
        answer = ask(sandbox, PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    with faulty("rate_limit", retry_after=False) as sandbox:
        assert "retry-after" not in ask(sandbox, PATH).headers


def test_downloads_are_spared(ask):
    with Sandbox(videos=1) as sandbox:
        url = ask(sandbox, PATH).json()["data"]["url"]
    path = url.partition("/hooked-videos")
    with faulty("drop") as sandbox:
        answer = ask(sandbox, f"{sandbox.url}{path[1]}{path[2]}")
    assert answer.status_code == 200


def test_one_rate_is_shared_by_all_kinds():
    rates = fault_rates(0.7)
    assert list(rates) == list(KINDS)
    assert list(rates.values()) == pytest.approx([0.1] * len(KINDS))


def test_rates_hold_and_repeat():
    first, second = (Faults({"drop": 0.1, "drip": 0.2}, seed=5) for _ in range(2))
    drawn = [first.draw() for _ in range(2000)]
    assert drawn == [second.draw() for _ in range(2000)]
    assert 150 < drawn.count("drop") < 250
    assert 330 < drawn.count("drip") < 470


def test_closing_does_not_wait_for_a_drip(caplog):
    sandbox = faulty("drip", drip_seconds=60).start()
    with requests.get(
        sandbox.url + PATH, headers={"x-api-key": "sandbox-key"}, stream=True, timeout=10
    ):
        began = time.monotonic()
        sandbox.close()
        assert time.monotonic() - began < 5
    assert caplog.messages == []  # the server complains where it has to cancel an answer


FILE = "/thumbnails/vid_abc123.png"


def test_every_fault_of_files_can_be_played(ask):
    with Sandbox(videos=1) as sandbox:
        whole = ask(sandbox, FILE).content
    seen = {}
    for kind in FILE_KINDS:
        with Sandbox(videos=1, file_faults={kind: 1.0}, drip_seconds=0.3) as sandbox:
            link = ask(sandbox, PATH).json()["data"]["url"]  # the API is left alone
            try:
                answer = ask(sandbox, link, headers={"Range": "bytes=10-"}, timeout=0.5)
                seen[kind] = (answer.status_code, "content-length" in answer.headers)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                seen[kind] = type(error).__name__
    assert seen == {
        "cut": "ChunkedEncodingError",
        "stall": "ConnectionError",
        "drip": (206, True),
        "expired": (403, True),
        "whole": (200, True),
        "short": (206, True),
        "unsized": (206, False),
        "changed": (206, True),
        "html": (200, True),
        "error_503": (503, True),
    }
    with Sandbox(videos=1, file_faults={"short": 1.0}) as sandbox:
        assert ask(sandbox, FILE).content == whole[: len(whole) // 2]


def test_faults_of_files_are_checked_and_leave_those_of_the_api_alone():
    with pytest.raises(ValueError, match="unknown faults"):
        Sandbox(file_faults={"drop": 1.0})
    plain, both = Faults(0.5, seed=3), Faults(0.5, files=0.5, seed=3)
    assert [plain.draw() for _ in range(50)] == [
        (both.draw_for_file(), both.draw())[1] for _ in range(50)
    ]
