"""Credits spent per group, what failures cost, and the videos made again after one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from hooked_analytics.analysis.collected import collected
from hooked_analytics.analysis.survival import wilson
from hooked_analytics.schema import NAMES
from hooked_analytics.schema.checks import group_keys, require_amount
from hooked_analytics.schema.engines import as_given, known, like, open_frame
from hooked_analytics.schema.frames import grouped, usable_frame
from hooked_analytics.schema.outcomes import has_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals.stable.v2 as nw

    from hooked_analytics.schema.engines import FrameT

FAILURE_COLUMNS = [
    "video_id", "name", "type", "message", "fetch_error", "used_credits", "created_at",
]  # fmt: skip
# What makes two videos the same one made again.
CONTENT = ["type", "script", "avatar_id"]
_ATTEMPTS = ["video_id", "name", "status", "created_at", "updated_at", "used_credits", *CONTENT]
_FIGURES = [
    "videos", "credits", "credits_unknown", "share", "credits_per_video", "credits_per_minute",
    "duration_unknown", "failure_rate", "failure_low", "failure_high", "failed_credits",
    "failed_share", "cost",
]  # fmt: skip
_VALUES = ["_credits", "_seconds", "_paired", "_length"]


def credit_usage(
    videos: FrameT,
    *,
    by: str | Sequence[str] = "type",
    price_per_credit: float | None = None,
) -> FrameT:
    """
    Credits spent per group, with what is unknown and what failures cost.

    A group whose credits are all unknown has missing credits, not 0. Rows whose fetch failed count
    as videos with unknown credits.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``status``,
        ``used_credits``, ``duration_seconds`` and the columns of *by*.
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
        and of FAILED ones, per minute of the COMPLETED videos whose credits are known;
        ``duration_unknown`` (COMPLETED videos left out of it), ``failure_rate`` of the ended
        videos with its 95 % interval ``failure_low``, ``failure_high``; ``failed_credits`` on
        FAILED videos (missing where some failed and none has a figure), ``failed_share`` of the
        credits of ended videos, and ``cost``.

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
    keys = group_keys(by, _FIGURES)
    require_amount("price_per_credit", price_per_credit)
    columns = ["used_credits", "duration_seconds"]
    opened = open_frame(videos, columns, [*keys, "status"], what="credit_usage")
    by_status = opened.sums(
        _with_values(opened.rows), list(dict.fromkeys([*keys, "status"])), _VALUES
    )
    usage: pd.DataFrame = (
        _usage(by_status, keys)
        .reset_index()
        .sort_values("credits", ascending=False, kind="stable", ignore_index=True)
    )
    if price_per_credit is not None:
        usage = usage.assign(cost=usage["credits"] * float(price_per_credit))
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


