"""The tools of the figures: the proxy does what its table says, the search finds any secret."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from hooked_analytics import Sandbox, export_videos, videos_from_records
from tests.faults.leaks import leaks
from tests.faults.proxy import FAULTS, FaultProxy, evenly, spoiling

PATH = "/v1/video/vid_abc123"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(videos=2) as running:
        yield running


@pytest.fixture
def proxy(sandbox) -> Iterator[FaultProxy]:
    with spoiling(sandbox.url) as between:
        yield between


def got(proxy: FaultProxy, timeout_seconds: float = 60) -> tuple[int | None, bytes]:
    """Status and body of one answer; an answer that ends early has no status."""
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=timeout_seconds)
    with contextlib.closing(connection):
        connection.request("GET", PATH, headers={"x-api-key": "sandbox-key"})
        try:
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.IncompleteRead as cut:
            return None, cut.partial
        except (ConnectionResetError, TimeoutError) as ended:
            return None, type(ended).__name__.encode()


@pytest.mark.parametrize(
    ("fate", "status", "whole"),
    [
        ("drip", 200, True),
        ("latency", 200, True),
        ("too_short", 200, False),
        ("no_json", 200, False),
        ("another_video", 200, False),
        ("status_500", 500, False),
        ("gateway", 502, False),
        ("stray_429", 429, False),
        ("cut", None, False),
        ("too_long", None, True),
    ],
)
def test_a_fate(proxy, fate, status, whole):
    proxy.fates.extend([None, fate])
    (_, good), (told, body) = got(proxy), got(proxy)
    assert json.loads(good)["data"]["id"] == "vid_abc123"
    assert (told, body == good) == (status, whole)
    assert proxy.dealt == {fate: 1}


def test_redirects_drops_resets_and_silence(proxy):
    proxy.fates.extend(["redirect", "drop", "reset", "silence"])
    status, body = got(proxy)
    assert (300 < status < 309, body) == (True, b"")
    assert got(proxy) == (None, b"ConnectionResetError")
    assert got(proxy)[0] is None
    assert got(proxy, 0.3) == (None, b"TimeoutError")


def test_a_seed_draws_the_same_fates_at_the_rate_given():
    drawn = []
    for _ in range(2):
        with spoiling("http://127.0.0.1:1", rates=evenly(0.2), seed=3) as proxy:
            drawn.append([proxy._next_fate() for _ in range(4000)])
    assert drawn[0] == drawn[1]
    assert 0.16 < sum(fate is not None for fate in drawn[0]) / 4000 < 0.24
    assert set(drawn[0]) == {None, *FAULTS}
    assert sum(pair == ("status_500",) * 2 for pair in pairwise(drawn[0])) > 5


# The search for secrets

SECRET = "canary+key/9c2f=41"
IN_BASE64 = [base64.b64encode(b"." * n + SECRET.encode()).decode() for n in range(3)]
HIDDEN = [SECRET, quote(SECRET, safe=""), *IN_BASE64]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx", "pickle"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_secret_in_a_file_is_found(tmp_path, suffix, hidden):
    videos = videos_from_records([{"id": "vid_1", "name": f"before {hidden} after"}])
    path = tmp_path / "deep" / f"videos.{suffix}"
    path.parent.mkdir()
    if suffix == "pickle":
        path.write_bytes(pickle.dumps(videos))
    else:
        export_videos(videos, path)
    assert leaks(SECRET, tmp_path)
    assert not leaks("canary-of-another", tmp_path)


def test_a_secret_in_a_name_an_error_or_an_attribute_is_found(tmp_path):
    error = ValueError("it is " + SECRET)
    holder = type("Holder", (), {})()
    holder.key = SECRET
    (tmp_path / quote(SECRET, safe="")).touch()
    assert leaks(SECRET, error, holder, {"x": [SECRET]}) == ["ValueError", "Holder", "dict"]
    assert leaks(SECRET, tmp_path)
    assert leaks(SECRET, Path(__file__)) == ["test_harness.py"]
