"""Renders as plain arrays: a panel estimates at every poll, and frames cost more than the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.schema.outcomes import STATUS_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# After a day a render says nothing about others any more: it is lost, not slow.
LOST_SECONDS = 86_400.0
SECOND = np.timedelta64(1, "s")
HALF_LIFE = np.timedelta64(7, "D")
# Videos created closer together than this belong to one batch.
_BATCH_GAP = np.timedelta64(5, "m")


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
        running = self.rendering & (self.seconds <= LOST_SECONDS)
        return self.over | running


def read_renders(videos: pd.DataFrame) -> Renders:
    """
    Read each render's way and time to its end.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z", "2024-01-15T10:02Z"])
    >>> renders = read_renders(pd.DataFrame({
    ...     "type": "class", "status": ["COMPLETED", "STARTED"], "created_at": at[0],
    ...     "updated_at": at[1], "fetched_at": at[0]}))
    >>> renders.seconds.tolist(), renders.rendering.tolist()
    ([120.0, 0.0], [False, True])
    """
    created, seconds = times(videos["created_at"]), np.full(len(videos), np.nan)
    known = {}
    shown = status_in(videos["status"], *([status] for status in STATUS_COLUMNS))
    for (name, end), there in zip(STATUS_COLUMNS.values(), shown, strict=True):
        known[name] = there
        took = (times(videos[end]) - created) / SECOND
        seconds = np.where(there & (took >= 0), took, seconds)
    return Renders(videos["type"].reset_index(drop=True), created, seconds, **known)


def recency_weights(created: NDArray[np.datetime64]) -> Floats:
    """
    Weigh renders by age: half for each seven days before the newest; 0 where it is unknown.

    Examples
    --------
    >>> recency_weights(np.array(["2024-01-15", "2024-01-08", "NaT"], "datetime64[us]")).tolist()
    [1.0, 0.5, 0.0]
    """
    known = ~np.isnat(created)
    if not known.any():
        return np.zeros(len(created))
    age = (created[known].max() - created) / HALF_LIFE
    return np.where(known, 0.5 ** np.minimum(age, 400.0), 0.0)  # their squares are numbers, too


def batch_numbers(created: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """
    Number the batches: videos created less than five minutes apart; -1 where it is unknown.

    Examples
    --------
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
    """
    Number the types of several lists alike; a missing one has a number too.

    Examples
    --------
    >>> [codes.tolist() for codes in type_codes(pd.Series(["a", None]), pd.Series(["b", "a"]))]
    [[0, -1], [1, 0]]
    """
    codes, _ = pd.factorize(pd.concat(types, ignore_index=True))
    return np.split(codes, np.cumsum([len(each) for each in types])[:-1])


def status_in(
    status: pd.Series[str], *lists: list[str] | tuple[str, ...]
) -> list[NDArray[np.bool_]]:
    """
    Whether a status is in one list, in the next, and so on; a missing one is in none.

    Examples
    --------
    >>> [found.tolist() for found in status_in(pd.Series(["a", None, "b"]), ["b"], ["a", "b"])]
    [[False, False, True], [True, False, True]]
    """
    codes, names = pd.factorize(status)
    known = np.asarray(names, dtype=object)
    # the code of a missing one is -1: the last place, which is in no list
    return [np.append(np.isin(known, each), False)[codes] for each in lists]


def times(column: pd.Series[pd.Timestamp]) -> NDArray[np.datetime64]:
    """Moments in UTC, without a zone."""
    return column.to_numpy(dtype="datetime64[us]")
