"""Credits per day, week or month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from hooked_analytics.videos import require_columns
from hooked_analytics.videos.groups import group_keys, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    Frequency = Literal["D", "W", "M", "Q", "Y"]

# Whole days at least: an hour of a local day may come twice or not at all.
FREQUENCIES = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
_SUMS = ["videos", "credits", "credits_unknown"]


def credits_over_time(
    videos: pd.DataFrame,
    *,
    freq: str = "D",
    by: str | Sequence[str] | None = None,
    timezone: str = "UTC",
) -> pd.DataFrame:
    """
    Credits of the videos asked for in each period, empty periods included.

    A video belongs to the period in which it was asked for. The first and the last period
    may be incomplete: the list decides, not the calendar.

    Parameters
    ----------
    videos : one row per video
        Needs ``created_at``, ``used_credits`` and the columns of *by*.
    freq : ``D``, ``W`` (from Monday), ``M``, ``Q`` or ``Y``
    by : one column or several; a missing key is a group of its own
    timezone : whose midnight begins a day

    Returns
    -------
    one row per period and group, in order of time
        ``period`` (its first moment, in *timezone*; missing, and last, where ``created_at``
        is missing), the keys, ``videos``, ``credits`` [credits] (0 where there were no videos,
        missing where none of them has a figure) and ``credits_unknown`` (videos without one).

    Raises
    ------
    ValueError
        A needed column is not there, or *freq* is none of the above.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "created_at": pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T23:30Z",
    ...                                   "2024-01-17T10:00Z"]),
    ...     "used_credits": [2.0, 3.0, None],
    ... })
    >>> credits_over_time(videos)["credits"].tolist()
    [5.0, 0.0, nan]
    >>> credits_over_time(videos, timezone="Europe/Berlin")["credits"].tolist()
    [2.0, 3.0, nan]
    """
    if freq not in FREQUENCIES:
        raise ValueError(f"freq is one of {', '.join(FREQUENCIES)}, not {freq!r}")
    keys = group_keys(by) if by is not None else []
    require_columns(videos.columns, ["created_at", "used_credits", *keys], what="credits_over_time")
    credits = videos["used_credits"].astype("float64")
    local = videos["created_at"].dt.tz_convert(timezone).dt.tz_localize(None)
    sums = (
        videos[keys]
        .assign(
            period=local.dt.to_period(cast("Frequency", freq)),
            videos=1,
            credits=credits,
            credits_unknown=credits.isna().astype("int64"),
        )
        .pipe(grouped, ["period", *keys])[_SUMS]
        .sum(min_count=1)
        .reset_index()
    )
    return (
        _every_period(sums, keys, freq)
        .merge(sums, how="left", on=["period", *keys])
        .assign(credits=lambda table: table["credits"].mask(table["videos"].isna(), 0.0))
        .fillna({"videos": 0, "credits_unknown": 0})
        .astype({"videos": "int64", "credits_unknown": "int64"})
        .assign(period=lambda table: _starts(table["period"], timezone))
    )


def _every_period(sums: pd.DataFrame, keys: list[str], freq: str) -> pd.DataFrame:
    """All periods from the first to the last with every group, then what has no time."""
    timeless = sums.loc[sums["period"].isna(), ["period", *keys]]
    known = sums["period"].dropna()
    if known.empty:
        return timeless
    periods = pd.DataFrame({"period": pd.period_range(known.min(), known.max(), freq=freq)})
    if keys:
        groups = sums[keys].drop_duplicates().sort_values(keys)
        periods = periods.merge(groups, how="cross")
    return pd.concat([periods, timeless], ignore_index=True)


def _starts(periods: pd.Series[pd.Period], timezone: str) -> pd.Series[pd.Timestamp]:
    """First moment of each period; where midnight is skipped the day begins after the gap."""
    midnight = pd.Series(periods.dt.to_timestamp()).dt.as_unit("us")
    first = np.ones(len(midnight), dtype=bool)
    starts: pd.Series[pd.Timestamp] = midnight.dt.tz_localize(
        timezone, ambiguous=first, nonexistent="shift_forward"
    )
    return starts
