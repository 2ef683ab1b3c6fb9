"""
Processes killed while they write: what is found afterwards is the old state or the new one.

A writer leaves one numbered state after the other and notes each number once the write has
returned. It is killed at a random moment of its own pace; then a reader may find the last
number noted, or the one that was under way, whole. A new thing to kill is one line in `KILLED`.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count as counting
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pandas as pd

import hooked_analytics as ha
from tests.faults.harness import PROCESSES

ROWS = 200
TEMPORARY = ".hooked-*.tmp"
PATIENCE_SECONDS = 60


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
    row = {"name": str(number), "status": "STARTED", "script": noise}
    return ha.videos_from_records([{"id": f"vid_{n}", **row} for n in range(ROWS)])


def numbers(found: pd.DataFrame) -> set[int]:
    """The numbers in a frame, of each of which all rows must be there."""
    sizes = found.groupby("name").size()
    if not (sizes == ROWS).all():
        raise AssertionError(f"found {sizes.to_dict()} rows, where all or none are {ROWS}")
    return {int(name) for name in sizes.index}


def exported(suffix: str) -> Killed:
    def found(folder: Path) -> set[int]:
        path = folder / f"videos.{suffix}"
        if suffix == "xlsx":
            return numbers(pd.read_excel(path).astype({"name": str}))
        return numbers(ha.read_videos(path))

    return Killed(lambda f, n: ha.export_videos(videos(n), f / f"videos.{suffix}"), found)


def appended(folder: Path, number: int) -> None:
    archive = ha.VideoArchive(folder / "archive")
    archive.append(videos(number))
    if number % 3 == 0:
        archive.compact()


def observed(folder: Path) -> set[int]:
    archive = ha.VideoArchive(folder / "archive")
    if archive.videos()["video_id"].nunique() != ROWS:
        raise AssertionError("a video is not one row")
    return numbers(archive.observations())


@cache
def report() -> Any:
    videos = ha.videos_from_records([{"id": "vid_1", "type": "class", "usedCredits": 5}])
    return ha.build_report(videos)


def page(number: int) -> str:
    return f"{number:09d}" * 300_000


def page_written(folder: Path, number: int) -> None:
    # a page in its place: to draw the real one takes seconds, to write it a moment
    with mock.patch("hooked_analytics.report.page.page_html", return_value=page(number)):
        report().to_html(folder / "report.html")


def page_found(folder: Path) -> set[int]:
    text = (folder / "report.html").read_text()
    if text != page(int(text[:9])):
        raise AssertionError("a page is not whole")
    return {int(text[:9])}


def tables_written(folder: Path, number: int) -> None:
    replace(report(), title=str(number)).export(folder / "tables")


def tables_found(folder: Path) -> set[int]:
    found = ha.read_report(folder / "tables")
    if set(found.tables) != set(report().tables):
        raise AssertionError("a table is missing")
    return {int(found.title)}


KILLED = {
    "export to Parquet": exported("parquet"),
    "export to CSV": exported("csv"),
    "export to JSON lines": exported("jsonl"),
    "export to Excel": exported("xlsx"),
    "archive": Killed(appended, observed, keeps_all=True),
    "report, its page": Killed(page_written, page_found),
    "report, its tables": Killed(tables_written, tables_found, left=".hooked-*/manifest.json"),
}


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Kill each kind of writer *count* times."""
    wrong, met = 0, {}
    for name in KILLED:
        with tempfile.TemporaryDirectory() as folder:
            draw = random.Random(seed)
            ends = [_kill_one(name, Path(folder), draw) for _ in range(count)]
        wrong += sum(not whole for whole, _ in ends)
        met[name] = sum(under_way for _, under_way in ends)
    kills = count * len(KILLED)
    missed = round(1 - sum(met.values()) / kills, 2)
    return {"kills": kills, "neither old nor new": wrong, "share that met no write": missed, **met}


def _kill_one(name: str, folder: Path, draw: random.Random) -> tuple[bool, bool]:
    """Let a writer find its pace, kill it within two writes: is all whole, and met it a write."""
    killed, noted = KILLED[name], folder / "noted"
    noted.touch()
    first = _last(noted) + 1
    writer = PROCESSES.Process(target=write_on, args=(name, folder, first), daemon=True)
    writer.start()
    began = _when_noted(noted, first, writer)
    pace = _when_noted(noted, first + 1, writer) - began
    time.sleep(draw.uniform(0, 2 * pace))
    writer.kill()
    writer.join()
    writer.close()
    met = bool(list(folder.rglob(killed.left)))
    for path in folder.rglob(TEMPORARY):
        path.unlink()
    last = _last(noted)
    old = set(range(1, last + 1)) if killed.keeps_all else {last}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that a file is damaged is only a warning
            found = killed.found(folder)
    except Exception as half:  # noqa: BLE001 - whatever a reader stumbles over is counted
        print(f"{name}, killed after {last} writes: {half!r}")
        return False, met
    if last + 1 in found:
        _note(noted, last + 1)  # it was in place when the kill came, only not yet noted
    whole = found in (old, old | {last + 1} if killed.keeps_all else {last + 1})
    if not whole:
        print(f"{name}, killed after {last} writes: found {sorted(found ^ old)}")
    return whole, met


def write_on(name: str, folder: Path, first: int) -> None:
    """Write state after state until killed."""
    for number in counting(first):
        KILLED[name].write(folder, number)
        _note(folder / "noted", number)


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
