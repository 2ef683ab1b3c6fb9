"""A day of polling in scaled time: every render is seen to its end, and nothing grows."""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import threading
import time
from itertools import count as counting
from pathlib import Path
from random import Random

import numpy as np

from hooked_analytics import HookedClient, Sandbox, VideoArchive, is_final, poll_videos
from hooked_analytics.client import rate_limiter
from hooked_analytics.fetch import last_frame
from tests.faults.harness import memory_mb, module
from tests.faults.proxy import evenly, spoiling

DAY_SECONDS = 86_400
VIDEOS = 500
FULL_SECONDS = 180  # real time in which a day with all of these videos fits
SHARE = 0.05
FAILING_SHARE = 0.08
# A poll a minute, as often as the clock of a busy machine lets a scaled minute pass.
INTERVAL_SECONDS = 60
MIN_INTERVAL_SECONDS = 0.02
TIMEOUT_SECONDS = 1
MIN_MEASURED, MAX_MEASURED = 4, 200  # to count the objects takes as long as a poll


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Poll through a day in *count* real seconds; a process of its own does, and is measured."""
    videos = max(20, VIDEOS * min(count, FULL_SECONDS) // FULL_SECONDS)
    with (
        Sandbox(videos=1, seed=seed, time_scale=DAY_SECONDS / count) as sandbox,
        spoiling(sandbox.url, rates=evenly(SHARE), seed=seed) as proxy,
        tempfile.TemporaryDirectory() as folder,
        module("long_watch", proxy.url, folder, count) as watcher,
    ):
        watcher.stdout.readline()  # it is ready: the day begins
        fails = _renders(sandbox, videos, Random(seed))
        said, _ = watcher.communicate(json.dumps(list(fails)))
        found = json.loads(said.splitlines()[-1])
        status = found.pop("status")
        faults, requests = sum(proxy.dealt.values()), len(proxy.requests)
    wrong = sum((status.get(i) == "FAILED") is not failing for i, failing in fails.items())
    final = sum(each in {"COMPLETED", "FAILED"} for each in status.values())
    ends = {"videos": videos, "not final": videos - final, "wrong ends": wrong}
    return {**ends, **found, "requests": requests, "faults": faults}


def _renders(sandbox: Sandbox, videos: int, draw: Random) -> dict[str, bool]:
    """Start renders that end all through the day; tells which will fail."""
    made = {}
    for number in range(videos):
        failing = draw.random() < FAILING_SHARE
        ends = DAY_SECONDS * (0.02 + 0.96 * (number + 1) / videos)
        made[sandbox.create_video("ugc_ads", render_seconds=ends, fails=failing)] = failing
    return made


def watch(url: str, folder: str, count: str) -> dict[str, object]:
    """Poll to the end, and measure this process every few polls."""
    print("ready", flush=True)
    scale = DAY_SECONDS / int(count)
    rate_limiter.WINDOW_SECONDS /= scale  # the limit is counted in the sandbox's minutes
    archive = VideoArchive(Path(folder, "archive"))
    seen: list[tuple[float, ...]] = []
    polls, began = counting(), time.monotonic()

    def measure(_: object) -> None:
        next(polls)
        if time.monotonic() >= began + len(seen) * int(count) / MAX_MEASURED:
            seen.append(_measured())

    with HookedClient("sandbox-key", base_url=url, timeout_seconds=TIMEOUT_SECONDS) as client:
        frames = poll_videos(
            json.load(sys.stdin), client=client, archive=archive,
            interval_seconds=max(MIN_INTERVAL_SECONDS, INTERVAL_SECONDS / scale),
            timeout_seconds=int(count) * 3 + 60,
        )  # fmt: skip
        videos = last_frame(frames, measure)
    while len(seen) < MIN_MEASURED:  # a machine so busy that a day had three polls
        seen.append(_measured())
    time.sleep(TIMEOUT_SECONDS)  # a request under way may still wait for its answer
    kept = archive.videos()
    return {
        "polls": next(polls),
        **_growth(seen),
        "threads at the end": threading.active_count(),
        "missing in the archive": len(videos) - len(kept[is_final(kept)]),
        "status": dict(zip(videos["video_id"], videos["status"].fillna(""), strict=True)),
    }


def _measured() -> tuple[float, ...]:
    files = len(list(Path("/proc/self/fd").iterdir()))
    return memory_mb(), len(gc.get_objects()), threading.active_count(), files


def _growth(seen: list[tuple[float, ...]]) -> dict[str, object]:
    """From the second quarter of the day to its last; the first is left to what loads late."""
    quarters = np.array_split(np.array(seen), 4)
    early, late = (np.median(quarter, axis=0) for quarter in (quarters[1], quarters[3]))
    memory, objects, threads, files = late - early
    return {
        "memory at noon [MB]": round(float(early[0])),
        "memory up [MB]": round(float(memory), 1),
        "objects up [%]": round(float(objects / early[1] * 100), 1),
        "threads up": int(threads),
        "open files up": int(files),
    }


if __name__ == "__main__":
    print(json.dumps(watch(*sys.argv[1:])))
