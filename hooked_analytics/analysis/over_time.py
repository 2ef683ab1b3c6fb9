"""Credits per day, week or month."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import column_names
from hooked_analytics.schema.checks import group_keys, require_zone
from hooked_analytics.schema.engines import known, like, open_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.frames import grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hooked_analytics.schema.engines import FrameT, Opened

# Whole days at least: an hour of a local day may come twice or not at all.
NOUNS = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
# pandas' aliases of offsets: at the start, at the end, and older names of the year
_FREQ = re.compile(r"(D|W|M|Q|Y|A)([SE]?)(?:-([A-Z]{3}))?")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
_ANCHORS = {"D": [], "W": _DAYS, "M": [], "Q": _MONTHS, "Y": _MONTHS}
_FIGURES = ["period", "videos", "credits", "credits_unknown", "failed_credits"]
_SUMMED = ["videos", "credits", "credits_known", "failed", "failed_known", "failures"]
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
    Credits of the videos created in each period, empty periods included.

    The first and the last period may be incomplete: the list decides, not the calendar.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``created_at``,
        ``used_credits``, the columns of *by*, and ``status`` for ``failed_credits``.
    freq : str, default "D"
        ``D``, ``W`` (from Monday), ``M``, ``Q`` or ``Y``, and pandas' other aliases of these:
        ``W-SAT`` (weeks that end on a Saturday), ``MS``, ``ME``, ``QS``, ``YE-MAR``.
    by : str or list of str, optional
        One column or several; a missing key is a group of its own.
    timezone : str, default "UTC"
        Whose midnight begins a day.

    Returns
    -------
    one row per period and group, in order of time; the kind of frame that was given
        ``period`` (its first moment, in *timezone*; missing, and last, without ``created_at``), the
        keys, ``videos``, ``credits`` [credits] (0 without videos, missing where none has a figure),
        ``credits_unknown`` (videos without one) and ``failed_credits``, the part of FAILED videos
        (missing where some failed and none has a figure, or without a ``status``).

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
    keys = group_keys(by, _FIGURES + _SUMMED) if by is not None else []
    table = period_table(videos, freq=freq, keys=keys, timezone=timezone, what="credits_over_time")
    return like(table, videos)


def period_code(freq: str) -> str:
    """Read pandas' alias of a frequency as that of a period."""
    found = _FREQ.fullmatch(freq) if isinstance(freq, str) else None
    unit, side, anchor = found.groups() if found else ("", "", None)
    unit = unit.replace("A", "Y")
    if not found or (unit in "DW" and side) or (anchor and anchor not in _ANCHORS[unit]):
        raise ValueError(
            f"freq is one of {', '.join(NOUNS)}, or pandas' other name of one, such as W-SAT, MS "
            f"or QE, not {freq!r}"
        )
    if unit in "DWM":
        return f"W-{anchor}" if unit == "W" and anchor else unit
    # a period is named after its last month, an offset at the start after its first
    first = _MONTHS.index(anchor) if anchor and side == "S" else 0
    return f"{unit}-{_MONTHS[first - 1] if side == 'S' else anchor or 'DEC'}"


def period_table(
    videos: Any, *, freq: str, keys: list[str], timezone: str, what: str
) -> pd.DataFrame:
    """Do what `credits_over_time` does, for *what*; the table is pandas."""
    code = period_code(freq)
    require_zone(timezone)
    status = ["status"] if "status" in column_names(videos) else []
    opened = open_frame(videos, ["created_at", "used_credits", *status], keys, what=what)
    sums = (
        per_step(opened, keys, timezone, with_failed=bool(status))
        .assign(period=lambda table: _periods(table["period"], code, timezone))
        .pipe(grouped, ["period", *keys])[_SUMMED]
        .sum()
        .reset_index()
    )
    # a period without videos has sums of 0, and none that is unknown
    every = _every_period(sums, keys, code).merge(sums, how="left", on=["period", *keys])
    return (
        every.fillna(dict.fromkeys(_SUMMED, 0))
        .astype({"videos": "int64"})
        .assign(
            credits_unknown=lambda table: table["videos"] - table["credits_known"].astype("int64"),
            credits=lambda table: table["credits"].where(
                table["credits_known"].gt(0) | table["videos"].eq(0)
            ),
            failed_credits=lambda table: table["failed"].where(
                table["failed_known"].gt(0) | table["failures"].eq(0)
            ),
        )
        .assign(period=lambda table: midnights(table["period"].dt.to_timestamp(), timezone))
        .reindex(columns=["period", *keys, *_FIGURES[1:]])
    )


def _step(timezone: str) -> int:
    """Longest time [µs] that no day of the zone ends within: a fixed odd offset needs minutes."""
    if timezone == "UTC":
        return _DAY
    offset = pd.Timestamp("2000-01-01", tz=timezone).utcoffset()
    return _MINUTE if offset is not None and offset.total_seconds() % 900 else _QUARTER


def per_step(
    videos: Opened, keys: list[str], timezone: str, *, with_failed: bool = False
) -> pd.DataFrame:
    """Sums per step of time on the engine, ``period`` being its beginning [µs]."""
    import narwhals.stable.v2 as nw

    step, values = _step(timezone), ["credits"]
    rows = with_microseconds(videos.rows, _created="created_at").with_columns(
        period=nw.col("_created") // step, credits=known("used_credits")
    )
    if with_failed:
        values = ["credits", "failed", "failures"]
        failed = nw.col("status") == "FAILED"
        rows = rows.with_columns(
            failed=nw.when(failed).then(nw.col("credits")),
            failures=nw.when(failed).then(nw.lit(1.0)),
        )
    sums = videos.sums(rows, ["period", *keys], values)
    sums = sums if with_failed else sums.assign(failed=0.0, failed_known=0, failures=1.0)
    return sums.assign(period=sums["period"].astype("Int64") * step)


def _periods(began: pd.Series[float], freq: str, timezone: str) -> pd.Series[pd.Period]:
    moments = pd.to_datetime(began, unit="us", utc=True)
    local = moments.dt.tz_convert(timezone).dt.tz_localize(None)
    return local.dt.to_period(cast("Any", freq))


def _every_period(sums: pd.DataFrame, keys: list[str], freq: str) -> pd.DataFrame:
    """All periods from the first to the last with every group, then what has no time."""
    timeless = sums.loc[sums["period"].isna(), ["period", *keys]]
    known = sums["period"].dropna()
    if known.empty:
        return timeless
    periods = pd.DataFrame({"period": pd.period_range(known.min(), known.max(), freq=freq)})
    if keys:
        groups = sums[keys].drop_duplicates()
        # not by `sort_values`: 1 and "1" in one column have no order
        groups = groups.iloc[np.argsort(grouped(groups, keys).ngroup().to_numpy())]
        periods = periods.merge(groups, how="cross")
    return pd.concat([periods, timeless], ignore_index=True)


def midnights(days: Any, timezone: str) -> pd.Series[pd.Timestamp]:
    """First moment of each day; where midnight is skipped the day begins after the gap."""
    local: Any = pd.Series(days).dt.as_unit("us").dt
    first = np.ones(len(days), dtype=bool)
    starts: pd.Series[pd.Timestamp] = local.tz_localize(
        timezone, ambiguous=first, nonexistent="shift_forward"
    )
    return starts
