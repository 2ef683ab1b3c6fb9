"""The panel in a notebook: an anywidget that sends data; ``panel.js`` draws it."""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pandas as pd

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import time_left_text
from hooked_analytics.errors import HookedError
from hooked_analytics.fetch import summary
from hooked_analytics.panel.notebook import (
    frozen,
    interrupt_listeners,
    kernel,
    picture,
    show,
    soon,
)
from hooked_analytics.panel.polling import ACTIVE, Poller
from hooked_analytics.panel.snapshot import FIELDS, MAX_TEXT, Snapshot, number_or_none
from hooked_analytics.schema import NAMES, videos_from_records

try:
    from anywidget import AnyWidget
except ImportError:  # lines of text, then
    AnyWidget = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch import Archive, EventSource

    Videos = pd.DataFrame | str | Iterable[object]

_TEXT_ONLY = "ProgressPanel: no notebook here, so .wait() prints progress as lines of text."
_WITHOUT_ANYWIDGET = (
    "ProgressPanel: anywidget is not installed, so .wait() prints progress as lines of text. "
    'For the panel: pip install "hooked-analytics[widget]"'
)
# How old the copy for a saved notebook may be [s]; younger where no page has said hello.
_COPY_SECONDS, _COPY_SECONDS_WITHOUT_PAGE = 30.0, 5.0
_UNASKED_SECONDS = 0.5  # until all is sent to a page that could not ask; twice as long each time
# Everything is sent anew when more rows changed than this, and this part of all.
_MANY_ROWS, _MANY_SHARE = 100, 0.25


