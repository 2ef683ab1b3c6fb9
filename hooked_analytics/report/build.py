"""Ask every question of a report, once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import date
from hooked_analytics.analysis import (
    credit_change,
    credit_outliers,
    credit_usage,
    credits_over_time,
    failures,
    forecast_credits,
    retry_chains,
)
from hooked_analytics.analysis.render_times import completion_curve, render_times
from hooked_analytics.analysis.usage import FAILURE_COLUMNS
from hooked_analytics.plots.render_times_plot import groups_drawn, time_span
from hooked_analytics.report.report import Report, Tables
from hooked_analytics.report.report_tables import (
    PREVIOUS,
    THIS,
    dated,
    failure_reasons,
    first_row,
    forecast_tables,
    harmless,
    totals,
)
from hooked_analytics.schema import require_columns
from hooked_analytics.schema.outcomes import END_COLUMNS

if TYPE_CHECKING:
    from hooked_analytics.analysis import Forecast

_OTHER_COLUMNS = ("duration_seconds", "fetch_error_message", "data_issues", "script", "avatar_id")
_COLUMNS = sorted({*FAILURE_COLUMNS, *END_COLUMNS, *_OTHER_COLUMNS})
_HORIZONS_DAYS = (28, 21, 14, 7)
_MAX_CURVES, _CURVE_POINTS = 20, 121
_WIDEST_GAP_DAYS = 3  # between two periods that are one history


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
    videos : one row per video
        Needs the columns of a videos frame. May be empty.
    title : of the page; made of the period when missing
    before : videos of an earlier period to compare with
    history : videos the figures by day and the forecast are made of
        When missing, *videos* and, where it ends as they begin, *before*.
    price_per_credit : adds money, in the price's currency
    balance : credits left after the last complete day; adds the day on which it runs out
    timezone : whose midnight begins a day; the forecast keeps to days in UTC

    Returns
    -------
    a frozen `Report`

    Raises
    ------
    TypeError
        *videos*, *before* or *history* is not a pandas frame.
    ValueError
        A needed column is not there, a price or balance is below 0, or nobody knows the
        time zone.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> build_report(videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5,
    ...      "durationInSeconds": 120, "createdAt": "2024-01-15T10:00:00Z"},
    ...     {"id": "vid_2", "type": "class", "status": "FAILED",
    ...      "createdAt": "2024-01-15T11:00:00Z"}]))
    Credit spend, 15 Jan 2024
    2 videos made 15 Jan 2024 (UTC) · as seen ...
        5  credits spent, without 1 video whose figure is not known
      2.5  credits per finished minute, failures folded in
        –  credits on 1 failed video: none has a figure
        –  no forecast: 7 days ahead need 14 complete days of history, and there are 0
    Not known: 1 of 2 videos has no credit figure (50%). It is counted as a video and left out
    of every credit total.
    """
    for frame in (videos, before, history):
        _require_videos(frame)
    _require_timezone(timezone)
    for name, value in (("price_per_credit", price_per_credit), ("balance", balance)):
        if value is not None and not 0 <= value < np.inf:
            raise ValueError(f"{name} is 0 or more, not {value!r}")
    days = dated(history) if history is not None else _history(videos, before)
    forecast, reason = _forecast(days, balance)
    summary = totals({THIS: videos, PREVIOUS: before}, timezone)
    times = render_times(videos)
    tables = {
        "totals": summary,
        "credit_usage": credit_usage(videos, price_per_credit=price_per_credit),
        "render_times": times,
        "completion_curve": _curves(videos, times),
        "credits_by_day": credits_over_time(days, timezone=timezone),
        "credits_by_month": credits_over_time(days, freq="M", timezone=timezone),
        "failures": failures(
            videos.assign(message=videos["fetch_error_message"].fillna(videos["message"]))
        ),
    }
    tables |= {
        "failure_reasons": failure_reasons(tables["failures"]),
        "retry_chains": retry_chains(videos),
        "credit_outliers": credit_outliers(videos),
    }
    if before is not None:
        tables["credit_change"] = credit_change(before, videos)
    if forecast is not None:
        tables |= forecast_tables(forecast)
    return Report(
        title=title if title is not None else _title(summary),
        tables=Tables({name: harmless(table) for name, table in tables.items()}),
        timezone=timezone,
        price_per_credit=price_per_credit,
        balance=balance,
        no_forecast=reason,
    )


def _require_videos(videos: pd.DataFrame | None) -> None:
    if videos is None:
        return
    if not isinstance(videos, pd.DataFrame):
        raise TypeError(
            f"build_report takes a pandas frame, not {type(videos).__name__}; collect it first"
        )
    require_columns(videos.columns, _COLUMNS, what="build_report")


def _require_timezone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"timezone is a name such as UTC or Europe/Berlin, not {timezone!r}"
        ) from None


def _history(videos: pd.DataFrame, before: pd.DataFrame | None) -> pd.DataFrame:
    """Join the periods when they touch: days between them that nobody listed are not empty."""
    own = dated(videos)
    if before is None:
        return own
    earlier = dated(before)
    gap = own["created_at"].min() - earlier["created_at"].max()
    if not gap <= pd.Timedelta(_WIDEST_GAP_DAYS, "D"):
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
    now = first_row(summary)
    first, last = now.first_day, now.last_day
    if pd.isna(first):
        return "Credit spend"
    if first.date() == last.date():
        return f"Credit spend, {date(first)}"
    if (first.year, first.month) == (last.year, last.month):
        return f"Credit spend, {first:%B %Y}"
    return f"Credit spend, {first.day} {first:%b %Y} to {date(last)}"
