"""The tools of the figures: the proxy does what its table says, the search finds any secret."""

from __future__ import annotations

import base64
import json
import pickle
import socket
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


def got(proxy: FaultProxy, *, first: float = 10, most: int = 300_000) -> tuple[bytes, bytes, str]:
    """Head and body as they come, and how the connection ended: open, closed or reset."""
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname, address.port), timeout=first) as connection:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nx-api-key: sandbox-key\r\n\r\n".encode())
        raw, end = b"", "open"
        try:
            while len(raw) < most and (piece := connection.recv(65536)):
                raw += piece
                connection.settimeout(1)  # much longer than a drip, also on a busy machine
            end = "closed" if len(raw) < most else "open"
        except TimeoutError:
            pass
        except ConnectionResetError:
            end = "reset"
    head, _, body = raw.partition(b"\r\n\r\n")
    return head, body, end


@pytest.mark.parametrize(
    ("fate", "status", "end", "whole"),
    [
        ("latency", 200, "open", True),
        ("drip", 200, "closed", True),
        ("cut", 200, "closed", False),
        ("status_500", 500, "open", False),
        ("gateway", 502, "open", False),
        ("stray_429", 429, "open", False),
        ("too_long", 200, "closed", True),
        ("too_short", 200, "open", True),
        ("no_json", 200, "open", False),
        ("another_video", 200, "open", False),
        ("redirect", None, "open", False),
    ],
)
def test_a_fate(proxy, fate, status, end, whole):
    _, good, stays = got(proxy)
    assert (json.loads(good)["data"]["id"], stays) == ("vid_abc123", "open")
    proxy.fates.append(fate)
    head, body, ended = got(proxy)
    told = int(head.split()[1])
    assert told == status or (status is None and 301 <= told <= 308)
    assert ended == end
    assert (len(body) == len(good)) is whole
    stated = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert (stated == len(body)) is (fate not in {"cut", "too_long", "too_short"})
    assert proxy.dealt == {fate: 1}


def test_drops_resets_and_silence(proxy):
    proxy.fates.extend(["drop", "silence", "reset"])
    assert got(proxy) == (b"", b"", "reset")
    assert got(proxy, first=0.3) == (b"", b"", "open")
    assert got(proxy)[2] == "reset"


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
