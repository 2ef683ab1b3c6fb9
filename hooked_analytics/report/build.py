"""Make the tables of a report, once; everything a reader sees is made of these alone."""

from __future__ import annotations

import math
import re
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics import analysis
from hooked_analytics.analysis.credit_change import change_of_total
from hooked_analytics.plots.render_plots import groups_drawn, time_span
from hooked_analytics.report.report import Report, Tables, without_signatures
from hooked_analytics.report.sentences import title_of
from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.schema.checks import group_keys, require_amount, require_zone
from hooked_analytics.schema.frames import NO_ID, usable_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = [
    "video_id", "name", "type", "status", "message", "created_at", "updated_at", "fetched_at",
    "duration_seconds", "used_credits", "avatar_id", "script", "data_issues", "fetch_error",
    "fetch_error_message",
]  # fmt: skip
_HORIZONS_DAYS = (28, 21, 14, 7)
_MAX_CURVES, _CURVE_POINTS = 20, 121
_COUNTS = ["videos", "completed", "failed", "rendering", "credits_unknown"]
_FROM_USAGE = [
    "credits", "credits_unknown", "credits_per_video", "credits_per_minute", "failed_credits",
    "failed_share",
]  # fmt: skip
_FROM_TIMES = [
    "completed", "failed", "rendering", "median_seconds", "median_low", "median_high",
    "p90_seconds", "p90_low", "p90_high", "failure_rate", "censored_share", "time_source",
]  # fmt: skip
_FROM_FORECAST = [
    "total", "total_low", "total_high", "run_out", "run_out_low", "run_out_high",
    "run_out_chance", "backtest_error", "backtest_origins", "history_days", "credits_unknown",
    "filled_share", "balance", "month_to_date", "month_total", "month_low", "month_high",
    "over_budget_chance", "budget_date",
]  # fmt: skip
_WHEN = ("run_out", "run_out_low", "run_out_high", "budget_date")
_OVER_TIME = {"credits_by_day": "D", "credits_by_week": "W", "credits_by_month": "M"}
_DAY = pd.Timedelta(1, "D")
_MAX_GAP = 3 * _DAY  # between two periods that are one history
_MAX_AGE = 3660 * _DAY


class _Periods(NamedTuple):
    """Videos of the period, of the one before, and all that the figures by day are made of."""

    now: pd.DataFrame
    before: pd.DataFrame | None
    history: pd.DataFrame
    days: int
    days_before: int


def build_report(
    videos: pd.DataFrame,
    *,
    by: str | Sequence[str] = "type",
    period: str | None = None,
    before: pd.DataFrame | str | None = None,
    balance: float | None = None,
    budget: float | None = None,
    price_per_credit: float | None = None,
    currency: str | None = None,
    timezone: str = "UTC",
    title: str | None = None,
) -> Report:
    """
    Answer what was spent, on what, what failed, how long it took and what comes next.

    What cannot be known (no figure, no date, too little history) is missing and said.

    Parameters
    ----------
    videos : DataFrame
        A videos frame. May be empty.
    by : str or list of str, default "type"
        Columns to group by, your own too; the report has a section for each.
    period : str, optional
        Month ``"2026-10"``, quarter, year or day to report on; all videos when missing. The
        others are the history of the figures by day and of the forecast.
    before : DataFrame or "previous", optional
        Videos of an earlier period to compare with. ``"previous"`` takes the period before
        *period* out of *videos*; of a period under way the same days.
    balance : float, optional
        Credits left after the last complete day; adds the day on which it runs out.
    budget : float, optional
        Credits to spend in the calendar month of the last day; adds the chance to exceed them.
    price_per_credit : float, optional
        Adds cost.
    currency : str, optional
        Of the price, such as ``"EUR"``; shown beside each cost.
    timezone : str, default "UTC"
        Whose midnight begins a day.
    title : str, optional
        Of the page; made of the period when missing.

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
    >>> build_report(videos_from_records([{"id": "vid_1", "status": "COMPLETED",
    ...     "durationInSeconds": 120, "usedCredits": 5, "createdAt": "2024-01-15T10:00:00Z"}]))
    Credit spend, 15 Jan 2024
    1 video created 15 Jan 2024 (UTC) · as seen ...
        5  credits spent
      2.5  credits per finished minute, failures included
        0  credits on failed videos: none of 1 failed
        –  no forecast: ...
    Every video has a credit figure.
    """
    keys = group_keys(by)
    if currency is not None and not re.fullmatch(r"[^\W\d_]{1,8}|[$€£¥]", str(currency)):
        raise ValueError(f"currency is a code such as 'EUR', not {currency!r}")
    require_zone(timezone)
    amounts = {"price_per_credit": price_per_credit, "balance": balance, "budget": budget}
    for name, value in amounts.items():
        require_amount(name, value)
    once = _usable(videos, keys)
    earlier = before if isinstance(before, str | None) else _usable(before, keys)
    periods = _cut(once, period, earlier, timezone)
    # those without a date too: where they are many, nothing can be forecast
    learnt = pd.concat([periods.history, once[once["created_at"].isna()]])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{NO_ID}")  # it was said of the whole list
        totals = _total("this", periods.now, periods.days, timezone)
        totals = totals.assign(repeated=len(videos) - len(once))
        if periods.before is not None:
            earlier = _total("before", periods.before, periods.days_before, timezone)
            totals = pd.concat([totals, earlier], ignore_index=True)
        tables = {"totals": totals} | _tables(periods, totals, keys, price_per_credit, timezone)
        forecast, reason = _forecast(learnt, balance, budget, timezone)
    return Report(
        title=title_of(totals, period) if title is None else str(title),
        tables=Tables(
            {name: without_signatures(each) for name, each in (tables | forecast).items()}
        ),
        timezone=timezone,
        no_forecast=reason,
        by=tuple(keys),
        currency=currency,
        **amounts,
    )


