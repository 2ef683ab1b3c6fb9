"""Pictures of how long renders take, and of how they went on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import count, duration
from hooked_analytics.analysis import completion_curve, render_times
from hooked_analytics.plots.style import (
    INK,
    LABEL_POINTS,
    PALETTE,
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
from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.schema.checks import group_keys
from hooked_analytics.schema.frames import usable_frame
from hooked_analytics.schema.outcomes import END_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_POINTS = 400
MAX_LINES, _STEPS = 30, 120
_OBSERVED = ["video_id", "observed_at", "status", "progress"]
# Left of this share of the axes a word beside the last point would leave them.
_NAMED_FROM = 0.12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_COLOURS = {"COMPLETED": "completed", "FAILED": "failed", "STARTED": "rendering"}


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

    Failures never complete, so a curve levels off below 100 %. A line ends where no render was
    followed any longer.

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
    keys = group_keys(by)
    videos = usable_frame(videos, END_COLUMNS, keys=keys, what="plot_render_times")
    table = render_times(videos, by=by, observed_renders=observed_renders)
    drawn = groups_drawn(table)
    ax = canvas(ax, "How long renders take", height=3.8, grid="y")
    if drawn.empty:
        nothing(ax)
        return ax
    at = np.linspace(0, time_span(drawn, videos), _POINTS)
    curves = completion_curve(videos, at, by=by, observed_renders=observed_renders)
    lines = draw_curves(ax, drawn, curves, keys)
    measured, created = table[table["censored_share"].lt(1)], videos["created_at"]
    few = f" · the {len(drawn)} largest of {len(measured)}" if len(drawn) < len(measured) else ""
    note(
        ax,
        "share completed, with its 95 % band · beside the name: half are over by then\n"
        f"{count(measured['videos'].sum(), 'video')} of {created.min():%Y-%m-%d} to "
        f"{created.max():%Y-%m-%d} · {measured['rendering'].sum():,} still rendering{few}",
    )
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
        at, share = line.curve["at_seconds"], line.curve["completed_share"]
        low, high = line.curve["low"].fillna(share), line.curve["high"].fillna(share)
        ax.fill_between(at, low, high, step="post", color=line.colour, alpha=0.1, lw=0)
        ax.step(at, share, where="post", color=line.colour, lw=1.8)
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
    medians = [duration(s) if s == s else "not yet half" for s in drawn["median_seconds"]]
    named = zip(labels(drawn, keys, ax), medians, SERIES, strict=False)
    # by its keys, a missing one too: two long names may have one label
    return [
        _Line(f"{label}  {median}", colour, curves.merge(drawn[keys].iloc[[at]], on=keys))
        for at, (label, median, colour) in enumerate(named)
    ]


def name_curves(ax: Axes, lines: list[_Line]) -> None:
    """Write each name at the end of its line, moved apart where they would overlap."""
    until = ax.get_xlim()[1]
    shares = [float(line.curve["completed_share"].ffill().fillna(0).iloc[-1]) for line in lines]
    gap = 1.02 * line_height(ax)
    heights = apart(shares, gap)
    above = max(max(heights) - 1.0, 0.0)  # all together, so that the highest stays beside the axes
    for line, share, height in zip(lines, shares, heights, strict=True):
        options: dict[str, Any] = {"color": line.colour, "lw": 0.7, "shrinkA": 2, "shrinkB": 1}
        options |= {"arrowstyle": "-", "relpos": (0, 0.5)}
        ax.annotate(line.label, (until, share), (1.03, (height - above) / 1.02), color=INK,
                    textcoords="axes fraction", va="center", fontsize=LABEL_POINTS,
                    parse_math=False, arrowprops=options, annotation_clip=False)  # fmt: skip


def plot_progress(observations: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """
    Draw how far renders were at each poll: a line each, or a band above 30 videos.

    Parameters
    ----------
    observations : DataFrame
        One row per observation of a video. Needs ``video_id, observed_at, status, progress`` [%]:
        the `ProgressPanel.history`, or what `VideoArchive.observations` gives.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, time since the first poll along x [s]
        Lines end in a dot: completed, failed, or rendering now. The band holds the middle 80 %
        and 50 % of the videos that had not failed, with their median.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> seen = pd.DataFrame({"video_id": "vid_1", "status": "STARTED", "progress": [10.0, 60.0],
    ...     "observed_at": pd.date_range("2024-01-15T10:00Z", periods=2, freq="min")})
    >>> plot_progress(seen, ax=Figure().subplots()).lines[0].get_ydata()[:2].tolist()
    [10.0, 60.0]
    """
    seen = _seconds_of(usable_frame(observations, _OBSERVED, what="plot_progress", once=False))
    ax = canvas(ax, "Progress", height=3.6, grid="y")
    if seen["progress"].isna().all():
        nothing(ax)
        return ax
    videos = seen["video_id"].nunique()
    ended = seen.loc[seen["status"].isin(FINAL_STATUSES), "video_id"].nunique()
    now = float(seen["seconds"].max())
    time_axis(ax, max(now, 10.0))
    (_video_lines if videos <= MAX_LINES else _band)(ax, seen, now)
    ax.set_ylim(-2, 106)
    share_axis(ax, of=100)
    how = "one line per video" if videos <= MAX_LINES else "median, middle 50 % and 80 %"
    note(ax, f"{how} · {ended:,} of {videos:,} finished")
    ax.set_xlabel("time since the first poll", color=INK)
    return ax


def _seconds_of(observations: pd.DataFrame) -> pd.DataFrame:
    """Keep what was seen, by time since the first poll [s]; completed is 100 %."""
    seen = observations[_OBSERVED].dropna(subset=["status", "observed_at"])
    progress = seen["progress"].mask(seen["status"].eq("COMPLETED"), 100.0)
    return seen.assign(
        seconds=(seen["observed_at"] - seen["observed_at"].min()).dt.total_seconds(),
        progress=progress.to_numpy(dtype=float, na_value=np.nan),
    ).sort_values("seconds", kind="stable", ignore_index=True)


def _video_lines(ax: Axes, seen: pd.DataFrame, now: float) -> None:
    for _, line in seen.dropna(subset=["progress"]).groupby("video_id", sort=False):
        at, progress = line["seconds"].to_numpy(), line["progress"].to_numpy()
        kind = _COLOURS.get(line["status"].iloc[-1], "unknown")
        style: dict[str, Any] = {"lw": 1.4, "alpha": 0.55, "zorder": 2}
        if kind == "rendering":
            at, progress = np.r_[at, now], np.r_[progress, progress[-1]]
            style = {"lw": 1.7, "alpha": 0.95, "zorder": 3}
        ax.plot(at, progress, color=PALETTE[kind], solid_joinstyle="round", **style)
        ax.plot(at[-1], progress[-1], "o", color=PALETTE[kind], ms=5, clip_on=False, zorder=4)


def _band(ax: Axes, seen: pd.DataFrame, now: float) -> None:
    at = np.linspace(0, now, _STEPS)
    table = _by_time(seen, at)
    known = ~np.isnan(table).all(axis=0)  # no median of none: all have failed by then
    if not known.any():
        nothing(ax)
        return
    at, table = at[known], table[:, known]
    low, lower, middle, upper, high = np.nanquantile(table, _QUANTILES, axis=0)
    colour = PALETTE["rendering"]
    ax.fill_between(at, low, high, color=colour, alpha=0.14, lw=0)
    ax.fill_between(at, lower, upper, color=colour, alpha=0.22, lw=0)
    ax.plot(at, middle, color=colour, lw=2)
    x, y = at[-1], middle[-1]
    ax.plot(x, y, "o", color=colour, ms=5, clip_on=False)
    if x >= _NAMED_FROM * ax.get_xlim()[1]:
        ax.annotate(f"median {y:.0f}%", (x, y), (-8, -12 if y > 50 else 8), ha="right", color=INK,
                    textcoords="offset points", fontsize=LABEL_POINTS)  # fmt: skip


def _by_time(seen: pd.DataFrame, at: Floats) -> Floats:
    """Progress of each video at each time; missing before it was seen and once it had failed."""
    codes, _ = pd.factorize(seen["video_id"])
    order = np.argsort(codes, kind="stable")
    apart = at[-1] + 1.0  # so that the videos' times, one after the other, are ascending
    progress = seen["progress"].mask(seen["status"].eq("FAILED")).to_numpy(dtype=float)[order]
    keys = codes[order] * apart + seen["seconds"].to_numpy()[order]
    videos = np.arange(codes.max() + 1)[:, None]
    found = np.searchsorted(keys, videos * apart + at + 1e-9, side="right") - 1
    ours = (found >= 0) & (codes[order][found] == videos)
    return np.where(ours, progress[found], np.nan)
