"""
How fast files come in, against ``curl --parallel`` on the same server in the same run.

curl only writes what it gets. Ours also hashes it, checks it, and brings it to the disk
before it gets its name, so some of curl's speed is the price of that.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, interleave, median, spread

SERVER = Path(__file__).with_name("file_server.py")
FILES = 50
FILE_BYTES = 20_000_000
WORKERS = 4
MAX_GROWTH_MB = 32
CURL = ("curl", "--fail", "--no-progress-meter", "--parallel", "--parallel-max")

# in a process of its own, so that its memory is that of the downloads
OURS = """
import json, sys, time
import pandas as pd
from hooked_analytics import HookedClient, download_videos
url, folder, files, size, workers = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
def frame(names):
    return pd.DataFrame({"video_id": names, "status": "COMPLETED", "size_bytes": size,
                         "url": [f"{url}/{name}.mp4?X-Amz-Signature=1" for name in names]})
with HookedClient("bench", base_url=url) as client:
    download_videos(frame(["warm_up"]), folder, client=client, progress=False)
    before = peak()
    began = time.perf_counter()
    got = download_videos(frame([f"vid_{n}" for n in range(files)]), folder, client=client,
                          max_workers=workers, progress=False)
    seconds = time.perf_counter() - began
assert got["error"].isna().all(), got["error_message"].dropna().iloc[0]
assert got["sha256"].nunique() == 1
print(json.dumps([seconds, peak() - before, peak()]))
"""


class Run(NamedTuple):
    seconds: float
    growth_mb: float
    peak_mb: float


@contextmanager
def serving(path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def film(path: Path) -> None:
    """Something that is an MP4 as far as its boxes go."""
    brand = struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp41")
    box = struct.pack(">I4s", FILE_BYTES - len(brand), b"mdat")
    path.write_bytes(brand + box + os.urandom(FILE_BYTES - len(brand) - len(box)))


@contextmanager
def empty_folder(parent: Path) -> Iterator[Path]:
    # what the last side left to be written must not be paid by this one
    os.sync()
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def ours(url: str, parent: Path, files: int) -> Run:
    with empty_folder(parent) as folder:
        done = subprocess.run(
            [sys.executable, "-c", OURS, url, folder, *map(str, (files, FILE_BYTES, WORKERS))],
            stdout=subprocess.PIPE,
            check=True,
        )
        return Run(*json.loads(done.stdout))


def curl(url: str, parent: Path, files: int) -> Run:
    with empty_folder(parent) as folder:
        lines = [f'url = "{url}/vid_{n}.mp4"\noutput = "{folder}/{n}.mp4"' for n in range(files)]
        config = folder / "config"
        config.write_text("\n".join(lines))
        began = time.perf_counter()
        subprocess.run(
            [*CURL, str(WORKERS), "--config", str(config)],
            stderr=subprocess.DEVNULL,
            check=True,
        )
        seconds = time.perf_counter() - began
        assert {p.stat().st_size for p in folder.glob("*.mp4")} == {FILE_BYTES}
        return Run(seconds, 0, 0)


def bench_download(rounds: int = 9) -> list[Figure]:
    files = FILES
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        film(parent / "film.mp4")
        with serving(parent / "film.mp4") as url:
            mine, theirs = interleave(
                rounds, lambda: ours(url, parent, files), lambda: curl(url, parent, files)
            )
            few = ours(url, parent, 5)
    my_seconds, their_seconds = [r.seconds for r in mine], [r.seconds for r in theirs]
    ratio = [b / a for a, b in zip(my_seconds, their_seconds, strict=True)]
    peaks = [r.peak_mb for r in mine]
    growth = [r.peak_mb - few.peak_mb for r in mine]
    return [
        Figure(
            f"{files} files of {FILE_BYTES // 1_000_000} MB, {WORKERS} at a time, "
            "hashed and on the disk",
            f"curl --parallel --parallel-max {WORKERS}, same server",
            "≥ 0.8 × its speed",
            spread(my_seconds, "{:.2f} s"),
            spread(their_seconds, "{:.2f} s"),
            spread(ratio),
            median(ratio) >= 0.8,
        ),
        Figure(
            f"peak memory over {files} files",
            "the same over 5 files",
            f"≤ {MAX_GROWTH_MB} MB more",
            spread(peaks, "{:.0f} MB"),
            f"{few.peak_mb:.0f} MB",
            f"{spread(growth, '{:+.0f}')} MB",
            max(growth) <= MAX_GROWTH_MB,
        ),
    ]
