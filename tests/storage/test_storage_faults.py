"""Kills, races, interrupts and full disks: no acknowledged row is lost, no old file is half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hooked_analytics import VideoArchive
from tests.scripted import Request, echo, serving

TURNS, WRITERS, COMPACTORS = 10, 3, 2
KILLS = TURNS * (WRITERS + COMPACTORS)

# Each appended row has a name of its own, which is noted in a file once append has returned.
# One process imports once and forks the others: an import each would take minutes.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import pyarrow as pa
from hooked_analytics import VideoArchive, videos_from_records

pa.set_cpu_count(1)
archive = VideoArchive(Path(sys.argv[1], "archive"))
noted = os.open(Path(sys.argv[1], "noted"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
three = videos_from_records([{"id": f"vid_{n}", "status": "STARTED"} for n in range(3)])

def write(who):
    for number in range(sys.maxsize):
        names = [f"{who}/{number}/{row}" for row in range(3)]
        archive.append(three.assign(name=names).astype(three.dtypes))
        os.write(noted, "".join(name + chr(10) for name in names).encode())
        yield

def compact():
    while True:
        archive.compact()
        yield

def forked(steps):
    if not (child := os.fork()):
        for _ in steps:
            pass
    return child

# a merge before the forks: what it imports would take a child longer than it lives
for who in ("first", "second"):
    next(write(who))
next(compact())

draw = random.Random(11)
for turn in range(int(sys.argv[2])):
    before = os.fstat(noted).st_size
    children = [forked(write(f"{turn}/{n}")) for n in range(int(sys.argv[3]))]
    children += [forked(compact()) for _ in range(int(sys.argv[4]))]
    while turn % 2 and os.fstat(noted).st_size == before:  # so that a busy machine writes too
        time.sleep(0.0005)
    for child in draw.sample(children, len(children)):
        time.sleep(draw.uniform(0.01, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def running(script: str, *arguments: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen(python(script, *arguments), env=environment(), **options)


def noted(folder: Path) -> list[str]:
    path = folder / "noted"
    return path.read_text().splitlines() if path.exists() else []


def check(folder: Path) -> int:
    """Everything that was acknowledged before the read is in it, and nothing twice."""
    before = noted(folder)
    archive = VideoArchive(folder / "archive")
    names = archive.observations()["name"].tolist()
    assert len(names) == len(set(names))
    assert set(before) <= set(names)
    videos = archive.videos()["video_id"]
    assert not videos.duplicated().any()
    return len(names)


@pytest.mark.filterwarnings("error:.*is damaged")
def test_kills_during_append_and_compact_lose_no_acknowledged_row(tmp_path):
    reads = 0
    compacted = 0
    with running(KILLER, tmp_path, TURNS, WRITERS, COMPACTORS) as killer:
        while killer.poll() is None:
            check(tmp_path)
            compacted += any((tmp_path / "archive").glob("merged-*"))
            reads += 1
            time.sleep(0.03)  # leave the processor to those that are to be killed
    assert killer.returncode == 0
    rows = check(tmp_path)
    assert rows >= len(noted(tmp_path)) > KILLS // 4
    assert reads > 3
    assert compacted > 1
    assert list((tmp_path / "archive").glob(".hooked-*.tmp"))  # so kills did hit writes under way
    archive = VideoArchive(tmp_path / "archive")
    archive.compact()
    archive.compact()
    assert len(list(archive.directory.glob("*.parquet"))) == 1
    assert check(tmp_path) == rows


INTERRUPTED = """
import sys
from hooked_analytics import FetchInterrupted, HookedClient, VideoArchive
client = HookedClient("k", base_url=sys.argv[2], requests_per_minute=None)
archive = VideoArchive(sys.argv[1])
try:
    archive.sync([f"vid_{n}" for n in range(3000)], client=client)
except FetchInterrupted as stopped:
    arrived = stopped.videos.loc[stopped.videos["fetch_error"].isna(), "video_id"]
    print(*arrived, flush=True)
