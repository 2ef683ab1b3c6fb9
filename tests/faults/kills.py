"""
Processes killed while they export: what is found afterwards is the old state or the new one.

A writer leaves one numbered state after the other and notes each number once the write has
returned. It is killed at a random moment of its own pace; then a reader may find the last
number noted, or the one that was under way, whole. Kills of an archive and of a report are in
`tests.storage.test_storage_faults` and `tests.report.test_saved_reports`.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from itertools import count as counting
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd

import hooked_analytics as ha
from tests.faults.harness import PROCESSES

ROWS = 200
TEMPORARY = ".hooked-*.tmp"
PATIENCE_SECONDS = 60
SUFFIXES = ("parquet", "csv", "jsonl", "xlsx")


def videos(number: int) -> pd.DataFrame:
    """A frame whose every row carries its number."""
    # of no two numbers alike, so that nothing packs into one page
    noise = random.Random(number).randbytes(200).hex()
    row = {"name": str(number), "status": "STARTED", "script": noise}
    return ha.videos_from_records([{"id": f"vid_{n}", **row} for n in range(ROWS)])


def found_number(path: Path) -> int:
    """The number in a file, which all its rows must carry."""
    excel = path.suffix == ".xlsx"
    found = pd.read_excel(path).astype({"name": str}) if excel else ha.read_videos(path)
    sizes = found.groupby("name").size().to_dict()
    if list(sizes.values()) != [ROWS]:
        raise AssertionError(f"found {sizes} rows, where {ROWS} of one number should be")
    return int(next(iter(sizes)))


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Kill the writer of each format *count* times."""
    wrong, met = 0, {}
    for suffix in SUFFIXES:
        with tempfile.TemporaryDirectory() as folder:
            draw = random.Random(seed)
            ends = [_kill_one(Path(folder, f"videos.{suffix}"), draw) for _ in range(count)]
        wrong += sum(not whole for whole, _ in ends)
        met[suffix] = sum(under_way for _, under_way in ends)
    kills = count * len(SUFFIXES)
    missed = round(1 - sum(met.values()) / kills, 2)
    return {"kills": kills, "neither old nor new": wrong, "share that met no write": missed, **met}


def _kill_one(target: Path, draw: random.Random) -> tuple[bool, bool]:
    """Let a writer find its pace, kill it within two writes: is all whole, and met it a write."""
    noted = target.parent / "noted"
    noted.touch()
    first = _last(noted) + 1
    writer = PROCESSES.Process(target=write_on, args=(target, first), daemon=True)
    writer.start()
    began = _when_noted(noted, first, writer)
    pace = _when_noted(noted, first + 1, writer) - began
    time.sleep(draw.uniform(0, 2 * pace))
    writer.kill()
    writer.join()
    writer.close()
    left = list(target.parent.glob(TEMPORARY))
    for path in left:
        path.unlink()
    last = _last(noted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that a file is damaged is only a warning
            found = found_number(target)
    except Exception as half:  # noqa: BLE001 - whatever a reader stumbles over is counted
        print(f"{target.name}, killed after {last} writes: {half!r}")
        return False, bool(left)
    if found == last + 1:
        _note(noted, found)  # it was in place when the kill came, only not yet noted
    return found in (last, last + 1), bool(left)


def write_on(target: Path, first: int) -> None:
    """Write state after state until killed."""
    for number in counting(first):
        ha.export_videos(videos(number), target)
        _note(target.parent / "noted", number)


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
