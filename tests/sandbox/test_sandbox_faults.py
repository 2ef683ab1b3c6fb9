"""Things that go wrong on purpose."""

from __future__ import annotations

import logging
import time

import pytest
import requests

from hooked_analytics import Sandbox
from hooked_analytics.sandbox import middleware
from hooked_analytics.sandbox.middleware import FAULTS, FILE_FAULTS, fault_rates

PATH = "/v1/video/vid_abc123"


def seen(kind: str, get, path: str = PATH):
    """What a client sees of a fault: status and body, or the error's name."""
    with Sandbox(videos=2, faults={kind: 1.0}) as sandbox:
        try:
            response = get(sandbox, path)
        except requests.RequestException as error:
            return type(error).__name__
        assert "date" in response.headers
        return response


def test_every_fault_of_the_api(get):
    plain = seen("slow", get)
    assert plain.json()["data"]["id"] == "vid_abc123"
    assert plain.elapsed.total_seconds() >= 0.1
    dripping = seen("drip", get)
    assert dripping.json()["data"]["id"] == "vid_abc123"
    assert "Transfer-Encoding" not in dripping.headers
    assert seen("flat", get).json()["id"] == "vid_abc123"
    assert list(seen("flat", get, "/v1/video/list").json()) == [
        "videos", "total", "limit", "offset",
    ]  # fmt: skip
    assert seen("wrong_id", get).json()["data"]["id"] == "vid_abc123x"
    assert seen("wrong_id", get, "/v1/video/vid_none").status_code == 404
    assert seen("error_500", get).json() == {"success": False, "message": "Internal server error"}
    page = seen("html_502", get)
    assert (page.status_code, page.text[:6]) == (502, "<html>")
    busy = seen("rate_limit", get)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
    assert seen("drop", get) == "ConnectionError"
    assert seen("truncate", get) == "ChunkedEncodingError"
    assert len(FAULTS) == 9


def test_every_fault_of_files(get, details):
    found = {}
    for kind in FILE_FAULTS:
        with Sandbox(videos=1, faults={kind: 1.0}) as sandbox:
            link = details(sandbox)["url"]  # the API is left alone
            assert get(sandbox, "/").status_code == 404  # no file, no fault
            try:
                response = get(sandbox, link, headers={"Range": "bytes=10-"})
                found[kind] = (response.status_code, len(response.content))
            except requests.RequestException as error:
                found[kind] = type(error).__name__
    assert found == {
        "file_cut": "ChunkedEncodingError",
        "file_drip": (206, 161_230),
        "file_expired": (403, 117),
        "file_whole": (200, 161_240),
    }


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


def test_rates_hold_and_repeat():
    assert fault_rates(0.9) == pytest.approx(dict.fromkeys(FAULTS, 0.1))
    rates = {"drop": 0.1, "drip": 0.2}
    random, same = (middleware.seeded(5, "faults") for _ in range(2))
    drawn = [middleware._draw(rates, random) for _ in range(2000)]
    assert drawn == [middleware._draw(rates, same) for _ in range(2000)]
    assert 150 < drawn.count("drop") < 250
    assert 330 < drawn.count("drip") < 470


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
