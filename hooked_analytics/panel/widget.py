"""The panel as an ipywidgets widget: core widgets only, values assigned and nothing else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ipywidgets

from hooked_analytics.panel import html as page
from hooked_analytics.panel.css import style
from hooked_analytics.panel.kernel import Interrupts, kernel, show, soon
from hooked_analytics.panel.snapshot import SORTS, Facts, sorted_rows
from hooked_analytics.panel.text import WITHOUT_WIDGETS, Controls, close, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch import Archive, EventSource

PAGE_ROWS = (10, 25, 50)
INTERVALS_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
# Drawing takes this many times its own time off, so that it never keeps the kernel busy.
_REST_AFTER_DRAWING, _MAX_REST_SECONDS = 12, 3.0
# How old the copy for a saved notebook may be while renders go on [s].
_COPY_SECONDS = 30.0
_STATES = {
    "ready": "not started",
    "looking": "looking …",
    "paused": "paused",
    "stopped": "stopped",
    "replaced": "a newer panel took over",
    "ended": "all have ended",
    "failed": "ended early",
}
_FILTERS = {"all": "", **{page.WORDS[kind]: kind for kind in page.WORDS}}


class ProgressPanel(Controls, ipywidgets.VBox):  # type: ignore[misc]
    """
    Watch renders in a notebook: progress, time left, credits, failures.

    It polls in the background, as `poll_videos` does, and asks for no finished video again.
    A panel for videos that another panel watches stops that one.

    Parameters
    ----------
    video_ids : ids in any iterable, or one id
    client : whose key, limit and connections to use; a new `HookedClient` when missing
    archive : a `VideoArchive`: what is final there costs no request, what is seen is kept
        there, and the time left is told from its renders
    webhooks : a `WebhookReceiver`: an end it hears of shows at once, and looks come more slowly
    interval_seconds : from the start of one round to the start of the next [s]
        At least 1, except on this machine.
    autostart : whether to begin at once

    Attributes
    ----------
    videos : the last look, a videos frame
    history : each change seen: ``observed_at, video_id, status, progress`` [%]

    Raises
    ------
    AuthenticationError
        There is no key. A wrong one shows in the panel, and `wait` raises it.
    ValueError
        An interval out of range.

    Notes
    -----
    The watch ends by itself when all videos are final, and after two hours; the stop button
    of the kernel ends it within a second. A saved notebook keeps a static copy of the panel.
    Without ipywidgets, or in a terminal, `wait` prints lines of text.

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
    """

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
        self._token = uuid4().hex[:12]
        self._showing = threading.RLock()
        self._shown: Facts | None = None
        self._page = self._shown_looks = 0
        self._drawn_looks = -1
        self._drawn_at = self._drawing_seconds = self._copied_at = 0.0
        self._png: bytes | None = None
        self._said = ""
        self._closed = self._displayed = False
        self._interrupts = Interrupts(self.stop)
        self._make(interval_seconds)
        self._set_up(video_ids, client, archive, webhooks, interval_seconds)
        super().__init__(children=self._rows())
        self.add_class("hooked")
        self._connect()
        self._changed()
        if kernel() is None:
            print(WITHOUT_WIDGETS)  # noqa: T201 - the reader expects a panel here
        if autostart:
            self.start()

    def start(self) -> None:
        """Begin to watch, or go on; what is final is not asked for again."""
        self._interrupts.listen()
        super().start()

    def close(self) -> None:
        """Stop the thread, and leave the static copy where the panel was."""
        if not self._closed:
            self._closed = True
            if hasattr(self, "_watcher"):
                close(self)
            self._interrupts.close()
        super().close()

    def __repr__(self) -> str:
        return f"<ProgressPanel {self._line()}; {self.state}>"

    def _ipython_display_(self) -> None:
        if kernel() is None:
            print(repr(self))  # noqa: T201 - all there is to see in a terminal
            return
        count = page.videos_in_words(len(self._watcher.video_ids))
        show({**self._repr_mimebundle_(), "text/plain": f"Progress of {count}"})
        show(self._copy(), display_id=self._display_id)
        self._displayed = True

    # what it is made of

    def _make(self, interval_seconds: float) -> None:
        self._head, self._next = ipywidgets.HTML(), ipywidgets.HTML()
        self._overview, self._table = ipywidgets.HTML(), ipywidgets.HTML()
        self._note, self._range, self._foot = (ipywidgets.HTML() for _ in range(3))
        self._image = ipywidgets.Image(format="png")
        self._go = _button("Start", "Begin to look at the videos")
        self._look = _button("↻ Refresh", "Look now")
        self._end = _button("■ Stop", "Stop looking; the renders go on at Hooked")
        self._back, self._forth = _button("‹", "Previous videos"), _button("›", "Next videos")
        self._status = ipywidgets.Dropdown(options=_FILTERS, description="Status")
        self._type = ipywidgets.Dropdown(options={"all": ""}, description="Type")
        self._sort = ipywidgets.Dropdown(options=list(SORTS), description="Sort")
        self._size = ipywidgets.Dropdown(options=PAGE_ROWS, description="Rows")
        steps = sorted({*INTERVALS_SECONDS, float(interval_seconds)})
        self._every = ipywidgets.Dropdown(
            options=[(f"{step:g} s", step) for step in steps],
            value=float(interval_seconds),
            description="Look every",
        )
        for grows in (self._head, self._range, self._foot):
            grows.add_class("hk-grow")
        self._next.add_class("hk-next")
        self._note.add_class("hk-note-box")
        self._image.add_class("hk-picture")

    def _rows(self) -> list[ipywidgets.Widget]:
        return [
            ipywidgets.HTML(style(self._token)),
            _row("hk-head", self._head, self._next, self._go, self._look, self._end),
            self._overview,
            self._note,
            self._image,
            _row("hk-tools", self._status, self._type, self._sort, self._size, self._range,
                 self._back, self._forth),
            self._table,
            _row("hk-foot", self._foot, self._every),
        ]  # fmt: skip

    def _connect(self) -> None:
        self._go.on_click(lambda _: self._go_or_pause())
        self._look.on_click(lambda _: self._watcher.look())
        self._end.on_click(lambda _: self.stop())
        self._back.on_click(lambda _: self._turn(-1))
        self._forth.on_click(lambda _: self._turn(1))
        for choice in (self._status, self._type, self._sort, self._size):
            choice.observe(lambda _: self._turn(None), names="value")
        self._every.observe(self._set_interval, names="value")

    # what a person does with it

    def _go_or_pause(self) -> None:
        if self._watcher.running and self.state != "paused":
            self.pause()
        else:
            self.start()

    def _turn(self, pages: int | None) -> None:
        with self._showing:
            self._page = 0 if pages is None else self._page + pages
            self._show_table()

    def _set_interval(self, change: dict[str, Any]) -> None:
        try:
            self._watcher.interval_seconds = change["new"]
        except ValueError as refused:
            self._every.value = change["old"]
            self._note.value = f'<div class="hk-note"><b>{page.text(str(refused))}</b></div>'

    # how it is shown; the thread comes in here

    def _changed(self) -> None:
        if not hasattr(self, "_watcher") or self._closed:
            return
        with self._showing:
            if self._shown is None or self._shown_looks != self._watcher.looks:
                self._show()
            if self._shown is not None:
                self._note.value = self._noted(self._shown)
            self._draw()
            self._show_next()
            self._keep_copy()
        if not self._watcher.running:
            self._interrupts.close()

    def _ticked(self) -> None:
        with self._showing:
            self._draw()
            self._show_next()

    def _show(self) -> None:
        self._shown_looks = self._watcher.looks
        shown = self._shown = self._facts()
        client = self._watcher.client
        self._head.value = page.head(shown)
        self._overview.value = page.overview(
            shown, requests=client.requests_last_minute, limit=client.requests_per_minute
        )
        types = sorted(shown.rows["type"].dropna().unique())
        options = [("all", ""), *((each, each) for each in types)]
        if list(self._type.options) != options:
            kept = self._type.value if self._type.value in types else ""
            with self._type.hold_trait_notifications():
                self._type.options, self._type.value = options, kept
        self._show_table()
        self._foot.value = self._footer(shown)

    def _show_table(self) -> None:
        if self._shown is None:
            return
        rows = sorted_rows(
            self._shown.rows,
            kind=self._status.value,
            of_type=self._type.value,
            sort=self._sort.value,
        )
        size = self._size.value
        self._page = max(0, min(self._page, (len(rows) - 1) // size))
        first = self._page * size
        cut = rows.iloc[first : first + size]
        empty = "No such videos." if self._shown.total else "No video ids were given."
        height = min(size, max(self._shown.total, 1))
        self._table.value = page.table(cut, height=height, empty=empty)
        last = first + len(cut)
        told = f"{first + 1:,}–{last:,} of {len(rows):,}" if len(cut) else "none"
        self._range.value = f'<div class="hk-next" style="float:right">{told}</div>'
        self._back.disabled, self._forth.disabled = first == 0, last >= len(rows)

    def _draw(self) -> None:
        began = time.monotonic()
        rest = min(_REST_AFTER_DRAWING * self._drawing_seconds, _MAX_REST_SECONDS)
        due = began - self._drawn_at >= rest or self.state not in ("looking", "waiting")
        if self._shown is None or self._drawn_looks == self._shown_looks or not due:
            return
        self._drawn_looks = self._shown_looks
        self._image.value = self._png = self._picture(self._shown)
        self._drawn_at = time.monotonic()
        self._drawing_seconds = self._drawn_at - began

    def _show_next(self) -> None:
        running = self._watcher.running
        going = running and self.state != "paused"
        self._go.description = "❙❙ Pause" if going else "▶ Resume" if running else "▶ Start"
        self._go.disabled = not self._watcher.video_ids
        self._look.disabled = not self._watcher.video_ids
        self._end.disabled = not running
        self._next.value = f'<span class="hk-next">{self._when()}</span>'

    def _when(self) -> str:
        if self.state in _STATES:
            return _STATES[self.state]
        left = max(0.0, self._watcher.next_at - time.monotonic())
        again = "next try" if self._watcher.failing else "next look"
        return f"{again} in {left:.0f} s"

    def _noted(self, shown: Facts) -> str:
        return f'<div class="hk-note">{self._trouble() or page.reasons(shown)}</div>'

    def _trouble(self) -> str:
        """Say what keeps the panel from seeing, if anything does."""
        if why := self._why():
            return f"<b>{page.text(why)}</b>"
        videos = self._watcher.videos
        failing = videos[videos["fetch_error"].notna() & videos["fetch_error"].ne("not_fetched")]
        failing = failing[~failing["fetch_error"].isin(["invalid_id", "not_found", "forbidden"])]
        if failing.empty or not self._watcher.running:
            return ""
        message = failing["fetch_error_message"].mode().iloc[0]
        count = page.videos_in_words(len(failing))
        return f"<b>{count} could not be asked:</b> {page.text(message)}"

    def _footer(self, shown: Facts) -> str:
        sent = self._watcher.requests_sent
        over = shown.counts["completed"] + shown.counts["failed"]
        each = f", {sent / over:.1f} per finished video" if over else ""
        now = self._watcher.history.now
        last = f" · last answer {now:%H:%M:%S} UTC" if now is not None else ""
        return f'<span class="hk-quiet">{sent:,} requests so far{each}{last}</span>'

    def _say(self) -> None:
        if kernel() is None:
            self._said = say(self._line(), self._said)

    # the copy that a saved notebook keeps

    def _waited(self) -> None:
        # a notebook run without a browser hears of outputs from running cells alone
        if self._displayed:
            self._update_copy()

    def _copy(self) -> dict[str, str]:
        return {
            "text/html": f'<div class="hooked-static-{self._token}">{self.freeze()}</div>',
            "text/plain": self._line(),
        }

    def _keep_copy(self) -> None:
        now = time.monotonic()
        if self._displayed and (
            now - self._copied_at >= _COPY_SECONDS or not self._watcher.running
        ):
            self._copied_at = now
            soon(self._update_copy)

    def _update_copy(self) -> None:
        show(self._copy(), display_id=self._display_id, update=True)

    @property
    def _display_id(self) -> str:
        return f"hooked-{self._token}"


def _button(text: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=text, tooltip=tooltip)


def _row(name: str, *children: ipywidgets.Widget) -> ipywidgets.HBox:
    row = ipywidgets.HBox(children)
    row.add_class(name)
    return row
