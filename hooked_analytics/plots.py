"""
Pictures of the answers, as matplotlib Axes.

matplotlib is loaded when a picture is drawn, never before. Given ``ax`` nothing touches
pyplot, so a thread may draw; without it pyplot makes the figure, for people. Text from the
API is drawn as text: no mathematics, no control characters.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics.credits import credit_usage
from hooked_analytics.render_time import render_seconds, render_times
from hooked_analytics.videos.groups import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

# One palette, by meaning; it holds for the common colour-vision deficiencies.
PALETTE = {
    "completed": "#0b8f7a",
    "rendering": "#2f6fde",
    "failed": "#c8500a",
    "unknown": "#7d8797",
    "fourth": "#8a5bd1",
    "fifth": "#b58900",
    "sixth": "#5b6b7f",
}
# Greys that read on a light and on a dark ground, for pictures are transparent.
INK = "#6b7585"
_RULE = "#8a93a033"
_LONGEST_LABEL = 28
_MOST_BARS = 20


def plot_render_times(
    videos: pd.DataFrame, *, by: str | Sequence[str] = "type", ax: Axes | None = None
) -> Axes:
    """
    Draw how long completed renders took: the median, and up to the slowest tenth.

    Renders under way are left out, so a young list looks faster than it is.

    Parameters
    ----------
    videos : one row per video
        Needs the columns `render_times` needs.
    by : one column or several
    ax : where to draw; a new figure when missing

    Returns
    -------
    the Axes, a row per group, time along x [s, min or h]

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_1", "type": "class", "status": "COMPLETED",
    ...     "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:05:00Z"}])
    >>> ax = plot_render_times(videos, ax=Figure().subplots())
    >>> ax.get_xlabel()
    'render time [min]'
    """
    keys = group_keys(by)
    table = render_times(videos, by=by).dropna(subset=["median_seconds"]).head(_MOST_BARS)
    table = table.sort_values("median_seconds", ascending=False, ignore_index=True)
    seconds = videos[keys].assign(seconds=render_seconds(videos)).dropna(subset=["seconds"])
    ax = _rows(ax, _labels(table, keys), "How long renders take")
    unit = _time_unit(table["p90_seconds"].max())
    for at, (median, p90) in enumerate(
        zip(table["median_seconds"], table["p90_seconds"], strict=True)
    ):
        ends = [median / unit.seconds, p90 / unit.seconds]
        ax.plot(ends, [at, at], color=PALETTE["completed"], lw=6, alpha=0.3, solid_capstyle="round")
        ax.plot(ends[:1], [at], "o", color=PALETTE["completed"], ms=8)
        _beside(ax, f"{clock(median)} – {clock(p90)}", ends[1], at)
    ax.set_xlabel(f"render time [{unit.name}]", color=INK)
    _note(
        ax,
        f"dot: half are done · bar: nine in ten are done · m:ss\n{len(seconds):,} completed "
        "videos; those still rendering are not counted in",
    )
    ax.set_xlim(0, None)
    ax.margins(x=0.15)
    return ax


def plot_credits(
    videos: pd.DataFrame, *, by: str | Sequence[str] = "type", ax: Axes | None = None
) -> Axes:
    """
    Draw where the credits went: on finished videos and on failed ones, per group.

    Parameters
    ----------
    videos : one row per video
        Needs the columns `credit_usage` needs.
    by : one column or several
    ax : where to draw; a new figure when missing

    Returns
    -------
    the Axes, a bar per group, the dearest on top, credits along x
        Videos without a credit figure are counted in the note under the title.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5}])
    >>> plot_credits(videos, ax=Figure().subplots()).get_xlabel()
    'credits'
    """
    keys = group_keys(by)
    usage = credit_usage(videos, by=by)
    known = usage.dropna(subset=["credits"]).head(_MOST_BARS)
    ax = _rows(ax, _labels(known, keys), "Where the credits went")
    wasted = known["wasted_credits"].fillna(0)
    bars = {"completed": known["credits"] - wasted, "failed": wasted}
    left = pd.Series(0.0, index=known.index)
    for meaning, credits in bars.items():
        ax.barh(known.index, credits, left=left, height=0.62, color=PALETTE[meaning])
        left = left + credits
    for at, (credits, share) in enumerate(zip(known["credits"], known["share"], strict=True)):
        _beside(ax, f"{credits:,.6g}  {_percent(share)}", credits, at)
    ax.set_xlabel("credits", color=INK)
    unknown = int(usage["credits_unknown"].sum())
    _note(
        ax,
        f"green: finished · orange: failed, {wasted.sum():,.6g} credits\n"
        f"{unknown:,} of {len(videos):,} videos without a figure, left out",
    )
    ax.margins(x=0.18)
    return ax


def _rows(ax: Axes | None, labels: list[str], title: str) -> Axes:
    """Axes with one labelled row per group, or a sentence where there is nothing to draw."""
    ax = ax if ax is not None else _new_axes(len(labels))
    ax.set_title(title, loc="left", pad=34, fontweight="bold", color=INK)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(_RULE)
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, length=0)
    ax.grid(axis="x", color=_RULE)
    ax.set_axisbelow(True)
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    if not labels:
        ax.text(0.5, 0.5, "nothing to draw yet", transform=ax.transAxes, color=INK, ha="center")
    return ax


def _new_axes(rows: int) -> Axes:
    try:
        from matplotlib import pyplot as plt
    except ImportError as missing:
        raise ImportError(
            'pictures need matplotlib: pip install "hooked-analytics[notebook]"'
        ) from missing
    figure, ax = plt.subplots(figsize=(8, 1.6 + 0.38 * max(rows, 3)), layout="constrained")
    figure.patch.set_alpha(0)
    return ax


def _beside(ax: Axes, text: str, x: float, y: float) -> None:
    ax.annotate(
        text, (x, y), (9, 0), textcoords="offset points", va="center", color=INK, fontsize=9
    )


def _note(ax: Axes, text: str) -> None:
    ax.text(
        0, 1.01, text, transform=ax.transAxes, va="bottom", color=INK, fontsize=9, linespacing=1.4
    )


def _labels(table: pd.DataFrame, keys: list[str]) -> list[str]:
    parts = table[keys].astype("string").fillna("(unknown)")
    return [" · ".join(_shown(part) for part in row) for row in parts.itertuples(index=False)]


def _shown(text: Any) -> str:
    """Text as one short line without control and direction characters."""
    plain = "".join(c for c in str(text) if unicodedata.category(c)[0] != "C")
    return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1] + "…"


class _TimeUnit(NamedTuple):
    name: str
    seconds: float


def _time_unit(longest: float) -> _TimeUnit:
    if longest >= 2 * 3600:
        return _TimeUnit("h", 3600.0)
    return _TimeUnit("min", 60.0) if longest >= 120 else _TimeUnit("s", 1.0)


def clock(seconds: float) -> str:
    """
    Seconds as people read them.

    Examples
    --------
    >>> clock(48), clock(224.099), clock(7325)
    ('0:48', '3:44', '2:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
