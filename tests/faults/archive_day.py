"""A day of polls into an archive, by a virtual clock: how many files there are at most."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.bench_poll import Clock, Inline, VirtualClient, VirtualTimer
from hooked_analytics import VideoArchive
from hooked_analytics.fetch import build_schedule, poll_executor, poll_loop

DAY_SECONDS, INTERVAL_SECONDS = 86_400.0, 60.0
VIDEOS = 20
WAIT_SECONDS = 5.0  # of that clock; a poll is a minute


class _Timer(VirtualTimer):
    def wait(self, seconds: float) -> bool:
        return super().wait(max(seconds, WAIT_SECONDS))


class _Every(VideoArchive):
    """Keeps a row of each poll, as if every poll saw something new."""

    def append(self, videos: Any) -> None:
        super().append(videos.assign(name=f"poll {len(self.files)}"))
        self.files.append(len(list(self.directory.glob("*.parquet"))))

    files: list[int]


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Poll renders of *count* per cent of a day, which end one after the other."""
    day, clock = DAY_SECONDS * count / 100, Clock()
    renders = {f"vid_{n}": (day * (n + 1) / VIDEOS, n == seed) for n in range(VIDEOS)}
    client: Any = VirtualClient(clock, renders)
    timer = _Timer(clock, INTERVAL_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        archive = _Every(Path(folder, "archive"))
        archive.files = []
        schedule = build_schedule(list(renders), client, archive, timer)
        with patch.object(poll_executor, "WorkerPool", Inline):
            frames = poll_loop(
                client, schedule, archive, timer, 2 * DAY_SECONDS, contextlib.nullcontext()
            )
            polls = 0
            for videos in frames:
                polls += 1
                archive.append(videos[:1])
        kept = archive.videos()
    return {
        "polls": polls,
        "appends": len(archive.files),
        "files at most": max(archive.files),
        "missing in the archive": VIDEOS - len(kept),
    }
