"""Pictures of what videos cost, of what is coming, and of groups that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics import analysis
from hooked_analytics._internal.formatting import count, duration, number, share
from hooked_analytics.analysis.over_time import NOUNS, period_code
from hooked_analytics.plots.style import (
    INK,
    LABEL_POINTS,
    PALETTE,
    SERIES,
    beside,
    canvas,
    credit_axis,
    date_axis,
    labels,
    legend,
    note,
    nothing,
    rows,
    with_headroom,
)
from hooked_analytics.schema import require_pandas
from hooked_analytics.schema.checks import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

MAX_BARS, MAX_GROUPS_DRAWN = 20, 40
_METRICS = {
    "credits_per_minute": ("Credits per finished minute", "credits per minute", number),
    "failure_rate": ("How often renders fail", "share of finished renders that failed", share),
    "render_seconds": ("How long renders take", "median time to the end [s]", duration),
}
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

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_1", "type": "class", "usedCredits": 5}])
    >>> plot_credits(videos, ax=Figure().subplots()).get_xlabel()
    'credits'
    """
    require_pandas(videos, what="plot_credits")
    usage = analysis.credit_usage(videos, by=by)
    known = usage.dropna(subset=["credits"])
    names = labels(known, group_keys(by), ax)
    if len(known) > MAX_BARS:
        others = known.iloc[MAX_BARS - 1 :]
        summed = others[["credits", "failed_credits", "share"]].sum().to_frame().T
        names = [*names[: MAX_BARS - 1], f"{len(others)} others"]
        known = pd.concat([known.head(MAX_BARS - 1), summed], ignore_index=True)
    ax = rows(ax, names, "Where the credits went")
    draw_usage(ax, known)
    note(
        ax,
        f"green: finished · orange: failed, {number(usage['failed_credits'].sum())} credits\n"
        f"{usage['credits_unknown'].sum():,} of {count(usage['videos'].sum(), 'video')} without a "
        "figure, left out",
    )
    return ax


def draw_usage(ax: Axes, known: pd.DataFrame) -> None:
    """Bars of a `credit_usage` table whose credits are known, on axes with a row for each."""
    failed = known["failed_credits"].fillna(0)
    finished = known["credits"] - failed
    ax.barh(known.index, finished, height=0.62, color=PALETTE["completed"])
    ax.barh(known.index, failed, left=finished, height=0.62, color=PALETTE["failed"])
    ends = known["credits"].clip(lower=finished.clip(lower=0))  # the bar of a refund goes left
    for at, row in enumerate(known.assign(end=ends).to_dict("records")):
        beside(ax, f"{number(row['credits'])}  {share(row['share'])}", row["end"], at)
    credit_axis(ax.xaxis)
    ax.set_xlabel("credits", color=INK)
    ax.margins(x=0.18)
    if not known["credits"].any():
        ax.set_xlim(0, 1)


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
    table = analysis.credits_over_time(videos, freq=freq, by=by, timezone=timezone)
    timed = table.dropna(subset=["period"])
    ax = canvas(ax, f"Credits by {NOUNS[period_code(freq)[0]]}", height=3.2, grid="y")
    if timed.empty:
        nothing(ax)
        return ax
    _stack(ax, timed.assign(label=_distinct(ax, timed, keys) if keys else "credits"))
    listed, unknown = table["videos"].sum(), table["credits_unknown"].sum()
    note(
        ax,
        f"{number(timed['credits'].sum())} credits of the videos created then ({timezone})\n"
        f"left out of {count(listed, 'video')}: {unknown:,} without a figure, "
        f"{listed - timed['videos'].sum():,} without a date",
    )
    with_headroom(ax)
    return ax


def _distinct(ax: Axes, timed: pd.DataFrame, keys: list[str]) -> list[str]:
    """Labels of rows, made distinct where two groups would be shortened to one."""
    groups = timed[keys].drop_duplicates()
    names = pd.Series(labels(groups, keys, ax), index=groups.index)
    again = names.groupby(names).cumcount()
    groups["label"] = names.where(again == 0, names + " (" + (again + 1).astype(str) + ")")
    return list(timed[keys].merge(groups, how="left", on=keys)["label"])


def _stack(ax: Axes, table: pd.DataFrame) -> None:
    """Stacked bars, the largest group at the bottom, the remaining groups merged on top."""
    from matplotlib import dates

    wide = table.pivot_table(index="period", columns="label", values="credits", aggfunc="sum")
    wide = wide[wide.sum().sort_values(ascending=False, kind="stable").index]
    shown, rest = wide.iloc[:, : len(SERIES)], wide.iloc[:, len(SERIES) :]
    if rest.shape[1]:
        shown = shown.assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})
    date2num: Any = dates.date2num  # it has no types
    at = date2num(pd.DatetimeIndex(wide.index).tz_localize(None).to_pydatetime())
    width = 0.8 * float(min(np.diff(at), default=1.0))
    ends = np.zeros((2, len(at)))  # of what is above 0 and of the refunds below
    for colour, name in zip(_COLOURS, shown, strict=False):
        credits = shown[name].to_numpy(dtype=float, na_value=0.0)
        place = ((credits < 0).astype(int), np.arange(len(at)))
        ax.bar(at, credits, width, bottom=ends[place], align="edge", color=colour)
        ends[place] += credits
    unknown = table.groupby("period")["credits"].apply(lambda credits: credits.isna().all())
    if unknown.any():
        ax.plot(at[unknown] + width / 2, at[unknown] * 0, "x", color=PALETTE["unknown"])
    date_axis(ax)
    if shown.shape[1] > 1:
        legend(ax, [str(name) for name in shown.columns], _COLOURS)


