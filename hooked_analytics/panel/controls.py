"""What a panel does apart from how it looks: a thread that polls, and lines of text."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import pandas as pd

from hooked_analytics._internal.cancel import BackgroundThread
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import time_left_text
from hooked_analytics.client import Cancelled, CancelToken, HookedClient
from hooked_analytics.errors import WaitTimeoutError
from hooked_analytics.fetch import (
    PollTimer,
    build_schedule,
    check_interval,
    interrupted,
    load_known,
    pause_seconds,
    poll_loop,
    summary,
    to_frame,
    validate_ids,
)
from hooked_analytics.panel.render_types import find_types
from hooked_analytics.panel.snapshot import MAX_TEXT, Snapshot
from hooked_analytics.panel.static import frozen, picture
from hooked_analytics.schema import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hooked_analytics.fetch import Archive, EventSource

    Videos = pd.DataFrame | str | Iterable[object]

POLLING = ("polling", "waiting")
ACTIVE = (*POLLING, "paused")
TIMEOUT_SECONDS = 7200.0
# What an archive gives to learn from: the newest, for speed drifts and a poll shall be quick.
MAX_LEARNT, MAX_OBSERVATIONS = 5000, 20_000
_LEARNT = ["type", "status", "created_at", "updated_at", "fetched_at"]
_SLICE_SECONDS = 0.1


class Controls:
    """What a panel does; `ProgressPanel` adds how it looks. `_changed` is called by the thread."""

    _open: ClassVar[WeakSet[Controls]] = WeakSet()  # panels not closed yet
    _closed = True

    def _set_up(
        self,
        videos_or_ids: Videos,
        client: HookedClient | None,
        archive: Archive | None,
        webhooks: EventSource | None,
        interval_seconds: float,
    ) -> None:
        video_ids, self._own = _own_columns(videos_or_ids)
        self._client, self._owns_client = client or HookedClient(), client is None
        self._ids = [each.shown for each in validate_ids(video_ids, self._client)]
        self._limit_seconds = TIMEOUT_SECONDS + 60 * len(self._ids) / (
            self._client.requests_per_minute or math.inf
        )
        check_interval(self._client, interval_seconds, self._limit_seconds)
        self._interval_seconds = interval_seconds
        self._archive, self._webhooks = archive, webhooks
        self._state, self._failing = "ready", False
        self._fault: Exception | None = None
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._thread: BackgroundThread | None = None
        self._types: dict[str, str] | None = None
        self._next_at, self._said = time.monotonic(), ""
        timer = PollTimer(interval_seconds, self._stop)
        self._videos = to_frame(build_schedule(self._ids, self._client, archive, timer).videos)
        self._snapshot = Snapshot(*_past(archive))
        self._snapshot.update(self._videos)
        self._sent_before = self._client.requests_sent
        self._closed = False
        self._open.add(self)

    @property
    def videos(self) -> pd.DataFrame:
        """The last poll: a videos frame, one row per distinct id, in the order given."""
        return self._videos

    @property
    def history(self) -> pd.DataFrame:
        """Each change seen: ``observed_at, video_id, status, progress`` [%], oldest first."""
        return self._snapshot.history()

    @property
    def eta(self) -> pd.DataFrame:
        """When each render under way will have ended, as `estimate_completion` gives it."""
        return self._snapshot.eta()

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
        while self._videos is before and self._thread is not None and self._thread.is_alive():
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
            while self._state in ACTIVE or (self._thread and self._thread.is_alive()):
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
            self._waited()
        if self._fault is not None:
            raise self._fault
        return self.videos

    def freeze(self) -> str:
        """Write the panel as it is now: HTML with tables and a picture, no script, no link."""
        return self._frozen(picture(self.history))

    def __repr__(self) -> str:
        return f"<ProgressPanel {self._line()}; {self._state}>"

    # what a panel that is drawn adds to

    def _changed(self) -> None:
        self._take()

    def _say(self) -> None:
        """Print how far it is, where nothing else shows it and something has changed."""
        if (line := self._line()) != self._said:
            print(f"{pd.Timestamp.now():%H:%M:%S}  {line}", flush=True)  # noqa: T201 - its purpose
            self._said = line

    def _waited(self) -> None:
        self._say()

    def _take(self) -> Any:
        """Bring the snapshot up to date; return the rows that changed, None without a poll."""
        with self._lock:
            new = self._snapshot.videos is not self._videos
            return self._snapshot.update(self._videos) if new else None

    def _frozen(self, png: bytes | None) -> str:
        return frozen(self._snapshot, png=png, why=self._why())

    def _why(self) -> str:
        """What went wrong, in one sentence and not in every row."""
        if self._fault is not None:
            return f"The polls ended: {self._fault}"
        if not self._failing:
            return ""
        messages = self._videos["fetch_error_message"].dropna().mode()
        told = f": {one_line(str(messages.iat[0]), MAX_TEXT)}" if len(messages) else "."
        return f"Hooked does not answer; the last known values are shown{told}"

    def _line(self) -> str:
        told = time_left_text(self._snapshot.time_left())
        return summary(self.videos) + (f" · {told} left" if told else "")

    # the thread

    def _begin(self, *, once: bool = False) -> None:
        """Poll in a new thread, which waits for the end of the one before."""
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

    def _set_interval(self, seconds: float) -> None:
        check_interval(self._client, seconds, self._limit_seconds)
        self._interval_seconds = seconds
        if self._state == "waiting":
            self._begin()

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
            self._videos, self._failing = self._typed(videos, stop), plan.failing > 0
            if once:
                return

    def _typed(self, videos: pd.DataFrame, stop: threading.Event) -> pd.DataFrame:
        """Fill in the types of renders under way, which are requested once."""
        if self._types is None:
            untyped = videos.loc[videos["status"].eq("STARTED") & videos["type"].isna(), "video_id"]
            self._types = find_types(self._client, set(untyped), CancelToken(stop))
        found = videos["video_id"].map(self._types).astype("string")
        return videos.assign(type=videos["type"].fillna(found)) if self._types else videos


class _LiveTimer(PollTimer):
    """A timer that tells the panel when it polls, and when the next poll begins."""

    def __init__(self, panel: Controls, stop: threading.Event) -> None:
        super().__init__(panel._interval_seconds, stop)
        self._panel = panel

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        self._panel._next_at = began + pause_seconds(self.interval_seconds, slower_by)
        self._panel._enter("waiting", self.stop)
        go_on = super().rest(began, slower_by, deadline)
        self._panel._enter("polling", self.stop)
        return go_on


def _past(archive: Archive | None) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """What an archive gives to learn from: the newest renders, and what was seen on the way."""
    if archive is None or not len(known := archive.videos()):
        return None, None
    seen = getattr(archive, "observations", None)
    return (
        known.nlargest(MAX_LEARNT, "created_at")[_LEARNT],
        seen and seen().nlargest(MAX_OBSERVATIONS, "observed_at"),
    )


def _own_columns(videos_or_ids: Videos) -> tuple[str | Iterable[object], pd.DataFrame]:
    """Tell the ids from the caller's own columns, by id."""
    if not isinstance(videos_or_ids, pd.DataFrame):
        return videos_or_ids, pd.DataFrame()
    if "video_id" not in videos_or_ids.columns:
        raise ValueError(
            "ProgressPanel: the frame has no column 'video_id'. Hand in the ids, or rename the "
            'column: frame.rename(columns={"id": "video_id"})'
        )
    own = [name for name in videos_or_ids.columns if name not in NAMES]
    first = videos_or_ids.dropna(subset="video_id").drop_duplicates("video_id")
    return first["video_id"], first.set_index(first["video_id"].astype(str))[own]
