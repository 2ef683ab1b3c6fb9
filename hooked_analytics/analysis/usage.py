"""Credits spent per group, and what failures cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from hooked_analytics.analysis.intervals import wilson
from hooked_analytics.schema import NAMES
from hooked_analytics.schema.engines import as_given, known, like, open_frame
from hooked_analytics.schema.frames import group_keys, grouped, usable_frame
from hooked_analytics.schema.outcomes import has_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals.stable.v2 as nw

    from hooked_analytics.schema.engines import FrameT

FAILURE_COLUMNS = [
    "video_id", "name", "type", "message", "fetch_error", "used_credits", "created_at",
]  # fmt: skip
_VALUES = ["_credits", "_seconds", "_paired", "_length"]
_SUMS = [
    "videos", "_credits", "_credits_known", "_ended", "_ended_known", "_finished", "_failed",
    "_wasted", "_wasted_known", "_minutes", "_measured", "_loaded", "_unmeasured",
]  # fmt: skip


def credit_usage(
    videos: FrameT,
    *,
    by: str | Sequence[str] = "type",
    price_per_credit: float | None = None,
) -> FrameT:
    """
    Credits spent per group, with what is unknown and what failures cost.

    Sums need at least one known figure: a group whose credits are all unknown has missing
    credits, not 0. Rows whose fetch failed count as videos with unknown credits.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``status``,
        ``used_credits``, ``duration_seconds`` and the columns of *by*. Of an archive's observations
        the one that counts of each video is taken.
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.
    price_per_credit : float, optional
        Adds ``cost`` in the price's currency.

    Returns
    -------
    one row per group, the most credits first; the kind of frame that was given
        The keys, ``videos``, ``credits`` [credits], ``credits_unknown`` (videos without a
        figure), ``share`` of all known credits, ``credits_per_video`` (known ones only),
        ``credits_per_minute`` [credits/min]: credits of COMPLETED videos whose duration is known
        and of FAILED ones, per minute of the COMPLETED videos whose credits are known, a ratio
        of sums; ``duration_unknown`` (COMPLETED videos left out of it), ``failure_rate`` of the
        ended videos with its 95 % interval ``failure_low``, ``failure_high``;
        ``failed_credits`` on FAILED videos (missing where some failed and none has a figure),
        ``failed_share`` of the credits of ended videos, and ``cost``.

    Raises
    ------
    ValueError
        A needed column is not there.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "type": ["class", "class", "class"],
    ...     "status": ["COMPLETED", "FAILED", "COMPLETED"],
    ...     "used_credits": [6.0, 2.0, None],
    ...     "duration_seconds": [120.0, None, 60.0],
    ... })
    >>> usage = credit_usage(videos, price_per_credit=0.25)
    >>> usage[["credits", "credits_unknown", "credits_per_minute", "cost"]].to_dict("records")
    [{'credits': 8.0, 'credits_unknown': 1, 'credits_per_minute': 4.0, 'cost': 2.0}]
    """
    keys = group_keys(by)
    opened = open_frame(
        videos, ["used_credits", "duration_seconds"], [*keys, "status"], what="credit_usage"
    )
    by_status = opened.sums(
        _with_values(opened.rows), list(dict.fromkeys([*keys, "status"])), _VALUES
    )
    usage = (
        grouped(_with_ends(by_status), keys)[_SUMS]
        .sum()
        .pipe(_usage)
        .pipe(_with_money, price_per_credit)
        .reset_index()
        .sort_values("credits", ascending=False, kind="stable", ignore_index=True)
    )
    return like(usage, videos)


def _with_values(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Prepare what is summed: on every engine a plain column."""
    import narwhals.stable.v2 as nw

    both = rows.with_columns(_credits=known("used_credits"), _length=known("duration_seconds"))
    measured, priced = nw.col("_length") > 0, ~nw.col("_credits").is_null()
    return both.with_columns(
        _length=nw.when(measured).then(nw.col("_length")),
        _seconds=nw.when(measured & priced).then(nw.col("_length")),
        _paired=nw.when(measured & priced).then(nw.col("_credits")),
    )


