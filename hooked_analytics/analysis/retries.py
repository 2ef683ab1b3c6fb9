"""The same video made again after it failed: what a success cost with its failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics.analysis.collected import collected
from hooked_analytics.schema.engines import like
from hooked_analytics.schema.outcomes import has_status

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from hooked_analytics.schema.engines import FrameT

# What makes two videos the same one made again.
CONTENT = ["type", "script", "avatar_id"]
_NEEDED = ["video_id", "name", "status", "created_at", "updated_at", "used_credits", *CONTENT]


def retry_chains(videos: FrameT) -> FrameT:
    """
    Videos made again after they had failed, one row per chain of attempts.

    Attempts are of one chain if type, script and avatar are the same; a success closes it, so
    what is made of the same script later is no retry. Videos made once, or again although
    none had failed, are in no chain. Nor are those without a script, for that is not known to
    be the same, or without ``created_at``. A video counts once, its latest row.

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
    rows = collected(videos, _NEEDED, what="retry_chains", only=_of_failed_scripts)
    return like(_chains(_attempts(rows)), videos)


def _of_failed_scripts(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    import narwhals.stable.v2 as nw

    failed = rows.filter(nw.col("status") == "FAILED").select("script").unique("script")
    return rows.join(failed, on="script", how="semi")


def _chains(made: pd.DataFrame) -> pd.DataFrame:
    """Figures of each chain with an attempt after a failure."""
    chains = made.groupby("chain")
    credits, wasted = chains[["credits", "wasted"]].sum(min_count=1).to_numpy(dtype=float).T
    unknown = chains["unknown"].sum().to_numpy(dtype="int64")
    completed, open_ended = (chains[name].any() for name in ("completed", "open"))
    first, last = (
        made.drop_duplicates("chain", keep=keep).set_index("chain").sort_index()
        for keep in ("first", "last")
    )
    return (
        last[["video_id", "name", "type"]]
        .assign(
            attempts=chains.size().astype("int64"),
            failures=chains["failed"].sum().astype("int64"),
            succeeded=completed.astype("boolean").mask(open_ended & ~completed),
            credits=credits,
            credits_unknown=unknown,
            failed_credits=wasted,
            success_credits=pd.Series(credits, last.index).where(completed & (unknown == 0)),
            first_created_at=first["created_at"],
            last_created_at=last["created_at"],
            first_video_id=first["video_id"],
        )
        .pipe(lambda table: table[chains["retried"].any()])
        .sort_values(["credits", "first_created_at", "video_id"], ascending=[False, True, True])
        .reset_index(drop=True)
    )


def _attempts(videos: pd.DataFrame) -> pd.DataFrame:
    """Attempts in order of time, each with the number of its chain."""
    again = videos["script"].isin(videos.loc[has_status(videos, "FAILED"), "script"])
    videos = videos[again.fillna(False).astype(bool)]
    usable = videos["script"].str.strip().fillna("").ne("") & videos["created_at"].notna()
    made = videos.loc[usable, _NEEDED].sort_values(["created_at", "video_id"])
    completed, failed = (has_status(made, status) for status in ("COMPLETED", "FAILED"))
    credits = made["used_credits"].astype("float64")
    made = made.assign(
        completed=completed,
        failed=failed,
        credits=credits,
        unknown=credits.isna(),
        wasted=credits.where(failed),
        content=made.groupby(CONTENT, dropna=False).ngroup(),
    )
    closed = made["completed"].groupby(made["content"]).cumsum() - made["completed"]
    made = made.assign(chain=made.groupby(["content", closed.rename("closed")]).ngroup())
    last = ~made.duplicated("chain", keep="last")
    return made.assign(retried=failed & ~last, open=~completed & ~failed)