def _usable(videos: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Take any frame; a key of objects, as a merge leaves numbers with gaps, is text from here."""
    usable = usable_frame(videos, needed=_COLUMNS, keys=keys, what="build_report")
    mixed = [key for key in keys if usable[key].dtype == object]
    text = {key: usable[key].map(str, na_action="ignore").astype("string") for key in mixed}
    return usable.assign(**text)


def _cut(
    videos: pd.DataFrame, period: str | None, before: pd.DataFrame | str | None, timezone: str
) -> _Periods:
    """Cut by the moment of creation; of a period under way as much of the one before counts."""
    if isinstance(before, str) and period is None:
        raise ValueError(f"before={before!r} needs period=, such as period='2026-10'")
    now, days = videos, _span(videos, timezone)
    if period is not None:
        first, start, end = _midnights(period, timezone)
        seen = videos["fetched_at"].max()
        until = min(end, seen) if pd.notna(seen) and seen > start else end
        # up to its end: a clock may be behind that of the API
        now, days = _between(videos, start, end), _days(start, until)
    if not isinstance(before, str):
        days_before = 0 if before is None else _span(before, timezone)
        return _Periods(now, before, _history(videos, before), days, days_before)
    if before != "previous":
        raise ValueError(f"before is 'previous', a frame or None, not {before!r}")
    last = start if until == end else min(start, first + (until - start))
    return _Periods(now, _between(videos, first, last), _dated(videos), days, _days(first, last))


def _midnights(text: str, timezone: str) -> list[pd.Timestamp]:
    """When the period before begins, this one, and the one after."""
    # pandas takes "October" for a month of this year, and a day for a month
    known = re.fullmatch(r"(\d{4})((-\d\d){0,2}|-?Q[1-4])", str(text), re.ASCII)
    with suppress(ValueError, TypeError):
        if known and 1900 <= int(known[1]) <= 2200:
            starts = pd.period_range(pd.Period(str(text)) - 1, periods=3).to_timestamp()
            once = np.ones(3, dtype=bool)  # where midnight comes twice, the first
            local = starts.tz_localize(timezone, ambiguous=once, nonexistent="shift_forward")
            return list(local.tz_convert("UTC"))
    told = "period is a month such as '2026-10', a quarter '2026Q4', a year or a day"
    raise ValueError(f"{told}, not {text!r}")


def _between(videos: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    return videos[videos["created_at"].between(start, end, inclusive="left")]


def _days(start: pd.Timestamp, end: pd.Timestamp) -> int:
    """Days from start to end, a begun one counted whole; one of them may have 25 hours."""
    return max(math.ceil((end - start) / _DAY - 0.05), 1)


def _dated(videos: pd.DataFrame) -> pd.DataFrame:
    """Keep the videos within ten years of when they were seen: a table by day has an end."""
    seen = videos["fetched_at"].max()
    around: Any = seen if pd.notna(seen) else videos["created_at"].median()
    if pd.isna(around):
        return videos.iloc[:0]
    return videos[videos["created_at"].between(around - _MAX_AGE, around + _MAX_AGE)]


def _span(videos: pd.DataFrame, timezone: str) -> int:
    """Days from the first to the last video, both included."""
    created = _dated(videos)["created_at"]
    if created.empty:
        return 0
    first, last = (at.tz_convert(timezone).date() for at in (created.min(), created.max()))
    return int((last - first).days) + 1


def _history(videos: pd.DataFrame, before: pd.DataFrame | None) -> pd.DataFrame:
    """Join the periods when they touch: days between them that nobody listed are not empty."""
    own, earlier = _dated(videos), _dated(videos.iloc[:0] if before is None else before)
    if not own["created_at"].min() - earlier["created_at"].max() <= _MAX_GAP:
        return own
    joined = pd.concat([own, earlier], ignore_index=True)
    return joined[joined["video_id"].isna() | ~joined["video_id"].duplicated()]


def _total(name: str, videos: pd.DataFrame, days: int, timezone: str) -> pd.DataFrame:
    """Sum a period up in one row; counts are counts, a figure nobody knows is missing."""
    one, usable, status = videos.assign(period=name), _dated(videos), videos["status"]
    usage, times = analysis.credit_usage(one, by="period"), analysis.render_times(one, by="period")
    created = analysis.credits_over_time(usable, timezone=timezone)["period"]
    strange = ~status.isin([*FINAL_STATUSES, "STARTED"])
    row: pd.DataFrame = (
        pd.DataFrame({"period": [name], "videos": [len(videos)]})
        .merge(usage[["period", *_FROM_USAGE]], how="left", on="period")
        .merge(times[["period", *_FROM_TIMES]], how="left", on="period")
        .fillna(dict.fromkeys(_COUNTS, 0))
        .astype(dict.fromkeys(_COUNTS, "int64"))
        .assign(
            failed_unknown=int((status.eq("FAILED") & videos["used_credits"].isna()).sum()),
            other=int((strange & videos["fetch_error"].isna()).sum()),
            not_fetched=int(videos["fetch_error"].notna().sum()),
            undated=len(videos) - len(usable),
            refused=int(videos["data_issues"].notna().sum()),
            repeated=0,
            without_id=int(videos["video_id"].isna().sum()),
            days=days,
            first_day=pd.Series([created.min()], dtype=created.dtype),
            last_day=pd.Series([created.max()], dtype=created.dtype),
            seen_at=pd.Series([videos["fetched_at"].max()], dtype="datetime64[us, UTC]"),
        )
    )
    return row


def _tables(
    periods: _Periods, totals: pd.DataFrame, keys: list[str], price: float | None, timezone: str
) -> dict[str, pd.DataFrame]:
    """Every table but the totals and the forecast, in the order of the folder."""
    now, before, history = periods.now, periods.before, periods.history
    messages = now["fetch_error_message"].fillna(now["message"])
    failed = analysis.failures(now.assign(message=messages))
    tables: dict[str, pd.DataFrame] = {}
    for at, key in enumerate(keys, 1):
        times = analysis.render_times(now, by=key)
        grouped = {
            "credit_usage": analysis.credit_usage(now, by=key, price_per_credit=price),
            "render_times": times,
            "completion_curve": _curves(now, times, key),
            "comparison": analysis.compare_groups(now, by=key, metric="credits_per_minute"),
        }
        tables |= {f"{name}_{at}" if at > 1 else name: each for name, each in grouped.items()}
    unusual = analysis.spend_anomalies(history, timezone=timezone)
    inside = unusual["period"].between(totals["first_day"].iloc[0], totals["last_day"].iloc[0])
    for name, freq in _OVER_TIME.items():
        tables[name] = analysis.credits_over_time(history, freq=freq, timezone=timezone)
    tables |= {
        "failures": failed,
        "failure_reasons": _failure_reasons(failed),
        "retry_chains": analysis.retry_chains(now),
        "credit_outliers": analysis.credit_outliers(now),
        "spend_anomalies": unusual[inside].reset_index(drop=True),
        "render_drift": analysis.render_drift(history, by=keys[0]),
    }
    if before is not None:
        tables["credit_change"] = analysis.credit_change(before, now, by=keys[0])
        tables["change_parts"] = change_of_total(before, now, by=keys[0])
    return tables


def _curves(videos: pd.DataFrame, times: pd.DataFrame, key: str) -> pd.DataFrame:
    drawn = groups_drawn(times)
    until = time_span(drawn, videos) if len(drawn) else 0.0
    most = times.sort_values("videos", ascending=False, kind="stable").head(_MAX_CURVES)
    at_seconds = np.linspace(0, until, _CURVE_POINTS if until else 1)
    return analysis.completion_curve(videos.merge(most[[key]], on=key), at_seconds, by=key)


def _failure_reasons(failed: pd.DataFrame) -> pd.DataFrame:
    """Count a `failures` table by what went wrong, the dearest reason first."""
    reasons = failed["message"].fillna("(no reason given)")
    ended = failed.assign(reason=reasons, status="FAILED", duration_seconds=np.nan)
    table: pd.DataFrame = analysis.credit_usage(ended, by="reason")
    return table[["reason", "videos", "credits", "credits_unknown"]].sort_values(
        ["credits", "videos"], ascending=False, kind="stable", ignore_index=True
    )


def _forecast(
    history: pd.DataFrame, balance: float | None, budget: float | None, timezone: str
) -> tuple[dict[str, pd.DataFrame], str]:
    """Forecast as far ahead as the history allows, or say why nothing can be said."""
    reason = ""
    for days in _HORIZONS_DAYS:
        try:
            forecast = analysis.forecast_credits(
                history, horizon_days=days, balance=balance, budget=budget, timezone=timezone
            )
        except ValueError as refused:
            reason = str(refused).split(";")[0]  # what follows is for those who write code
        else:
            facts = {name: getattr(forecast, name) for name in _FROM_FORECAST}
            kinds = {"balance": "float64", **dict.fromkeys(_WHEN, forecast.daily["day"].dtype)}
            total = pd.DataFrame([facts], dtype="object").astype(kinds).infer_objects()
            return {"forecast": forecast.daily, "forecast_total": total}, ""
    return {}, reason