def _with_ends(sums: pd.DataFrame) -> pd.DataFrame:
    """Tell apart, in sums per status, what ended, what failed and what can be watched."""
    completed, failed = (has_status(sums, status) for status in ("COMPLETED", "FAILED"))
    ended = completed | failed
    return sums.assign(
        _ended=sums["_credits"].where(ended, 0.0),
        _ended_known=sums["_credits_known"].where(ended, 0),
        _finished=sums["videos"].where(ended, 0),
        _failed=sums["videos"].where(failed, 0),
        _wasted=sums["_credits"].where(failed, 0.0),
        _wasted_known=sums["_credits_known"].where(failed, 0),
        _minutes=(sums["_seconds"] / 60).where(completed, 0.0),
        _measured=sums["_seconds_known"].where(completed, 0),
        _loaded=sums["_paired"].where(completed, 0.0) + sums["_credits"].where(failed, 0.0),
        _unmeasured=(sums["videos"] - sums["_length_known"]).where(completed, 0),
    )


def _usage(sums: pd.DataFrame) -> pd.DataFrame:
    """Figures of each group; a sum without any known figure is missing."""
    known_videos = sums["_credits_known"]
    credits = sums["_credits"].where(known_videos > 0)
    ended = sums["_ended"].where(sums["_ended_known"] > 0)
    wasted = sums["_wasted"].where(sums["_wasted_known"].gt(0) | sums["_failed"].eq(0))
    failure_low, failure_high = wilson(sums["_failed"], sums["_finished"])
    return pd.DataFrame(
        {
            "videos": sums["videos"],
            "credits": credits,
            "credits_unknown": sums["videos"] - known_videos,
            "share": credits / credits.sum(min_count=1),
            "credits_per_video": credits / known_videos.where(known_videos > 0),
            "credits_per_minute": sums["_loaded"] / sums["_minutes"].where(sums["_measured"] > 0),
            "duration_unknown": sums["_unmeasured"],
            "failure_rate": sums["_failed"] / sums["_finished"].where(sums["_finished"] > 0),
            "failure_low": failure_low,
            "failure_high": failure_high,
            "failed_credits": wasted,
            "failed_share": wasted / ended,
        }
    )


def failures(videos: FrameT) -> FrameT:
    """
    Every video that failed, why, and what it cost.

    Both kinds of failure are here: renders that ended as FAILED (``message`` says why) and
    ids that could not be fetched (``fetch_error`` says why).

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``status`` and the
        columns below.

    Returns
    -------
    one row per failure, the dearest first, on the engine that was given: nothing is fetched
        ``video_id, name, type, message, fetch_error, used_credits`` [credits] (missing where the
        API gives none: refunds are not known), ``created_at`` (UTC), and of a pandas frame
        the columns that are not Hooked's.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "status": "FAILED", "message": "Voice model unavailable"},
    ...     {"id": "vid_2", "status": "COMPLETED"},
    ... ])
    >>> failures(videos)[["video_id", "message"]].to_dict("records")
    [{'video_id': 'vid_1', 'message': 'Voice model unavailable'}]
    """
    needed = ["status", *FAILURE_COLUMNS]
    if isinstance(videos, pd.DataFrame):
        return cast("FrameT", _failures(usable_frame(videos, needed, what="failures")))
    import narwhals.stable.v2 as nw

    opened = open_frame(videos, needed, [], what="failures")
    found = (
        opened.rows.filter((nw.col("status") == "FAILED") | ~nw.col("fetch_error").is_null())
        .with_columns(used_credits=known("used_credits"))
        .select(*FAILURE_COLUMNS)
        .sort("used_credits", descending=True, nulls_last=True)
    )
    return as_given(found, videos)


def _failures(videos: pd.DataFrame) -> pd.DataFrame:
    failed = has_status(videos, "FAILED") | videos["fetch_error"].notna()
    own = [name for name in videos if name not in NAMES and name != "observed_at"]
    return videos.loc[failed, [*FAILURE_COLUMNS, *own]].sort_values(
        "used_credits", ascending=False, kind="stable", ignore_index=True
    )


def _with_money(usage: pd.DataFrame, price_per_credit: float | None) -> pd.DataFrame:
    if price_per_credit is None:
        return usage
    if not 0 <= price_per_credit < float("inf"):
        raise ValueError(f"price_per_credit is 0 or more, not {price_per_credit!r}")
    return usage.assign(cost=usage["credits"] * float(price_per_credit))
