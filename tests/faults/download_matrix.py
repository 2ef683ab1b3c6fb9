"""
Downloads under every mixture of faults: cut × kill × expired link × range ignored × disk full.

Each run fills one folder from a sandbox, calling again until every file is there. Processes
are killed, links die, connections are cut, ranges are ignored, files may not grow. After every
call each file under a final name must be the right one, byte for byte.
"""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import random
import resource
import tempfile
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import requests

from hooked_analytics import (
    HookedClient,
    Sandbox,
    download_videos,
    export_videos,
    fetch_videos,
    read_videos,
)
from hooked_analytics.download import worker
from hooked_analytics.sandbox import LINK_LIFE_SECONDS, mp4_file
from hooked_analytics.sandbox.middleware import DRIP_SECONDS

FILES = 3
MAX_CALLS = 30
PATIENCE_SECONDS = 60
# Forked by a server that has imported everything: an import for each call would take minutes.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.download_matrix"])


class Case(NamedTuple):
    """Which faults a run meets."""

    cut: bool
    kill: bool
    expired: bool
    whole: bool
    full: bool

    def rates(self) -> dict[str, float]:
        """How often the sandbox plays which fault with a file."""
        return {
            "file_cut": 0.4 * self.cut,
            "file_expired": 0.1 * self.expired,
            "file_whole": 0.3 * self.whole,
            "file_drip": 0.2 * self.kill,  # so that kills meet files under way
        }


def run(count: int, seed: int = 0) -> dict[str, object]:
    """
    Fill *count* folders, the faults drawn from *seed*.

    Returns
    -------
    how many runs; final files with a wrong hash or half a content; the most fresh links asked
    for one video in one call; folders that were never filled, or with something left behind;
    how often a fault was really met
    """
    draw = random.Random(seed)
    cases = [Case(*faults) for faults in itertools.product([False, True], repeat=5)]
    draw.shuffle(cases)
    found: Counter[str] = Counter()
    most_refreshes = 0
    for number, case in zip(range(count), itertools.cycle(cases), strict=False):
        with tempfile.TemporaryDirectory() as folder:
            run_of_one = _Run(case, Path(folder), random.Random(f"{seed}/{number}"))
            found += run_of_one.fill(number)
            most_refreshes = max(most_refreshes, run_of_one.most_refreshes)
    names = ("wrong_sha", "half_files", "unfilled", "left_behind", "calls", "killed", "resumed")
    return {"runs": count, "most_refreshes": most_refreshes, **{n: found[n] for n in names}}


class _Run:
    """One folder, filled under one mixture of faults."""

    def __init__(self, case: Case, folder: Path, draw: random.Random) -> None:
        self.case = case
        self.folder = folder / "films"
        self.frame = folder / "videos.parquet"
        self.draw = draw
        self.found: Counter[str] = Counter()
        self.most_refreshes = 0

    def fill(self, number: int) -> Counter[str]:
        """Call until the folder is full; what was found on the way."""
        with Sandbox(videos=1, seed=number, faults=self.case.rates()) as sandbox:
            self.whole = self._films(sandbox)
            if self.case.expired:
                sandbox.advance(LINK_LIFE_SECONDS + 1)
            for call in range(MAX_CALLS):
                if self._call(sandbox, call):
                    break
            else:
                self.found["unfilled"] += 1
        there = {path.name for path in self.folder.iterdir()}
        self.found["left_behind"] += there != set(self.whole)
        return self.found

    def _films(self, sandbox: Sandbox) -> dict[str, bytes]:
        """Make the videos and their frame; what their files must be."""
        lengths = [self.draw.randint(10, 1200) for _ in range(FILES)]
        ids = [
            sandbox.create_video(
                "hook_demo",
                render_seconds=0,
                duration_seconds=seconds,
                fails=False,
                aspect_ratio="ratio_9_16",
            )
            for seconds in lengths
        ]
        with sandbox.client() as client, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that signed links are written is the purpose
            videos = fetch_videos(ids, client=client, progress=False)
            export_videos(videos, self.frame, include_urls=True)
        frames = videos["duration_frames"]
        return {
            f"{video_id}.mp4": mp4_file(video_id, count)
            for video_id, count in zip(ids, frames, strict=True)
        }

    def _call(self, sandbox: Sandbox, call: int) -> bool:
        """Call once in a process of its own; whether every file is there."""
        smallest = min(map(len, self.whole.values()))
        full = self.case.full and (call == 0 or self.draw.random() < 0.3)
        limit = self.draw.randint(1000, smallest) if full else 0
        kill = self.case.kill and (call < 2 or self.draw.random() < 0.3)
        seen = len(sandbox.requests_seen)
        ours, theirs = PROCESSES.Pipe()
        arguments = (sandbox.url, sandbox.api_key, self.frame, self.folder, limit, theirs)
        process = PROCESSES.Process(target=_download, args=arguments)
        process.start()
        theirs.close()
        done = _outcome(ours, self.draw.uniform(0, DRIP_SECONDS) if kill else None)
        if done is None:
            process.kill()
            self.found["killed"] += 1
        process.join(PATIENCE_SECONDS)
        process.close()
        ours.close()
        # a question that a killed process still sent is noted before the answer to this one
        requests.get(f"{sandbox.url}/", timeout=PATIENCE_SECONDS)
        self.found["calls"] += 1
        self.found["resumed"] += done[1] if done else 0
        asked = Counter(p for _, p in sandbox.requests_seen[seen:] if p.startswith("/v1/video/"))
        self.most_refreshes = max([self.most_refreshes, *asked.values()])
        self._check()
        return bool(done and done[0])

    def _check(self) -> None:
        """Whatever has a final name must be the right file."""
        for path in self.folder.glob("*.mp4"):
            content, whole = path.read_bytes(), self.whole[path.name]
            self.found["half_files"] += len(content) != len(whole)
            right = hashlib.sha256(content).digest() == hashlib.sha256(whole).digest()
            self.found["wrong_sha"] += not right


def _outcome(ours: Connection, kill_after_seconds: float | None) -> tuple[bool, int] | None:
    """Wait for the process to begin, then for its end; None when its time to be killed came."""
    if not ours.poll(PATIENCE_SECONDS) or ours.recv() != "begun":
        raise AssertionError("the process that downloads did not begin")
    patience = PATIENCE_SECONDS if kill_after_seconds is None else kill_after_seconds
    if ours.poll(patience):
        outcome: tuple[bool, int] = ours.recv()
        return outcome
    if kill_after_seconds is None:
        raise AssertionError("a download did not end")
    return None


def _download(
    url: str, key: str, frame: Path, folder: Path, limit: int, theirs: Connection
) -> None:
    """Do what is killed: one call, in a process of its own."""
    worker.backoff_seconds = lambda attempt: 0.01 * attempt
    videos = read_videos(frame)
    folder.mkdir(exist_ok=True)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with HookedClient(key, base_url=url, requests_per_minute=None) as client:
        theirs.send("begun")
        files = download_videos(videos, folder, client=client, progress=False)
    theirs.send((bool(files["error"].isna().all()), int(files["resumed"].fillna(False).sum())))
