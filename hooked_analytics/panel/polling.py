"""A thread that polls, can be paused and started anew, and finds the types of renders."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

from hooked_analytics._internal.cancel import BackgroundThread
from hooked_analytics.client import Cancelled, CancelToken, HookedClient
from hooked_analytics.errors import HookedError, WaitTimeoutError
from hooked_analytics.fetch import (
    PollTimer,
    build_schedule,
    check_interval,
    interrupted,
    load_known,
    pause_seconds,
    poll_loop,
    to_frame,
)
from hooked_analytics.panel.notebook import interrupt_listeners
from hooked_analytics.schema import record_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from hooked_analytics.fetch import Archive, EventSource

POLLING = ("polling", "waiting")
ACTIVE = (*POLLING, "paused")
TIMEOUT_SECONDS = 7200.0
# A list tells a render's type only by being filtered by one.
TYPES = (
    "class", "ugc_ads", "ugc_video", "script_to_video", "prompt_to_video", "hook_demo",
    "product_ads", "scenes", "add_captions", "extend_video", "remove_background",
    "tiktok_slideshow",
)  # fmt: skip
_SLICE_SECONDS = 0.1


class Poller:
    """What a panel does apart from how it looks; the thread calls `_changed` at each step."""

    _open: ClassVar[WeakSet[Poller]] = WeakSet()  # panels not closed yet
    _closed = True

    def _set_up(
        self,
        video_ids: str | Iterable[object],
        client: HookedClient | None,
        archive: Archive | None,
        webhooks: EventSource | None,
        interval_seconds: float,
    ) -> None:
        self._client, self._owns_client = client or HookedClient(), client is None
        check_interval(self._client, interval_seconds, None)
        timer = PollTimer(interval_seconds, threading.Event())
        known = build_schedule(video_ids, self._client, archive, timer).videos
        self._ids, self._videos = [video.video_id for video in known], to_frame(known)
        limit = self._client.requests_per_minute or math.inf
        self._limit_seconds = TIMEOUT_SECONDS + 60 * len(self._ids) / limit
        self._interval_seconds = interval_seconds
        self._archive, self._webhooks = archive, webhooks
        self._state, self._failing, self._next_at = "ready", False, time.monotonic()
        self._fault: Exception | None = None
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._thread: BackgroundThread | None = None
        self._types: dict[str, str] | None = None
        self._closed = False
        self._open.add(self)

    @property
    def videos(self) -> pd.DataFrame:
        """The last poll: a videos frame, one row per distinct id, in the order given."""
        return self._videos

    @property
    def state(self) -> str:
        """One of ready, polling, waiting, paused, stopped, replaced, ended, failed."""
        return self._state

    def start(self) -> None:
        """Begin to poll, or go on; what is final is not requested again."""
        if self._closed:
            raise RuntimeError("this panel is closed: make a new ProgressPanel for the same ids")
        for other in list(self._open):
            if other is not self and set(other._ids) == set(self._ids):
                other._halt("replaced")
                other.close()
        if self._ids and self._state not in POLLING:
            self._begin()

    def pause(self) -> None:
        """Do not poll until `start`."""
        self._halt("paused")

    def refresh(self) -> None:
        """Poll now, and return when the responses are there; a pause or a stop stays what it is."""
        before = self._videos
        self._poll_once()
        while self._videos is before and self._alive():
            time.sleep(_SLICE_SECONDS / 2)
        self._changed()

    def stop(self) -> None:
        """End the polls and their thread; the renders go on at Hooked."""
        self._halt("stopped")

    def close(self) -> None:
        """Stop for good, and free what the panel holds."""
        self.stop()
        self._closed = True
        self._open.discard(self)
        if self._owns_client:
            self._client.close()

    def wait(self, timeout_seconds: float | None = None) -> pd.DataFrame:
        """
        Wait until every video is final, or the panel was stopped.

        Parameters
        ----------
        timeout_seconds : float, optional
            How long to wait [s]; without end when missing.

        Returns
        -------
        DataFrame
            The last videos frame.

        Raises
        ------
        WaitTimeoutError
            Time is up; the panel goes on, and so do the renders.
        FetchInterrupted
            The kernel's stop button, which also stops the panel; ``.videos`` has every row.
        HookedError
            What ended the polls, a wrong key for example.
        """
        if self._state == "ready":
            self.start()
        until = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            while self._state in ACTIVE or self._alive():
                self._say()
                if (left := until - time.monotonic()) <= 0:
                    raise WaitTimeoutError(
                        f"Not all videos had ended after {timeout_seconds:,.5g} s. The panel goes "
                        "on, and so do the renders at Hooked: wait again, or see .videos.",
                        videos=self.videos,
                    )
                time.sleep(min(_SLICE_SECONDS, left))
        except KeyboardInterrupt:
            self.stop()
            raise interrupted(self.videos) from None
        finally:
            self._say(last=True)
        if self._fault is not None:
            raise self._fault
        return self.videos

    def _changed(self) -> None:
        """Show a poll, or a change of state."""

    def _say(self, *, last: bool = False) -> None:
        """Print how far it is."""

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(self, *, once: bool = False) -> None:
        """Poll in a new thread, which waits for the end of the one before."""
        interrupt_listeners().add(self.stop)
        self._stop.set()
        after = self._state if self._state in ("paused", "ended") else "stopped"
        self._stop, before = threading.Event(), self._thread
        # a target is forgotten at the end: a kernel keeps threads, and would keep the panel
        job = partial(self._run, self._stop, before, after if once else "ended", once)
        self._thread = BackgroundThread(job, self._stop, name="hooked-panel")
        self._fault = None
        self._enter("polling", self._stop)
        self._thread.start()

    def _poll_once(self) -> None:
        """Poll now, without waiting for the responses."""
        if self._ids and not self._closed and self._state != "polling":
            self._begin(once=self._state != "waiting")

    def _halt(self, state: str) -> None:
        """Stop the thread and tell why; an end stays what it was."""
        with self._lock:
            if self._state not in ACTIVE:
                return
            self._stop.set()
            self._state = state
        self._changed()

    def _enter(self, state: str, stop: threading.Event) -> None:
        """Change the state and tell of it; a thread that was told to stop has no say."""
        with self._lock:
            if stop.is_set():
                return
            self._state = state
        self._changed()

    def _run(
        self, stop: threading.Event, before: threading.Thread | None, after: str, once: bool
    ) -> None:
        """Poll until all is final or somebody stops it."""
        try:
            if before is not None:
                before.join()
            self._poll(stop, once)
        except Cancelled:
            after = "stopped"
        except Exception as fault:  # noqa: BLE001 - shown in the panel, raised by its wait()
            if not stop.is_set():
                self._fault, after = fault, "failed"
        self._enter(after, stop)
        stop.set()

    def _poll(self, stop: threading.Event, once: bool) -> None:
        timer = _LiveTimer(self, stop)
        plan = build_schedule(self._ids, self._client, self._archive, timer)
        load_known(plan.videos, self._videos)
        for videos in poll_loop(self._client, plan, self._archive, timer, self._limit_seconds,
                                contextlib.nullcontext(), webhooks=self._webhooks):  # fmt: skip
            if stop is not self._stop:  # another thread goes on
                return
            if self._types is None:
                untyped = videos["status"].eq("STARTED") & videos["type"].isna()
                wanted = set(videos.loc[untyped, "video_id"])
                self._types = _find_types(self._client, wanted, CancelToken(stop))
            if self._types:
                found = videos["video_id"].map(self._types).astype("string")
                videos = videos.assign(type=videos["type"].fillna(found))
            self._videos, self._failing = videos, plan.failing > 0
            if once:
                return


class _LiveTimer(PollTimer):
    """A timer that tells the panel when it polls, and when the next poll begins."""

    def __init__(self, panel: Poller, stop: threading.Event) -> None:
        super().__init__(panel._interval_seconds, stop)
        self._panel = panel

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        self._panel._next_at = began + pause_seconds(self.interval_seconds, slower_by)
        self._panel._enter("waiting", self.stop)
        go_on = super().rest(began, slower_by, deadline)
        self._panel._enter("polling", self.stop)
        return go_on


def _find_types(client: HookedClient, wanted: set[str], token: CancelToken) -> dict[str, str]:
    """Find the types of these videos, as far as the first page of a list per type has them."""
    found: dict[str, str] = {}
    with contextlib.suppress(HookedError):  # what ails Hooked shows in the next poll
        for kind in TYPES if wanted else ():
            page = next(client.list_pages(status="processing", type=kind, cancel=token), None)
            ours = wanted.intersection(filter(None, map(record_id, page.records if page else [])))
            if ours & found.keys():  # a video has one type: the filter is not heeded
                return {}
            found.update(dict.fromkeys(ours, kind))
            if len(found) == len(wanted):
                break
    return found
