"""
Histories made up by hypothesis: renders, faults, interrupts, kills, late answers, in any order.

After each step everything in `promises` must hold. The sandbox's clock moves only when a rule
moves it, so what is true at the server is known.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import hooked_analytics as ha
from hooked_analytics.client import retry
from tests.faults.harness import PROCESSES
from tests.faults.leaks import leaks
from tests.faults.promises import End, Promises
from tests.faults.proxy import FaultProxy
from tests.scripted import Request

KEY = "canary+key/7d1e=52"
# Those that cost no time; bombs and silence have figures of their own.
FATES = (
    "cut", "reset", "drop", "status_408", "status_500", "status_503", "gateway", "stray_429",
    "too_long", "too_short", "no_json", "another_video", "redirect", "many_fields",
)  # fmt: skip
PATIENCE_SECONDS = 10
WORKERS = ("hooked-fetch", "hooked-watch", "hooked-file")
FIRST_DELAY_SECONDS = 0.002  # before a second attempt; nobody is spared by waiting here

seconds = st.integers(0, 1000)
renders = st.lists(
    st.tuples(st.integers(1, 900), st.booleans(), st.integers(0, 9)), min_size=1, max_size=5
)
several = st.lists(st.integers(0, 11), min_size=1, max_size=8)


class History(RuleBasedStateMachine):
    """One history: a team's videos, an archive of them, and everything that can come between."""

    sandbox: ClassVar[ha.Sandbox]
    counts: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.counts["histories"] += 1
        self.webhook: str | None = None  # of new videos
        self.there: list[str] = []  # not deleted
        self.asked: list[str] = []  # all there ever were
        self.seen: list = []
        self.kills = 0
        self.checked: object = None  # what was there when the archive was read last
        self.open = contextlib.ExitStack()
        self.folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()), "archive")
        self.archive = ha.VideoArchive(self.folder)
        self.promises = Promises({})
        self.proxy = FaultProxy(self.sandbox.url)
        self.open.callback(self.proxy.close)
        self.client = ha.HookedClient(
            KEY, base_url=self.proxy.url, requests_per_minute=None, timeout_seconds=5
        )
        self.open.callback(self.client.close)

    def teardown(self) -> None:
        try:
            self.counts["temporary files left by kills"] += len(list(self.folder.glob("*.tmp")))
            self.promises.of_the_credits(self.archive)
            assert leaks(KEY, self.folder.parent, self.client, self.archive, *self.seen) == []
        finally:
            for video_id in self.there:
                self.sandbox.delete_video(video_id)
            self.open.close()

    # What happens at the server

    @initialize(ends=renders)
    def begin(self, ends: list[tuple[int, bool, int]]) -> None:
        self.create(ends)

    @rule(ends=renders)
    def create(self, ends: list[tuple[int, bool, int]]) -> None:
        for render_seconds, fails, credits in ends:
            video_id = self.sandbox.create_video(
                "ugc_ads", render_seconds=render_seconds, fails=fails, used_credits=credits,
                duration_seconds=1, aspect_ratio="ratio_1_1", webhook=self.webhook,
            )  # fmt: skip
            self.promises.ends[video_id] = End("FAILED" if fails else "COMPLETED", credits)
            self.there.append(video_id)
            self.asked.append(video_id)

    @rule(seconds=seconds)
    def advance(self, seconds: int) -> None:
        self.sandbox.advance(seconds)

    @rule(which=st.integers(0, 7))
    def delete(self, which: int) -> None:
        if self.there:
            self.sandbox.delete_video(self.there.pop(which % len(self.there)))
            self.counts["deletions"] += 1

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=5))
    def spoil(self, fates: list[str]) -> None:
        self.proxy.fates.extend(fates)

    # What the user does

    @rule(which=several)
    def sync(self, which: list[int]) -> None:
        video_ids = self._some(which)
        with self._counted(len(self._open(video_ids))):
            self._keep(self.archive.sync(video_ids, client=self.client), video_ids)

    @rule(which=several, advances=st.lists(seconds, min_size=1, max_size=5))
    def poll(self, which: list[int], advances: list[int]) -> None:
        video_ids = self._some(which)
        most = len(advances) * (2 + len(self._open(video_ids)))
        with self._counted(most), contextlib.closing(self._polled(video_ids)) as rounds:
            for videos, ahead in zip(rounds, advances, strict=False):
                self.promises.of_a_frame(videos, video_ids)
                self.sandbox.advance(ahead)

    @rule(which=several, nth=st.integers(1, 4), polling=st.booleans())
    def interrupt(self, which: list[int], nth: int, polling: bool) -> None:
        video_ids = self._some(which)
        open_ids = len(self._open(video_ids))
        nth = min(nth, open_ids)
        with self._counted(open_ids + 2 * polling), self._at_request(nth, press_stop):
            try:
                if polling:
                    with contextlib.closing(self._polled(video_ids)) as rounds:
                        videos = next(rounds)
                else:
                    videos = self.archive.sync(video_ids, client=self.client)
            except ha.FetchInterrupted as stopped:
                self.counts["interrupts"] += 1
                videos = stopped.videos
                self.seen.append(stopped)
        self._silence()
        self.promises.of_a_frame(videos, video_ids)

    @rule(which=several, nth=st.integers(1, 8), after=st.integers(0, 15))
    def kill(self, which: list[int], nth: int, after: int) -> None:
        video_ids = self._some(which)
        arguments = (self.proxy.url, self.folder, video_ids)
        nth = min(nth, len(self._open(video_ids)))
        child = PROCESSES.Process(target=sync_elsewhere, args=arguments, daemon=True)

        def end(_: threading.Event) -> None:
            time.sleep(after / 1000)
            child.kill()

        with self._counted(len(self._open(video_ids))), self._at_request(nth, end):
            child.start()
            child.join(PATIENCE_SECONDS)
        self.kills += child.exitcode == -signal.SIGKILL
        self.counts["kills"] += child.exitcode == -signal.SIGKILL
        assert child.exitcode in (0, -signal.SIGKILL)
        child.close()

    @rule(which=several, ahead=seconds, late=st.booleans())
    def overtaken(self, which: list[int], ahead: int, late: bool) -> None:
        """An answer comes only after a newer one, with its own time or with that of its coming."""
        video_ids = self._some(which)
        with self._counted(len(video_ids)):
            old = ha.fetch_videos(video_ids, client=self.client, progress=False)
        self.sandbox.advance(ahead)
        self.sync(which)
        if late:
            coming = self.sandbox.now() + timedelta(hours=1)
            old = old.assign(fetched_at=coming).astype(old.dtypes)
        self.archive.append(old)
        self.seen.append(old)
        self.counts["late answers"] += 1

    @rule()
    def compact(self) -> None:
        self.archive.compact()

    @rule()
    def open_again(self) -> None:
        self.archive = ha.VideoArchive(self.folder)

    # What must hold

    @invariant()
    def every_promise_holds(self) -> None:
        self.counts["steps"] += 1
        self.promises.of_a_folder(self.folder, kills=self.kills)
        now = (sorted(self.folder.glob("*")), dict(self.promises.final))
        if now != self.checked:
            self.promises.of_an_archive(self.archive)
            self.checked = now

    # How it is done

    def _some(self, which: Sequence[int]) -> list[str]:
        newest_first = self.asked[::-1]
        return list(dict.fromkeys(newest_first[n % len(newest_first)] for n in which))

    def _open(self, video_ids: Sequence[str]) -> list[str]:
        return [video_id for video_id in video_ids if video_id not in self.promises.final]

    def _polled(self, video_ids: Sequence[str], **settings: object) -> Iterator:
        settings |= {"client": self.client, "archive": self.archive}
        return ha.poll_videos(video_ids, interval_seconds=0.005, **settings)

    def _keep(self, videos: object, video_ids: Sequence[str]) -> None:
        self.promises.of_a_frame(videos, video_ids)
        self.seen.append(videos)

    @contextlib.contextmanager
    def _counted(self, most: int) -> Iterator[None]:
        """Each spoilt answer may cost one request more, and nothing else may."""
        before, dealt = len(self.proxy.requests), self.proxy.dealt.total()
        yield
        requests = self.proxy.requests[before:]
        faults = self.proxy.dealt.total() - dealt
        self.counts["requests"] += len(requests)
        self.counts["faults"] += faults
        self.promises.of_requests(requests, most=most + faults)

    @contextlib.contextmanager
    def _at_request(self, nth: int, what: Callable[[threading.Event], object]) -> Iterator[None]:
        """Do something while the *nth* request from now waits for its answer."""
        numbers, over = itertools.count(1), threading.Event()

        def before(_: Request) -> None:
            if next(numbers) == nth:
                what(over)

        self.proxy.before = before
        try:
            yield
        finally:
            over.set()
            self.proxy.before = lambda _: None

    def _silence(self) -> None:
        """Wait until the threads of an interrupted call have ended, as they must."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while any(thread.name.startswith(WORKERS) for thread in threading.enumerate()):
            assert time.monotonic() < give_up, "threads go on after an interrupt"
            time.sleep(0.002)


def press_stop(over: threading.Event) -> None:
    """Interrupt this process; the answer waits, so that the interrupt comes before the end."""
    os.kill(os.getpid(), signal.SIGINT)
    over.wait(PATIENCE_SECONDS)


def sync_elsewhere(url: str, folder: Path, video_ids: list[str]) -> None:
    """What a process that will be killed does."""
    warnings.simplefilter("ignore")
    retry.FIRST_DELAY_SECONDS = FIRST_DELAY_SECONDS
    with ha.HookedClient(KEY, base_url=url, requests_per_minute=None, timeout_seconds=5) as client:
        ha.VideoArchive(folder).sync(video_ids, client=client, progress=False)
