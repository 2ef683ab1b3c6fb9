"""Picture of how renders went on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics.plots.style import (
    INK,
    LABEL_POINTS,
    PALETTE,
    canvas,
    note,
    nothing,
    share_axis,
    time_axis,
)
from hooked_analytics.schema import FINAL_STATUSES, require_columns, require_pandas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_LINES = 30
COLUMNS = ["video_id", "observed_at", "status", "progress"]
_STEPS = 120
# Left of this share of the axes a word beside the last point would leave them.
_NAMED_FROM = 0.12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_COLOURS = {"COMPLETED": "completed", "FAILED": "failed", "STARTED": "rendering"}


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
    >>> seen = pd.DataFrame({"video_id": ["vid_1"] * 3, "status": ["STARTED"] * 2 + ["COMPLETED"],
    ...     "observed_at": pd.date_range("2024-01-15T10:00Z", periods=3, freq="min"),
    ...     "progress": [10.0, 60.0, 100.0]})
    >>> ax = plot_progress(seen, ax=Figure().subplots())
    >>> ax.lines[0].get_xydata().tolist()
    [[0.0, 10.0], [60.0, 60.0], [120.0, 100.0]]
    """
    require_pandas(observations, what="plot_progress")
    require_columns(observations.columns, COLUMNS, what="plot_progress")
    ax = canvas(ax, "Progress", height=3.6, grid="y")
    seen = _seconds_of(observations)
    if seen.empty:
        nothing(ax)
        return ax
    videos = seen["video_id"].nunique()
    ended = seen.loc[seen["status"].isin(FINAL_STATUSES), "video_id"].nunique()
    now = float(seen["seconds"].max())
    time_axis(ax, max(now, 10.0))
    (_lines if videos <= MAX_LINES else _band)(ax, seen, now)
    ax.set_ylim(-2, 106)
    share_axis(ax, of=100)
    how = "one line per video" if videos <= MAX_LINES else "median, middle 50 % and 80 %"
    note(ax, f"{how} · {ended:,} of {videos:,} finished")
    ax.set_xlabel("time since the first poll", color=INK)
    return ax


def _seconds_of(observations: pd.DataFrame) -> pd.DataFrame:
    """Keep what was seen, by time since the first poll [s]; completed is 100 %."""
    seen = observations.loc[observations["status"].notna(), COLUMNS]
    progress = seen["progress"].mask(seen["status"].eq("COMPLETED"), 100.0)
    return seen.assign(
        seconds=(seen["observed_at"] - seen["observed_at"].min()).dt.total_seconds(),
        progress=progress.to_numpy(dtype=float, na_value=np.nan),
    ).sort_values("seconds", kind="stable", ignore_index=True)


def _lines(ax: Axes, seen: pd.DataFrame, now: float) -> None:
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
    low, lower, middle, upper, high = np.nanquantile(_by_time(seen, at), _QUANTILES, axis=0)
    colour = PALETTE["rendering"]
    ax.fill_between(at, low, high, color=colour, alpha=0.14, lw=0)
    ax.fill_between(at, lower, upper, color=colour, alpha=0.22, lw=0)
    ax.plot(at, middle, color=colour, lw=2)
    x, y = at[-1], middle[-1]
    ax.plot(x, y, "o", color=colour, ms=5, clip_on=False)
    if x < _NAMED_FROM * ax.get_xlim()[1]:
        return
    ax.annotate(f"median {y:.0f}%", (x, y), (-8, -12 if y > 50 else 8), textcoords="offset points",
                ha="right", color=INK, fontsize=LABEL_POINTS)  # fmt: skip


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
    table: Floats = np.where(ours, progress[found], np.nan)
    return np.where(np.isnan(table).all(axis=0), 0.0, table)
