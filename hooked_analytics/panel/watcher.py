"""The thread behind a panel: it polls, pauses, hurries and stops as told, and knows no widget."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hooked_analytics.client import Cancelled, CancelToken
from hooked_analytics.fetch import (
    PollTimer,
    build_schedule,
    check_interval,
    pause_seconds,
    poll_loop,
)
from hooked_analytics.panel.session_cache import History, Memory
from hooked_analytics.panel.type_lookup import find_types

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch import Archive, EventSource

State = Literal["ready", "looking", "waiting", "paused", "stopped", "replaced", "ended", "failed"]
_SLICE_SECONDS = 0.1
_OVER = frozenset({"ready", "stopped", "replaced", "ended", "failed"})


class Watcher:
    """
    Watch some videos in the background.

    Parameters
    ----------
    video_ids : distinct ids
    client : whose key, limit and connections to use
    archive : where to keep what is seen, if anywhere
    webhooks : where Hooked's calls arrive, if anywhere
    videos : what is known of them before the first look
    interval_seconds : from the start of one round to the start of the next [s]
    timeout_seconds : limit for one watch, from start to end [s]
    changed : called in the thread after every look and every change of state
    ticked : called in the thread a few times a second between looks

    Attributes
    ----------
    videos : the last look, a videos frame
    history : what each look found changed
    state : what the thread is doing
    looks : how many there were
    fault : what ended it, if it did not end by itself
    next_at : when the next look begins, by the monotonic clock [s]
    failing : whether Hooked did not answer the last look
    """

    def __init__(
        self,
        video_ids: Sequence[str | None],
        *,
        client: HookedClient,
        archive: Archive | None,
        webhooks: EventSource | None,
        videos: pd.DataFrame,
        interval_seconds: float,
        timeout_seconds: float,
        changed: Callable[[], None],
        ticked: Callable[[], None],
    ) -> None:
        check_interval(client, interval_seconds, timeout_seconds)
        self.client = client
        self.video_ids = video_ids
        self.videos = videos
        self.history = History()
        self.state: State = "ready"
        self.fault: BaseException | None = None
        self.looks = 0
        self.next_at = time.monotonic()
        self.failing = False
        self.changed, self.ticked = changed, ticked
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._memory = Memory(videos, archive)
        self._webhooks = webhooks
        self._thread: _Thread | None = None
        self._lock = threading.Lock()
        self._sent_before = client.requests_sent
        self._types: dict[str, str] | None = None

    @property
    def interval_seconds(self) -> float:
        """From the start of one round to the start of the next [s]."""
        return self._interval_seconds

    @interval_seconds.setter
    def interval_seconds(self, seconds: float) -> None:
        check_interval(self.client, seconds, self._timeout_seconds)
        self._interval_seconds = seconds
        if self.running and self.state != "paused":
            self.hurry()

    @property
    def running(self) -> bool:
        """Whether a thread is at work, be it paused."""
        return self.state not in _OVER

    @property
    def requests_sent(self) -> int:
        """Requests the client has sent since this watch was set up."""
        return self.client.requests_sent - self._sent_before

    @property
    def busy(self) -> bool:
        """Whether a thread is there that may still look."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, or go on after a pause or a stop; what is final is not asked again."""
        if self._thread is None or not self._thread.is_alive() or not self.running:
            self._begin(once=False)
        elif self.state == "paused":
            self._thread.paused.clear()
            self.enter("waiting", self._thread)

    def look(self) -> None:
        """Look once, now; it does not wait for the answers."""
        if self.running:
            self.hurry()
        else:
            self._begin(once=True)

    def hurry(self) -> None:
        """Let the thread that waits for the next round begin it."""
        if self._thread is not None:
            self._thread.hurry.set()

    def pause(self) -> None:
        """Look no more until `start`; a round under way is finished."""
        if self._thread is not None and self.running:
            self._thread.paused.set()
            self.enter("paused", self._thread)

    def stop(self, state: State = "stopped") -> None:
        """End the thread; requests on their way are dropped."""
        if self._thread is not None and self.running:
            self.enter(state, self._thread, last=True)

    def join(self, timeout_seconds: float | None) -> bool:
        """Wait for the thread's end; tell whether it came."""
        thread = self._thread
        if thread is None:
            return True
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while thread.is_alive():
            left = _SLICE_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                return False
            thread.join(min(left, _SLICE_SECONDS))  # in slices, so that an interrupt is heard
        return True

    def _begin(self, *, once: bool) -> None:
        for other in threading.enumerate():
            if isinstance(other, _Thread) and other.watcher is not self and other.watches(self):
                other.watcher.stop("replaced")
        self.fault = None
        self._thread = thread = _Thread(self, once=once)
        self.enter("looking", thread)
        thread.start()

    def enter(self, state: State, thread: _Thread, *, last: bool = False) -> None:
        """Change the state and tell of it, unless the thread was told to stop before."""
        with self._lock:
            if thread is not self._thread or thread.stop.is_set():
                return
            self.state = state
            if last:
                thread.stop.set()
        self.changed()

    def run(self, thread: _Thread) -> None:
        """Poll until all is final or somebody stops it; called by the thread alone."""
        try:
            while self._rounds(thread) and not thread.stop.is_set():
                pass
            state: State = "stopped" if thread.once else "ended"
        except Cancelled:
            state = "stopped"
        except Exception as fault:  # noqa: BLE001 - shown in the panel, raised by its wait()
            self.fault, state = fault, "failed"
        self.enter(state, thread, last=True)

    def _rounds(self, thread: _Thread) -> bool:
        """Go round; return whether to begin anew, at another interval."""
        pace = _LivePace(self, thread)
        plan = build_schedule(self.video_ids, self.client, self._memory, pace)
        for videos in poll_loop(
            self.client,
            plan,
            self._memory,
            pace,
            self._timeout_seconds,
            contextlib.nullcontext(),
            webhooks=self._webhooks,
        ):
            if thread is not self._thread:
                return False
            self.videos = self._typed(videos, thread)
            self.history.note(videos)
            self.looks += 1
            self.failing = plan.failing > 0
            if self._memory.fault is not None:
                raise self._memory.fault
            if thread.once or not plan.open:
                return False
            if pace.interval_seconds != self._interval_seconds:
                return True
        return False

    def _typed(self, videos: pd.DataFrame, thread: _Thread) -> pd.DataFrame:
        """Fill in the types of renders under way, which are looked up once."""
        if self._types is None:
            untyped = videos.loc[videos["status"].eq("STARTED") & videos["type"].isna(), "video_id"]
            self._types = find_types(self.client, untyped.tolist(), CancelToken(thread.stop))
        if not self._types:
            return videos
        found = videos["video_id"].map(self._types).astype("string")
        return videos.assign(type=videos["type"].fillna(found))


