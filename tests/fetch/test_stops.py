"""The stop button at any moment: what arrived is kept, and no further request is sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from random import Random

import pytest

from hooked_analytics import (
    FetchInterrupted,
    HookedClient,
    fetch_videos,
    poll_videos,
    videos_from_records,
)
from hooked_analytics._internal.cancel import wait_for
from hooked_analytics.fetch import interrupted, last_frame
from hooked_analytics.fetch.fetch_job import FetchJob
from tests.scripted import Request, answer, serving, video

RUNS, WORKERS = 30, 16
INTERRUPTED = """
    import sys, threading
    from hooked_analytics import HookedClient, FetchInterrupted, fetch_videos, wait_for_videos
    with HookedClient("k", base_url=sys.argv[1], requests_per_minute=None) as client:
        for run in range({runs}):
            ids = [f"run{{run}}_{{n}}" for n in range({ids})]
            try:
                print("begin", flush=True)
                {call}
            except FetchInterrupted as stopped:
                videos = stopped.videos
                arrived = int(videos["status"].notna().sum())
                errors = set(videos["fetch_error"].dropna()) | {{"not_fetched"}}
                print(arrived, len(videos), *errors, flush=True)
            except KeyboardInterrupt:  # while the ids were still being checked
                print(0, {ids}, "not_fetched", flush=True)
            else:  # Python drops an interrupt that comes while it clears something away
                print("unheard", flush=True)
    print(sum(t.name.startswith("hooked-") for t in threading.enumerate()), flush=True)
"""


def slow(request: Request) -> bytes:
    time.sleep(0.02)
    if "list" in request.path:
        return answer({"data": {"videos": []}})
    return answer(video(request.path.rsplit("/", 1)[-1], status="STARTED"))


@pytest.mark.parametrize(
    ("call", "ids"),
    [
        ("fetch_videos(ids, client=client)", 2000),
        ("wait_for_videos(ids, client=client, interval_seconds=0.05)", 300),
    ],
    ids=["fetch", "wait"],
)
def test_thirty_interrupts_at_random_moments_lose_nothing_and_fall_silent(call, ids):
    random, code = Random(5), textwrap.dedent(INTERRUPTED).format(runs=RUNS, ids=ids, call=call)
    with serving(slow) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", code, server.url], stdout=subprocess.PIPE, text=True
        )
        silent_from, arrived = [], []
        for _ in range(RUNS):
            assert child.stdout.readline() == "begin\n"
            time.sleep(random.uniform(0.02, 0.3))
            os.kill(child.pid, signal.SIGINT)
            silent_from.append(time.monotonic() + 1)
            told = child.stdout.readline().split()
            arrived.append(None if told == ["unheard"] else int(told[0]))
            assert told[1:] in ([], [str(ids), "not_fetched"])
        threads_left = int(child.stdout.readline())
        child.stdout.close()
        assert child.wait(timeout=10) == 0
        time.sleep(1)
    assert threads_left <= WORKERS
    heard = [run for run in range(RUNS) if arrived[run] is not None]
    assert len(heard) >= RUNS - 3
    for run in heard:
        sent = [r for r in server.requests if r.path.startswith(f"/v1/video/run{run}_")]
        assert not [r for r in sent if r.at > silent_from[run]]
        # what was on its way at the moment of the interrupt may be missing, nothing else
        distinct = len({request.path for request in sent})
        assert distinct - WORKERS <= arrived[run] <= distinct


def test_an_interrupt_after_the_last_row_still_gives_every_row():
    def stop(frame, event, _):
        if event == "return" and frame.f_code is FetchJob.finish.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    with serving(slow) as server, HookedClient("k", base_url=server.url) as client:
        sys.setprofile(stop)
        with pytest.raises(FetchInterrupted) as stopped:
            fetch_videos(["vid_1", "vid_2"], client=client)
    assert stopped.value.videos["status"].tolist() == ["STARTED", "STARTED"]


class TornEvent(threading.Event):
    """An event whose lock met the interrupt, as Python's own may."""

    def wait(self, timeout=None):
        try:
            raise KeyboardInterrupt
        finally:
            threading.Lock().release()


def test_an_interrupt_that_meets_a_lock_comes_out_as_itself():
    with pytest.raises(KeyboardInterrupt):
        wait_for(TornEvent(), 1)


def test_thirty_stops_at_random_moments_are_followed_by_silence():
    random, silent_from = Random(7), []
    with serving(slow) as server:
        for run in range(RUNS):
            stop = threading.Event()
            client = HookedClient("k", base_url=server.url, requests_per_minute=None)
            ids = [f"run{run}_{n}" for n in range(40)]
            threading.Timer(random.uniform(0, 0.2), stop.set).start()
            with client:
                for videos in poll_videos(ids, client=client, stop=stop, interval_seconds=0.01):
                    assert len(videos) == 40
            assert stop.is_set()
            silent_from.append((client, client.requests_sent))
        time.sleep(1)
        assert all(client.requests_sent == sent for client, sent in silent_from)
        assert not [t for t in threading.enumerate() if t.name.startswith("hooked-poll")]


def test_an_interrupt_tells_what_renders_from_what_was_not_seen():
    videos = videos_from_records([{"id": "a", "status": "STARTED"}, {"id": "b"}])
    assert "2 of 2 videos not ended, 1 of them not seen yet. " in str(interrupted(videos))


def test_an_interrupt_in_the_callers_own_code_carries_the_last_frame():
    def stop(videos):
        raise KeyboardInterrupt

    with serving(slow) as server, HookedClient("k", base_url=server.url) as client:
        with pytest.raises(FetchInterrupted, match="1 of 1 videos not ended") as raised:
            last_frame(poll_videos("a", client=client), stop)
    assert raised.value.videos["status"].tolist() == ["STARTED"]
