"""A panel apart from how it looks: the thread that polls, and lines of text without a widget."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from weakref import WeakSet

import pandas as pd

from hooked_analytics._internal.cancel import BackgroundThread
from hooked_analytics.analysis import estimate_completion, time_left_text
from hooked_analytics.client import Cancelled, CancelToken, HookedClient
from hooked_analytics.errors import HookedError, WaitTimeoutError
from hooked_analytics.fetch import (
    NOT_YET,
    PollTimer,
    build_schedule,
    check_interval,
    interrupted,
    load_known,
    pause_seconds,
    poll_loop,
    summary,
    validate_ids,
)
from hooked_analytics.panel.snapshot import Snapshot
from hooked_analytics.panel.static import frozen, picture
from hooked_analytics.schema import NAMES, empty_videos, failed_row, frame_from_rows, record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hooked_analytics.fetch import Archive, EventSource

    Videos = pd.DataFrame | str | Iterable[object]

State = Literal["ready", "polling", "waiting", "paused", "stopped", "replaced", "ended", "failed"]
RUNNING = ("polling", "waiting", "paused")
TIMEOUT_SECONDS = 7200.0
# What an archive gives to learn from: the newest, for speed drifts and a poll shall be quick.
MAX_LEARNT, MAX_OBSERVATIONS = 5000, 20_000
TYPES = (
    "class", "ugc_ads", "ugc_video", "script_to_video", "prompt_to_video", "hook_demo",
    "product_ads", "scenes", "add_captions", "extend_video", "remove_background",
    "tiktok_slideshow",
)  # fmt: skip
_LEARNT = ["type", "status", "created_at", "updated_at", "fetched_at"]
_SLICE_SECONDS = 0.1
WITHOUT_WIDGETS = "ProgressPanel: no notebook here, so .wait() prints progress as lines of text."
WITHOUT_ANYWIDGET = (
    "ProgressPanel: anywidget is not installed, so .wait() prints progress as lines of text. "
    'For the panel: pip install "hooked-analytics[widget]"'
)


class Controls:
    """What a panel does; its two forms add how it looks. `_changed` is called by the thread."""

    _open: ClassVar[WeakSet[Controls]] = WeakSet()  # panels not closed yet

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
        known, learnt, observations = empty_videos(), None, None
        if archive is not None and len(known := archive.videos()):
            learnt = known.nlargest(MAX_LEARNT, "created_at")[_LEARNT]
            if seen := getattr(archive, "observations", None):
                observations = seen().nlargest(MAX_OBSERVATIONS, "observed_at")
        self._videos = known[known["video_id"].isin(self._ids)]
        self._snapshot = Snapshot(learnt, observations)
        self._state: State = "ready"
        self._fault: BaseException | None = None
        self._thread: _Thread | None = None
        self._types: dict[str, str] | None = None
        self._polls = self._taken = 0
        self._next_at = time.monotonic()
        self._failing, self._said, self._closed = False, "", False
        self._lock = threading.RLock()
        self._sent_before = self._client.requests_sent
        self._open.add(self)

    @property
    def videos(self) -> pd.DataFrame:
        """The last poll: a videos frame, one row per distinct id, in the order given."""
        if len(self._videos) == len(self._ids):
            return self._videos
        row = partial(failed_row, kind="not_fetched", message=NOT_YET, fetched_at=None)
        return frame_from_rows([row(video_id) for video_id in self._ids])

    @property
    def history(self) -> pd.DataFrame:
        """Each change seen: ``observed_at, video_id, status, progress`` [%], oldest first."""
        return self._snapshot.history()

    @property
    def eta(self) -> pd.DataFrame:
        """When each render under way will have ended, as `estimate_completion` gives it."""
        known = self._snapshot
        return known.eta() if known.columns else estimate_completion(empty_videos())

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
                other._enter("replaced", last=True)
                other.close()
        if self._state == "paused" and self._thread is not None:
            self._thread.paused.clear()
            self._enter("waiting")
        elif self._ids and self._state not in RUNNING:
            self._begin(once=False)

    def pause(self) -> None:
        """Do not poll until `start`; the time limit goes on."""
        if self._thread is not None and self._state in RUNNING:
            self._thread.paused.set()
            self._enter("paused")

    def refresh(self) -> None:
        """Poll now, and return when the responses are there; a pause or a stop stays what it is."""
        before = self._polls
        self._poll_once()
        while self._polls == before and self._thread is not None and self._thread.is_alive():
            time.sleep(_SLICE_SECONDS / 2)
        self._changed()

    def stop(self) -> None:
        """End the polls and their thread; the renders go on at Hooked."""
        self._enter("stopped", last=True)

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
            while not self._joined(min(2 * _SLICE_SECONDS, max(until - time.monotonic(), 0.0))):
                self._say()
                if time.monotonic() >= until:
                    raise WaitTimeoutError(
                        f"Not all videos had ended after {timeout_seconds:,.5g} s. The panel goes "
                        "on, and so do the renders at Hooked: wait again, or see .videos.",
                        videos=self.videos,
                    )
        except KeyboardInterrupt:
            self.stop()
            self._waited()
            raise interrupted(self.videos) from None
        self._say()
        self._waited()
        if self._fault is not None:
            raise self._fault
        return self.videos

    def freeze(self) -> str:
        """Write the panel as it is now: HTML with tables and a picture, no script, no link."""
        return self._frozen(picture(self.history))

    def __repr__(self) -> str:
        return f"<ProgressPanel {self._line()}; {self._state}>"

    # what the two forms add to

    def _changed(self) -> None:
        self._take()

    def _say(self) -> None:
        """Print how far it is, where nothing else shows it and something has changed."""
        if (line := self._line()) != self._said:
            print(f"{pd.Timestamp.now():%H:%M:%S}  {line}", flush=True)  # noqa: T201 - its purpose
            self._said = line

    def _waited(self) -> None:
        """Bring up to date what only a running cell can."""

    def _take(self) -> Any:
        """Bring the snapshot up to date; return the rows that changed, None without a poll."""
        with self._lock:
            if self._polls == self._taken:
                return None
            self._taken = self._polls
            return self._snapshot.update(self._videos)

    def _frozen(self, png: bytes | None) -> str:
        shown = self._snapshot
        if not shown.columns:
            shown = Snapshot()
            shown.update(self.videos)
        return frozen(shown, png=png, why=self._why())

    def _why(self) -> str:
        return "" if self._fault is None else f"The polls ended: {self._fault}"

    def _line(self) -> str:
        told = time_left_text(self._snapshot.left)
        return summary(self.videos) + (f" · {told} left" if told else "")

    # the thread

    def _begin(self, *, once: bool) -> None:
        self._fault = None
        self._thread = _Thread(self._run, once=once)
        self._enter("polling")
        self._thread.start()

    def _joined(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end; return whether it came."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def _poll_once(self) -> None:
        """Poll now, without waiting for the responses."""
        if self._thread is not None and self._state in RUNNING:
            self._thread.hurry.set()
        elif self._ids and not self._closed:
            self._begin(once=True)

    def _set_interval(self, seconds: float) -> None:
        check_interval(self._client, seconds, self._limit_seconds)
        self._interval_seconds = seconds
        if self._thread is not None and self._state == "waiting":
            self._thread.hurry.set()

    def _enter(
        self,
        state: State,
        thread: _Thread | None = None,
        *,
        last: bool = False,
    ) -> None:
        """Change the state and tell of it, unless the thread was told to stop before."""
        with self._lock:
            current = self._thread
            if current is None or (thread or current) is not current or current.stop.is_set():
                return
            self._state = state
            if last:
                current.stop.set()
        self._changed()

    def _run(self, thread: _Thread) -> None:
        """Poll until all is final or somebody stops it."""
        try:
            while not thread.stop.is_set() and self._polling(thread):
                pass
            state: State = "stopped" if thread.once else "ended"
        except Cancelled:
            state = "stopped"
        except Exception as fault:  # noqa: BLE001 - shown in the panel, raised by its wait()
            self._fault, state = fault, "failed"
        self._enter(state, thread, last=True)

    def _polling(self, thread: _Thread) -> bool:
        """Poll; return whether to begin anew: at another interval, or because a person asks."""
        timer = _LiveTimer(self, thread)
        plan = build_schedule(self._ids, self._client, self._archive, timer)
        load_known(plan.videos, self._videos)
        for videos in poll_loop(self._client, plan, self._archive, timer, self._limit_seconds,
                             contextlib.nullcontext(), webhooks=self._webhooks):  # fmt: skip
            if thread is not self._thread:
                return False
            self._videos = self._typed(videos, thread)
            self._polls += 1
            self._failing = plan.failing > 0
            if thread.once or not plan.open:
                return False
        # a new schedule polls at once what an old one would leave for later
        again = thread.hurry.is_set()
        thread.hurry.clear()
        return again

    def _typed(self, videos: pd.DataFrame, thread: _Thread) -> pd.DataFrame:
        """Fill in the types of renders under way, which are requested once."""
        if self._types is None:
            untyped = videos.loc[videos["status"].eq("STARTED") & videos["type"].isna(), "video_id"]
            self._types = find_types(self._client, set(untyped), CancelToken(thread.stop))
        if not self._types:
            return videos
        found = videos["video_id"].map(self._types).astype("string")
        return videos.assign(type=videos["type"].fillna(found))


class _Thread(BackgroundThread):
    """One run of polls: to the end, or once."""

    def __init__(self, run: Callable[[_Thread], None], *, once: bool) -> None:
        # a target is forgotten at the end: a kernel keeps threads, and would keep the panel
        super().__init__(partial(run, self), threading.Event(), name="hooked-panel")
        self.once = once
        self.paused, self.hurry = threading.Event(), threading.Event()


class _LiveTimer(PollTimer):
    """A timer that can be hurried and paused, and that tells when the next poll begins."""

    def __init__(self, panel: Controls, thread: _Thread) -> None:
        super().__init__(panel._interval_seconds, thread.stop)
        self._panel, self._thread = panel, thread

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        panel, thread = self._panel, self._thread
        panel._next_at = min(began + pause_seconds(self.interval_seconds, slower_by), deadline)
        panel._enter("paused" if thread.paused.is_set() else "waiting", thread)
        while True:
            left = _SLICE_SECONDS if thread.paused.is_set() else panel._next_at - time.monotonic()
            if self.stop.wait(min(_SLICE_SECONDS, max(left, 0.0))):
                return False
            due = not thread.paused.is_set() and (
                time.monotonic() >= panel._next_at or (self.heard and self.heard())
            )
            if due or thread.hurry.is_set():
                panel._enter("polling", thread)
                return not thread.hurry.is_set()


class TextPanel(Controls):
    """A panel where there is no anywidget: `wait` prints a line whenever something changed."""

    def __init__(
        self,
        videos_or_ids: Videos,
        *,
        client: HookedClient | None = None,
        archive: Archive | None = None,
        webhooks: EventSource | None = None,
        interval_seconds: float = 5,
        autostart: bool = True,
    ) -> None:
        self._set_up(videos_or_ids, client, archive, webhooks, interval_seconds)
        print(WITHOUT_ANYWIDGET)  # noqa: T201 - the reader expects a panel here
        if autostart:
            self.start()


def find_types(client: HookedClient, wanted: set[str], token: CancelToken) -> dict[str, str]:
    """Find the types of renders under way, which a list tells only by being filtered by one."""
    found: dict[str, str] = {}
    try:
        for kind in TYPES if wanted else ():
            page = next(client.list_pages(status="processing", type=kind, cancel=token), None)
            ours = wanted.intersection(filter(None, map(record_id, page.records if page else [])))
            if ours & found.keys():  # a video has one type: the filter is not heeded
                return {}
            found.update(dict.fromkeys(ours, kind))
            if len(found) == len(wanted):
                break
    except HookedError:  # the types stay unknown; what ails Hooked shows in the next poll
        return {}
    return found


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
