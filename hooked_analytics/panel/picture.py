"""The panel's picture: progress so far, and how many have finished and will."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np

from hooked_analytics.panel.css import PICTURE_HEIGHT_PX
from hooked_analytics.plots.progress_plot import draw_finished, draw_progress, seconds_of
from hooked_analytics.plots.style import INK, LABEL_POINTS, PALETTE, RULE, time_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from hooked_analytics.analysis import TimeLeft

WIDTH_PX = 1200
_DPI = 100
_SHARPER = 2  # for screens with small pixels
_TITLE_POINTS = 10.5
# Left of this share of the axes the word "now" would run into the title.
_NAMED_FROM = 0.12
# Where the axes stand: left, bottom, width, height; fixed, so that nothing jumps.
_LEFT = (0.043, 0.13, 0.56, 0.70)
_RIGHT = (0.675, 0.13, 0.315, 0.70)


def picture(history: pd.DataFrame, *, total: int, now: float, ahead: TimeLeft | None) -> bytes:
    """
    Draw the picture on a figure of its own; pyplot and its settings are not touched.

    Parameters
    ----------
    history : one row per change of a video, as `plot_progress` takes it
    total : videos in all
    now : since the first look [s]
    ahead : what is expected, if anything

    Returns
    -------
    a PNG with a transparent ground

    Examples
    --------
    >>> from hooked_analytics.panel.session_cache import History
    >>> picture(History().frame(), total=3, now=0.0, ahead=None)[1:4]
    b'PNG'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_PX / _DPI, PICTURE_HEIGHT_PX / _DPI), dpi=_DPI)
    figure.patch.set_alpha(0)
    looks = seconds_of(history)
    until = max(now * 1.25, 10.0)
    if ahead is not None:
        until = max(until, now + min(np.nanmax(ahead[:3]), 2 * now + 60))
    left = _axes(figure.add_axes(_LEFT), "Progress")
    right = _axes(figure.add_axes(_RIGHT), "Finished videos, expected range ahead")
    if len(looks):
        draw_progress(left, looks, now=now, until=until)
        _now(left, now, named=now > _NAMED_FROM * until)
        finished = draw_finished(right, looks, now=now, total=total)
        if ahead is not None:
            _expected(right, ahead, now=now, finished=finished)
        time_axis(right, until)
    else:
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI * _SHARPER)
    return png.getvalue()


def _axes(ax: Axes, title: str) -> Axes:
    ax.set_title(title, loc="left", x=-0.06 if title == "Progress" else -0.1, pad=10,
                 fontweight="bold", color=INK, fontsize=_TITLE_POINTS)  # fmt: skip
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(RULE)
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, length=0, labelsize=LABEL_POINTS)
    ax.grid(axis="y", color=RULE)
    ax.set_axisbelow(True)
    return ax


def _now(ax: Axes, now: float, *, named: bool) -> None:
    ax.axvline(now, color=INK, lw=0.9, ls=(0, (3, 3)), zorder=1)
    if not named:
        return
    ax.annotate("now", (now, 106), (0, 3), textcoords="offset points", ha="center", color=INK,
                fontsize=LABEL_POINTS, annotation_clip=False)  # fmt: skip


def _expected(ax: Axes, ahead: TimeLeft, *, now: float, finished: int) -> None:
    ends = [ahead.low_seconds, ahead.high_seconds]
    known = [ahead.seconds] * 2 if math.isnan(ends[0]) else ends
    corners = [(now, finished), *((now + end, finished + ahead.remaining) for end in known)]
    ax.fill(*zip(*corners, strict=True), color=PALETTE["completed"], alpha=0.18, lw=1)
