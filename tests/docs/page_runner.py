"""Run the blocks of a page in a process of its own, forked from one that has imported already."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import subprocess
import sys
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["hooked_analytics.cli", "hooked_analytics.report", "matplotlib.pyplot", __name__]
)


def run_page(steps: list[tuple[str, str]], folder: Path, **environment: str) -> tuple[bool, str]:
    """Run Python blocks and lines of a shell in a folder: whether all went well, what was said."""
    said = folder / ".said"
    page = FORKS.Process(target=_steps, args=(steps, folder, said, environment))
    page.start()
    page.join()
    output = said.read_text()
    said.unlink()
    return page.exitcode == 0, output


def _steps(
    steps: list[tuple[str, str]], folder: Path, said: Path, environment: dict[str, str]
) -> None:
    """Blocks in one namespace, lines of a shell between them."""
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment, MPLBACKEND="agg")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.chdir(folder)
    names = {"video_ids": Path("ids.txt").read_text().split()} if Path("ids.txt").exists() else {}
    for kind, code in steps:
        print(f"--- {kind}\n{code}", flush=True)
        if kind == "python":
            exec(compile(code, "<page>", "exec"), names)
        else:
            # 3 says that some videos failed, which some videos of the sandbox do
            assert _status(code) in {0, 3}, code


def _status(line: str) -> int:
    if "|" in line:
        return subprocess.run(line, shell=True).returncode
    from hooked_analytics.cli import main

    return main(shlex.split(line, comments=True)[1:])
