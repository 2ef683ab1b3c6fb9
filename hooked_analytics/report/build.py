"""Make the tables of a report, once; everything a reader sees is made of these alone."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from hooked_analytics._internal.formatting import dates
from hooked_analytics.analysis import (
    compare_groups,
    completion_curve,
    credit_change,
    credit_outliers,
    credit_usage,
    credits_over_time,
    failures,
    forecast_credits,
    render_drift,
    render_times,
    retry_chains,
    spend_anomalies,
)
from hooked_analytics.analysis.credit_change import change_of_total
from hooked_analytics.plots.render_plots import groups_drawn, time_span
from hooked_analytics.report.periods import cut, dated
from hooked_analytics.report.report import Report, Tables
from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.schema.checks import group_keys, require_amount, require_zone
from hooked_analytics.schema.frames import usable_frame
from hooked_analytics.storage.sanitize import scrub_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hooked_analytics.report.periods import Periods

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
_OVER_TIME = {"credits_by_day": "D", "credits_by_week": "W", "credits_by_month": "M"}
# fields of a `Forecast` and their dtypes in its table of one row
_NUMBERS = dict.fromkeys(
    ("balance", "month_to_date", "month_total", "month_low", "month_high", "over_budget_chance"),
    "float64",
)
_FROM_FORECAST = (
    "total", "total_low", "total_high", "run_out", "run_out_low", "run_out_high",
    "run_out_chance", "backtest_error", "backtest_origins", "history_days", "credits_unknown",
    "filled_share", *_NUMBERS, "budget_date",
)  # fmt: skip


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

    What cannot be known (no figure, no date, too little history) is missing and said. A video
    counts once.

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
    >>> build_report(videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5,
    ...      "durationInSeconds": 120, "createdAt": "2024-01-15T10:00:00Z"},
    ...     {"id": "vid_2", "type": "class", "status": "FAILED",
    ...      "createdAt": "2024-01-15T11:00:00Z"}]))
    Credit spend, 15 Jan 2024
    2 videos created 15 Jan 2024 (UTC) · as seen ...
        5  credits spent, without 1 video whose figure is not known
      2.5  credits per finished minute, failures included
        –  credits on 1 failed video: none has a figure
        –  no forecast: ...
    Not known: 1 of 2 videos has no credit figure (50%). It is counted as a video and left out
    of every credit total.
    """
    keys = group_keys(by)
    amounts = {"price_per_credit": price_per_credit, "balance": balance, "budget": budget}
    _require_settings(timezone, currency, amounts)
    usable = partial(usable_frame, needed=_COLUMNS, keys=keys, what="build_report")
    once, earlier = usable(videos), before if isinstance(before, str | None) else usable(before)
    periods = cut(once, period, earlier, timezone)
    totals = _totals(periods, len(videos) - len(once), timezone)
    forecast, reason = _forecast(periods.history, balance, budget, timezone)
    tables = {"totals": totals, **_tables(periods, keys, price_per_credit, timezone), **forecast}
    return Report(
        title=title if title is not None else _title(totals),
        tables=Tables({name: _without_signatures(table) for name, table in tables.items()}),
        timezone=timezone,
        price_per_credit=price_per_credit,
        balance=balance,
        no_forecast=reason,
        by=tuple(keys),
        budget=budget,
        currency=currency,
    )


def _require_settings(
    timezone: str, currency: str | None, amounts: dict[str, float | None]
) -> None:
    if currency is not None and not re.fullmatch(r"[^\W\d_]{1,8}|[$€£¥]", str(currency)):
        raise ValueError(f"currency is a code such as 'EUR', not {currency!r}")
    require_zone(timezone)
    for name, value in amounts.items():
        require_amount(name, value)


