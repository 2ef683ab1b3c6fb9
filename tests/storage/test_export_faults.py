"""Full disks: the old file stays whole. Kills are in `tests.faults.kills`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripted import echo, serving

FILL = """
import json, random, resource, sys
from pathlib import Path
from hooked_analytics.schema import videos_from_records
from hooked_analytics.storage import export_videos

def frame(mark, rows, noise):
    return videos_from_records([
        {"id": f"vid_{n}", "name": mark, "script": random.randbytes(noise).hex()}
        for n in range(rows)
    ])

folder, found = Path(sys.argv[1]), {}
for suffix in ("parquet", "csv", "jsonl", "xlsx"):
    target = folder / f"v.{suffix}"
    export_videos(frame("old", 2_000, 20), target)
    before = target.read_bytes()
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        export_videos(frame("new", 3_000, 2_000), target)
        error = "none"
    except OSError as e:
        error = "OSError"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    found[suffix] = [error, target.read_bytes() == before]
found["left"] = sorted(p.name for p in folder.iterdir())
print(json.dumps(found))
"""
WHOLE = {s: ["OSError", True] for s in ("parquet", "csv", "jsonl", "xlsx")} | {
    "left": ["v.csv", "v.jsonl", "v.parquet", "v.xlsx"]
}


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


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
