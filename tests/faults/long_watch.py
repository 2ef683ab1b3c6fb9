"""A day of polling in scaled time: every render is seen to its end, and nothing grows."""

from __future__ import annotations

import gc
import json
import os
import subprocess
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
from tests.faults.proxy import evenly, spoiling

DAY_SECONDS = 86_400
VIDEOS = 500
FULL_SECONDS = 180  # real time in which a day with all of these videos fits
SHARE = 0.05
FAILING_SHARE = 0.08
# A round a minute, as often as the clock of a busy machine lets a scaled minute pass.
INTERVAL_SECONDS = 60
MIN_INTERVAL_SECONDS = 0.02
TIMEOUT_SECONDS = 1
LOOKS = 200  # at most; to count the objects takes as long as a round
MIN_LOOKS = 4
KEY = "sandbox-key"
ROOT = Path(__file__).parent.parent.parent


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Poll through a day in *count* real seconds; a process of its own does, and is measured."""
    videos = max(20, VIDEOS * min(count, FULL_SECONDS) // FULL_SECONDS)
    with (
        Sandbox(videos=1, seed=seed, time_scale=DAY_SECONDS / count) as sandbox,
        spoiling(sandbox.url, rates=evenly(SHARE), seed=seed) as proxy,
        tempfile.TemporaryDirectory() as folder,
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.faults.long_watch", proxy.url, folder, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as watcher:
            watcher.stdout.readline()  # it is ready: the day begins
            fails = _renders(sandbox, videos, Random(seed))
            said, _ = watcher.communicate(json.dumps(list(fails)))
        told = json.loads(said.splitlines()[-1])
        status = told.pop("status")
        wrong = sum((status.get(i) == "FAILED") is not failing for i, failing in fails.items())
        faults, requests = sum(proxy.dealt.values()), len(proxy.requests)
    return {
        "videos": videos,
        "not final": videos - sum(s in {"COMPLETED", "FAILED"} for s in status.values()),
        "wrong ends": wrong,
        **told,
        "requests": requests,
        "faults": faults,
    }


def _renders(sandbox: Sandbox, videos: int, draw: Random) -> dict[str, bool]:
    """Start renders that end all through the day; tells which will fail."""
    made = {}
    for number in range(videos):
        failing = draw.random() < FAILING_SHARE
        ends = DAY_SECONDS * (0.02 + 0.96 * (number + 1) / videos)
        made[sandbox.create_video("ugc_ads", render_seconds=ends, fails=failing)] = failing
    return made


def watch(url: str, folder: str, count: str) -> dict[str, object]:
    """Poll to the end, and look at this process every few rounds."""
    print("ready", flush=True)
    scale = DAY_SECONDS / int(count)
    rate_limiter.WINDOW_SECONDS /= scale  # the limit is counted in the sandbox's minutes
    interval = max(MIN_INTERVAL_SECONDS, INTERVAL_SECONDS / scale)
    archive = VideoArchive(Path(folder, "archive"))
    seen: list[tuple[float, ...]] = []
    rounds, began = counting(), time.monotonic()

    def look(_: object) -> None:
        next(rounds)
        if time.monotonic() >= began + len(seen) * int(count) / LOOKS:
            seen.append(_look())

    with HookedClient(KEY, base_url=url, timeout_seconds=TIMEOUT_SECONDS) as client:
        frames = poll_videos(
            json.load(sys.stdin),
            client=client,
            archive=archive,
            interval_seconds=interval,
            timeout_seconds=int(count) * 3 + 60,
        )
        videos = last_frame(frames, look)
    while len(seen) < MIN_LOOKS:  # a machine so busy that a day had three rounds
        seen.append(_look())
    time.sleep(TIMEOUT_SECONDS)  # a question under way may still wait for its answer
    kept = archive.videos()
    return {
        "rounds": next(rounds),
        **_growth(seen),
        "threads at the end": threading.active_count(),
        "missing in the archive": len(videos) - len(kept[is_final(kept)]),
        "status": dict(zip(videos["video_id"], videos["status"].fillna(""), strict=True)),
    }


def _look() -> tuple[float, ...]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory_mb = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    files = len(list(Path("/proc/self/fd").iterdir()))
    return memory_mb, len(gc.get_objects()), threading.active_count(), files


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