def _tables(
    periods: Periods, keys: list[str], price: float | None, timezone: str
) -> dict[str, pd.DataFrame]:
    """Every table but the totals and the forecast, in the order of the folder."""
    now, before, history = periods.now, periods.before, periods.history
    failed = failures(now.assign(message=now["fetch_error_message"].fillna(now["message"])))
    tables = {
        name + (f"_{at}" if at > 1 else ""): table
        for at, key in enumerate(keys, 1)
        for name, table in _grouped(now, key, price).items()
    }
    for name, freq in _OVER_TIME.items():
        tables[name] = credits_over_time(history, freq=freq, timezone=timezone)
    tables |= {
        "failures": failed,
        "failure_reasons": _failure_reasons(failed),
        "retry_chains": retry_chains(now),
        "credit_outliers": credit_outliers(now),
        "spend_anomalies": _within(spend_anomalies(history), now),
        "render_drift": render_drift(history, by=keys[0]),
    }
    if before is not None:
        tables["credit_change"] = credit_change(before, now, by=keys[0])
        tables["change_parts"] = change_of_total(before, now, by=keys[0])
    return tables


def _grouped(videos: pd.DataFrame, key: str, price: float | None) -> dict[str, pd.DataFrame]:
    """Tables of one column to group by."""
    times = render_times(videos, by=key)
    return {
        "credit_usage": credit_usage(videos, by=key, price_per_credit=price),
        "render_times": times,
        "completion_curve": _curves(videos, times, key),
        "comparison": compare_groups(videos, by=key, metric="credits_per_minute"),
    }


def _within(alarms: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Keep the unusual days of the period; the history is only there to compare with."""
    first, last = now["created_at"].min(), now["created_at"].max()
    inside = alarms["period"].between(first - pd.Timedelta(1, "D"), last, inclusive="right")
    return alarms[inside].reset_index(drop=True)


def _forecast(
    history: pd.DataFrame, balance: float | None, budget: float | None, timezone: str
) -> tuple[dict[str, pd.DataFrame], str]:
    """Forecast as far ahead as the history allows, or say why nothing can be said."""
    reason = ""
    for days in _HORIZONS_DAYS:
        try:
            forecast = forecast_credits(
                history, horizon_days=days, balance=balance, budget=budget, timezone=timezone
            )
        except ValueError as refused:
            reason = str(refused).split(";")[0]  # what follows is for those who write code
        else:
            day = forecast.daily["day"].dtype
            times = dict.fromkeys(("run_out", "run_out_low", "run_out_high", "budget_date"), day)
            kinds = {**_NUMBERS, **times}
            total = {
                name: pd.Series([getattr(forecast, name)], dtype=kinds.get(name))
                for name in _FROM_FORECAST
            }
            return {"forecast": forecast.daily, "forecast_total": pd.DataFrame(total)}, ""
    return {}, reason


def _curves(videos: pd.DataFrame, times: pd.DataFrame, key: str) -> pd.DataFrame:
    drawn = groups_drawn(times)
    until = time_span(drawn, videos) if len(drawn) else 0.0
    most = times.sort_values("videos", ascending=False, kind="stable").head(_MAX_CURVES)
    shown = videos.merge(most[[key]], on=key)
    return completion_curve(shown, np.linspace(0, until, _CURVE_POINTS if until else 1), by=key)


def _title(totals: pd.DataFrame) -> str:
    first, last = totals["first_day"].iloc[0], totals["last_day"].iloc[0]
    if pd.isna(first):
        return "Credit spend"
    in_one_month = (first.year, first.month) == (last.year, last.month) and first != last
    return f"Credit spend, {f'{first:%B %Y}' if in_one_month else dates(first, last)}"


def _totals(periods: Periods, repeated: int, timezone: str) -> pd.DataFrame:
    """One row for the period, and one for the period before."""
    rows = [_total("this", periods.now, periods.days, timezone).assign(repeated=repeated)]
    if periods.before is not None:
        rows.append(_total("before", periods.before, periods.days_before, timezone))
    return pd.concat(rows, ignore_index=True)


def _total(name: str, videos: pd.DataFrame, days: int, timezone: str) -> pd.DataFrame:
    """Sum a period up in one row; counts are counts, a figure nobody knows is missing."""
    one, usable = videos.assign(period=name), dated(videos)
    created = credits_over_time(usable, timezone=timezone)["period"]
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
            repeated=0,
            days=days,
            first_day=pd.Series([created.min()], dtype=created.dtype),
            last_day=pd.Series([created.max()], dtype=created.dtype),
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
