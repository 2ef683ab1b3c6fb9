"""
Downloads under every mixture of faults: cut × kill × expired link × range ignored × disk full.

Each run fills one folder from a sandbox, calling again until every file is there. After every
call, also a killed one, each file under a final name must be the right one, byte for byte.
"""

from __future__ import annotations

import itertools
import random
import resource
import tempfile
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import requests

import hooked_analytics as ha
from hooked_analytics.download import worker
from hooked_analytics.sandbox import LINK_LIFE_SECONDS, mp4_file
from hooked_analytics.sandbox.middleware import DRIP_SECONDS
from tests.faults.harness import PROCESSES

FILES = 3
MAX_CALLS = 30
PATIENCE_SECONDS = 60


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
    """Fill *count* folders, the faults drawn from *seed*; tell how often one was really met."""
    cases = [Case(*faults) for faults in itertools.product([False, True], repeat=5)]
    random.Random(seed).shuffle(cases)
    found: Counter[str] = Counter()
    most_refreshes = 0
    for number, case in zip(range(count), itertools.cycle(cases), strict=False):
        with tempfile.TemporaryDirectory() as folder:
            one = _Run(case, Path(folder), random.Random(f"{seed}/{number}"))
            one.fill(number)
        found += one.found
        most_refreshes = max(most_refreshes, one.most_refreshes)
    names = ("wrong_sha", "half_files", "unfilled", "left_behind", "calls", "killed", "resumed")
    return {"runs": count, "most_refreshes": most_refreshes, **{n: found[n] for n in names}}


class _Run:
    """One folder, filled under one mixture of faults."""

    def __init__(self, case: Case, folder: Path, draw: random.Random) -> None:
        self.case, self.draw = case, draw
        self.folder, self.frame = folder / "films", folder / "videos.parquet"
        self.found: Counter[str] = Counter()
        self.most_refreshes = 0  # fresh links for one video in one call

    def fill(self, number: int) -> None:
        """Call until the folder is full."""
        with ha.Sandbox(videos=1, seed=number, faults=self.case.rates()) as sandbox:
            self.whole = self._films(sandbox)
            if self.case.expired:
                sandbox.advance(LINK_LIFE_SECONDS + 1)
            filled = any(self._call(sandbox, call) for call in range(MAX_CALLS))
        self.found["unfilled"] += not filled
        self.found["left_behind"] += {p.name for p in self.folder.iterdir()} != set(self.whole)

    def _films(self, sandbox: ha.Sandbox) -> dict[str, bytes]:
        """Make the videos and their frame; what their files must be."""
        ids = [
            sandbox.create_video(
                "hook_demo", render_seconds=0, duration_seconds=self.draw.randint(10, 1200),
                fails=False, aspect_ratio="ratio_9_16",
            )
            for _ in range(FILES)
        ]  # fmt: skip
        with sandbox.client() as client, warnings.catch_warnings(action="ignore"):
            videos = ha.fetch_videos(ids, client=client, progress=False)
            ha.export_videos(videos, self.frame, include_urls=True)
        frames = zip(ids, videos["duration_frames"], strict=True)
        return {f"{video_id}.mp4": mp4_file(video_id, count) for video_id, count in frames}

    def _call(self, sandbox: ha.Sandbox, call: int) -> bool:
        """Call once in a process of its own; whether every file is there."""
        full = self.case.full and (call == 0 or self.draw.random() < 0.3)
        limit = self.draw.randint(1000, min(map(len, self.whole.values()))) if full else 0
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
        process.join(PATIENCE_SECONDS)
        process.close()
        ours.close()
        # a request that a killed process still sent is noted before the response to this one
        requests.get(f"{sandbox.url}/", timeout=PATIENCE_SECONDS)
        self.found += Counter(calls=1, killed=done is None, resumed=done[1] if done else 0)
        asked = Counter(p for _, p in sandbox.requests_seen[seen:] if p.startswith("/v1/video/"))
        self.most_refreshes = max([self.most_refreshes, *asked.values()])
        for path in self.folder.glob("*.mp4"):
            content, whole = path.read_bytes(), self.whole[path.name]
            self.found["half_files"] += len(content) != len(whole)
            self.found["wrong_sha"] += content != whole
        return bool(done and done[0])


def _outcome(ours: Connection, kill_after_seconds: float | None) -> tuple[bool, int] | None:
    """Wait for the process to begin, then for its end; None when its time to be killed came."""
    if not ours.poll(PATIENCE_SECONDS) or ours.recv() != "begun":
        raise AssertionError("the process that downloads did not begin")
    if ours.poll(PATIENCE_SECONDS if kill_after_seconds is None else kill_after_seconds):
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
    videos = ha.read_videos(frame)
    folder.mkdir(exist_ok=True)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with ha.HookedClient(key, base_url=url, requests_per_minute=None) as client:
        theirs.send("begun")
        files = ha.download_videos(videos, folder, client=client, progress=False)
    theirs.send((bool(files["error"].isna().all()), int(files["resumed"].fillna(False).sum())))
