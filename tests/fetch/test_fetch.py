"""Ids in, frame out: one row per id, in order, whatever happens on the way."""

from __future__ import annotations

import gzip
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from hooked_analytics import (
    FetchError,
    HookedClient,
    Sandbox,
    fetch_videos,
    wait_for_videos,
)
from tests.scripted import Request, answer, echo, serving, video


def test_every_kind_of_failure_is_a_row():
    replies = {
        "ok": answer(video("ok")),
        "gone": answer({"message": "Video not found"}, 404),
        "theirs": answer({"message": "Video does not belong to the user"}, 403),
        "broken": answer({}, 500),
        "odd": answer(b"<html>"),
        "slow": None,
    }

    def handler(request: Request) -> bytes | None:
        return replies[request.path.rsplit("/", 1)[-1]]

    with serving(handler) as server:
        with HookedClient("k", base_url=server.url, timeout_seconds=2, max_attempts=1) as client:
            videos = fetch_videos([*replies, "no/id"], client=client)
    assert videos["fetch_error"].fillna("").tolist() == [
        "", "not_found", "forbidden", "server", "bad_response", "timeout", "invalid_id",
    ]  # fmt: skip
    assert videos["fetch_error_message"].notna().tolist() == [False] + [True] * 6
    assert videos["fetched_at"].notna().tolist() == [True] * 6 + [False]


def test_errors_raise_comes_after_the_batch_and_carries_it(echoing):
    with pytest.raises(FetchError, match="1 of 2 videos could not be fetched") as raised:
        fetch_videos(["vid_1", "no/id"], client=echoing, errors="raise")
    assert raised.value.videos["fetch_error"].fillna("").tolist() == ["", "invalid_id"]


def test_errors_must_be_a_known_word(echoing):
    with pytest.raises(ValueError, match="'coerce' or 'raise'"):
        fetch_videos(["vid_1"], client=echoing, errors="ignore")


@pytest.mark.parametrize(
    ("function", "module"), [(fetch_videos, "fetch_job"), (wait_for_videos, "poll_executor")]
)
def test_a_fault_in_the_code_is_raised_not_swallowed(function, module, echoing, monkeypatch):
    monkeypatch.setattr(f"hooked_analytics.fetch.{module}.parse_record", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        function(["vid_1", "vid_2"], client=echoing)


def test_two_callers_share_one_limit(echoing):
    client = HookedClient("k", base_url=echoing.base_url, requests_per_minute=30)
    jobs = [
        threading.Thread(target=fetch_videos, args=([f"{x}_{n}" for n in range(15)],),
                         kwargs={"client": client})
        for x in "ab"
    ]  # fmt: skip
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert client.requests_last_minute == client.requests_sent == 30


def test_many_ids_with_one_fault_in_five():
    kinds = ("error_500", "html_502", "drop", "truncate", "wrong_id")
    with Sandbox(videos=300, faults=dict.fromkeys(kinds, 0.04), seed=3) as sandbox:
        with sandbox.client(requests_per_minute=None, max_workers=32, timeout_seconds=4) as client:
            videos = fetch_videos(sandbox.video_ids, client=client)
            requests = client.requests_sent
    assert videos["video_id"].tolist() == sandbox.video_ids
    assert requests <= 1.5 * 300
    # what is left are faults that no retry may cure: an answer about another video
    assert set(videos["fetch_error"].dropna()) <= {"bad_response", "server", "timeout", "network"}
    assert videos["fetch_error"].isna().mean() > 0.9


BOMB = """
    import sys
    from pathlib import Path
    from hooked_analytics import HookedClient, fetch_videos
    client = HookedClient("k", base_url=sys.argv[1])
    fetch_videos(["warm_up"], client=client)
    def peak():
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    before = peak()
    videos = fetch_videos(["vid_1"], client=client)
    print(videos["fetch_error"].iloc[0], peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is Linux only")
def test_a_gzip_bomb_is_one_row_and_little_memory():
    packed = gzip.compress(b'{"id": "vid_1", "x": "%s"}' % (b"0" * 200 * 1024 * 1024), 1)

    def handler(request: Request) -> bytes:
        if request.path.endswith("warm_up"):
            return echo(request)
        return answer(packed, Content_Encoding="gzip")

    with serving(handler) as server:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(BOMB), server.url],
            capture_output=True,
            text=True,
            check=True,
        )
    error, grown_mb = done.stdout.split()
    assert error == "bad_response"
    assert float(grown_mb) < 50
