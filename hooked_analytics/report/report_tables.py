"""The tables of a report that no other room makes, and what all its tables have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hooked_analytics.analysis import credit_usage
from hooked_analytics.analysis.render_times import render_times
from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.storage.sanitize import scrub_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooked_analytics.analysis import Forecast

THIS, PREVIOUS = "this", "before"

# Column -> unit, for the manifest; a column that is not here is text.
UNITS = {
    **dict.fromkeys(
        (
            "credits", "credits_before", "credits_after", "change", "volume", "mix", "rate",
            "used_credits", "failed_credits", "low", "high", "total", "total_low", "total_high",
            "balance", "success_credits", "median_credits",
        ),
        "credits",
    ),
    **dict.fromkeys(
        (
            "videos", "completed", "failed", "rendering", "other", "not_fetched", "undated",
            "refused", "repeated", "credits_unknown", "failed_unknown", "unknown_before",
            "unknown_after", "attempts", "failures",
        ),
        "videos",
    ),
    **dict.fromkeys(
        (
            "share", "failed_share", "failure_rate", "censored_share", "completed_share",
            "run_out_chance", "backtest_error", "filled_share",
        ),
        "share, 0 to 1",
    ),
    **dict.fromkeys(
        (
            "median_seconds", "median_low", "median_high", "p90_seconds", "p90_low", "p90_high",
            "at_seconds",
        ),
        "s",
    ),
    **dict.fromkeys(("created_at", "seen_at", "first_created_at", "last_created_at"), "UTC"),
    **dict.fromkeys(("first_day", "last_day", "period"), "day, by the report's time zone"),
    **dict.fromkeys(("day", "run_out", "run_out_low", "run_out_high"), "day, UTC"),
    "credits_per_video": "credits per video",
    "credits_per_minute": "credits per finished minute",
    "cost": "currency of the price per credit",
    "backtest_origins": "past forecasts",
    "history_days": "days",
}  # fmt: skip
CURVE_UNITS = dict.fromkeys(("low", "high"), "share, 0 to 1")
DAYS = tuple(column for column, unit in UNITS.items() if unit.startswith("day,"))

_COUNTS = ["videos", "completed", "failed", "rendering", "credits_unknown"]
_FROM_USAGE = [
    "credits", "credits_unknown", "credits_per_video", "credits_per_minute", "failed_credits",
    "failed_share",
]  # fmt: skip
_FROM_TIMES = [
    "completed", "failed", "rendering", "median_seconds", "median_low", "median_high",
    "p90_seconds", "p90_low", "p90_high", "failure_rate", "censored_share", "time_source",
]  # fmt: skip
_FARTHEST = pd.Timedelta(3660, "D")


def units_of(table_name: str, columns: list[str]) -> dict[str, str]:
    """
    Look up the unit of each column that has one.

    Examples
    --------
    >>> units_of("completion_curve", ["type", "at_seconds", "low"])
    {'at_seconds': 's', 'low': 'share, 0 to 1'}
    """
    units = UNITS | (CURVE_UNITS if table_name == "completion_curve" else {})
    return {column: units[column] for column in columns if column in units}


def dated(videos: pd.DataFrame) -> pd.DataFrame:
    """
    Keep the videos with a usable date, within ten years of when they were seen.

    A date far off would stretch every table by day over the centuries.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records(
    ...     [{"id": "vid_1", "createdAt": "2001-01-15T10:00:00Z"}, {"id": "vid_2"}],
    ...     fetched_at=datetime(2026, 1, 15, tzinfo=UTC))
    >>> len(dated(videos))
    0
    """
    seen = videos["fetched_at"].max()
    around: Any = seen if pd.notna(seen) else videos["created_at"].dropna().median()
    if pd.isna(around):
        return videos.iloc[:0]
    usable = videos["created_at"].between(around - _FARTHEST, around + _FARTHEST)
    return videos[usable.fillna(False).astype(bool)]


def totals(periods: Mapping[str, pd.DataFrame | None], timezone: str) -> pd.DataFrame:
    """
    Sum each period up in one row; counts are counts, a figure nobody knows is missing.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_1", "status": "FAILED"}])
    >>> row = first_row(totals({"this": videos}, "UTC"))
    >>> row.videos, row.failed_unknown, row.credits, row.failed_credits
    (1, 1, nan, nan)
    """
    rows = [
        _total(name, videos, timezone) for name, videos in periods.items() if videos is not None
    ]
    return pd.concat(rows, ignore_index=True)


def _total(name: str, videos: pd.DataFrame, timezone: str) -> pd.DataFrame:
    one = videos.assign(period=name)
    usable = dated(videos)["created_at"].dt.tz_convert(timezone)
    known = videos["status"].isin([*FINAL_STATUSES, "STARTED"])
    failed = videos["status"].eq("FAILED").fillna(False).astype(bool)
    row: pd.DataFrame = (
        pd.DataFrame({"period": [name], "videos": [len(videos)]})
        .merge(credit_usage(one, by="period")[["period", *_FROM_USAGE]], how="left", on="period")
        .merge(render_times(one, by="period")[["period", *_FROM_TIMES]], how="left", on="period")
        .fillna(dict.fromkeys(_COUNTS, 0))
        .astype(dict.fromkeys(_COUNTS, "int64"))
        .assign(
            failed_unknown=int((failed & videos["used_credits"].isna()).sum()),
            other=int((~known & videos["fetch_error"].isna()).sum()),
            not_fetched=int(videos["fetch_error"].notna().sum()),
            undated=len(videos) - len(usable),
            refused=int(videos["data_issues"].notna().sum()),
            repeated=int(videos["video_id"].duplicated().sum()),
            first_day=_day(usable.min(), timezone),
            last_day=_day(usable.max(), timezone),
            seen_at=_moment(videos["fetched_at"].max()),
        )
    )
    return row


def _moment(moment: Any) -> pd.Series[pd.Timestamp]:
    """One UTC time as a column; a missing one has the type too."""
    return pd.Series(pd.to_datetime([moment], utc=True)).dt.as_unit("us")


def _day(moment: Any, timezone: str) -> pd.Series[pd.Timestamp]:
    """First moment of the day, or of what is left of it where midnight is skipped."""
    local = _moment(moment).dt.tz_convert(timezone).dt.tz_localize(None)
    first = np.array([True])
    return local.dt.normalize().dt.tz_localize(
        timezone, ambiguous=first, nonexistent="shift_forward"
    )


def failure_reasons(failed: pd.DataFrame) -> pd.DataFrame:
    """
    Count a `failures` table by what went wrong, the dearest reason first.

    Examples
    --------
    >>> from hooked_analytics import failures, videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "status": "FAILED", "message": "Voice lost", "usedCredits": 2},
    ...     {"id": "vid_2", "status": "FAILED", "message": "Voice lost"}])
    >>> failure_reasons(failures(videos)).to_dict("records")
    [{'reason': 'Voice lost', 'videos': 2, 'credits': 2.0, 'credits_unknown': 1}]
    """
    credits = failed["used_credits"].astype("float64")
    table: pd.DataFrame = (
        pd.DataFrame(
            {
                "reason": failed["message"].fillna("(no reason given)"),
                "videos": 1,
                "credits": credits,
                "credits_unknown": credits.isna().astype("int64"),
            }
        )
        .groupby("reason", as_index=False)
        .sum(min_count=1)
        .sort_values(["credits", "videos"], ascending=False, kind="stable", ignore_index=True)
    )
    return table


def forecast_tables(forecast: Forecast) -> dict[str, pd.DataFrame]:
    """Lay a `Forecast` out as its days and one row of everything else."""
    one = {
        name: [getattr(forecast, name)]
        for name in (
            "total", "total_low", "total_high", "run_out", "run_out_low", "run_out_high",
            "run_out_chance", "backtest_error", "backtest_origins", "history_days",
            "credits_unknown", "filled_share", "balance",
        )
    }  # fmt: skip
    days = {
        name: lambda total, name=name: pd.to_datetime(total[name], utc=True).dt.as_unit("us")
        for name in ("run_out", "run_out_low", "run_out_high")
    }
    total = pd.DataFrame(one).astype({"balance": "float64"}).assign(**days)
    return {"forecast": forecast.daily, "forecast_total": total}


def first_row(table: pd.DataFrame) -> Any:
    """
    Take the first row, its columns as attributes.

    Examples
    --------
    >>> first_row(pd.DataFrame({"credits": [5.0]})).credits
    5.0
    """
    return next(table.itertuples(index=False))


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """
    Take the signature off links in any text; categories become text.

    Examples
    --------
    >>> said = pd.DataFrame({"message": ["403 at https://a.example/v.mp4?Expires=1&sig=abc"]})
    >>> harmless(said)["message"].tolist()
    ['403 at https://a.example/v.mp4']
    """
    texts = [str(name) for name in table if table[name].dtype.kind == "O"]
    return table.assign(**{name: _scrubbed(table[name]) for name in texts})


def _scrubbed(column: pd.Series[str]) -> pd.Series[str]:
    text = column.astype("string")
    values = pa.array([None if pd.isna(each) else each for each in text], pa.large_string())
    clean = pd.Series(scrub_text(values).to_pylist(), index=column.index, dtype="string")
    return clean.astype(text.dtype)
