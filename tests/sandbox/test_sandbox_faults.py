"""Things that go wrong on purpose."""

from __future__ import annotations

import logging
import time

import pytest
import requests

from hooked_analytics import Sandbox
from hooked_analytics.sandbox import middleware
from hooked_analytics.sandbox.middleware import FAULTS, FILE_FAULTS

PATH = "/v1/video/vid_abc123"
# kind -> what a client sees: status, and the start of the body; or the error's name
SEEN = {
    "error_500": (500, '{"success":false,"message":"Internal server error"}'),
    "html_502": (502, "<html>"),
    "rate_limit": (429, '{"success":false,"message":"Too many requests"'),
    "drop": "ConnectionError",
    "truncate": "ChunkedEncodingError",
    "drip": (200, '{"success":true,'),
    "slow": (200, '{"success":true,'),
    "wrong_id": (200, '{"success": true,'),
    "flat": (200, '{"id": "vid_abc123"'),
}
FILES_SEEN = {
    "file_cut": "ChunkedEncodingError",
    "file_drip": (206, 161_230),
    "file_expired": (403, 117),
    "file_whole": (200, 161_240),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_of_the_api(get, kind):
    with Sandbox(videos=2, faults={kind: 1.0}) as sandbox:
        try:
            response = get(sandbox, PATH)
        except requests.RequestException as error:
            assert type(error).__name__ == SEEN[kind]
            return
        listed, none = get(sandbox, "/v1/video/list"), get(sandbox, "/v1/video/vid_none")
    status, body = SEEN[kind]
    assert (response.status_code, response.text[: len(body)]) == (status, body)
    assert "date" in response.headers
    assert "Transfer-Encoding" not in response.headers
    assert response.headers.get("retry-after") == ("1" if kind == "rate_limit" else None)
    assert response.elapsed.total_seconds() >= (0.1 if kind == "slow" else 0)
    assert none.status_code == (404 if status == 200 else status)
    if kind == "flat":
        assert list(listed.json()) == ["videos", "total", "limit", "offset"]
    elif status == 200:
        shown = response.json()["data"]["id"]
        assert shown == ("vid_abc123x" if kind == "wrong_id" else "vid_abc123")


@pytest.mark.parametrize("kind", FILE_FAULTS)
def test_every_fault_of_files(get, details, kind):
    with Sandbox(videos=1, faults={kind: 1.0}) as sandbox:
        link = details(sandbox)["url"]  # the API is left alone
        assert get(sandbox, "/").status_code == 404  # no file, no fault
        try:
            response = get(sandbox, link, headers={"Range": "bytes=10-"})
            found = (response.status_code, len(response.content))
        except requests.RequestException as error:
            found = type(error).__name__
    assert found == FILES_SEEN[kind]


def test_a_drip_is_slow_and_closing_does_not_wait_for_it(caplog, monkeypatch):
    monkeypatch.setattr(middleware, "DRIP_SECONDS", 60)
    sandbox = Sandbox(videos=1, faults={"drip": 1.0}).start()
    with requests.get(
        sandbox.url + PATH, headers={"x-api-key": "sandbox-key"}, stream=True, timeout=10
    ):
        began = time.monotonic()
        sandbox.close()
        assert time.monotonic() - began < 30
    # the server complains where it has to cancel a response
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"videos": 0}, "the sample is one"),
        ({"time_scale": -1}, "time_scale"),
        ({"api_key": ""}, "api_key"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"faults": {"fire": 0.1}}, r"unknown faults \['fire'\]"),
        ({"faults": {"drop": 1.1}}, "between 0 and 1"),
        ({"faults": {"drop": 0.6, "drip": 0.6}}, "not be above 1"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Sandbox(**settings)