class _Thread(threading.Thread):
    """One watch; found among the process's threads by whoever watches the same videos."""

    def __init__(self, watcher: Watcher, *, once: bool) -> None:
        super().__init__(name="hooked-panel", daemon=True)
        self.watcher, self.once = watcher, once
        self.stop, self.paused, self.hurry = (threading.Event() for _ in range(3))

    def watches(self, watcher: Watcher) -> bool:
        return set(self.watcher.video_ids) == set(watcher.video_ids)

    def run(self) -> None:
        self.watcher.run(self)


class _LivePace(PollTimer):
    """A pace that can be hurried and paused, and that tells how long it still waits."""

    def __init__(self, watcher: Watcher, thread: _Thread) -> None:
        super().__init__(watcher.interval_seconds, thread.stop)
        self._watcher, self._thread = watcher, thread

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        watcher, thread = self._watcher, self._thread
        pause = pause_seconds(self.interval_seconds, slower_by)
        watcher.next_at = min(began + pause, deadline)
        watcher.enter("paused" if thread.paused.is_set() else "waiting", thread)
        while not self.stop.wait(self._slice()):
            due = time.monotonic() >= watcher.next_at and not thread.paused.is_set()
            if due or thread.hurry.is_set():
                thread.hurry.clear()
            elif thread.paused.is_set() or not (self.heard and self.heard()):
                watcher.ticked()
                continue
            watcher.enter("looking", thread)
            return True
        return False

    def _slice(self) -> float:
        if self._thread.paused.is_set():
            return _SLICE_SECONDS
        return min(_SLICE_SECONDS, max(0.0, self._watcher.next_at - time.monotonic()))
