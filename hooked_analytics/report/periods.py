"""Cut a list of videos into the period of a report and the one to compare with."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, NamedTuple

import pandas as pd

_MAX_GAP = pd.Timedelta(3, "D")  # between two periods that are one history
_MAX_AGE = pd.Timedelta(3660, "D")


class Periods(NamedTuple):
    """Videos of the period, of the one before, and all that the figures by day are made of."""

    now: pd.DataFrame
    before: pd.DataFrame | None
    history: pd.DataFrame
    days: int
    days_before: int


def cut(
    videos: pd.DataFrame, period: str | None, before: pd.DataFrame | str | None, timezone: str
) -> Periods:
    """
    Cut by the moment of creation, midnight being that of *timezone*.

    A period under way is compared with as much of the one before: the first half of October
    with the first half of September.
    """
    if isinstance(before, str) and period is None:
        raise ValueError(f"before={before!r} needs period=, such as period='2026-10'")
    now, days = videos, _span(videos, timezone)
    if period is not None:
        whole = _period(period)
        first, start, end = (_midnight(each, timezone) for each in (whole - 1, whole, whole + 1))
        seen = videos["fetched_at"].max()
        until = min(end, seen) if pd.notna(seen) and seen > start else end
        now, days = _between(videos, start, until=end), _days(start, until)
    if not isinstance(before, str):
        return Periods(now, before, _history(videos, before), days, _span(before, timezone))
    if before != "previous":
        raise ValueError(f"before is 'previous', a frame or None, not {before!r}")
    last = start if until == end else min(start, first + (until - start))
    earlier = _between(videos, first, until=last)
    return Periods(now, earlier, dated(videos), days, _days(first, last))


def dated(videos: pd.DataFrame) -> pd.DataFrame:
    """Keep the videos within ten years of when they were seen: a table by day has an end."""
    seen = videos["fetched_at"].max()
    around: Any = seen if pd.notna(seen) else videos["created_at"].dropna().median()
    if pd.isna(around):
        return videos.iloc[:0]
    usable = videos["created_at"].between(around - _MAX_AGE, around + _MAX_AGE)
    return videos[usable.fillna(False).astype(bool)]


def _period(text: str) -> pd.Period:
    # pandas takes "October" for a month of this year, and a day for a month
    if re.fullmatch(r"\d{4}(-\d\d){0,2}|\d{4}-?Q[1-4]", str(text), re.ASCII):
        with suppress(ValueError, TypeError):
            period = pd.Period(text)
            if 1900 <= period.year <= 2200:
                return period
    told = "period is a month such as '2026-10', a quarter '2026Q4', a year or a day"
    raise ValueError(f"{told}, not {text!r}")


def _midnight(period: pd.Period, timezone: str) -> pd.Timestamp:
    local = period.start_time.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
    return local.tz_convert("UTC")


def _between(videos: pd.DataFrame, start: pd.Timestamp, *, until: pd.Timestamp) -> pd.DataFrame:
    inside = videos["created_at"].between(start, until, inclusive="left")
    return videos[inside.fillna(False).astype(bool)]


def _days(start: pd.Timestamp, end: pd.Timestamp) -> int:
    """Days from start to end, a begun one counted whole."""
    return max(round((end - start) / pd.Timedelta(1, "D") + 0.49), 0)


def _span(videos: pd.DataFrame | None, timezone: str) -> int:
    """Days from the first to the last video, both included."""
    if videos is None or (created := dated(videos)["created_at"]).isna().all():
        return 0
    days = created.dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
    return int((days.max() - days.min()).days) + 1


def _history(videos: pd.DataFrame, before: pd.DataFrame | None) -> pd.DataFrame:
    """Join the periods when they touch: days between them that nobody listed are not empty."""
    own = dated(videos)
    if before is None:
        return own
    earlier = dated(before)
    gap = own["created_at"].min() - earlier["created_at"].max()
    if not gap <= _MAX_GAP:
        return own
    joined = pd.concat([own, earlier], ignore_index=True)
    return joined.drop_duplicates("video_id", ignore_index=True)