class ProgressPanel(Poller, AnyWidget or object):  # type: ignore[misc]
    """
    Watch renders in a notebook: progress, time left, credits, failures.

    It polls in the background, as `poll_videos` does, and requests no finished video again.
    A panel for videos that another panel watches closes that one.

    Parameters
    ----------
    videos_or_ids : DataFrame, str or iterable
        Ids in any iterable, one id, or a frame with a column ``video_id``, whose own columns
        (campaign, client) are shown, searched and sorted too.
    client : HookedClient, optional
        Whose key, limit and connections to use; a new one when missing.
    archive : VideoArchive, optional
        What is final there costs no request, what is polled is kept there, and the time left
        and the pictures begin with what it knows.
    webhooks : WebhookReceiver, optional
        An end it receives shows at once, and polls come more slowly.
    interval_seconds : float, default 5
        From the start of one poll to the start of the next [s]. At least 1, except on this
        machine.
    autostart : bool, default True
        Whether to begin at once.

    Raises
    ------
    AuthenticationError
        There is no key. A wrong one shows in the panel, and `wait` raises it.
    ValueError
        An interval out of range, or a frame without ``video_id``.

    Notes
    -----
    Sorting, search, filters and columns work while a cell runs; what needs the kernel says
    that it waits. The panel stops by itself when all videos are final, and after two hours;
    the kernel's stop button ends it within a second. A saved notebook keeps a static copy,
    without links. Without anywidget, or in a terminal, `wait` prints lines of text.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=20) as sandbox, sandbox.client() as client:
    ...     panel = ProgressPanel(["vid_abc123"], client=client, autostart=False)
    ...     videos = panel.wait()
    ProgressPanel: no notebook here, so .wait() prints progress as lines of text.
    ...  1 videos: 1 completed · 5 credits so far
    >>> panel.state, videos["status"].tolist()
    ('ended', ['COMPLETED'])
    >>> panel.close()
    """

    # text and not paths: a widget whose files are watched is never freed
    _esm = files(__package__).joinpath("panel.js").read_text("utf-8")
    _css = files(__package__).joinpath("panel.css").read_text("utf-8")

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
        self._token, self._said = uuid4().hex[:12], ""
        self._displayed = self._page = False  # whether a page has said hello
        self._seq = self._sent_changes = 0
        self._copied_at = self._unasked_at = 0.0
        video_ids, own = _own_columns(videos_or_ids)
        self._set_up(video_ids, client, archive, webhooks, interval_seconds)
        self._own = own.reindex([str(each) for each in self._ids])
        self._snapshot = Snapshot(archive)
        self._snapshot.update(self._videos)
        self._sent_before = self._client.requests_sent
        super().__init__()
        if AnyWidget is not None:
            self.on_msg(lambda _, message, __: self._received(message))
        if not self._is_drawn:
            print(_TEXT_ONLY if AnyWidget is not None else _WITHOUT_ANYWIDGET)  # noqa: T201
        if autostart:
            self.start()

    @property
    def history(self) -> pd.DataFrame:
        """Each change seen: ``observed_at, video_id, status, progress`` [%], oldest first."""
        return self._snapshot.history()

    @property
    def eta(self) -> pd.DataFrame:
        """When each render under way will have ended, as `estimate_completion` gives it."""
        return self._snapshot.eta()

    @property
    def _is_drawn(self) -> bool:
        return AnyWidget is not None and (kernel() is not None or "marimo" in sys.modules)

    def close(self) -> None:
        """Stop the thread, free the widget, and leave the static copy where the panel was."""
        if self._closed or sys.is_finalizing():
            return
        super().close()
        if self._displayed:
            soon(self._update_copy)
        if AnyWidget is not None:
            layout = self.layout
            AnyWidget.close(self)
            layout.close()

    def freeze(self) -> str:
        """
        Write the panel as it is now: HTML with tables and a picture, no script, no link.

        Returns
        -------
        str
            A piece of a page, readable without styles.
        """
        return frozen(self._snapshot, png=picture(self.history), why=self._why())

    def __repr__(self) -> str:
        return f"<ProgressPanel {self._line()}; {self._state}>"

    def _ipython_display_(self) -> None:
        if not self._is_drawn:
            print(repr(self))  # noqa: T201 - all there is to see in a terminal
            return
        bundle = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        show({**(data or {}), "text/plain": repr(self)})
        self._update_copy(update=False)
        self._displayed, self._page, self._unasked_every = True, False, _UNASKED_SECONDS

    def _received(self, message: dict[str, Any]) -> None:
        """Do what a page wants; it is told when it is done."""
        kind, done = message.get("kind"), {"done": message.get("id")}
        if kind == "hello":
            self._page = True
            self._send_all()
        elif kind == "open":  # it waits for Hooked, and the kernel must not
            threading.Thread(target=self._open_video, args=(message, done), daemon=True).start()
        elif not self._closed:
            try:
                if kind == "interval":
                    self._set_interval(float(message["seconds"]))
                elif kind in ("start", "pause", "stop"):
                    getattr(self, kind)()
                elif kind == "refresh":
                    self._poll_once()
            except ValueError as refused:
                done["link"] = {"at": -1, "error": str(refused)}
            self._post("state", **done)

    def _open_video(self, message: dict[str, Any], done: dict[str, Any]) -> None:
        """Request a fresh link, for those that are known may have expired."""
        link: dict[str, Any] = {"at": message.get("at")}
        try:
            video_id = self._ids[int(message["at"])]
            url = videos_from_records([self._client.get_video(str(video_id))])["url"].iat[0]
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                link["url"] = url
            else:
                link["error"] = f"{video_id} has no link to its video yet."
        except (HookedError, LookupError, ValueError) as fault:
            link["error"] = f"No link: {fault}"
        self._post("state", **done, link=link)

    def _changed(self) -> None:
        with self._lock:
            polled = self._snapshot.videos is not self._videos
            rows = self._snapshot.update(self._videos).tolist() if polled else None
            if not self._closed and (self._page or self._displayed):
                self._send_news(rows)
            if self._displayed and not self._closed:
                self._renew_copy()
        if self._state not in ACTIVE:
            interrupt_listeners().discard(self.stop)

    def _send_news(self, rows: list[int] | None) -> None:
        """Send the rows that changed, or all where that is less; None without a poll."""
        total, now = len(self._ids), time.monotonic()
        if rows is None:
            self._post("state")
        elif not self._page and now >= self._unasked_at:  # it cannot ask: its kernel may be busy
            self._unasked_at = now + self._unasked_every
            self._unasked_every *= 2
            self._send_all()
        elif len(rows) >= min(total, max(_MANY_ROWS, _MANY_SHARE * total)):
            self._send_all()
        else:
            self._send_changed(rows)

    def _send_changed(self, rows: list[int]) -> None:
        shown, since = self._snapshot, self._sent_changes
        self._seq, self._sent_changes = self._seq + 1, len(shown.changes)
        changed = [list(each) for each in zip(rows, *shown.cells(rows), strict=True)]
        self._post("change", seq=self._seq, rows=changed, totals=shown.totals(), now=shown.now,
                   points=shown.series[-1:], lines=shown.lines(since))  # fmt: skip

    def _send_all(self) -> None:
        with self._lock:
            shown = self._snapshot
            self._sent_changes = len(shown.changes)
            sent = {
                "ids": self._ids,
                "fields": FIELDS,
                "columns": shown.cells(slice(None)),
                "own": {str(n): list(map(_plain, own.tolist())) for n, own in self._own.items()},
                "totals": shown.totals(),
                "now": shown.now,
                "series": shown.series,
                "lines": shown.lines(),
            }
            packed = zlib.compress(json.dumps(sent, separators=(",", ":")).encode())
            self._post("all", [packed], seq=self._seq)

    def _post(self, kind: str, buffers: list[bytes] | None = None, **content: Any) -> None:
        if not self._closed and (self._page or self._displayed):
            self.send({"kind": kind, **content, "state": self._status()}, buffers)

    def _status(self) -> dict[str, Any]:
        client, seen = self._client, self._snapshot.seen
        return {
            "token": self._token,
            "state": self._state,
            "next": round(self._next_at - time.monotonic(), 1),
            "interval": self._interval_seconds,
            "failing": self._failing,
            "why": self._why(),
            "requests": client.requests_sent - self._sent_before,
            "minute": client.requests_last_minute,
            "limit": client.requests_per_minute,
            "at": None if seen is None else f"{seen:%H:%M:%S}",
        }

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

    def _say(self, *, last: bool = False) -> None:
        """Print how far it is, where nothing else shows it and something has changed."""
        if not self._is_drawn and (line := self._line()) != self._said:
            print(f"{pd.Timestamp.now():%H:%M:%S}  {line}", flush=True)  # noqa: T201 - its purpose
            self._said = line
        if last and self._displayed:
            self._update_copy()  # without a browser a notebook's outputs come of running cells

    def _renew_copy(self) -> None:
        now, oldest = time.monotonic(), _COPY_SECONDS if self._page else _COPY_SECONDS_WITHOUT_PAGE
        if self._state not in ACTIVE or now - self._copied_at >= oldest:
            self._copied_at = now
            soon(self._update_copy)

    def _update_copy(self, *, update: bool = True) -> None:
        """Show the copy that a saved notebook keeps, with a picture once it has ended."""
        png = None if self._state in ACTIVE or not update else picture(self.history)
        page = frozen(self._snapshot, png=png, why=self._why())
        html = f'<div class="hooked-static-{self._token}">{page}</div>'
        copy = {"text/html": html, "text/plain": self._line()}
        show(copy, display_id=f"hooked-{self._token}", update=update)


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


def _plain(value: Any) -> Any:
    """A value of the caller's as JSON can hold it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_or_none(value)
    return (
        None if pd.api.types.is_scalar(value) and pd.isna(value) else one_line(str(value), MAX_TEXT)
    )
