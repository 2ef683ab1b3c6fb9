"""Make the tables of a report, once; everything a reader sees is made of these alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa

from hooked_analytics._internal.formatting import dates
from hooked_analytics.analysis import (
    completion_curve,
    credit_change,
    credit_outliers,
    credit_usage,
    credits_over_time,
    failures,
    forecast_credits,
    render_times,
    retry_chains,
)
from hooked_analytics.analysis.usage import FAILURE_COLUMNS
from hooked_analytics.plots.render_times_plot import groups_drawn, time_span
from hooked_analytics.report.report import Report, Tables
from hooked_analytics.schema import FINAL_STATUSES, require_columns
from hooked_analytics.schema.outcomes import END_COLUMNS
from hooked_analytics.storage.sanitize import scrub_text

if TYPE_CHECKING:
    from hooked_analytics.analysis import Forecast

_OTHER_COLUMNS = ("duration_seconds", "fetch_error_message", "data_issues", "script", "avatar_id")
_COLUMNS = sorted({*FAILURE_COLUMNS, *END_COLUMNS, *_OTHER_COLUMNS})
_HORIZONS_DAYS = (28, 21, 14, 7)
_MAX_CURVES, _CURVE_POINTS = 20, 121
_MAX_GAP_DAYS = 3  # between two periods that are one history
_MAX_AGE = pd.Timedelta(3660, "D")
_COUNTS = ["videos", "completed", "failed", "rendering", "credits_unknown"]
_FROM_USAGE = [
    "credits", "credits_unknown", "credits_per_video", "credits_per_minute", "failed_credits",
    "failed_share",
]  # fmt: skip
_FROM_TIMES = [
    "completed", "failed", "rendering", "median_seconds", "median_low", "median_high",
    "p90_seconds", "p90_low", "p90_high", "failure_rate", "censored_share", "time_source",
]  # fmt: skip


def build_report(
    videos: pd.DataFrame,
    *,
    title: str | None = None,
    before: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
    price_per_credit: float | None = None,
    balance: float | None = None,
    timezone: str = "UTC",
) -> Report:
    """
    Answer what was spent, on what, what failed, how long it took and what comes next.

    The report is about the videos given, whatever they are: choose them by ``created_at``.
    What cannot be known (no figure, no date, too little history) is missing and said.

    Parameters
    ----------
    videos : DataFrame
        One row per video, with the columns of a videos frame. May be empty.
    title : str, optional
        Of the page; made of the period when missing.
    before : DataFrame, optional
        Videos of an earlier period to compare with.
    history : DataFrame, optional
        Videos the figures by day and the forecast are made of. When missing, *videos* and,
        where it ends as they begin, *before*.
    price_per_credit : float, optional
        Adds money, in the price's currency.
    balance : float, optional
        Credits left after the last complete day; adds the day on which it runs out.
    timezone : str, optional
        Whose midnight begins a day; the forecast keeps to days in UTC.

    Returns
    -------
    Report
        Frozen.

    Raises
    ------
    TypeError, ValueError
        Says which argument cannot be used, and why.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> build_report(videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5,
    ...      "durationInSeconds": 120, "createdAt": "2024-01-15T10:00:00Z"},
    ...     {"id": "vid_2", "type": "class", "status": "FAILED",
    ...      "createdAt": "2024-01-15T11:00:00Z"}]))
    Credit spend, 15 Jan 2024
    2 videos created 15 Jan 2024 (UTC) · as seen ...
        5  credits spent, without 1 video whose figure is not known
      2.5  credits per finished minute, failures folded in
        –  credits on 1 failed video: none has a figure
        –  no forecast: 7 days ahead need 14 complete days of history, and there are 0
    Not known: 1 of 2 videos has no credit figure (50%). It is counted as a video and left out
    of every credit total.
    """
    given = [videos, *(each for each in (before, history) if each is not None)]
    _require_usable(given, timezone, price_per_credit=price_per_credit, balance=balance)
    days = _dated(history) if history is not None else _history(videos, before)
    forecast, reason = _forecast(days, balance)
    periods = {"this": videos} | ({"before": before} if before is not None else {})
    totals = [_total(name, each, timezone) for name, each in periods.items()]
    times = render_times(videos)
    reasons = videos["fetch_error_message"].fillna(videos["message"])
    failed = failures(videos.assign(message=reasons))
    tables = {
        "totals": pd.concat(totals, ignore_index=True),
        "credit_usage": credit_usage(videos, price_per_credit=price_per_credit),
        "render_times": times,
        "completion_curve": _curves(videos, times),
        "credits_by_day": credits_over_time(days, timezone=timezone),
        "credits_by_month": credits_over_time(days, freq="M", timezone=timezone),
        "failures": failed,
        "failure_reasons": _failure_reasons(failed),
        "retry_chains": retry_chains(videos),
        "credit_outliers": credit_outliers(videos),
    }
    if before is not None:
        tables["credit_change"] = credit_change(before, videos)
    if forecast is not None:
        tables |= _forecast_tables(forecast)
    return Report(
        title=title if title is not None else _title(totals[0]),
        tables=Tables({name: _without_signatures(table) for name, table in tables.items()}),
        timezone=timezone,
        price_per_credit=price_per_credit,
        balance=balance,
        no_forecast=reason,
    )


def _require_usable(frames: list[pd.DataFrame], timezone: str, **amounts: float | None) -> None:
    for frame in frames:
        if not isinstance(frame, pd.DataFrame):
            kind = type(frame).__name__
            raise TypeError(f"build_report takes a pandas frame, not {kind}; collect it first")
        require_columns(frame.columns, _COLUMNS, what="build_report")
    for name, value in amounts.items():
        if value is not None and not 0 <= value < np.inf:
            raise ValueError(f"{name} is 0 or more, not {value!r}")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        named = "timezone is a name such as UTC or Europe/Berlin"
        raise ValueError(f"{named}, not {timezone!r}") from None


def _history(videos: pd.DataFrame, before: pd.DataFrame | None) -> pd.DataFrame:
    """Join the periods when they touch: days between them that nobody listed are not empty."""
    own = _dated(videos)
    if before is None:
        return own
    earlier = _dated(before)
    gap = own["created_at"].min() - earlier["created_at"].max()
    if not gap <= pd.Timedelta(_MAX_GAP_DAYS, "D"):
        return own
    joined = pd.concat([own, earlier], ignore_index=True)
    return joined.drop_duplicates("video_id", ignore_index=True)


def _forecast(history: pd.DataFrame, balance: float | None) -> tuple[Forecast | None, str]:
    """Look as far ahead as the history allows, or say why nothing can be said."""
    reason = ""
    for days in _HORIZONS_DAYS:
        try:
            return forecast_credits(history, horizon_days=days, balance=balance), ""
        except ValueError as refused:
            reason = str(refused).split(";")[0]  # what follows is for those who write code
    return None, reason


def _curves(videos: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    drawn = groups_drawn(times)
    until = time_span(drawn, videos) if len(drawn) else 0.0
    most = times.sort_values("videos", ascending=False, kind="stable").head(_MAX_CURVES)
    shown = videos.merge(most[["type"]], on="type")
    return completion_curve(shown, np.linspace(0, until, _CURVE_POINTS if until else 1))


def _title(summary: pd.DataFrame) -> str:
    first, last = summary["first_day"].iloc[0], summary["last_day"].iloc[0]
    if pd.isna(first):
        return "Credit spend"
    in_one_month = (first.year, first.month) == (last.year, last.month) and first != last
    return f"Credit spend, {f'{first:%B %Y}' if in_one_month else dates(first, last)}"


def _dated(videos: pd.DataFrame) -> pd.DataFrame:
    """Keep the videos within ten years of when they were seen: a table by day has an end."""
    seen = videos["fetched_at"].max()
    around: Any = seen if pd.notna(seen) else videos["created_at"].dropna().median()
    if pd.isna(around):
        return videos.iloc[:0]
    usable = videos["created_at"].between(around - _MAX_AGE, around + _MAX_AGE)
    return videos[usable.fillna(False).astype(bool)]


def _total(name: str, videos: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """Sum a period up in one row; counts are counts, a figure nobody knows is missing."""
    one, usable = videos.assign(period=name), _dated(videos)
    days = credits_over_time(usable, timezone=timezone)["period"]
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
            first_day=pd.Series([days.min()], dtype=days.dtype),
            last_day=pd.Series([days.max()], dtype=days.dtype),
            seen_at=pd.Series([videos["fetched_at"].max()], dtype="datetime64[us, UTC]"),
        )
    )
    return row


def _failure_reasons(failed: pd.DataFrame) -> pd.DataFrame:
    """Count a `failures` table by what went wrong, the dearest reason first."""
    reasons = failed["message"].fillna("(no reason given)")
    ended = failed.assign(reason=reasons, status="FAILED", duration_seconds=np.nan)
    table: pd.DataFrame = credit_usage(ended, by="reason")
    return table[["reason", "videos", "credits", "credits_unknown"]].sort_values(
        ["credits", "videos"], ascending=False, kind="stable", ignore_index=True
    )


def _forecast_tables(forecast: Forecast) -> dict[str, pd.DataFrame]:
    """Lay a `Forecast` out as its days and one row of everything else."""
    days = ("run_out", "run_out_low", "run_out_high")
    names = (
        "total", "total_low", "total_high", *days, "run_out_chance", "backtest_error",
        "backtest_origins", "history_days", "credits_unknown", "filled_share", "balance",
    )  # fmt: skip
    kinds = {"balance": "float64", **dict.fromkeys(days, "datetime64[us, UTC]")}
    total = {n: pd.Series([getattr(forecast, n)], dtype=kinds.get(n)) for n in names}
    return {"forecast": forecast.daily, "forecast_total": pd.DataFrame(total)}


def _without_signatures(table: pd.DataFrame) -> pd.DataFrame:
    """Take the signature off links in any text; categories become text."""
    scrubbed = {}
    for name in table:
        if table[name].dtype.kind == "O":
            text = table[name].astype("string")
            values = pa.array(list(text), pa.large_string(), from_pandas=True)
            clean = scrub_text(values).to_pylist()
            scrubbed[str(name)] = pd.Series(clean, index=table.index, dtype=text.dtype)
    return table.assign(**scrubbed)