def _usage(by_status: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Figures of each group; a sum without any known figure is missing."""
    numbers = ["videos", *_VALUES, *(f"{name}_known" for name in _VALUES)]

    def summed(*statuses: str) -> pd.DataFrame:
        chosen = by_status["status"].isin(statuses) | (not statuses)
        rows = by_status.assign(**by_status[numbers].where(chosen, 0))
        total: pd.DataFrame = grouped(rows, keys)[numbers].sum()
        return total

    every, ended = summed(), summed("COMPLETED", "FAILED")
    completed, failed = summed("COMPLETED"), summed("FAILED")
    credits = every["_credits"].where(every["_credits_known"] > 0)
    failed_known = failed["_credits_known"].gt(0) | failed["videos"].eq(0)
    failed_credits = failed["_credits"].where(failed_known)
    minutes = (completed["_seconds"] / 60).where(completed["_seconds_known"] > 0)
    failure_low, failure_high = wilson(failed["videos"], ended["videos"])
    return pd.DataFrame(
        {
            "videos": every["videos"],
            "credits": credits,
            "credits_unknown": every["videos"] - every["_credits_known"],
            "share": credits / credits.sum(min_count=1),
            "credits_per_video": credits / every["_credits_known"].where(credits.notna()),
            "credits_per_minute": (completed["_paired"] + failed["_credits"]) / minutes,
            "duration_unknown": completed["videos"] - completed["_length_known"],
            "failure_rate": failed["videos"] / ended["videos"].where(ended["videos"] > 0),
            "failure_low": failure_low,
            "failure_high": failure_high,
            "failed_credits": failed_credits,
            "failed_share": failed_credits / ended["_credits"].where(ended["_credits_known"] > 0),
        }
    )


def failures(videos: FrameT) -> FrameT:
    """
    Renders that ended as FAILED, and ids that could not be fetched: why, and what they cost.

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
        twice = videos.columns[videos.columns.duplicated()]
        rows = usable_frame(videos, needed, what="failures", keys=list(twice))
        failed = has_status(rows, "FAILED") | rows["fetch_error"].notna()
        own = [name for name in rows if name not in NAMES and name != "observed_at"]
        table = rows.loc[failed, [*FAILURE_COLUMNS, *own]].sort_values(
            "used_credits", ascending=False, kind="stable", ignore_index=True
        )
        return cast("FrameT", table)
    import narwhals.stable.v2 as nw

    opened = open_frame(videos, needed, [], what="failures")
    found = (
        opened.rows.filter((nw.col("status") == "FAILED") | ~nw.col("fetch_error").is_null())
        .with_columns(used_credits=known("used_credits"))
        .select(*FAILURE_COLUMNS)
        .sort("used_credits", descending=True, nulls_last=True)
    )
    return as_given(found, videos)


def retry_chains(videos: FrameT) -> FrameT:
    """
    Videos made again after they had failed, one row per chain of attempts.

    Attempts are of one chain if type, script and avatar are the same; a success closes it. Videos
    without a script or ``created_at``, or made again although none had failed, are in no chain.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine (videos whose script failed once are collected: at most 5
        million). Needs ``video_id, name, type, status, created_at, updated_at, used_credits,
        avatar_id`` and ``script``.

    Returns
    -------
    one row per chain, the dearest first; the kind of frame that was given
        ``video_id, name`` (of the last attempt), ``type``, ``attempts``, ``failures``,
        ``succeeded`` (missing while an attempt may still end well), ``credits`` [credits] of
        all attempts, ``credits_unknown`` (attempts without a figure), ``failed_credits`` on
        those that failed, ``success_credits``: what the success cost with its failures,
        missing without one or where a figure is; ``first_created_at, last_created_at`` (UTC)
        and ``first_video_id``. The script itself is not shown.

    Raises
    ------
    ValueError
        A needed column is not there.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": f"vid_{n}", "type": "class", "script": "Hello!", "status": status,
    ...      "usedCredits": 5 - n, "createdAt": f"2024-01-15T10:0{n}:00Z"}
    ...     for n, status in enumerate(["FAILED", "FAILED", "COMPLETED", "COMPLETED"])])
    >>> chains = retry_chains(videos)
    >>> chains[["video_id", "attempts", "failures", "success_credits"]].to_dict("records")
    [{'video_id': 'vid_2', 'attempts': 3, 'failures': 2, 'success_credits': 12.0}]
    """
    rows = collected(videos, _ATTEMPTS, what="retry_chains", only=_of_failed_scripts)
    made = rows.pipe(_attempts)
    chains = made.groupby("chain")
    credits, failed_credits = chains[["credits", "failed_credits"]].sum(min_count=1).to_numpy().T
    unknown = chains["credits_unknown"].sum()
    completed, open_ended = chains["completed"].any(), chains["open"].any()
    first, last = (
        made.drop_duplicates("chain", keep=keep).set_index("chain").sort_index()
        for keep in ("first", "last")
    )
    table = (
        last[["video_id", "name", "type"]]
        .assign(
            attempts=chains.size().astype("int64"),
            failures=chains["failed"].sum().astype("int64"),
            succeeded=completed.astype("boolean").mask(open_ended & ~completed),
            credits=credits,
            credits_unknown=unknown.astype("int64"),
            failed_credits=failed_credits,
            success_credits=pd.Series(credits, last.index).where(completed & (unknown == 0)),
            first_created_at=first["created_at"],
            last_created_at=last["created_at"],
            first_video_id=first["video_id"],
        )
        .loc[chains["retried"].any()]
        .sort_values(["credits", "first_created_at", "video_id"], ascending=[False, True, True])
        .reset_index(drop=True)
    )
    return like(table, videos)


def _of_failed_scripts(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    import narwhals.stable.v2 as nw

    failed = rows.filter(nw.col("status") == "FAILED").select("script").unique("script")
    return rows.join(failed, on="script", how="semi")


def _attempts(videos: pd.DataFrame) -> pd.DataFrame:
    """Attempts in order of time, each with the number of its chain."""
    again = videos["script"].isin(videos.loc[has_status(videos, "FAILED"), "script"])
    usable = videos["script"].str.strip().fillna("").ne("") & videos["created_at"].notna()
    made = videos[(again & usable).astype(bool)].sort_values(["created_at", "video_id"])
    completed, failed = (has_status(made, status) for status in ("COMPLETED", "FAILED"))
    credits = made["used_credits"].astype("float64")
    content = made.groupby(CONTENT, dropna=False).ngroup()
    closed = completed.groupby(content).cumsum() - completed.astype(int)
    chain = made.groupby([content, closed]).ngroup()
    return made.assign(
        completed=completed,
        failed=failed,
        open=~completed & ~failed,
        credits=credits,
        credits_unknown=credits.isna(),
        failed_credits=credits.where(failed),
        chain=chain,
        retried=failed & chain.duplicated("last"),
    )
