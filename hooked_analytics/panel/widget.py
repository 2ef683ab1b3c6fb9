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

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.errors import HookedError
from hooked_analytics.panel.controls import ACTIVE, Controls
from hooked_analytics.panel.kernel import Interrupts, kernel, show, soon
from hooked_analytics.panel.snapshot import FIELDS, MAX_TEXT, number_or_none
from hooked_analytics.panel.static import picture
from hooked_analytics.schema import videos_from_records

try:
    from anywidget import AnyWidget
except ImportError:  # lines of text, then
    AnyWidget = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch import Archive, EventSource

TEXT_ONLY = "ProgressPanel: {}, so .wait() prints progress as lines of text.{}"
WITHOUT_NOTEBOOK = TEXT_ONLY.format("no notebook here", "")
WITHOUT_ANYWIDGET = TEXT_ONLY.format(
    "anywidget is not installed", ' For the panel: pip install "hooked-analytics[widget]"'
)
# How old the copy for a saved notebook may be [s]; younger where no page has said hello.
_COPY_SECONDS, _COPY_SECONDS_WITHOUT_PAGE = 30.0, 5.0
# Everything is sent anew when more rows changed than this, and this part of all.
_MANY_ROWS, _MANY_SHARE = 100, 0.25
_TEXTS = frozenset({"status", "type", "name", "message"})
_MAX_URL = 500


class ProgressPanel(Controls, AnyWidget or object):  # type: ignore[misc]
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
        videos_or_ids: pd.DataFrame | str | Iterable[object],
        *,
        client: HookedClient | None = None,
        archive: Archive | None = None,
        webhooks: EventSource | None = None,
        interval_seconds: float = 5,
        autostart: bool = True,
    ) -> None:
        self._token = uuid4().hex[:12]
        self._displayed = self._page = False
        self._seq = self._sent_changes = 0
        self._copied_at = self._unasked_at = 0.0
        self._unasked_every = 0.5
        self._set_up(videos_or_ids, client, archive, webhooks, interval_seconds)
        super().__init__()
        if AnyWidget is not None:
            self.on_msg(lambda _, message, __: self._received(message))
        if not self._is_drawn:
            print(WITHOUT_ANYWIDGET if AnyWidget is None else WITHOUT_NOTEBOOK)  # noqa: T201
        if autostart:
            self.start()

    @property
    def _is_drawn(self) -> bool:
        return AnyWidget is not None and (kernel() is not None or "marimo" in sys.modules)

    def start(self) -> None:
        """Begin to poll, or go on; what is final is not requested again."""
        if interrupts := Interrupts.of_kernel():
            interrupts.listeners.add(self.stop)
        super().start()

    def close(self) -> None:
        """Stop the thread, free the widget, and leave the static copy where the panel was."""
        if self._closed or sys.is_finalizing():
            return
        super().close()
        self._deaf()
        if self._displayed:
            soon(self._update_copy)
        if AnyWidget is not None:
            layout = self.layout
            AnyWidget.close(self)
            layout.close()

    def _deaf(self) -> None:
        if interrupts := Interrupts.of_kernel():
            interrupts.listeners.discard(self.stop)

    def _ipython_display_(self) -> None:
        if not self._is_drawn:
            print(repr(self))  # noqa: T201 - all there is to see in a terminal
            return
        bundle = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        show({**(data or {}), "text/plain": repr(self)})
        show(self._copy(None), display_id=self._display_id)
        self._displayed, self._page, self._unasked_every = True, False, 0.5

    # what the page says

    def _received(self, message: dict[str, Any]) -> None:
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
            self._post({"kind": "state", **done})

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
        self._post({"kind": "state", **done, "link": link})

    # what is sent; the thread comes in here

    def _changed(self) -> None:
        with self._lock:
            rows, now = self._take(), time.monotonic()
            if not self._closed and (self._page or self._displayed):
                if rows is None:
                    self._post({"kind": "state"})
                elif not self._page and now >= self._unasked_at:
                    # no page could ask: its kernel may be busy
                    self._unasked_at = now + self._unasked_every
                    self._unasked_every *= 2
                    self._send_all()
                elif len(rows) >= min(
                    total := len(self._ids), max(_MANY_ROWS, _MANY_SHARE * total)
                ):
                    self._send_all()
                else:
                    self._send_changed(rows.tolist())
            oldest = _COPY_SECONDS if self._page else _COPY_SECONDS_WITHOUT_PAGE
            old = self._state not in ACTIVE or now - self._copied_at >= oldest
            if self._displayed and not self._closed and old:
                self._copied_at = now
                soon(self._update_copy)
        if self._state not in ACTIVE:
            self._deaf()

    def _send_changed(self, rows: list[int]) -> None:
        self._seq += 1
        shown = self._snapshot
        lines, self._sent_changes = shown.lines(self._sent_changes), len(shown.changes)
        self._post({
            "kind": "change",
            "seq": self._seq,
            "rows": [[row, *(self._cell(name, row) for name in FIELDS)] for row in rows],
            "totals": shown.totals(),
            "now": shown.now,
            "points": shown.series[-1:],
            "lines": lines,
        })  # fmt: skip

    def _send_all(self) -> None:
        with self._lock:
            shown, ids = self._snapshot, self._ids
            self._sent_changes = len(shown.changes)
            own = self._own.reindex([str(each) for each in ids])
            sent = {
                "ids": ids,
                "fields": FIELDS,
                "columns": [[self._cell(name, row) for row in range(len(ids))] for name in FIELDS],
                "own": {str(name): [_plain(v) for v in own[name].tolist()] for name in own},
                "totals": shown.totals(),
                "now": shown.now,
                "series": shown.series,
                "lines": shown.lines(),
            }
            packed = zlib.compress(json.dumps(sent, separators=(",", ":")).encode())
            self._post({"kind": "all", "seq": self._seq}, [packed])

    def _cell(self, name: str, row: int) -> Any:
        value = self._snapshot.columns[name][row]
        if name in _TEXTS:
            return None if value is None else one_line(value, MAX_TEXT)
        if name == "thumbnail":
            loads = value is not None and value.startswith(("https://", "http://"))
            return value if loads and len(value) <= _MAX_URL else None
        return number_or_none(value)

    def _post(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if not self._closed and (self._page or self._displayed):
            self.send({**content, "state": self._status()}, buffers)

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

    def _say(self) -> None:
        if not self._is_drawn:
            super()._say()

    # the copy that a saved notebook keeps

    def _waited(self) -> None:
        super()._waited()
        # a notebook run without a browser is told of outputs by running cells alone
        if self._displayed:
            self._update_copy()

    def _copy(self, png: bytes | None) -> dict[str, str]:
        html = f'<div class="hooked-static-{self._token}">{self._frozen(png)}</div>'
        return {"text/html": html, "text/plain": self._line()}

    def _update_copy(self) -> None:
        png = None if self._state in ACTIVE else picture(self.history)
        show(self._copy(png), display_id=self._display_id, update=True)

    @property
    def _display_id(self) -> str:
        return f"hooked-{self._token}"


def _plain(value: object) -> Any:
    """A value of the caller's as JSON can hold it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_or_none(value)
    return None if value is None or value != value else one_line(str(value), MAX_TEXT)
