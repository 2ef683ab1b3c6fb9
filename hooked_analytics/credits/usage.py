"""Credits spent per group, and what failures cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics.videos import require_columns
from hooked_analytics.videos.groups import group_keys, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURE_COLUMNS = ("video_id", "name", "type", "message", "error", "used_credits", "created_at")


def credit_usage(
    videos: pd.DataFrame,
    *,
    by: str | Sequence[str] = "type",
    price_per_credit: float | None = None,
) -> pd.DataFrame:
    """
    Credits spent per group, with what is unknown and what failures cost.

    Sums need at least one known figure: a group whose credits are all unknown has missing
    credits, not 0. Rows whose fetch failed count as videos with unknown credits.

    Parameters
    ----------
    videos : one row per video
        Needs ``status``, ``used_credits``, ``duration_seconds`` and the columns of *by*.
    by : one column or several; a missing key is a group of its own
    price_per_credit : adds ``money`` in the price's currency

    Returns
    -------
    one row per group, the most credits first
        The keys, ``videos``, ``credits`` [credits], ``credits_unknown`` (videos without a
        figure), ``share`` of all known credits, ``credits_per_video`` (known ones only),
        ``credits_per_minute`` [credits/min]: all credits of ended videos, failures folded
        in, per minute of finished video, a ratio of sums; ``wasted_credits`` on FAILED
        videos (missing where some failed and none has a figure), ``waste_share`` of the
        credits of ended videos, and ``money``.

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
    >>> usage[["credits", "credits_unknown", "credits_per_minute", "money"]].to_dict("records")
    [{'credits': 8.0, 'credits_unknown': 1, 'credits_per_minute': 4.0, 'money': 2.0}]
    """
    keys = group_keys(by)
    needed = ["status", "used_credits", "duration_seconds", *keys]
    require_columns(videos.columns, needed, what="credit_usage")
    credits, seconds = (videos[c].astype("float64") for c in ("used_credits", "duration_seconds"))
    completed = videos["status"].eq("COMPLETED").fillna(False).astype(bool)
    failed = videos["status"].eq("FAILED").fillna(False).astype(bool)
    measured = completed & credits.notna() & seconds.gt(0)
    usage = (
        videos[keys]
        .assign(
            _credits=credits,
            _unknown=credits.isna().astype("int64"),
            _ended=credits.where(completed | failed),
            _failed=failed.astype("int64"),
            _wasted=credits.where(failed),
            _minutes=(seconds / 60).where(measured),
        )
        .pipe(grouped, keys)
    )
    sums = usage[["_credits", "_ended", "_wasted", "_minutes"]].sum(min_count=1)
    wasted = sums["_wasted"].mask(usage["_failed"].sum().eq(0), 0.0)
    return (
        pd.DataFrame(
            {
                "videos": usage.size(),
                "credits": sums["_credits"],
                "credits_unknown": usage["_unknown"].sum(),
                "share": sums["_credits"] / sums["_credits"].sum(min_count=1),
                "credits_per_video": usage["_credits"].mean(),
                "credits_per_minute": sums["_ended"] / sums["_minutes"],
                "wasted_credits": wasted,
                "waste_share": wasted / sums["_ended"],
            }
        )
        .pipe(_with_money, price_per_credit)
        .reset_index()
        .sort_values("credits", ascending=False, ignore_index=True)
    )


def failures(videos: pd.DataFrame) -> pd.DataFrame:
    """
    Every video that failed, why, and what it cost.

    Both kinds of failure are here: renders that ended as FAILED (``message`` says why) and
    ids that could not be fetched (``error`` says why).

    Parameters
    ----------
    videos : one row per video
        Needs ``status`` and the columns below.

    Returns
    -------
    one row per failure, the dearest first
        ``video_id, name, type, message, error, used_credits`` [credits] (missing where the
        API gives none: refunds are not known) and ``created_at`` (UTC).

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
    require_columns(videos.columns, ["status", *FAILURE_COLUMNS], what="failures")
    failed = videos["status"].eq("FAILED").fillna(False).astype(bool) | videos["error"].notna()
    return videos.loc[failed, list(FAILURE_COLUMNS)].sort_values(
        "used_credits", ascending=False, kind="stable", ignore_index=True
    )


def _with_money(usage: pd.DataFrame, price_per_credit: float | None) -> pd.DataFrame:
    if price_per_credit is None:
        return usage
    if not price_per_credit >= 0:
        raise ValueError(f"price_per_credit is 0 or more, not {price_per_credit!r}")
    return usage.assign(money=usage["credits"] * price_per_credit)
