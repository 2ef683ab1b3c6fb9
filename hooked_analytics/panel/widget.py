"""The panel in a notebook: an anywidget that sends data; ``panel.js`` draws it."""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from functools import partial
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
from hooked_analytics.panel.snapshot import FIELDS, MAX_TEXT, Snapshot, plain
from hooked_analytics.schema import NAMES, ids_as_column, videos_from_records

try:
    from anywidget import AnyWidget
except ImportError:  # lines of text, then
    AnyWidget = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch import Archive, EventSource

    Videos = pd.DataFrame | str | Iterable[object]

_TEXT_ONLY = "ProgressPanel: no notebook here, so .wait() prints progress as lines of text."
_WITHOUT_ANYWIDGET = (
    "ProgressPanel: anywidget is not installed, so .wait() prints progress as lines of text. "
    'For the panel: pip install "hooked-analytics[widget]"'
)
# Until the copy for a saved notebook is renewed, and all is sent where no page has asked for it:
# twice as long each time, up to so long [s].
_FIRST_SECONDS, _MAX_SECONDS, _MAX_SECONDS_WITHOUT_PAGE = 0.5, 30.0, 5.0


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
    ...  1 video: 1 completed · 5 credits so far
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
        self._renew_at, self._renew_seconds = 0.0, _FIRST_SECONDS
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
        self._displayed, self._page = True, False
        self._renew_at, self._renew_seconds = 0.0, _FIRST_SECONDS

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """
        Give the widget's own values, for a page that opens or reloads; none of them is data.

        Parameters
        ----------
        key : str or iterable of str, optional
            Names of the values; all of them when missing.
        drop_defaults : bool, default False
            Whether to leave out what has its default value.

        Returns
        -------
        dict
            Values by name.
        """
        if key is None and self._displayed:  # until the page says hello, it may be unable to ask
            self._page, self._renew_at, self._renew_seconds = False, 0.0, _FIRST_SECONDS
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state

    def _received(self, message: dict[str, Any]) -> None:
        """Do what a page wants; it is told when it is done."""
        kind, done = message["kind"], message.get("id", "")
        buttons = {"start": self.start, "pause": self.pause, "stop": self.stop,
                   "refresh": self._poll_once}  # fmt: skip
        if kind == "hello":
            self._page = True
            self._send_rows()
        elif kind == "open":  # it waits for Hooked, and the kernel must not
            job = partial(self._open_video, message["at"], done)
            threading.Thread(target=job, daemon=True).start()
        elif not self._closed:
            buttons[kind]()
            self._post("state", done=done)

    def _open_video(self, at: int, done: str) -> None:
        """Request a fresh link, for those that are known may have expired."""
        link: dict[str, Any] = {"at": at}
        try:
            video_id = self._ids[at]
            url = videos_from_records([self._client.get_video(str(video_id))])["url"].iat[0]
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                link["url"] = url
            else:
                link["error"] = f"{video_id} has no link to its video yet."
        except (HookedError, LookupError, ValueError) as fault:
            link["error"] = f"No link: {fault}"
        self._post("state", done=done, link=link)

    def _changed(self) -> None:
        with self._lock:
            polled = self._snapshot.videos is not self._videos
            rows = self._snapshot.update(self._videos).tolist() if polled else []
            if not self._closed and (self._page or self._displayed):
                self._send_news(rows, polled=polled)
        if self._state not in ACTIVE:
            interrupt_listeners().discard(self.stop)

    def _send_news(self, rows: list[int], *, polled: bool) -> None:
        """Send what changed, and all now and then where no page has asked; renew the copy."""
        now = time.monotonic()
        due = self._displayed and (self._state not in ACTIVE or now >= self._renew_at)
        if due:
            self._renew_at = now + self._renew_seconds
            longest = _MAX_SECONDS if self._page else _MAX_SECONDS_WITHOUT_PAGE
            self._renew_seconds = min(2 * self._renew_seconds, longest)
            soon(self._update_copy)
        if due and not self._page:  # its kernel is busy, or what it says gets lost
            self._send_rows()
        elif polled:
            self._send_rows(rows)
        else:
            self._post("state")

    def _send_rows(self, rows: Sequence[int] | None = None) -> None:
        """Send rows, the figures over all, and what is new in the pictures; or all there is."""
        with self._lock:
            shown, since, sent = self._snapshot, self._sent_changes, dict[str, Any]()
            points = shown.series[-1:]
            if rows is None:
                rows, since, points = range(len(self._ids)), 0, shown.series
                own = {
                    str(n): list(map(_own_value, each.tolist())) for n, each in self._own.items()
                }
                sent = {"all": {"ids": self._ids, "fields": FIELDS, "own": own}}
            self._seq, self._sent_changes = self._seq + 1, len(shown.changes)
            sent |= {"rows": list(rows), "columns": shown.cells(rows), "totals": shown.totals(),
                     "now": shown.now, "series": points, "lines": shown.lines(since)}  # fmt: skip
            packed = zlib.compress(json.dumps(sent, separators=(",", ":")).encode())
            self._post("all" if "all" in sent else "change", [packed], seq=self._seq)

    def _post(self, kind: str, buffers: list[bytes] | None = None, **content: Any) -> None:
        self.send({"kind": kind, **content, "state": self._status()}, buffers)

    def _status(self) -> dict[str, Any]:
        client, seen = self._client, self._snapshot.seen
        return {
            "token": self._token,
            "state": self._state,
            "next": round(self._next_at - time.monotonic(), 1),
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

    def _update_copy(self, *, update: bool = True) -> None:
        """Show the copy that a saved notebook keeps, with a picture once it has ended."""
        png = None if self._state in ACTIVE or not update else picture(self.history)
        page = frozen(self._snapshot, png=png, why=self._why())
        html = f'<div class="hooked-static-{self._token}">{page}</div>'
        copy = {"text/html": html, "text/plain": self._line()}
        show(copy, display_id=f"hooked-{self._token}", update=update)


def _own_columns(videos_or_ids: Videos) -> tuple[str | Iterable[object], pd.DataFrame]:
    """Tell the ids from the caller's own columns, by id."""
    videos_or_ids = ids_as_column(videos_or_ids)
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


def _own_value(value: Any) -> float | str | None:
    """Give a value as it stands: not rounded, and as text where a browser's numbers end."""
    exact = type(value) in (int, float) and abs(value) < 2**53  # not NaN, not infinite
    return value if exact else plain(str(value) if type(value) is int else value)
