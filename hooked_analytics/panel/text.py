"""A panel without widgets: the same controls, and lines of text."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics.analysis import estimate_completion, time_left_text
from hooked_analytics.client import HookedClient
from hooked_analytics.errors import WaitTimeoutError
from hooked_analytics.fetch import NOT_YET, interrupted, summary, validate_ids
from hooked_analytics.panel.picture import picture
from hooked_analytics.panel.snapshot import Facts, facts, renders_like
from hooked_analytics.panel.static import frozen
from hooked_analytics.panel.watcher import Watcher
from hooked_analytics.schema import empty_videos, failed_row, frame_from_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hooked_analytics.fetch import Archive, EventSource

TIMEOUT_SECONDS = 7200.0
# Renders an archive gives to learn from: the newest, for speed drifts and looks shall be quick.
MAX_LEARNT, MAX_LOOKS = 5000, 20_000
# Estimating takes this many times its own time off; a time at which a render ends stays true.
_REST_AFTER_ESTIMATING = 10
_LEARNT = ["type", "status", "created_at", "updated_at", "fetched_at"]
_SLICE_SECONDS = 0.2
WITHOUT_WIDGETS = "ProgressPanel: no notebook here, so .wait() prints progress as lines of text."
WITHOUT_IPYWIDGETS = (
    "ProgressPanel: ipywidgets is not installed, so .wait() prints progress as lines of text. "
    'For the panel: pip install "hooked-analytics[notebook]"'
)


class Controls:
    """
    What a panel does, apart from how it looks; `ProgressPanel` is one of its two looks.

    Calls of `_changed` and `_ticked` come from the thread that polls.
    """

    _watcher: Watcher
    _learnt: pd.DataFrame | None = None
    _looks: pd.DataFrame | None = None
    _estimates: pd.DataFrame | None = None
    _estimate_after = 0.0
    _owns_client: bool

    def _set_up(
        self,
        video_ids: str | Iterable[object],
        client: HookedClient | None,
        archive: Archive | None,
        webhooks: EventSource | None,
        interval_seconds: float,
    ) -> None:
        used = client or HookedClient()
        self._owns_client = client is None
        asked = validate_ids(video_ids, used)
        known = empty_videos() if archive is None else archive.videos()
        if archive is not None and len(known):
            self._learnt = known.nlargest(MAX_LEARNT, "created_at")[_LEARNT]
            if seen := getattr(archive, "observations", None):
                self._looks = seen().nlargest(MAX_LOOKS, "observed_at")
        ids = [each.shown for each in asked]
        self._watcher = Watcher(
            ids,
            client=used,
            archive=archive,
            webhooks=webhooks,
            videos=known[known["video_id"].isin(ids)],
            interval_seconds=interval_seconds,
            timeout_seconds=TIMEOUT_SECONDS,
            changed=self._changed,
            ticked=self._ticked,
        )

    def _changed(self) -> None: ...

    def _ticked(self) -> None: ...

    @property
    def videos(self) -> pd.DataFrame:
        """The last look: a videos frame, one row per distinct id, in the order asked."""
        videos, ids = self._watcher.videos, self._watcher.video_ids
        if len(videos) == len(ids):
            return videos
        row = partial(failed_row, kind="not_fetched", message=NOT_YET, fetched_at=None)
        return frame_from_rows([row(video_id) for video_id in ids])

    @property
    def history(self) -> pd.DataFrame:
        """Each change seen: ``observed_at, video_id, status, progress`` [%], oldest first."""
        return self._watcher.history.frame()

    @property
    def state(self) -> str:
        """One of ready, looking, waiting, paused, stopped, replaced, ended, failed."""
        return self._watcher.state

    def start(self) -> None:
        """Begin to watch, or go on; what is final is not asked for again."""
        if self._watcher.video_ids:
            self._watcher.start()

    def pause(self) -> None:
        """Look no more until `start`; the time limit goes on."""
        self._watcher.pause()

    def refresh(self) -> None:
        """Look now, and return when the answers are there; a pause or a stop stays what it is."""
        before = self._watcher.looks
        if not self._watcher.video_ids:
            return
        self._watcher.look()
        while self._watcher.looks == before and self._watcher.busy:
            time.sleep(_SLICE_SECONDS / 4)

    def stop(self) -> None:
        """End the watch and its thread; the renders go on at Hooked."""
        self._watcher.stop()

    def wait(self, timeout_seconds: float | None = None) -> pd.DataFrame:
        """
        Wait until every video is final, or the watch was stopped.

        Parameters
        ----------
        timeout_seconds : how long to wait [s]; without end when missing

        Returns
        -------
        the last videos frame

        Raises
        ------
        WaitTimeoutError
            Time is up; the panel goes on, and so do the renders.
        FetchInterrupted
            The kernel's stop button, which also ends the watch; ``.videos`` has every row.
        HookedError
            What ended the watch, a wrong key for example.
        """
        if self.state == "ready":
            self.start()
        until = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            while not self._watcher.join(min(_SLICE_SECONDS, max(until - time.monotonic(), 0.0))):
                self._say()
                if time.monotonic() >= until:
                    raise WaitTimeoutError(
                        f"Not all videos had ended after {timeout_seconds:,.5g} s. The panel goes "
                        "on, and so do the renders at Hooked: wait again, or look at .videos.",
                        videos=self.videos,
                    )
        except KeyboardInterrupt:
            self.stop()
            self._waited()
            raise interrupted(self.videos) from None
        self._say()
        self._waited()
        if self._watcher.fault is not None:
            raise self._watcher.fault
        return self.videos

    def freeze(self) -> str:
        """
        Write the panel as it is now: HTML with a table and the picture, no script, no link.

        Videos beyond 100 are counted, failed and running ones shown first. Display it with
        ``IPython.display.HTML``.
        """
        shown = self._facts()
        try:
            png = self._picture(shown)
        except ImportError:  # a table alone is better than nothing
            png = None
        now = self._watcher.history.now
        seen = "no look yet" if now is None else f"{now:%Y-%m-%d %H:%M:%S} UTC"
        return frozen(shown, png=png, seen=seen, why=self._why())

    def _facts(self) -> Facts:
        videos, began = self.videos, time.monotonic()
        if self._estimates is None or began >= self._estimate_after:
            self._estimates = estimate_completion(
                videos, history=renders_like(videos, self._learnt), observations=self._looks
            )
            took = time.monotonic() - began
            self._estimate_after = began + took + _REST_AFTER_ESTIMATING * took
        return facts(
            videos,
            self._learnt,
            estimates=self._estimates,
            elapsed_seconds=self._elapsed_seconds,
        )

    def _picture(self, shown: Facts) -> bytes:
        history = self._watcher.history
        return picture(
            history.frame(), total=shown.total, now=self._elapsed_seconds, ahead=shown.ahead
        )

    @property
    def _elapsed_seconds(self) -> float:
        history = self._watcher.history
        if history.now is None or history.began_at is None:
            return 0.0
        return float((history.now - history.began_at).total_seconds())

    def _why(self) -> str:
        fault = self._watcher.fault
        return "" if fault is None else f"The watch ended: {fault}"

    def _line(self) -> str:
        shown = self._facts()
        left = time_left_text(shown.ahead)
        return summary(self.videos) + (f" · {left} left" if left else "")

    def _say(self) -> None:
        """Say how far it is, where nothing else shows it."""

    def _waited(self) -> None:
        """Bring up to date what only a running cell can."""


class TextPanel(Controls):
    """A panel where there is no ipywidgets: `wait` prints a line whenever something changed."""

    def __init__(
        self,
        video_ids: str | Iterable[object],
        *,
        client: HookedClient | None = None,
        archive: Archive | None = None,
        webhooks: EventSource | None = None,
        interval_seconds: float = 5,
        autostart: bool = True,
    ) -> None:
        self._said = ""
        self._set_up(video_ids, client, archive, webhooks, interval_seconds)
        print(WITHOUT_IPYWIDGETS)  # noqa: T201 - the reader expects a panel here
        if autostart:
            self.start()

    def __repr__(self) -> str:
        return f"<ProgressPanel {self._line()}; {self.state}>"

    def close(self) -> None:
        """Stop, and close what was opened."""
        close(self)

    def _say(self) -> None:
        self._said = say(self._line(), self._said)


def say(line: str, said: str) -> str:
    """Print a line with the time, unless it was the last one said; return what was said."""
    if line != said:
        print(f"{pd.Timestamp.now():%H:%M:%S}  {line}", flush=True)  # noqa: T201 - its purpose
    return line


def close(panel: Controls) -> None:
    """Stop the thread and close a client that nobody else has."""
    watcher: Any = panel._watcher
    watcher.stop()
    if panel._owns_client:
        watcher.client.close()
