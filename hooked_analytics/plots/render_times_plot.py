"""Picture of how long renders take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import count, duration
from hooked_analytics.analysis import completion_curve, render_times
from hooked_analytics.plots.style import (
    INK,
    LABEL_POINTS,
    SERIES,
    apart,
    canvas,
    labels,
    line_height,
    note,
    nothing,
    share_axis,
    time_axis,
)
from hooked_analytics.schema import require_pandas
from hooked_analytics.schema.frames import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_POINTS = 400


class _Line(NamedTuple):
    label: str
    colour: str
    curve: pd.DataFrame


def plot_render_times(
    videos: pd.DataFrame,
    *,
    by: str | Sequence[str] = "type",
    observed_renders: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the share of renders completed by each time, per group, with its 95 % band.

    Renders under way are counted as "longer than" and failures never complete, so a curve
    levels off below 100 %. A line ends where no render was followed any longer.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns `render_times` needs.
    by : str or list of str, default "type"
        One column or several; the five groups with most videos are drawn.
    observed_renders : DataFrame, optional
        What `observed_renders` gives: an end that was seen wins over ``updated_at``.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a line per group with its name at the end, time since created along x [s]

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_1", "type": "class", "status": "COMPLETED",
    ...     "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:05:00Z"}])
    >>> ax = plot_render_times(videos, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts][-1]
    'class  5 min'
    """
    require_pandas(videos, what="plot_render_times")
    keys = group_keys(by)
    table = render_times(videos, by=by, observed_renders=observed_renders)
    drawn = groups_drawn(table)
    ax = canvas(ax, "How long renders take", height=3.8, grid="y")
    if drawn.empty:
        nothing(ax)
        return ax
    until = time_span(drawn, videos)
    curves = completion_curve(
        videos, np.linspace(0, until, _POINTS), by=by, observed_renders=observed_renders
    )
    lines = draw_curves(ax, drawn, curves, keys)
    _note(ax, videos["created_at"], table[table["censored_share"].lt(1)], drawn)
    name_curves(ax, lines)
    return ax


def groups_drawn(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a `render_times` table that have a curve: the five with most videos."""
    measured = table[table["censored_share"].lt(1)]
    return measured.sort_values("videos", ascending=False, kind="stable").head(len(SERIES))


def draw_curves(
    ax: Axes, drawn: pd.DataFrame, curves: pd.DataFrame, keys: list[str]
) -> list[_Line]:
    """Draw the `completion_curve` of the rows of *drawn*; `name_curves` comes last."""
    until = float(curves["at_seconds"].max())
    lines = _lines(curves, drawn, keys, ax)
    for line in lines:
        _draw(ax, line)
    figure: Any = ax.figure
    max_ticks = min(max(int(1.3 * ax.bbox.width / figure.dpi) - 1, 2), 8)  # as many as do not touch
    time_axis(ax, until, max_ticks=max_ticks)
    ax.set_xlabel("time since created", color=INK)
    ax.set_ylim(0, 1.02)
    share_axis(ax)
    return lines


def time_span(drawn: pd.DataFrame, videos: pd.DataFrame) -> float:
    """How far to the right: past the slowest tenth, and as far as anything where none is known."""
    slowest = drawn["p90_seconds"].fillna(drawn["median_seconds"]).max()
    if pd.isna(slowest):
        ends = videos[["updated_at", "fetched_at"]].max(axis=1)
        slowest = (ends - videos["created_at"]).dt.total_seconds().max() / 1.4
    return max(1.4 * float(slowest), 1.0)


def _lines(curves: pd.DataFrame, drawn: pd.DataFrame, keys: list[str], ax: Axes) -> list[_Line]:
    """Curve of each group to draw, in the order of *drawn*."""
    points = curves["at_seconds"].nunique()
    per_group = [part for _, part in curves.groupby(np.arange(len(curves)) // points)]
    by_group = dict(zip(_groups(curves.iloc[::points], keys), per_group, strict=True))
    medians = [duration(s) if s == s else "not yet half" for s in drawn["median_seconds"]]
    return [
        _Line(f"{label}  {median}", colour, by_group[group])
        for label, group, median, colour in zip(
            labels(drawn, keys, ax), _groups(drawn, keys), medians, SERIES, strict=False
        )
    ]


def _groups(table: pd.DataFrame, keys: list[str]) -> list[tuple[Any, ...]]:
    """Keys of each row, a missing one as None: two long names may have one label."""
    parts = table[keys].astype("object").where(table[keys].notna(), None)
    return list(parts.itertuples(index=False, name=None))


def _draw(ax: Axes, line: _Line) -> None:
    at, share = line.curve["at_seconds"], line.curve["completed_share"]
    low, high = line.curve["low"].fillna(share), line.curve["high"].fillna(share)
    ax.fill_between(at, low, high, step="post", color=line.colour, alpha=0.1, lw=0)
    ax.step(at, share, where="post", color=line.colour, lw=1.8)


def _note(
    ax: Axes, created_at: pd.Series[pd.Timestamp], table: pd.DataFrame, drawn: pd.DataFrame
) -> None:
    """Say what the lines are, and which videos they come from."""
    rendering, left_out = int(table["rendering"].sum()), len(table) - len(drawn)
    more = f" · the {len(drawn)} largest of {len(table)}" if left_out else ""
    note(
        ax,
        "share completed, with its 95 % band · beside the name: half are over by then\n"
        f"{count(table['videos'].sum(), 'video')} of {created_at.min():%Y-%m-%d} to "
        f"{created_at.max():%Y-%m-%d} · {rendering:,} still rendering{more}",
    )


def name_curves(ax: Axes, lines: list[_Line]) -> None:
    """Write each name at the end of its line, moved apart where they would overlap."""
    until = ax.get_xlim()[1]
    shares = [float(line.curve["completed_share"].ffill().fillna(0).iloc[-1]) for line in lines]
    gap = 1.02 * line_height(ax)
    for line, share, height in zip(lines, shares, _inside(apart(shares, gap)), strict=True):
        options: dict[str, Any] = {"color": line.colour, "lw": 0.7, "shrinkA": 2, "shrinkB": 1}
        options |= {"arrowstyle": "-", "relpos": (0, 0.5)}
        ax.annotate(line.label, (until, share), (1.03, height / 1.02), textcoords="axes fraction",
                    va="center", color=INK, fontsize=LABEL_POINTS, parse_math=False,
                    arrowprops=options, annotation_clip=False)  # fmt: skip


def _inside(heights: list[float]) -> list[float]:
    """Shift all labels together so that the highest stays beside the axes."""
    above = max(max(heights) - 1.0, 0.0)
    return [height - above for height in heights]
