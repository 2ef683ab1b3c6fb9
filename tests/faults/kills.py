"""
Processes killed while they write: what is found afterwards is the old state or the new one.

A writer leaves one numbered state after the other and notes each number once the write has
returned. It is killed at a random moment of its own pace; then a reader may find the last
number noted, or the one that was under way, whole. A new thing to kill is one line in `KILLED`.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from itertools import count as counting
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hooked_analytics import (
    HookedClient,
    Sandbox,
    VideoArchive,
    download_videos,
    export_videos,
    fetch_videos,
    read_videos,
    videos_from_records,
)
from hooked_analytics.sandbox import FRAMES_PER_SECOND, mp4_file
from tests.faults import killed_reports as reports

ROWS = 200
FILM_SECONDS = 3600
TEMPORARY = ".hooked-*.tmp"
PATIENCE_SECONDS = 60
# Forked by a server that has imported everything: an import for each kill would take minutes.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.kills"])


class Killed(NamedTuple):
    """Something that writes: how, and what a reader finds."""

    write: Callable[[Path, int], object]  # leave the state of this number in a folder
    found: Callable[[Path], set[int]]  # the numbers a reader finds; raises for half of one
    keeps_all: bool = False  # a new state joins the old ones, where others replace them
    left: str = TEMPORARY  # what a kill in the middle leaves behind


def videos(number: int) -> pd.DataFrame:
    """A frame whose every row carries its number."""
    # of no two numbers alike, so that nothing packs into one page
    noise = random.Random(number).randbytes(200).hex()
    return videos_from_records(
        [
            {"id": f"vid_{row}", "name": str(number), "status": "STARTED", "script": noise}
            for row in range(ROWS)
        ]
    )


def numbers(found: pd.DataFrame) -> set[int]:
    """The numbers in a frame, of each of which all rows must be there."""
    sizes = found.groupby("name").size()
    if not (sizes == ROWS).all():
        raise AssertionError(f"found {sizes.to_dict()} rows, where all or none are {ROWS}")
    return {int(name) for name in sizes.index}


def exported(suffix: str) -> Killed:
    def write(folder: Path, number: int) -> None:
        export_videos(videos(number), folder / f"videos.{suffix}")

    def found(folder: Path) -> set[int]:
        path = folder / f"videos.{suffix}"
        if suffix == "xlsx":
            return numbers(pd.read_excel(path).astype({"name": str}))
        return numbers(read_videos(path))

    return Killed(write, found)


def appended(folder: Path, number: int) -> None:
    archive = VideoArchive(folder / "archive")
    archive.append(videos(number))
    if number % 3 == 0:
        archive.compact()


def observed(folder: Path) -> set[int]:
    archive = VideoArchive(folder / "archive")
    if archive.videos()["video_id"].nunique() != ROWS:
        raise AssertionError("a video is not one row")
    return numbers(archive.observations())


@cache
def downloads() -> tuple[Sandbox, HookedClient]:
    """A server of its own for each writer, which dies with it."""
    sandbox = Sandbox(videos=1).start()
    return sandbox, sandbox.client()


def downloaded(folder: Path, number: int) -> None:
    sandbox, client = downloads()
    video_id = sandbox.create_video(
        "class",
        video_id=f"vid_{number}",
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
        render_seconds=1,
        fails=False,
        duration_seconds=FILM_SECONDS,
        aspect_ratio="ratio_1_1",
    )
    finished = fetch_videos([video_id], client=client, progress=False)
    files = download_videos(finished, folder / "films", client=client, progress=False)
    assert files["error"].isna().all(), files["error_message"].tolist()


def films(folder: Path) -> set[int]:
    found = set()
    for path in (folder / "films").glob("*.mp4"):
        if path.read_bytes() != film(path.stem):
            raise AssertionError(f"{path.name} is not whole")
        found.add(int(path.stem.removeprefix("vid_")))
    return found


@cache
def film(video_id: str) -> bytes:
    return mp4_file(video_id, FILM_SECONDS * FRAMES_PER_SECOND)


KILLED: dict[str, Killed] = {
    "export to Parquet": exported("parquet"),
    "export to CSV": exported("csv"),
    "export to JSON lines": exported("jsonl"),
    "export to Excel": exported("xlsx"),
    "archive": Killed(appended, observed, keeps_all=True),
    "download": Killed(downloaded, films, keeps_all=True, left="*.part"),
}


if find_spec("hooked_analytics.report"):
    KILLED |= {
        "report, its page": Killed(reports.page_written, reports.page_found),
        "report, its tables": Killed(
            reports.tables_written, reports.tables_found, left=".hooked-*/manifest.json"
        ),
    }


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Kill each kind of writer *count* times."""
    told: dict[str, object] = {"kills": 0, "neither old nor new": 0, "met a write under way": 0}
    for name, killed in KILLED.items():
        with tempfile.TemporaryDirectory() as folder:
            wrong, met = kill(name, killed, Path(folder), count, random.Random(seed))
        told["kills"] += count
        told["neither old nor new"] += wrong
        told["met a write under way"] += met
        told[name] = met
    return told


def kill(
    name: str, killed: Killed, folder: Path, count: int, draw: random.Random
) -> tuple[int, int]:
    """Kill one kind of writer; count what was neither old nor new, and kills that met a write."""
    wrong = met = 0
    noted = folder / "noted"
    noted.touch()
    for _ in range(count):
        _kill_one(name, folder, draw)
        met += _met_a_write(folder, killed)
        last = _last(noted)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # that a file is damaged is only a warning
                found = killed.found(folder)
        except Exception as half:  # noqa: BLE001 - whatever a reader stumbles over is counted
            print(f"{name}, killed after {last} writes: {half!r}")
            wrong += 1
            continue
        old = set(range(1, last + 1)) if killed.keeps_all else {last}
        new = old | {last + 1} if killed.keeps_all else {last + 1}
        if found not in (old, new):
            print(f"{name}, killed after {last} writes: found {sorted(found ^ old)}")
            wrong += 1
        if last + 1 in found:
            _note(noted, last + 1)  # it was in place when the kill came, only not yet noted
    return wrong, met


def write_on(name: str, folder: Path, first: int) -> None:
    """Write state after state until killed."""
    killed = KILLED[name]
    for number in counting(first):
        killed.write(folder, number)
        _note(folder / "noted", number)


def _kill_one(name: str, folder: Path, draw: random.Random) -> None:
    """Let a writer find its pace, then kill it within two writes."""
    first = _last(folder / "noted") + 1
    writer = PROCESSES.Process(target=write_on, args=(name, folder, first), daemon=True)
    writer.start()
    began = _when_noted(folder / "noted", first, writer)
    pace = _when_noted(folder / "noted", first + 1, writer) - began
    time.sleep(draw.uniform(0, 2 * pace))
    writer.kill()
    writer.join()
    writer.close()


def _when_noted(noted: Path, number: int, writer: BaseProcess) -> float:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while _last(noted) < number:
        if not writer.is_alive() or time.monotonic() > give_up:
            raise RuntimeError(f"{writer.name} wrote nothing; its error is above")
        time.sleep(0.001)
    return time.monotonic()


def _note(noted: Path, number: int) -> None:
    with noted.open("ab", buffering=0) as file:
        file.write(f"{number}\n".encode())


def _last(noted: Path) -> int:
    return int((noted.read_text().split() or ["0"])[-1])


def _met_a_write(folder: Path, killed: Killed) -> bool:
    """Whether something half done lies about; temporary files are cleared away."""
    left = list(folder.rglob(killed.left))
    for path in folder.rglob(TEMPORARY):
        path.unlink()
    return bool(left)
