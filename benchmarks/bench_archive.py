"""
What an archive saves: requests of a sync, and the time to read the newest of every video out
of a long history, against reading a flat file that holds nothing else.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.bench_fetch import serving
from benchmarks.figures import Figure, interleave, median, spread
from benchmarks.server import RECORD
from hooked_analytics import HookedClient, VideoArchive, export_videos, videos_from_records

VIDEOS = 100_000
BEGAN = pd.Timestamp("2026-01-01T00:00Z")


def finished(count: int) -> pd.DataFrame:
    """Finished videos with texts of their own, so that nothing compresses to nothing."""
    draw = np.random.default_rng(7)
    records = (
        {
            **RECORD,
            "id": f"vid_{number}",
            "script": f"{RECORD['script']} {draw.bytes(24).hex()}",
            "projectId": f"proj_{draw.bytes(8).hex()}",
        }
        for number in range(count)
    )
    return videos_from_records(records, fetched_at=BEGAN)


def looks(videos: pd.DataFrame, batch: int) -> list[pd.DataFrame]:
    """Three looks at each video, made in batches as people make videos."""
    found = []
    for first in range(0, len(videos), batch):
        some = videos.iloc[first : first + batch]
        for step, progress in enumerate((10, 60, 100)):
            at = BEGAN + pd.Timedelta(seconds=first + 60 * step)
            state = {} if progress == 100 else {"status": "STARTED", "used_credits": pd.NA}
            found.append(some.assign(progress=float(progress), fetched_at=at, **state))
    return found


def filled(directory: str, frames: list[pd.DataFrame]) -> VideoArchive:
    archive = VideoArchive(directory)
    for frame in frames:
        archive.append(frame.astype({"progress": "Float64", "used_credits": "Float64"}))
    return archive


def bench_reading(rounds: int) -> list[Figure]:
    videos = finished(VIDEOS)
    return [
        reading(videos, "in 3 files", VIDEOS, rounds),
        reading(videos, "in 300 files, compacted", VIDEOS // 100, rounds),
    ]


def reading(videos: pd.DataFrame, how: str, batch: int, rounds: int) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        archive = filled(f"{folder}/archive", looks(videos, batch))
        if "compacted" in how:
            archive.compact()
        flat = export_videos(archive.videos(), Path(folder, "flat.parquet"))
        assert len(archive.observations()) == 3 * VIDEOS
        assert archive.videos().equals(pd.read_parquet(flat).astype(videos.dtypes))
        mine, theirs = interleave(
            rounds, lambda: seconds(archive.videos), lambda: seconds(pd.read_parquet, flat)
        )
    ratio = [a / b for a, b in zip(mine, theirs, strict=True)]
    return Figure(
        f"archive: `.videos()` of {3 * VIDEOS:,} observations of {VIDEOS:,} videos {how}",
        "`pd.read_parquet` of the flat answer",
        "≤ 4 ×",
        spread(mine, "{:.2f} s"),
        spread(theirs, "{:.2f} s"),
        spread(ratio),
        median(ratio) <= 4,
    )


def seconds(call: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def bench_sync() -> list[Figure]:
    videos = finished(VIDEOS)
    videos.loc[videos.index % 100 == 0, "status"] = "STARTED"
    unfinished = int(videos["status"].eq("STARTED").sum())
    with tempfile.TemporaryDirectory() as folder, serving() as (url, about):
        archive = VideoArchive(folder)
        archive.append(videos)
        with HookedClient("bench", base_url=url, requests_per_minute=None) as client:
            began = time.perf_counter()
            synced = archive.sync(client=client, progress=False)
            took = time.perf_counter() - began
    assert synced["status"].eq("COMPLETED").all()
    assert len(synced) == VIDEOS
    requests = about["requests"]
    return [
        Figure(
            f"archive: `.sync()` of {VIDEOS:,} videos, 1 % unfinished",
            "one request per video",
            "≤ 1 % of ids + 5",
            f"{requests:,} requests, {took:.1f} s",
            f"{VIDEOS:,} requests",
            f"{requests / VIDEOS:.4f}",
            unfinished <= requests <= VIDEOS // 100 + 5,
        )
    ]


def bench_archive(rounds: int = 15) -> list[Figure]:
    return [*bench_reading(rounds), *bench_sync()]
