"""Kills and full disks: a reader finds the old file or the new one, never a third thing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hooked_analytics.schema import videos_from_records
from hooked_analytics.storage import export_videos, read_videos
from tests.scripted import echo, serving

ROUNDS = 24
ROWS = 8_000

COMMON = f"""
import os, random, resource, signal, sys, time, json
from pathlib import Path
import pyarrow as pa
from hooked_analytics.storage import export_videos, read_videos
from hooked_analytics.schema import VIDEOS_SCHEMA, frame_from_arrow

def frame(mark, rows={ROWS}, noise=20):
    filled = {{"video_id": [f"vid_{{i}}" for i in range(rows)], "name": [mark] * rows,
              "script": [random.randbytes(noise).hex() for _ in range(rows)]}}
    arrays = [pa.array(filled.get(f.name, [None] * rows), f.type) for f in VIDEOS_SCHEMA]
    return frame_from_arrow(pa.Table.from_arrays(arrays, schema=VIDEOS_SCHEMA))

folder = Path(sys.argv[1])
"""

# One process imports once and forks writers, which it kills: an import a kill would take a minute.
# Half of the kills wait for a write under way, half for a finished one, however busy the machine.
KILLER = (
    COMMON
    + f"""
pa.set_cpu_count(1)
draw = random.Random(7)
frames = [frame("old"), frame("new")]

def files(pattern):
    return {{(p.name, p.stat().st_ino) for p in folder.glob(pattern)}}

for turn in range({ROUNDS}):
    awaited = ".hooked-*.tmp" if turn % 2 else "v.parquet"
    before = files(awaited)
    writer = os.fork()
    if not writer:
        while True:
            for videos in frames[:: (-1) ** (turn // 2)]:
                export_videos(videos, folder / "v.parquet")
                export_videos(videos, folder / "v.csv")
    while not files(awaited) - before:
        time.sleep(0.0005)
    time.sleep(draw.uniform(0, 0.002))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
"""
)

FILL = (
    COMMON
    + """
found = {}
for suffix in ("parquet", "csv", "jsonl", "xlsx"):
    target = folder / f"v.{suffix}"
    export_videos(frame("old", 20), target)
    before = target.read_bytes()
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        export_videos(frame("new", 3_000, noise=2_000), target)
        error = "none"
    except OSError as e:
        error = "OSError"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found[suffix] = [error, target.read_bytes() == before]
found["left"] = sorted(p.name for p in folder.iterdir())
print(json.dumps(found))
"""
)
WHOLE = {s: ["OSError", True] for s in ("parquet", "csv", "jsonl", "xlsx")} | {
    "left": ["v.csv", "v.jsonl", "v.parquet", "v.xlsx"]
}


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_a_reader_finds_old_or_new_whatever_is_killed(tmp_path):
    old = videos_from_records([{"id": f"vid_{i}", "name": "old"} for i in range(ROWS)])
    for suffix in ("parquet", "csv"):
        export_videos(old, tmp_path / f"v.{suffix}")
    seen = set()
    reads = 0
    with subprocess.Popen(python(KILLER, tmp_path), env=environment()) as killer:
        while killer.poll() is None:
            for suffix in ("parquet", "csv"):
                videos = read_videos(tmp_path / f"v.{suffix}")
                assert len(videos) == ROWS
                assert videos["video_id"].iloc[-1] == f"vid_{ROWS - 1}"
                assert videos["name"].nunique() == 1
                seen.add(videos["name"].iloc[0])
                reads += 1
    assert killer.returncode == 0
    assert seen == {"old", "new"}
    assert reads > 6
    orphans = list(tmp_path.glob(".hooked-*.tmp"))
    assert len(orphans) > ROUNDS // 6  # so the kills did hit writes under way
    for orphan in orphans:
        os.utime(orphan, (time.time() - 3700,) * 2)
    for suffix in ("parquet", "csv"):
        export_videos(old, tmp_path / f"v.{suffix}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.csv", "v.parquet"]


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
