"""A sandbox that the environment points to, a file of ids, and the command in a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from hooked_analytics import Sandbox

COMMAND = [sys.executable, "-m", "hooked_analytics.cli"]


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox(videos=30) as sandbox:
        monkeypatch.setenv("HOOKED_API_URL", sandbox.url)
        monkeypatch.setenv("HOOKED_API_KEY", sandbox.api_key)
        yield sandbox


@pytest.fixture
def slow_sandbox(monkeypatch):
    with Sandbox(videos=400, faults={"slow": 1.0}) as sandbox:
        monkeypatch.setenv("HOOKED_API_URL", sandbox.url)
        monkeypatch.setenv("HOOKED_API_KEY", sandbox.api_key)
        yield sandbox


@pytest.fixture
def ids_file(tmp_path):
    def write(*lines: str):
        path = tmp_path / "ids.txt"
        path.write_text("\n".join(lines))
        return str(path)

    return write


@pytest.fixture
def under_way(slow_sandbox, ids_file, tmp_path):
    """Start a fetch of 400 videos, 100 a minute unless told; returns it once 50 were requested."""
    children = []

    def start(*options: str, limit: int = 100) -> subprocess.Popen[str]:
        words = ["fetch", ids_file(*slow_sandbox.video_ids), *options]
        child = subprocess.Popen(
            [*COMMAND, *words, "--requests-per-minute", str(limit)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            # tests that run under nohup hand down an ignored SIGHUP, and the command keeps it so
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        children.append(child)
        while len(slow_sandbox.requests_seen) < 50:
            assert child.poll() is None
            time.sleep(0.01)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
