"""
Past renders as plain arrays, and how long progress stood in each.

A panel estimates at every poll, and frames cost more than the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.survival import ROUNDING
from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.schema.outcomes import END_COLUMNS, STATUS_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# After a day a render says nothing about others any more: it is lost, not slow.
LOST_SECONDS = 86_400.0
SECOND = np.timedelta64(1, "s")
HALF_LIFE, _RECENT = np.timedelta64(7, "D"), np.timedelta64(90, "D")
# Videos created closer together than this belong to one batch.
_BATCH_GAP = np.timedelta64(5, "m")
NEEDED = ["type", *END_COLUMNS]
OBSERVED_COLUMNS = [
    "video_id", "observed_at", "type", "status", "progress", "created_at", "updated_at",
]  # fmt: skip
# Finished renders of a type below which none is called stuck.
MIN_FINISHED = 50
STALL_TAIL = 0.97
# In simulations a quarter gave no false alarm and missed little; a half missed more.
SHARE_OF_PACE = 0.25


class Renders(NamedTuple):
    """One render per place; *seconds* to its end or to its last observation, NaN if unknown."""

    types: pd.Series[str]
    created: NDArray[np.datetime64]
    seconds: Floats
    completed: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    rendering: NDArray[np.bool_]

    @property
    def over(self) -> NDArray[np.bool_]:
        """Which ended, and when is known."""
        return (self.completed | self.failed) & ~np.isnan(self.seconds)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which ended or run, and since when is known, those that are lost left out."""
        return self.over | (self.rendering & (self.seconds <= LOST_SECONDS))


def read_renders(videos: pd.DataFrame) -> Renders:
    """Read each render's way and time to its end."""
    created, seconds = _times(videos["created_at"]), np.full(len(videos), np.nan)
    known = {}
    shown = status_in(videos["status"], *([status] for status in STATUS_COLUMNS))
    for (name, end), there in zip(STATUS_COLUMNS.values(), shown, strict=True):
        known[name] = there
        took = (_times(videos[end]) - created) / SECOND
        seconds = np.where(there & (took >= 0), took, seconds)
    return Renders(videos["type"].reset_index(drop=True), created, seconds, **known)


def recency_weights(created: NDArray[np.datetime64]) -> Floats:
    """Weigh renders by age: half for each seven days before the newest; 0 where it is unknown."""
    known = ~np.isnat(created)
    if not known.any():
        return np.zeros(len(created))
    age = (created[known].max() - created) / HALF_LIFE
    return np.where(known, 0.5 ** np.minimum(age, 400.0), 0.0)  # their squares are numbers, too


def batch_numbers(created: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """
    Number the batches: videos created less than five minutes apart; -1 where it is unknown.

    >>> at = np.array(["2024-01-15T10:09", "2024-01-15T10:00", "2024-01-15T10:04", "NaT"])
    >>> batch_numbers(at.astype("datetime64[us]")).tolist()
    [1, 0, 0, -1]
    """
    order = np.argsort(created)  # NaT comes last
    later = np.diff(created[order], prepend=created[order][:1]) >= _BATCH_GAP
    numbers = np.empty(len(created), np.intp)
    numbers[order] = np.cumsum(later)
    numbers[np.isnat(created)] = -1
    return numbers


def type_codes(*types: pd.Series[str]) -> list[NDArray[np.intp]]:
    """Number the types of several lists alike; a missing one has a number too."""
    if all(each is types[0] for each in types):
        return [pd.factorize(types[0])[0]] * len(types)
    codes, _ = pd.factorize(pd.concat(types, ignore_index=True))
    return np.split(codes, np.cumsum([len(each) for each in types])[:-1])


def status_in(status: pd.Series[str], *lists: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Whether a status is in one list, in the next, and so on; a missing one is in none."""
    codes, names = pd.factorize(status)
    known = np.asarray(names, dtype=object)
    # the code of a missing one is -1: the last place, which is in no list
    return [np.append(np.isin(known, each), False)[codes] for each in lists]


def _times(column: pd.Series[pd.Timestamp]) -> NDArray[np.datetime64]:
    """Moments in UTC, without a zone."""
    return column.to_numpy(dtype="datetime64[us]")


def read_progress(observations: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """
    Order the observations of each render up to the first that shows its end.

    Left out are those after *now*, and renders created more than 90 days before. Columns: ``row``
    (its place in *observations*), ``video``, ``seconds`` since the start, ``progress`` (inf at the
    end), ``over``; and of its video ``total`` [s] to the end, from ``updated_at`` but never outside
    the last two observations.
    """
    created, at, updated = (
        _times(observations[name]) for name in ("created_at", "observed_at", "updated_at")
    )
    today = now.tz_convert(None).to_datetime64()
    started, over = status_in(observations["status"], ["STARTED"], FINAL_STATUSES)
    recent = (created >= today - _RECENT) & (at <= today) & observations["video_id"].notna()
    progress = observations["progress"].to_numpy(dtype=float, na_value=np.nan)
    seen = pd.DataFrame(
        {
            "row": np.arange(len(observations)),
            "video": pd.factorize(observations["video_id"])[0],
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
    Tell how long progress stood at each of its values, of what `read_progress` gives.

    A stall lasted no longer than from the last observation before it to the first after it; it has
    gone on for no less than between its own. The difference is the spacing of the observations,
    which nobody can judge.
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
    Whether each stall is longer than in past renders of its type: 1, 0, or NaN where unknown.

    Longer in seconds than the limit, and against the pace of the same render than a quarter of its
    limit, so that a render that is slow throughout is not stuck. Each is measured in means of the
    same tenth of progress. At 0 % a render may wait for a machine.
    """
    if past["video"].nunique() < MIN_FINISHED:
        return np.full(len(now), np.nan)
    both = np.ones(len(now))
    for per_pace, share in ((False, 1.0), (True, SHARE_OF_PACE)):
        longest, held = _measured(past, "at_most", per_pace), _measured(now, "at_least", per_pace)
        in_tenth = longest.groupby([past["video"], _tenth(past)]).max()
        usual = in_tenth.groupby(level=1).mean().clip(lower=ROUNDING)
        lives = np.sort((in_tenth / usual.reindex(in_tenth.index, level=1)).groupby(level=0).max())
        rank = min(int(np.ceil(STALL_TAIL * (len(lives) + 1) - ROUNDING)), len(lives))
        limits = _tenth(now).map(usual) * lives[rank - 1] * share
        both = np.minimum(both, np.where(limits.isna(), np.nan, held > limits))
    return np.where(now["progress"] > 0, both, np.nan)


def _tenth(stood: pd.DataFrame) -> pd.Series[float]:
    return (stood["progress"] // 10).clip(upper=9)


def _measured(stood: pd.DataFrame, name: str, per_pace: bool) -> pd.Series[float]:
    if not per_pace:
        return stood[name]
    return stood[name] * stood["progress"] / stood["moving"].clip(lower=1.0)
