"""What the figures share: processes of their own, their memory, and a table of what was found."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Forked by a server that has imported everything: an import for each process would take minutes.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["tests.faults.kills", "tests.faults.history", "tests.faults.download_matrix"]
)


@contextmanager
def module(name: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this folder as a process, with its standard streams as pipes."""
    command = [sys.executable, "-m", f"tests.faults.{name}", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        yield process
    if process.returncode:
        raise RuntimeError(f"the process of {name} ended with {process.returncode}")


def memory_mb(name: str = "VmRSS") -> float:
    """Of this process: what it holds now, or as VmHWM the most since `forget_peak`."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if name in x)
    return int(line.split()[1]) / 1024


def forget_peak() -> float:
    """Begin to measure the peak of memory anew; give what is held now [MB]."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mb()
