"""Which renders run for longer than others ever do, or stand still for longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics.analysis.past_renders import SECOND, status_in, times
from hooked_analytics.analysis.survival import kaplan_meier, quantile
from hooked_analytics.schema import FINAL_STATUSES

if TYPE_CHECKING:
    from hooked_analytics.analysis.past_renders import Floats
    from hooked_analytics.analysis.survival import Ends

OBSERVED_COLUMNS = [
    "video_id", "observed_at", "type", "status", "progress", "created_at", "updated_at",
]  # fmt: skip
MIN_FINISHED = 50
TAIL = 0.99
# Times drift, machines get busy: only half as much again is out of the ordinary.
MARGIN = 1.5
STALL_TAIL = 0.97
# In simulations a quarter gave no false alarm and missed little; a half missed more.
SHARE_OF_PACE = 0.25
_RECENT = np.timedelta64(90, "D")
_ROUNDING = 1e-9


def tail_limit(ends: Ends, finished: int) -> float:
    """
    Time beyond which a render of this type is stuck [s]: 99 of 100 take less, and half again.

    Examples
    --------
    >>> from hooked_analytics.analysis.survival import count_ends
    >>> tail_limit(count_ends(range(10, 1010, 10), completed=1), 100)
    1485.0
    """
    enough = finished >= MIN_FINISHED
    return MARGIN * quantile(kaplan_meier(ends), TAIL).seconds if enough else float("nan")


def read_progress(observations: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """
    Order the observations of each render up to the first that shows its end.

    Parameters
    ----------
    observations : DataFrame
        Any number of rows per video, with `OBSERVED_COLUMNS`.
    now : Timestamp
        Later observations are left out, and renders created more than 90 days before.

    Returns
    -------
    DataFrame
        A row per observation: ``row`` (its place in *observations*), ``video``, ``seconds`` since
        the start, ``progress`` (inf at the end), ``over``; and of its video ``total`` [s] to the
        end, from ``updated_at`` but never outside the last two observations.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T10:01Z", "2024-01-15T10:04Z"])
    >>> read_progress(pd.DataFrame({
    ...     "video_id": "vid_1", "observed_at": at, "type": "class", "progress": [0, 50, 100],
    ...     "status": ["STARTED", "STARTED", "COMPLETED"], "created_at": at[0],
    ...     "updated_at": at + pd.to_timedelta([0, 0, 9000], unit="s")}), at[2])["total"].tolist()
    [240.0, 240.0, 240.0]
    """
    created, at, updated = (
        times(observations[name]) for name in ("created_at", "observed_at", "updated_at")
    )
    today = now.tz_convert(None).to_datetime64()
    started, over = status_in(observations["status"], ["STARTED"], FINAL_STATUSES)
    recent = (created >= today - _RECENT) & (at <= today) & observations["video_id"].notna()
    progress = observations["progress"].to_numpy(dtype=float, na_value=np.nan)
    codes = pd.factorize(observations["video_id"])[0]
    seen = pd.DataFrame(
        {
            "row": np.arange(len(observations)),
            "video": codes,
            "seconds": (at - created) / SECOND,
            "updated": (updated - created) / SECOND,
            "over": over,
            "progress": np.where(over, np.inf, np.minimum(progress, 100.0)),
        }
    )[recent & (started | over)]
    seen = seen.sort_values(["video", "seconds", "over"], kind="stable")
    seen = seen.drop_duplicates(["video", "seconds", "over"])
    seen = seen[seen["over"].groupby(seen["video"]).cumsum() - seen["over"] == 0]
    before = seen.groupby("video")["seconds"].shift().fillna(0.0)
    ended = seen["updated"].fillna(np.inf).clip(before, seen["seconds"]).where(seen["over"])
    total = ended.groupby(seen["video"]).transform("max")
    return seen.assign(total=total).drop(columns="updated").reset_index(drop=True)


def stalls(seen: pd.DataFrame) -> pd.DataFrame:
    """
    Tell how long progress stood at each of its values.

    A stall lasted no longer than from the last observation before it to the first after it; it has
    gone on for no less than between its own. The difference is the spacing of the observations,
    which nobody can judge.

    Examples
    --------
    >>> stood = stalls(pd.DataFrame({"video": 0, "row": range(4), "seconds": [10.0, 20, 50, 70],
    ...     "progress": [5, 15, 15, np.inf], "over": [False, False, False, True], "total": 65.0}))
    >>> stood[["progress", "at_least", "at_most"]].values.tolist()
    [[5.0, 0.0, 20.0], [15.0, 30.0, 60.0]]
    """
    known = seen[seen["progress"].notna()]
    of_video = known.groupby("video")["progress"]
    run = known["progress"].ne(of_video.shift()).groupby(known["video"]).cumsum()
    runs = (
        known.assign(run=run)
        .groupby(["video", "run"], as_index=False)
        .agg(
            row=("row", "last"), progress=("progress", "first"),
            first=("seconds", "first"), last=("seconds", "last"), total=("total", "first"),
        )
    )  # fmt: skip
    by_video = runs.groupby("video")
    before = by_video["last"].shift().fillna(0.0)
    after = by_video["first"].shift(-1).fillna(runs["last"])
    waited = runs["last"].where(runs["progress"].eq(0)).groupby(runs["video"]).transform("max")
    return runs.assign(
        run=by_video.cumcount(),
        at_least=runs["last"] - runs["first"],
        at_most=after - before,
        moving=runs["first"] - waited.fillna(0.0),
    )[runs["progress"] < np.inf]


def stands_still(now: pd.DataFrame, past: pd.DataFrame) -> Floats:
    """
    Whether each stall is longer than any of past renders was: 1, 0, or NaN where unknown.

    Parameters
    ----------
    now, past : DataFrame
        Rows of `stalls`: those to judge, and those of renders of the same type that are over.

    Notes
    -----
    Longer in seconds than the limit, and against the pace of the same render than a quarter of its
    limit, so that a render that is slow throughout is not stuck. Each is measured in means of the
    same tenth of progress. At 0 % a render may wait for a machine.
    """
    if past["video"].nunique() < MIN_FINISHED:
        return np.full(len(now), np.nan)
    verdicts = []
    for per_pace, share in ((False, 1.0), (True, SHARE_OF_PACE)):
        longest, held = _measured(past, "at_most", per_pace), _measured(now, "at_least", per_pace)
        tenths = (past["progress"] // 10).clip(upper=9)
        in_tenth = longest.groupby([past["video"], tenths]).max()
        usual = in_tenth.groupby(level=1).mean().clip(lower=_ROUNDING)
        lives = np.sort((in_tenth / usual.reindex(in_tenth.index, level=1)).groupby(level=0).max())
        rank = min(int(np.ceil(STALL_TAIL * (len(lives) + 1) - _ROUNDING)), len(lives))
        limits = (now["progress"] // 10).clip(upper=9).map(usual) * lives[rank - 1] * share
        verdicts.append(np.where(limits.isna(), np.nan, held > limits))
    both: Floats = np.minimum(*verdicts)
    return np.where(now["progress"] > 0, both, np.nan)


def _measured(stood: pd.DataFrame, name: str, per_pace: bool) -> pd.Series[float]:
    if not per_pace:
        return stood[name]
    return stood[name] * stood["progress"] / stood["moving"].clip(lower=1.0)
