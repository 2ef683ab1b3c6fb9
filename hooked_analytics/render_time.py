"""How long renders take: pure functions of a videos frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics.videos import is_final, require_columns
from hooked_analytics.videos.groups import group_keys, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["elapsed_seconds", "is_final", "render_seconds", "render_times"]


def render_seconds(videos: pd.DataFrame) -> pd.Series[float]:
    """
    Time the API took to render each video.

    Measured from *created_at* to *updated_at*, which Hooked writes when a render ends. A
    later change of the record moves *updated_at* too, and waiting for a free machine is
    counted in, so read the result as an upper bound.

    Parameters
    ----------
    videos : one row per video
        Needs the columns ``status``, ``created_at`` and ``updated_at``.

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
    return _seconds(videos, "created_at", "updated_at", "COMPLETED", "render_seconds")


def elapsed_seconds(videos: pd.DataFrame) -> pd.Series[float]:
    """
    Time each running render has taken so far, by Hooked's clock.

    Measured from *created_at* to *fetched_at*, so it is as old as the last look.

    Parameters
    ----------
    videos : one row per video
        Needs the columns ``status``, ``created_at`` and ``fetched_at``.

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
    return _seconds(videos, "created_at", "fetched_at", "STARTED", "elapsed_seconds")


def render_times(videos: pd.DataFrame, *, by: str | Sequence[str] = "type") -> pd.DataFrame:
    """
    Typical and slow render times per group, of completed videos only.

    Renders under way are counted but not measured: in a young list, where many are still
    rendering, the figures here are too short. The column ``basis`` says so in every row.

    Parameters
    ----------
    videos : one row per video
        Needs ``status``, ``created_at``, ``updated_at`` and the columns of *by*.
    by : one column or several; a missing key is a group of its own

    Returns
    -------
    one row per group, the slowest median first
        The keys, ``videos``, ``completed``, ``failed``, ``rendering`` (counts),
        ``median_seconds`` and ``p90_seconds`` [s] (missing where nothing was measured),
        ``failure_rate`` (failed of finished, missing where nothing finished) and ``basis``.

    Raises
    ------
    ValueError
        A needed column is not there.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 3)
    >>> videos = pd.DataFrame({
    ...     "type": "class",
    ...     "status": ["COMPLETED", "COMPLETED", "STARTED"],
    ...     "created_at": at,
    ...     "updated_at": at + pd.to_timedelta([100, 300, 10], unit="s"),
    ... })
    >>> render_times(videos)[["videos", "rendering", "median_seconds"]].to_dict("records")
    [{'videos': 3, 'rendering': 1, 'median_seconds': 200.0}]
    """
    keys = group_keys(by)
    needed = ["status", "created_at", "updated_at", *keys]
    require_columns(videos.columns, needed, what="render_times")
    status = videos["status"]
    table: pd.DataFrame = (
        videos[keys]
        .assign(
            _completed=status.eq("COMPLETED").fillna(False).astype("int64"),
            _failed=status.eq("FAILED").fillna(False).astype("int64"),
            _rendering=status.eq("STARTED").fillna(False).astype("int64"),
            _seconds=render_seconds(videos),
        )
        .pipe(grouped, keys)
        .agg(
            videos=("_completed", "size"),
            completed=("_completed", "sum"),
            failed=("_failed", "sum"),
            rendering=("_rendering", "sum"),
            median_seconds=("_seconds", "median"),
            p90_seconds=("_seconds", _p90),
        )
        .reset_index()
        .assign(
            failure_rate=lambda table: (
                table["failed"] / (table["failed"] + table["completed"]).replace(0, float("nan"))
            ),
            basis="completed videos only",
        )
        .sort_values("median_seconds", ascending=False, ignore_index=True)
    )
    return table


def _p90(seconds: pd.Series[float]) -> float:
    return float(seconds.quantile(0.9))


def _seconds(
    videos: pd.DataFrame, start: str, end: str, status: str, name: str
) -> pd.Series[float]:
    require_columns(videos.columns, ["status", start, end], what=name)
    took = (videos[end] - videos[start]).dt.total_seconds()
    usable = videos["status"].eq(status).fillna(False).astype(bool) & took.ge(0)
    return took.where(usable).astype("float64").rename(name)