"""


@pytest.mark.parametrize("at_request", [1, 70, 400])
def test_an_interrupted_sync_has_kept_every_row_it_shows(tmp_path, at_request):
    interrupted = []

    def slow(request: Request) -> bytes:
        time.sleep(0.02)
        if request.number == at_request:
            os.kill(child.pid, signal.SIGINT)
            interrupted.append(time.monotonic())
        return echo(request)

    with serving(slow) as server:
        arguments = (tmp_path / "archive", server.url)
        with running(INTERRUPTED, *arguments, stdout=subprocess.PIPE, text=True) as child:
            arrived = child.stdout.read().split()
        assert child.returncode == 0
        assert not [r for r in server.requests if r.at > interrupted[0] + 1]
    assert len(arrived) >= at_request - 32
    kept = VideoArchive(tmp_path / "archive").observations()["video_id"]
    assert set(arrived) <= set(kept)
    assert not kept.duplicated().any()


# Full disks


FILL = """
import json, random, resource, sys
from functools import partial
from pathlib import Path
from hooked_analytics import VideoArchive, export_videos, videos_from_records

def frame(mark, rows, noise):
    return videos_from_records([
        {"id": f"vid_{n}", "name": mark, "script": random.randbytes(noise).hex()}
        for n in range(rows)
    ])

folder, found = Path(sys.argv[1]), {}
archive = VideoArchive(folder / "archive")
writes = {"archive": (archive.append, lambda: archive.observations().to_csv())}
for name in ("v.parquet", "v.csv", "v.jsonl", "v.xlsx"):
    writes[name] = (partial(export_videos, path=folder / name), (folder / name).read_bytes)
for name, (write, held) in writes.items():
    write(frame("old", 2_000, 20))
    before = held()
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        write(frame("new", 3_000, 2_000))
        error = "none"
    except OSError:
        error = "OSError"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found[name] = [error, held() == before]
found["left"] = [path.name for path in folder.rglob(".hooked-*")]
print(json.dumps(found))
"""
WRITTEN = ("v.parquet", "v.csv", "v.jsonl", "v.xlsx", "archive")
WHOLE = {name: ["OSError", True] for name in WRITTEN} | {"left": []}


def test_a_file_that_may_not_grow_leaves_the_old_one_whole(tmp_path):
    done = subprocess.run(
        python(FILL, tmp_path, 200_000), env=environment(), capture_output=True, check=True
    )
    assert json.loads(done.stdout) == WHOLE


def on_a_small_disk(folder: Path, size: str, *command: object) -> str:
    """Run a command that alone sees a disk of some size in place of a folder."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    mount = ["unshare", "-rm", "sh", "-c", script, folder]
    try:
        subprocess.run([*mount, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a small disk")
    done = subprocess.run([*mount, *command], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    said = on_a_small_disk(tmp_path, "2m", *python(FILL, tmp_path))
    assert json.loads(said) == WHOLE


# the first has room for a result of no ids at all, the second for one of some
BEFORE_A_REQUEST = """
import contextlib, io, sys
from pathlib import Path
from hooked_analytics import HookedClient, VideoArchive
from hooked_analytics.cli import main

folder, url, many = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
(folder / "ids.txt").write_text("".join(f"v{n}" + chr(10) for n in range(many)))
told = io.StringIO()
with contextlib.redirect_stderr(told):
    try:
        print(main(["fetch", str(folder / "ids.txt"), "-o", str(folder / "videos.csv")]))
    except SystemExit as ended:
        print(ended.code)
print("bytes free" in told.getvalue())
with HookedClient("k", base_url=url) as client:
    try:
        VideoArchive(folder / "archive").sync([f"v{n}" for n in range(many)], client=client)
    except OSError as full:
        print(full.errno)
"""


@pytest.mark.parametrize(("size", "ids", "status"), [("512k", 1, 2), ("2m", 2_000, 1)])
def test_a_full_disk_is_noticed_before_the_first_request(tmp_path, monkeypatch, size, ids, status):
    with serving(echo) as server:
        monkeypatch.setenv("HOOKED_API_URL", server.url)
        monkeypatch.setenv("HOOKED_API_KEY", "k")
        command = python(BEFORE_A_REQUEST, tmp_path, server.url, ids)
        assert on_a_small_disk(tmp_path, size, *command).split() == [str(status), "True", "28"]
        assert server.requests == []
