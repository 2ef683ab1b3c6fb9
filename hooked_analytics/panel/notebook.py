"""The notebook a panel lives in: its displays, its stop button, the copy that it keeps."""

from __future__ import annotations

import base64
import io
import re
import signal
import sys
import threading
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import count, duration, number
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import seconds_range_text
from hooked_analytics.panel.snapshot import COMPLETED, KINDS, MAX_TEXT, RENDERING, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from hooked_analytics.panel.snapshot import Snapshot

MAX_ROWS, MAX_UNFOLDED = 100, 10  # of the copy


def kernel() -> Any:
    """Return the kernel of the notebook we run in; None in a terminal or a script."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def soon(job: Callable[[], None]) -> None:
    """Run a job in the kernel's main thread between cells; nothing where there is no kernel."""
    loop = getattr(kernel(), "io_loop", None)
    if loop is not None:
        loop.add_callback(job)


def show(bundle: dict[str, Any], *, update: bool = False, **transient: str) -> None:
    """Put an output under the cell, or in place of the one with the same ``display_id``."""
    from IPython import display

    publish: Any = display.publish_display_data
    publish(bundle, transient=transient, update=update)


def interrupt_listeners() -> set[Callable[[], None]]:
    """Return what this kernel's stop button calls; nothing is called where there is no kernel."""
    here = kernel()
    found = getattr(getattr(here, "pre_handler_hook", None), "__self__", None)
    if isinstance(found, _Interrupts):
        return found.listeners
    if found is None or threading.current_thread() is not threading.main_thread():
        return set()
    return _Interrupts(here).listeners


class _Interrupts:
    """
    The stop button of one kernel, heard in a cell and between cells.

    A kernel raises an interrupt while it handles a message and ignores it otherwise. Handlers for
    both times take the place of its own, so there is no moment between in which the button is not
    heard. Listeners are called in the main thread, after the cell that was interrupted.
    """

    def __init__(self, here: Any) -> None:
        self.listeners: set[Callable[[], None]] = set()
        self._kernel = here
        here.pre_handler_hook = self._begin_message
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._begin_message()
        else:
            signal.signal(signal.SIGINT, self._between_cells)

    def _begin_message(self) -> None:
        # as the kernel does it, with handlers of ours; it puts the saved one back afterwards
        signal.signal(signal.SIGINT, self._in_cell)
        self._kernel.saved_sigint_handler = self._between_cells

    def _in_cell(self, number: int, frame: FrameType | None) -> None:
        self._between_cells()
        signal.default_int_handler(number, frame)

    def _between_cells(self, *_: object) -> None:
        # a handler may run between any two steps of the main thread, so the loop does the work
        for listener in tuple(self.listeners):
            self._kernel.io_loop.add_callback(listener)


def frozen(snapshot: Snapshot, *, png: bytes | None, why: str = "") -> str:
    """Write the last poll as one piece of HTML; sites that drop styles leave it readable."""
    totals, kinds = snapshot.totals(), snapshot.columns["kind"]
    at = "not polled yet" if snapshot.seen is None else f"as of {snapshot.seen:%F %T} UTC"
    counts = ", ".join(f"{n:,} {KINDS[k]}" for k, n in enumerate(totals["counts"]) if n)
    unknown = totals["credits_unknown"]
    lines = [
        f"<b>{count(len(kinds), 'video')}</b>: {counts or 'none'}<br>"
        f"{number(totals['credits'])} credits{f', {unknown:,} not known' if unknown else ''} · "
        f"{number(totals['failed_credits'])} on failures · {at}",
        f"<b>{_text(why)}</b>" if why else "",
        " · ".join(f"{_text(reason)} ({n:,})" for reason, n in totals["reasons"]),
    ]
    if png is not None:
        data = base64.b64encode(png).decode()
        lines.append(f'<img src="data:image/png;base64,{data}" width="800" '
                     'alt="Progress of the videos over time">')  # fmt: skip
    order = kinds.argsort(kind="stable")
    folded = (kinds[order] == COMPLETED) & ((kinds == COMPLETED).sum() > MAX_UNFOLDED)
    html = [*(f"<p>{line}</p>" for line in lines if line), _table(snapshot, order[~folded])]
    if folded.any():
        fold = f"<details><summary>{folded.sum():,} completed</summary>"
        html += [fold, _table(snapshot, order[folded]), "</details>"]
    return "\n".join(html)


def picture(history: pd.DataFrame) -> bytes | None:
    """Draw progress over time as a PNG; None without matplotlib or before a first change."""
    try:
        from matplotlib.figure import Figure

        from hooked_analytics.plots import plot_progress
    except ImportError:
        return None
    if history.empty:
        return None
    figure, png = Figure(figsize=(8, 2.8), dpi=120, layout="constrained"), io.BytesIO()
    figure.patch.set_alpha(0)
    plot_progress(history, ax=figure.subplots())
    figure.savefig(png, format="png")
    return png.getvalue()


def _table(snapshot: Snapshot, rows: Any) -> str:
    if not len(rows):
        return ""
    cells = [_cells(snapshot, row) for row in rows[:MAX_ROWS].tolist()]
    table = pd.DataFrame(cells).to_html(index=False, escape=False, border=0, justify="left")
    more = f"\n<p>and {len(rows) - MAX_ROWS:,} more</p>" if len(rows) > MAX_ROWS else ""
    # notebooks align every cell right unless a style says otherwise
    return re.sub("<(t[hd])>", r'<\1 align="left" style="text-align:left">', table) + more


def _cells(snapshot: Snapshot, row: int) -> dict[str, str]:
    cell = {name: values[row] for name, values in snapshot.columns.items()}
    running, time, left = cell["kind"] == RENDERING, cell["took"], ""
    if running:
        time = snapshot.now - cell["created"]
        left = seconds_range_text(cell["low"] - snapshot.now, cell["high"] - snapshot.now)
    word = (cell["kind"] == UNKNOWN and cell["status"]) or KINDS[cell["kind"]]
    return {
        "Video": f"<code>{_text(snapshot.videos['video_id'].iat[row])}</code>",
        "Name": _text(cell["name"]),
        "Type": _text(cell["type"]),
        "Status": _text(word),
        "Progress": "" if np.isnan(cell["progress"]) else f"{cell['progress']:.0f} %",
        "Time": duration(time),
        "Left": "stuck?" if cell["stuck"] == 1 else left,
        "Credits": number(cell["credits"]),
        "Message": _text(cell["message"]),
    }


def _text(value: Any) -> str:
    return "" if pd.isna(value) else escape(one_line(str(value), MAX_TEXT))