def plot_forecast(
    videos: pd.DataFrame | analysis.Forecast,
    *,
    horizon_days: int = 30,
    balance: float | None = None,
    timezone: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the credits of the last days as bars and of the coming days as a line in its range.

    Parameters
    ----------
    videos : DataFrame or Forecast
        One row per video, with the columns `forecast_credits` needs; or what that returned, which
        is drawn without the days before.
    horizon_days, balance, timezone : int, default 30
        As in `forecast_credits`.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a day per step along x, credits along y
        Without a range (under 28 days of history) the line stands alone.

    Raises
    ------
    ValueError
        `forecast_credits` refuses.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=57, unit="us")
    >>> videos = pd.DataFrame({"created_at": days, "fetched_at": days[-1], "used_credits": 10.0})
    >>> plot_forecast(videos, horizon_days=7, ax=Figure().subplots()).texts[0].get_text()
    'forecast, 80 % range of a day'
    """
    past = None
    if isinstance(videos, analysis.Forecast):
        forecast = videos
    else:
        forecast = analysis.forecast_credits(
            videos, horizon_days=horizon_days, balance=balance, timezone=timezone
        )
        days = analysis.credits_over_time(videos, timezone=timezone)
        past = days[days["period"] < forecast.daily["day"].iloc[0]]
    # not before: a forecast that is refused leaves no empty picture
    ax = canvas(ax, "Credits day by day, and what comes next", height=3.4, grid="y")
    if past is not None:
        draw_days(ax, past.tail(max(3 * horizon_days, 28)))
    draw_ahead(ax, forecast.daily)
    with_headroom(ax)
    date_axis(ax)
    first, second, *rest = repr(forecast).splitlines()
    old = [line for line in rest if line.startswith("The list is")]
    note(ax, f"{first}\n{' · '.join([second, *old])}")
    return ax


def plot_comparison(
    videos: pd.DataFrame,
    *,
    by: str | Sequence[str] = "type",
    metric: str = "credits_per_minute",
    ax: Axes | None = None,
) -> Axes:
    """
    Draw a figure of each group with its 95 % interval, sorted by its shrunk form.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns `compare_groups` needs.
    by : str or list of str, default "type"
        One column or several; of more than forty groups the forty with most videos are drawn.
    metric : str, default "credits_per_minute"
        As in `compare_groups`.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a row per group: a dot with its interval, and a line at the shrunk figure
        A filled dot is different from the rest; a hollow one is not, or has too few videos.

    Raises
    ------
    ValueError
        `compare_groups` refuses.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_1", "type": "class", "status": "FAILED"}])
    >>> plot_comparison(videos, metric="failure_rate", ax=Figure().subplots()).get_title(loc="left")
    'How often renders fail'
    """
    require_pandas(videos, what="plot_comparison")
    table = analysis.compare_groups(videos, by=by, metric=metric)
    title, unit, written = _METRICS[metric]
    known = table.dropna(subset=["value"])
    drawn = known.loc[known["videos"].nlargest(MAX_GROUPS_DRAWN).index.sort_values()]
    ax = rows(ax, labels(drawn, group_keys(by), ax), title)
    for at, row in enumerate(drawn.to_dict("records")):
        value, shrunk, found = row["value"], row["shrunk"], row["different"] is True
        colour = PALETTE["failed" if found else "rendering"]
        low, high = (value if np.isnan(end) else end for end in (row["low"], row["high"]))
        ax.plot([low, high], [at, at], color=colour, lw=1.6, alpha=0.7)
        ax.plot([shrunk] * 2, [at - 0.28, at + 0.28], color=INK, lw=1.2)
        ax.plot([value], [at], "o", color=colour, ms=7, mew=1.6, mfc=colour if found else "none")
        beside(ax, f"{written(value)}  of {row['videos']:,}", max(high, shrunk), at)
    left_out = len(table) - len(drawn)
    note(
        ax,
        "filled: different from the rest by more than chance · line: 95 % interval\n"
        "upright mark: drawn to the figure of all as far as chance explains it"
        + (f" · {count(left_out, 'group')} left out" if left_out else ""),
    )
    ax.set_xlabel(unit, color=INK)
    ax.margins(x=0.18)
    return ax


def draw_days(ax: Axes, days: pd.DataFrame, colour: str = PALETTE["rendering"]) -> None:
    """Bars of past days, of a `credits_over_time` table."""
    ax.bar(_naive(days["period"]), days["credits"], width=0.8, align="edge", color=colour)


def draw_ahead(ax: Axes, daily: pd.DataFrame, mark: str = "") -> None:
    """Draw ``Forecast.daily``: a line in its range, behind a mark."""
    at = _naive(daily["day"] + pd.Timedelta(12, "h"))
    ax.fill_between(at, daily["low"], daily["high"], color=PALETTE["completed"], alpha=0.18, lw=0)
    ax.plot(at, daily["credits"], color=PALETTE["completed"], lw=1.8)
    start = _naive(daily["day"])[0]
    ax.axvline(start, color=INK, lw=0.8, ls=(0, (3, 3)))
    said = f"forecast, {'80 % range of a day' if daily['low'].notna().any() else 'no range'}"
    ax.annotate(mark or said, (start, 1), (4, -2), xycoords=("data", "axes fraction"), va="top",
                textcoords="offset points", color=INK, fontsize=LABEL_POINTS)  # fmt: skip


def _naive(days: pd.Series[pd.Timestamp]) -> Any:
    """Days as matplotlib draws them without shifting."""
    return days.dt.tz_localize(None).to_numpy()
