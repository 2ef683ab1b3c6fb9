"""What an archive has seen of renders on their way, as plain arrays in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.past_renders import SECOND, status_in, times
from hooked_analytics.schema import FINAL_STATUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats

LOOK_COLUMNS = [
    "video_id", "observed_at", "type", "status", "progress", "created_at", "updated_at",
]  # fmt: skip
RECENT = np.timedelta64(90, "D")


class PollExecutor(NamedTuple):
    """
    Looks at renders under way, those at one render together and in order of time.

    Attributes
    ----------
    video : number of the video, per look; the others so far are per look too
    at, seconds : when it was, and how long after the start
    progress : in per cent, missing where it was not seen
    ids, types, total_seconds, over, completed : per video, as of the first look that shows its
        end; the time is missing and the type is any where that was not seen
    place : number of the look that each row given became, -1 where it became none
    """

    video: NDArray[np.intp]
    at: NDArray[np.datetime64]
    seconds: Floats
    progress: Floats
    ids: pd.Series[str]
    types: pd.Series[str]
    total_seconds: Floats
    over: NDArray[np.bool_]
    completed: NDArray[np.bool_]
    place: NDArray[np.intp]


class _Rows(NamedTuple):
    """Rows of sound looks, sorted, with their number among the rows given."""

    row: NDArray[np.intp]
    video: NDArray[np.intp]
    at: NDArray[np.datetime64]
    over: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.row[chosen], self.video[chosen], self.at[chosen], self.over[chosen])

    def same_as_before(self) -> NDArray[np.bool_]:
        """Whether a look is at the same video as the one before it."""
        same: NDArray[np.bool_] = np.append(False, self.video[1:] == self.video[:-1])
        return same[: len(self.video)]


def read_looks(observations: pd.DataFrame, now: pd.Timestamp) -> PollExecutor:
    """
    Order the looks at each render up to the first that shows its end.

    The total time is taken from ``updated_at``, which may have moved since, yet never from
    outside the last two looks.

    Parameters
    ----------
    observations : any number of rows per video, as of `VideoArchive.observations`
    now : looks after it are left out, and renders asked for more than 90 days before it

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T10:01Z", "2024-01-15T10:04Z"])
    >>> looks = read_looks(pd.DataFrame({
    ...     "video_id": "vid_1", "observed_at": at, "type": "class", "progress": [0, 50, 100],
    ...     "status": ["STARTED", "STARTED", "COMPLETED"], "created_at": at[0],
    ...     "updated_at": at + pd.to_timedelta([0, 0, 9000], unit="s")}), at[2])
    >>> looks.seconds.tolist(), looks.progress.tolist(), looks.total_seconds.tolist()
    ([0.0, 60.0], [0.0, 50.0], [240.0])
    """
    created = times(observations["created_at"])
    progress = observations["progress"].to_numpy(dtype=float, na_value=np.nan)
    rows, ids = _sound_rows(observations, created, progress, now)
    ended = rows.over.cumsum() - rows.over
    starts = np.maximum.accumulate(np.where(rows.same_as_before(), 0, np.arange(len(ended))))
    until_end = ended == ended[starts]
    ends, way = (np.flatnonzero(until_end & kind) for kind in (rows.over, ~rows.over))
    before = np.where(rows.same_as_before(), np.r_[rows.at[:1], rows.at[:-1]], created[rows.row])
    updated = times(observations["updated_at"])[rows.row]
    end = np.minimum(np.maximum(updated, before), rows.at)
    total = np.full(len(ids), np.nan)
    total[rows.video[ends]] = ((end - created[rows.row]) / SECOND)[ends]
    place = np.full(len(observations), -1)
    place[rows.row[way]] = np.arange(len(way))
    last_row = np.zeros(len(ids), np.intp)
    for which in (way, ends):
        last_row[rows.video[which]] = rows.row[which]
    (completed,) = status_in(observations["status"].iloc[last_row], ["COMPLETED"])
    return PollExecutor(
        video=rows.video[way],
        at=rows.at[way],
        seconds=((rows.at - created[rows.row]) / SECOND)[way],
        progress=np.minimum(progress[rows.row[way]], 100.0),
        ids=ids,
        types=observations["type"].iloc[last_row].reset_index(drop=True),
        total_seconds=total,
        over=np.isin(np.arange(len(ids)), rows.video[ends]),
        completed=completed,
        place=place,
    )


def _sound_rows(
    observations: pd.DataFrame,
    created: NDArray[np.datetime64],
    progress: Floats,
    now: pd.Timestamp,
) -> tuple[_Rows, pd.Series[str]]:
    """Sort recent looks that show a render on its way or over, each once, by video and time."""
    at = times(observations["observed_at"])
    (today,) = times(pd.Series([now], dtype="datetime64[us, UTC]"))
    started, over = status_in(observations["status"], ["STARTED"], FINAL_STATUSES)
    # a missing time is neither before nor after any other
    recent = (created >= today - RECENT) & (at <= today) & observations["video_id"].notna()
    row = np.flatnonzero(recent & (started | over))
    video, ids = pd.factorize(observations["video_id"].iloc[row])
    order = np.lexsort((progress[row], over[row], at[row], video))
    rows = _Rows(row[order], video[order], at[row][order], over[row][order])
    again = rows.same_as_before()
    again[1:] &= (rows.at[1:] == rows.at[:-1]) & (rows.over[1:] == rows.over[:-1])
    return rows.only(~again), pd.Series(ids)
