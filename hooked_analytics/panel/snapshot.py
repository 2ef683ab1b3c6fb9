"""The figures a panel shows, from one look at the videos."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics.analysis import TimeLeft, batch_time_left, estimate_completion
from hooked_analytics.fetch import ENDING_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

# What a video is counted as, in the order of the chips; the names are also colours.
KINDS = ("rendering", "completed", "failed", "problem", "waiting", "unknown")
_BY_STATUS = {"STARTED": "rendering", "COMPLETED": "completed", "FAILED": "failed"}
_NO_REASON = "no reason given"
SORTS: dict[str, tuple[str, bool]] = {
    "as asked": ("position", True),
    "least progress": ("progress", True),
    "most progress": ("progress", False),
    "longest elapsed": ("elapsed_seconds", False),
    "most credits": ("used_credits", False),
    "name": ("name", True),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """
    One look, in figures.

    Attributes
    ----------
    rows : one row per video, ready to be sorted, cut and written
    counts : how many videos are of each kind
    done : share of the whole batch that each kind makes up, renders by their progress
    elapsed_seconds : since the first look, by Hooked's clock [s]
    ahead : when the batch will be over; None where too little is known
    credits, wasted : in all, and on failures; missing where none is known
    credits_unknown : videos without a figure
    reasons : why videos failed, and how many for each reason, most frequent first
    """

    rows: pd.DataFrame
    counts: dict[str, int]
    done: dict[str, float]
    elapsed_seconds: float
    ahead: TimeLeft | None
    credits: float
    wasted: float
    credits_unknown: int
    reasons: dict[str, int]

    @property
    def total(self) -> int:
        """Videos in all."""
        return len(self.rows)


def facts(
    videos: pd.DataFrame,
    history: pd.DataFrame | None = None,
    *,
    estimates: pd.DataFrame | None = None,
    elapsed_seconds: float = 0.0,
) -> Facts:
    """
    Work out what there is to show.

    Parameters
    ----------
    videos : the last look
    history : renders to learn from, beside those of *videos*
    estimates : what `estimate_completion` gives, when it was asked a moment ago
    elapsed_seconds : since the first look [s]

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> shown = facts(videos_from_records([
    ...     {"id": "vid_1", "status": "COMPLETED", "usedCredits": 5},
    ...     {"id": "vid_2", "status": "STARTED", "progress": 40},
    ... ]))
    >>> shown.counts["completed"], shown.done["rendering"], shown.credits, shown.credits_unknown
    (1, 0.2, 5.0, 1)
    """
    learnt = renders_like(videos, history)
    if estimates is None:
        estimates = estimate_completion(videos, history=learnt)
    rows = _rows(videos, estimates.set_index("video_id"))
    kinds, progress = rows["kind"], rows["progress"]
    counts = {kind: int(kinds.eq(kind).sum()) for kind in KINDS}
    part = progress.where(kinds.eq("rendering"), 100.0).fillna(0.0).groupby(kinds).sum()
    credits, failed = videos["used_credits"], kinds.eq("failed").to_numpy()
    return Facts(
        rows=rows,
        counts=counts,
        done={kind: float(part.get(kind, 0.0)) / 100 / max(len(rows), 1) for kind in KINDS},
        elapsed_seconds=elapsed_seconds,
        ahead=batch_time_left(videos, history=learnt),
        credits=_sum(credits),
        wasted=_sum(credits[failed]),
        credits_unknown=int(credits.isna().sum()),
        reasons=dict(
            Counter(
                rows.loc[kinds.isin(["failed", "problem"]), "reason"].fillna(_NO_REASON)
            ).most_common()
        ),
    )


def kind_of(videos: pd.DataFrame) -> pd.Series[str]:
    """
    Name what each video is counted as.

    Examples
    --------
    >>> kind_of(pd.DataFrame({
    ...     "status": ["STARTED", "NEW", None], "fetch_error": [None, None, "timeout"],
    ... }).astype("string")).tolist()
    ['rendering', 'unknown', 'waiting']
    """
    known = videos["status"].map(_BY_STATUS).astype("string")
    unseen = videos["status"].isna()
    ended = videos["fetch_error"].isin(ENDING_FAILURES)
    return (
        known.fillna("unknown")
        .mask(unseen, "waiting")
        .mask(unseen & videos["fetch_error"].isna(), "unknown")
        .mask(ended, "problem")
    )


def sorted_rows(rows: pd.DataFrame, *, kind: str, of_type: str, sort: str) -> pd.DataFrame:
    """
    Filter and sort the rows; empty text filters nothing.

    Examples
    --------
    >>> rows = pd.DataFrame({"position": [0, 1, 2], "kind": ["failed", "completed", "failed"],
    ...     "type": "class", "progress": [80.0, 100.0, 20.0]})
    >>> sorted_rows(rows, kind="failed", of_type="", sort="least progress")["position"].tolist()
    [2, 0]
    """
    keep = np.ones(len(rows), dtype=bool)
    if kind:
        keep &= rows["kind"].eq(kind).to_numpy()
    if of_type:
        keep &= rows["type"].eq(of_type).fillna(False).to_numpy(dtype=bool)
    column, ascending = SORTS[sort]
    key: Callable[[pd.Series], pd.Series] | None = str_key if column == "name" else None
    return rows[keep].sort_values(column, ascending=ascending, kind="stable", key=key)


def str_key(names: pd.Series) -> pd.Series:
    """Order names as people do, whatever their case."""
    return names.str.casefold()


def renders_like(videos: pd.DataFrame, history: pd.DataFrame | None) -> pd.DataFrame:
    """Put what is learnt from in one frame: earlier renders, and the videos themselves."""
    if history is None:
        return videos
    return pd.concat([history, videos[history.columns]], ignore_index=True)


def _rows(videos: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    kinds = kind_of(videos)
    end = videos["fetched_at"].where(kinds.eq("rendering"), videos["updated_at"])
    elapsed = (end - videos["created_at"]).dt.total_seconds().astype(float)
    asked = pd.Index(videos["video_id"])
    now = videos["fetched_at"]
    left = {
        f"left_{side}": (pd.Series(estimates[f"eta_{side}"].reindex(asked).array) - now.array)
        .dt.total_seconds()
        .to_numpy()
        for side in ("low", "high")
    }
    return pd.DataFrame(
        {
            "position": np.arange(len(videos)),
            "video_id": videos["video_id"].array,
            "name": videos["name"].array,
            "type": videos["type"].array,
            "status": videos["status"].array,
            "kind": kinds.array,
            "progress": videos["progress"].to_numpy(dtype=float, na_value=np.nan),
            "elapsed_seconds": elapsed.where(elapsed.ge(0)).to_numpy(),
            **left,
            "fetch_error": videos["fetch_error"].array,
            "stuck": estimates["stuck"].reindex(asked).fillna(False).to_numpy(dtype=bool),
            "used_credits": videos["used_credits"].to_numpy(dtype=float, na_value=np.nan),
            "reason": videos["message"]
            .where(videos["fetch_error"].isna(), videos["fetch_error_message"])
            .array,
        }
    )


def _sum(credits: pd.Series) -> float:
    return float(credits.sum()) if credits.notna().any() else float("nan")
