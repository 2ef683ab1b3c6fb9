"""How long renders take: pure functions of a videos frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics.analysis.survival import (
    aalen_johansen,
    count_ends,
    kaplan_meier,
    quantile,
    share_at,
    wilson,
)
from hooked_analytics.schema.checks import group_keys
from hooked_analytics.schema.engines import like
from hooked_analytics.schema.frames import usable_frame
from hooked_analytics.schema.outcomes import KINDS, STATUS_COLUMNS, end_counts, seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hooked_analytics.analysis.survival import Ends
    from hooked_analytics.schema.engines import FrameT
    from hooked_analytics.schema.outcomes import Counts

_COUNTS = ["videos", "completed", "failed", "rendering"]
_TIMES = [
    "median_seconds", "median_low", "median_high", "p90_seconds", "p90_low", "p90_high",
    "censored_share",
]  # fmt: skip
_FAILURES = ["failure_rate", "failure_low", "failure_high"]
_CURVE = ["at_seconds", "completed_share", "low", "high"]


def render_seconds(videos: pd.DataFrame) -> pd.Series[float]:
    """
    Time the API took to render each video.

    From *created_at* to *updated_at*, which Hooked writes when a render ends. A later change of the
    record moves it too, and waiting for a machine is counted in: read it as an upper bound.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns ``status``, ``created_at`` and ``updated_at``.

    Returns
    -------
    float64 [s], same index as *videos*
        Missing where ``status`` is not ``COMPLETED``, a time is missing, or the clock ran
        backwards.

    See Also
    --------
    elapsed_seconds : The same clock for videos still rendering.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "status": ["COMPLETED", "STARTED"],
    ...     "created_at": pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T10:01Z"]),
    ...     "updated_at": pd.to_datetime(["2024-01-15T10:05Z", "2024-01-15T10:02Z"]),
    ... })
    >>> render_seconds(videos).tolist()
    [300.0, nan]
    """
    return _seconds(videos, "updated_at", "COMPLETED", "render_seconds")


def elapsed_seconds(videos: pd.DataFrame) -> pd.Series[float]:
    """
    Time each running render has taken so far, by Hooked's clock.

    From *created_at* to *fetched_at*, so it is as old as the last observation.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns ``status``, ``created_at`` and ``fetched_at``.

    Returns
    -------
    float64 [s], same index as *videos*
        Missing where ``status`` is not ``STARTED`` or a time is missing.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "status": ["COMPLETED", "STARTED"],
    ...     "created_at": pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T10:01Z"]),
    ...     "fetched_at": pd.to_datetime(["2024-01-15T10:05Z", "2024-01-15T10:02Z"]),
    ... })
    >>> elapsed_seconds(videos).tolist()
    [nan, 60.0]
    """
    return _seconds(videos, "fetched_at", "STARTED", "elapsed_seconds")


def _seconds(videos: pd.DataFrame, end: str, status: str, name: str) -> pd.Series[float]:
    usable = usable_frame(videos, ["status", "created_at", end], what=name, once=False)
    seconds = seconds_between(usable, "created_at", end, status)
    return seconds.set_axis(videos.index).rename(name)


def render_times(
    videos: FrameT, *, by: str | Sequence[str] = "type", observed_renders: Any = None
) -> FrameT:
    """
    Typical and slow times to the end per group, renders under way counted as "longer than".

    An end is COMPLETED or FAILED, so the figures answer "when will I know?". A list chosen
    *because* its videos are complete is too fast whatever the formula; choose by ``created_at``.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``status``,
        ``created_at``, ``updated_at``, ``fetched_at`` and the columns of *by*. Rows with another
        status or without a usable time are counted in ``videos`` alone.
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.
    observed_renders : object, optional
        What `observed_renders` gives of an archive. An ``updated_at`` outside the two observations
        around the end is not believed: their middle is taken.

    Returns
    -------
    one row per group, the slowest median first; the kind of frame that was given
        The keys; ``videos``, ``completed``, ``failed``, ``rendering`` (counts);
        ``median_seconds`` and ``p90_seconds`` [s], missing where so many were not over yet,
        each with its 95 % interval in ``_low`` and ``_high`` (a missing high end: not
        bounded by this list); ``failure_rate`` of the finished ones with its 95 % interval
        ``failure_low``, ``failure_high``; ``censored_share`` of the measured ones still
        rendering; and ``time_source``, the clock behind the times to an
        end: ``updated_at``, ``observed`` where the archive bounds every end, else ``both``.

    Raises
    ------
    ValueError
        A needed column is not there.

    See Also
    --------
    completion_curve : The chance to be completed, where failing is told apart.

    Notes
    -----
    Kaplan-Meier quantiles; intervals by inverting its log(-log) band. Times are whole milliseconds,
    and above a million rows eleven bits of them (at most 0.05 % off): each distinct one takes
    memory.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 3)
    >>> videos = pd.DataFrame({
    ...     "type": "class",
    ...     "status": ["COMPLETED", "COMPLETED", "STARTED"],
    ...     "created_at": at,
    ...     "updated_at": at + pd.to_timedelta([100, 300, 10], unit="s"),
    ...     "fetched_at": at + pd.to_timedelta(200, unit="s"),
    ... })
    >>> render_times(videos)[["videos", "rendering", "median_seconds"]].to_dict("records")
    [{'videos': 3, 'rendering': 1, 'median_seconds': 300.0}]
    """
    keys = group_keys(by, [*_COUNTS, *_TIMES, *_FAILURES, "time_source"])
    ends = end_counts(videos, keys, observed_renders=observed_renders, what="render_times")
    measured = np.array([_times(_counted(group)) for group in ends.counts]).reshape(-1, len(_TIMES))
    counted = pd.DataFrame(map(_totals, ends.counts), columns=_COUNTS).astype("int64")
    finished = counted["failed"] + counted["completed"]
    low, high = wilson(counted["failed"], finished)
    table: pd.DataFrame = (
        ends.groups.join(counted)
        .join(pd.DataFrame(measured, columns=_TIMES))
        .assign(
            failure_rate=counted["failed"] / finished.where(finished > 0),
            failure_low=low,
            failure_high=high,
            time_source=list(map(_time_source, ends.counts)),
        )
        .reindex(columns=[*keys, *_COUNTS, *_TIMES[:-1], *_FAILURES, _TIMES[-1], "time_source"])
        .sort_values("median_seconds", ascending=False, kind="stable", ignore_index=True)
    )
    return like(table, videos)


def completion_curve(
    videos: FrameT,
    at_seconds: ArrayLike,
    *,
    by: str | Sequence[str] = "type",
    observed_renders: Any = None,
) -> FrameT:
    """
    Share of renders COMPLETED by given times, per group, a failure being the other end.

    With failures the curve levels off below 1: those never complete.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine, as `render_times` takes it.
    at_seconds : ArrayLike
        One time since ``created_at`` or several [s].
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.
    observed_renders : object, optional
        What `observed_renders` gives, as in `render_times`.

    Returns
    -------
    one row per group and time, in the order of the groups and of *at_seconds*
        The keys, ``at_seconds`` [s], ``completed_share`` (0 to 1; missing where no render was
        followed for so long) and its 95 % interval ``low``, ``high`` (missing where the share is 0
        or 1); and of the group ``videos``, ``censored_share`` and ``time_source``, as in
        `render_times`.

    Raises
    ------
    ValueError
        A needed column is not there, or a time is negative or missing.

    Notes
    -----
    Aalen-Johansen; its variance by the delta method.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 4)
    >>> videos = pd.DataFrame({
    ...     "type": "class",
    ...     "status": ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"],
    ...     "created_at": at,
    ...     "updated_at": at + pd.to_timedelta([60, 70, 80, 300], unit="s"),
    ...     "fetched_at": at + pd.to_timedelta(600, unit="s"),
    ... })
    >>> completion_curve(videos, [60, 120, 400])["completed_share"].tolist()
    [0.25, 0.5, 0.75]
    """
    keys = group_keys(by, [*_COUNTS, *_CURVE, "censored_share", "time_source"])
    try:
        at = np.atleast_1d(np.asarray(at_seconds, dtype=float)).ravel()
    except (TypeError, ValueError, OverflowError):
        at = np.array([np.nan])
    if not (at >= 0).all():
        raise ValueError("at_seconds are times since created_at, 0 s or more, none missing")
    ends = end_counts(videos, keys, observed_renders=observed_renders, what="completion_curve")
    counted = [_counted(group) for group in ends.counts]
    curves = [share_at(aalen_johansen(each), each, at) for each in counted]
    parts = np.array(curves).reshape(len(curves), 4, len(at)).transpose(0, 2, 1).reshape(-1, 4)
    rests_on = {
        "videos": [_totals(group)[0] for group in ends.counts],
        "censored_share": list(map(_censored_share, counted)),
        "time_source": list(map(_time_source, ends.counts)),
    }
    of_row = np.repeat(np.arange(len(counted)), len(at))
    table = (
        ends.groups.join(pd.DataFrame(rests_on).astype({"videos": "int64"}))
        .iloc[of_row]
        .reset_index(drop=True)
        .join(pd.DataFrame(parts, columns=_CURVE))
        .reindex(columns=[*keys, *_CURVE, *rests_on])
    )
    return like(table, videos)


def _counted(group: Counts) -> Ends:
    completed, failed, running = (group.of(status) for status in STATUS_COLUMNS)
    return count_ends(group.took / 1e3, completed=completed, failed=failed, running=running)


def _totals(group: Counts) -> list[int]:
    """Counts of one group, in the order of `_COUNTS`."""
    return [int(group.videos.sum()), *(int(group.of(status).sum()) for status in STATUS_COLUMNS)]


def _times(ends: Ends) -> list[float]:
    """Figures of one group, in the order of `_TIMES`."""
    curve = kaplan_meier(ends)
    return [*quantile(curve, 0.5), *quantile(curve, 0.9), _censored_share(ends)]


def _censored_share(ends: Ends) -> float:
    used = float(ends.over.sum() + ends.running.sum())
    return float(ends.running.sum()) / used if used else float("nan")


def _time_source(group: Counts) -> str:
    over = (group.took >= 0) & (group.kind > 0) & (group.kind != KINDS["STARTED"])
    seen = group.seen[over] == 1
    return "updated_at" if not seen.any() else "observed" if seen.all() else "both"
