"""Credits per day, week or month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from hooked_analytics.schema.engines import known, like, open_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.groups import group_keys, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hooked_analytics.schema.engines import FrameT, Opened

    Frequency = Literal["D", "W", "M", "Q", "Y"]

# Whole days at least: an hour of a local day may come twice or not at all.
FREQUENCIES = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
_SUMS = ["videos", "credits", "credits_unknown"]
_MINUTE = 60_000_000  # [µs]
_QUARTER, _DAY = 15 * _MINUTE, 24 * 60 * _MINUTE


def credits_over_time(
    videos: FrameT,
    *,
    freq: str = "D",
    by: str | Sequence[str] | None = None,
    timezone: str = "UTC",
) -> FrameT:
    """
    Credits of the videos asked for in each period, empty periods included.

    A video belongs to the period in which it was asked for. The first and the last period
    may be incomplete: the list decides, not the calendar.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``created_at``,
        ``used_credits`` and the columns of *by*.
    freq : str, default "D"
        ``D``, ``W`` (from Monday), ``M``, ``Q`` or ``Y``.
    by : str or list of str, optional
        One column or several; a missing key is a group of its own.
    timezone : str, default "UTC"
        Whose midnight begins a day.

    Returns
    -------
    one row per period and group, in order of time; the kind of frame that was given
        ``period`` (its first moment, in *timezone*; missing, and last, where ``created_at``
        is missing), the keys, ``videos``, ``credits`` [credits] (0 where there were no videos,
        missing where none of them has a figure) and ``credits_unknown`` (videos without one).

    Raises
    ------
    ValueError
        A needed column is not there, or *freq* is none of the above.

    Notes
    -----
    Every engine counts per quarter of an hour in UTC, which no zone has cut since 1972, and
    the days of *timezone* are made of those; an engine's own zone plays no part.

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
    opened = open_frame(videos, ["created_at", "used_credits"], keys, what="credits_over_time")
    sums = (
        _per_quarter(opened, keys, _step(timezone))
        .assign(period=lambda table: _periods(table["period"], freq, timezone))
        .pipe(grouped, ["period", *keys])[["videos", "credits", "credits_known"]]
        .sum()
        .reset_index()
        .assign(
            credits=lambda table: table["credits"].where(table["credits_known"] > 0),
            credits_unknown=lambda table: table["videos"] - table["credits_known"],
        )
        .drop(columns="credits_known")
    )
    table = (
        _every_period(sums, keys, freq)
        .merge(sums, how="left", on=["period", *keys])
        .assign(credits=lambda table: table["credits"].mask(table["videos"].isna(), 0.0))
        .fillna({"videos": 0, "credits_unknown": 0})
        .astype({"videos": "int64", "credits_unknown": "int64"})
        .assign(period=lambda table: _starts(table["period"], timezone))
        .reindex(columns=["period", *keys, *_SUMS])
    )
    return like(table, videos)


def _step(timezone: str) -> int:
    """Longest time [µs] that no day of the zone ends within: a fixed odd offset needs minutes."""
    if timezone == "UTC":
        return _DAY
    offset = pd.Timestamp("2000-01-01", tz=timezone).utcoffset()
    return _MINUTE if offset is not None and offset.total_seconds() % 900 else _QUARTER


def _per_quarter(videos: Opened, keys: list[str], step: int) -> pd.DataFrame:
    """Sums per step of time, ``period`` being its beginning [µs]."""
    import narwhals.stable.v2 as nw

    rows = with_microseconds(videos.rows, _asked="created_at").with_columns(
        period=nw.col("_asked") // step,
        credits=known("used_credits"),
    )
    sums = videos.sums(rows, ["period", *keys], ["credits"])
    return sums.assign(period=sums["period"].astype("Int64") * step)


def _periods(began: pd.Series[float], freq: str, timezone: str) -> pd.Series[pd.Period]:
    moments = pd.to_datetime(began, unit="us", utc=True)
    local = moments.dt.tz_convert(timezone).dt.tz_localize(None)
    return local.dt.to_period(cast("Frequency", freq))


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
