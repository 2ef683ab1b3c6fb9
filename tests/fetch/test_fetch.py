"""Ids in, frame out: one row per id, in order, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest

from hooked_analytics import (
    AuthenticationError,
    FetchError,
    FetchInterrupted,
    HookedClient,
    Sandbox,
    fetch_videos,
    list_videos,
)
from hooked_analytics.schema import VIDEOS_SCHEMA, empty_videos
from tests.scripted import Request, answer, echo, serving, video


@pytest.fixture
def echoing():
    with serving(echo) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            yield client


def test_rows_come_in_the_order_asked():
    def later_ids_first(request: Request) -> bytes:
        number = int(request.path.rsplit("_", 1)[-1])
        time.sleep((20 - number) * 0.005)
        return echo(request)

    asked = [f"vid_{n}" for n in range(20)]
    with serving(later_ids_first) as server, HookedClient("k", base_url=server.url) as client:
        videos = fetch_videos(asked, client=client)
    assert videos["video_id"].tolist() == asked
    assert videos["fetch_error"].isna().all()


@pytest.mark.parametrize(
    "given",
    [
        "vid_1",
        ["vid_1"],
        ("vid_1",),
        {"vid_1"},
        iter(["vid_1"]),
        pd.Series(["vid_1"]),
        pd.Index(["vid_1"]),
        np.array(["vid_1"]),
    ],
)
def test_any_iterable_of_ids_and_a_single_one(echoing, given):
    assert fetch_videos(given, client=echoing)["video_id"].tolist() == ["vid_1"]


def test_no_ids_give_an_empty_typed_frame(echoing):
    pd.testing.assert_frame_equal(fetch_videos([], client=echoing), empty_videos())
    assert echoing.requests_sent == 0


def test_an_id_given_twice_is_asked_once_with_a_warning(echoing):
    with pytest.warns(UserWarning, match="1 of 3 video ids were given before"):
        videos = fetch_videos(["vid_1", "vid_2", " vid_1"], client=echoing)
    assert videos["video_id"].tolist() == ["vid_1", "vid_2"]
    assert echoing.requests_sent == 2


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
        with HookedClient("k", base_url=server.url, timeout_seconds=1) as client:
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


def test_a_wrong_key_stops_the_batch_at_once():
    def refuse(request: Request) -> bytes:
        return answer({"success": False, "message": "Not authenticated"}, 403)

    with serving(refuse) as server:
        with HookedClient("k", base_url=server.url, max_workers=4) as client:
            with pytest.raises(AuthenticationError, match="refused the API key"):
                fetch_videos([f"vid_{n}" for n in range(200)], client=client)
        time.sleep(0.2)
        assert len(server.requests) <= 8


def test_a_fault_in_the_code_is_raised_not_swallowed(echoing, monkeypatch):
    monkeypatch.setattr("hooked_analytics.fetch.fetch_job.parse_record", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch_videos(["vid_1", "vid_2"], client=echoing)


def test_no_thread_is_left(echoing):
    fetch_videos([f"vid_{n}" for n in range(50)], client=echoing)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        left = [t for t in threading.enumerate() if t.name.startswith("hooked-fetch")]
        if not left:
            return
    pytest.fail(f"{len(left)} threads are left")


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


def test_a_thousand_ids_with_one_fault_in_five():
    kinds = ("error_500", "html_502", "drop", "truncate", "wrong_id")
    with Sandbox(videos=1000, faults=dict.fromkeys(kinds, 0.04), seed=3) as sandbox:
        with sandbox.client(requests_per_minute=None, max_workers=32, timeout_seconds=4) as client:
            videos = fetch_videos(sandbox.video_ids, client=client)
            requests = client.requests_sent
    assert videos["video_id"].tolist() == sandbox.video_ids
    assert requests <= 1500
    # what is left are faults that no retry may cure: an answer about another video
    assert set(videos["fetch_error"].dropna()) <= {"bad_response", "server", "timeout", "network"}
    assert videos["fetch_error"].isna().mean() > 0.9


def test_an_interrupt_keeps_what_arrived_and_is_followed_by_silence():
    def slow(request: Request) -> bytes:
        time.sleep(0.05)
        return echo(request)

    with serving(slow) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            main = threading.main_thread().ident
            threading.Timer(0.4, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
            with pytest.raises(FetchInterrupted, match="Stopped after") as raised:
                fetch_videos([f"vid_{n}" for n in range(2000)], client=client)
        time.sleep(0.3)
        sent = len(server.requests)
        time.sleep(1)
        assert len(server.requests) == sent
    videos = raised.value.videos
    arrived = videos["fetch_error"].isna().sum()
    assert len(videos) == 2000
    assert arrived >= sent - 2 * client.max_workers
    assert set(videos["fetch_error"].dropna()) == {"not_fetched"}


INTERRUPTED = """
    import sys, threading
    from hooked_analytics import HookedClient, FetchInterrupted, fetch_videos
    with HookedClient("k", base_url=sys.argv[1], requests_per_minute=None) as client:
        for run in range(int(sys.argv[2])):
            try:
                print("begin", flush=True)
                fetch_videos([f"run{run}_{n}" for n in range(5000)], client=client)
            except FetchInterrupted as stopped:
                arrived = int(stopped.videos["fetch_error"].isna().sum())
                print(arrived, len(stopped.videos), flush=True)
            except KeyboardInterrupt:  # while the ids were still being checked
                print(0, 5000, flush=True)
            else:  # Python drops an interrupt that comes while it clears something away
                print("unheard", flush=True)
    print(sum(t.name.startswith("hooked-fetch") for t in threading.enumerate()), flush=True)
