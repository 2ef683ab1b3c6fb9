"""Pictures of what videos cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import count, number, share
from hooked_analytics.analysis import credit_usage, credits_over_time
from hooked_analytics.analysis.over_time import NOUNS, period_code
from hooked_analytics.plots.style import (
    INK,
    LABEL_POINTS,
    PALETTE,
    SERIES,
    beside,
    canvas,
    date_axis,
    labels,
    line_height,
    note,
    nothing,
    rows,
)
from hooked_analytics.schema import require_pandas
from hooked_analytics.schema.frames import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

MAX_BARS = 20
_COLOURS = (*SERIES, PALETTE["unknown"])


def plot_credits(
    videos: pd.DataFrame, *, by: str | Sequence[str] = "type", ax: Axes | None = None
) -> Axes:
    """
    Draw where the credits went: on finished videos and on failed ones, per group.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns `credit_usage` needs.
    by : str or list of str, default "type"
        One column or several.
    ax : Axes, optional
        Where to draw; a new figure when missing.

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
    require_pandas(videos, what="plot_credits")
    keys = group_keys(by)
    usage = credit_usage(videos, by=by)
    known = usage.dropna(subset=["credits"])
    names = labels(known, keys, ax)
    if len(known) > MAX_BARS:
        others = known.iloc[MAX_BARS - 1 :]
        summed = others[["credits", "failed_credits", "share"]].sum().to_frame().T
        names = [*names[: MAX_BARS - 1], f"{len(others)} others"]
        known = pd.concat([known.head(MAX_BARS - 1), summed], ignore_index=True)
    ax = rows(ax, names, "Where the credits went")
    draw_usage(ax, known)
    wasted = usage["failed_credits"].fillna(0)
    unknown = int(usage["credits_unknown"].sum())
    note(
        ax,
        f"green: finished · orange: failed, {number(wasted.sum())} credits\n"
        f"{unknown:,} of {count(len(videos), 'video')} without a figure, left out",
    )
    return ax


def draw_usage(ax: Axes, known: pd.DataFrame) -> None:
    """Bars of a `credit_usage` table whose credits are known, on axes with a row for each."""
    wasted = known["failed_credits"].fillna(0)
    bars = {"completed": known["credits"] - wasted, "failed": wasted}
    left = pd.Series(0.0, index=known.index)
    for meaning, credits in bars.items():
        ax.barh(known.index, credits, left=left, height=0.62, color=PALETTE[meaning])
        left = left + credits
    for at, (credits, part) in enumerate(zip(known["credits"], known["share"], strict=True)):
        beside(ax, f"{number(credits)}  {share(part)}", credits, at)
    ax.set_xlabel("credits", color=INK)
    ax.margins(x=0.18)


def plot_credits_over_time(
    videos: pd.DataFrame,
    *,
    freq: str = "D",
    by: str | Sequence[str] | None = None,
    timezone: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the credits of each day, week or month, stacked by group when *by* is given.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns `credits_over_time` needs.
    freq, by, timezone : str, default "D"
        As in `credits_over_time`; the five dearest groups have a colour.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a bar per period, credits along y
        A cross on the ground line marks a period none of whose videos has a figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "usedCredits": 5, "createdAt": "2024-01-15T10:00:00Z"}])
    >>> plot_credits_over_time(videos, ax=Figure().subplots()).get_title(loc="left")
    'Credits by day'
    """
    require_pandas(videos, what="plot_credits_over_time")
    keys = group_keys(by) if by is not None else []
    table = credits_over_time(videos, freq=freq, by=by, timezone=timezone)
    timed = table.dropna(subset=["period"])
    ax = canvas(ax, f"Credits by {NOUNS[period_code(freq)[0]]}", height=3.2, grid="y")
    if timed.empty:
        nothing(ax)
        return ax
    groups = timed[keys].drop_duplicates() if keys else timed.head(0)
    _stack(ax, timed.assign(label=_distinct(ax, timed, groups, keys) if keys else "credits"))
    unknown, undated = table["credits_unknown"].sum(), len(videos) - timed["videos"].sum()
    note(
        ax,
        f"{number(timed['credits'].sum())} credits of the videos created then ({timezone})\n"
        f"left out of {count(len(videos), 'video')}: {unknown:,} without a figure, "
        f"{undated:,} without a date",
    )
    ax.set_ylabel("credits", color=INK)
    ax.set_ylim(0, None)
    return ax


def _distinct(ax: Axes, timed: pd.DataFrame, groups: pd.DataFrame, keys: list[str]) -> list[str]:
    """Labels of rows, made distinct where two groups would be shortened to one."""
    names = pd.Series(labels(groups, keys, ax))
    again = names.groupby(names).cumcount()
    names = names.where(again == 0, names + " (" + (again + 1).astype(str) + ")")
    at = timed.merge(groups.assign(_label=names.to_numpy()), how="left", on=keys)
    return list(at["_label"])


def _stack(ax: Axes, table: pd.DataFrame) -> None:
    """Stacked bars, the largest group at the bottom, the remaining groups merged on top."""
    from matplotlib import dates

    mdates: Any = dates  # it has no types
    wide = table.pivot_table(index="period", columns="label", values="credits", aggfunc="sum")
    wide = wide[wide.sum().sort_values(ascending=False, kind="stable").index]
    shown, rest = wide.iloc[:, : len(SERIES)], wide.iloc[:, len(SERIES) :]
    if rest.shape[1]:
        shown = shown.assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})
    at = mdates.date2num(pd.DatetimeIndex(wide.index).tz_localize(None).to_pydatetime())
    width = 0.8 * float(min(np.diff(at), default=1.0))
    bottom = np.zeros(len(at))
    for colour, name in zip(_COLOURS, shown, strict=False):
        ax.bar(at, shown[name], width, bottom=bottom, align="edge", color=colour)
        bottom += shown[name].to_numpy()
    unknown = table.groupby("period")["credits"].apply(lambda credits: credits.isna().all())
    if unknown.any():
        ax.plot(at[unknown] + width / 2, at[unknown] * 0, "x", color=PALETTE["unknown"])
    date_axis(ax)
    if shown.shape[1] > 1:
        _legend(ax, [str(name) for name in shown.columns])


def _legend(ax: Axes, names: list[str]) -> None:
    """Names right of the bars, in the order and the colours of the stack."""
    gap = line_height(ax)
    for n, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        at = (1.02, 0.97 - gap * (len(names) - 1 - n))
        options: dict[str, Any] = {"xycoords": "axes fraction", "va": "center"}
        options |= {"fontsize": LABEL_POINTS, "annotation_clip": False}
        ax.annotate("■", at, color=colour, **options)
        ax.annotate(name, at, (11, 0), textcoords="offset points", color=INK, parse_math=False,
                    **options)  # fmt: skip