"""


def test_thirty_interrupts_at_random_moments_lose_nothing_and_fall_silent():
    runs, random = 30, Random(5)

    def slow(request: Request) -> bytes:
        time.sleep(0.03)
        return echo(request)

    with serving(slow) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(INTERRUPTED), server.url, str(runs)],
            stdout=subprocess.PIPE,
            text=True,
        )
        silent_from, arrived = [], []
        for _ in range(runs):
            assert child.stdout.readline() == "begin\n"
            time.sleep(random.uniform(0.02, 0.5))
            os.kill(child.pid, signal.SIGINT)
            silent_from.append(time.monotonic() + 1)
            told = child.stdout.readline()
            if told == "unheard\n":
                arrived.append(None)
                continue
            came, rows = map(int, told.split())
            arrived.append(came)
            assert rows == 5000
        threads_left = int(child.stdout.readline())
        child.stdout.close()
        assert child.wait(timeout=5) == 0
        time.sleep(1)
    assert threads_left <= 16
    heard = [run for run in range(runs) if arrived[run] is not None]
    assert len(heard) >= runs - 3
    for run in heard:
        sent = [r.at for r in server.requests if r.path.startswith(f"/v1/video/run{run}_")]
        assert not [at for at in sent if at > silent_from[run]]
        # what was on its way at the moment of the interrupt may be missing, nothing else
        assert len(sent) - 16 <= arrived[run] <= len(sent)


def test_list_videos_fills_a_frame_in_pages_of_a_hundred():
    with Sandbox(videos=250) as sandbox, sandbox.client() as client:
        videos = list_videos(client=client)
        assert client.requests_sent == 3
    assert sorted(videos["video_id"]) == sorted(sandbox.video_ids)
    assert list(videos.columns) == VIDEOS_SCHEMA.names
    assert videos["used_credits"].isna().all()
    assert videos["duration_seconds"].notna().any()


def test_list_videos_knows_the_type_it_asked_for():
    with Sandbox(videos=100) as sandbox, sandbox.client() as client:
        videos = list_videos(client=client, type="class")
    assert set(videos["type"]) == {"class"}


def pages_of(*pages: list[str], total: int | None = None, bare: bool = False):
    def handler(request: Request) -> bytes:
        items = [{"id": video_id} for video_id in pages[min(request.number, len(pages)) - 1]]
        about = {} if total is None else {"total": total}
        if bare:
            return answer(items)
        return answer({"success": True, "data": {"videos": items, **about}})

    return handler


@pytest.mark.parametrize(
    ("handler", "ids", "requests"),
    [
        (pages_of(["a", "b"], ["c"], [], total=3), ["a", "b", "c"], 2),
        (pages_of(["a"], ["b"], [], total=9), ["a", "b"], 3),
        (pages_of(["a", "b"], ["b", "c"], []), ["a", "b", "c"], 3),
        (pages_of(["a", "b"]), ["a", "b"], 2),
        (pages_of(["a"], [], bare=True), ["a"], 2),
        (pages_of([]), [], 1),
    ],
    ids=["total", "short pages", "repeats", "offset ignored", "bare list", "empty"],
)
def test_the_walk_over_pages_ends_and_repeats_nothing(handler, ids, requests):
    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        assert [item["id"] for item in client.list_videos()] == ids
        assert len(server.requests) == requests


@pytest.mark.parametrize("status", ["STARTED", "processing", "started"])
def test_the_filter_speaks_lower_case(status):
    with serving(pages_of([])) as server, HookedClient("k", base_url=server.url) as client:
        list(client.list_videos(status=status, type="class"))
    assert server.requests[0].path == (
        "/v1/video/list?type=class&status=processing&limit=100&offset=0"
    )


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
    import gzip
    import io

    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as bomb:
        bomb.write(b'{"id": "vid_1", "x": "')
        for _ in range(200):
            bomb.write(b"0" * 1024 * 1024)
        bomb.write(b'"}')

    def handler(request: Request) -> bytes:
        if request.path.endswith("warm_up"):
            return echo(request)
        return answer(packed.getvalue(), Content_Encoding="gzip")

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
