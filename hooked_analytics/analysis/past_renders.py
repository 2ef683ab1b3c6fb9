"""Renders as plain arrays: a panel asks every few seconds, and frames cost more than the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.survival import count_ends
from hooked_analytics.schema.outcomes import STATUS_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.survival import Ends

    Floats = NDArray[np.float64]

# Beyond a day a render says nothing about the others any more: it is lost, not slow.
LOST_SECONDS = 86_400.0
SECOND = np.timedelta64(1, "s")


class Renders(NamedTuple):
    """One render per place; *seconds* to its end or to the last look at it, if that is known."""

    types: pd.Series[str]
    created: NDArray[np.datetime64]
    seconds: Floats
    completed: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    rendering: NDArray[np.bool_]


class Ranges(NamedTuple):
    """When renders will be over, counted from their start [s], and what that was learnt from."""

    low: Floats
    middle: Floats
    high: Floats
    comparable: NDArray[np.intp]
    how: NDArray[np.object_]

    @classmethod
    def nothing(cls, count: int) -> Ranges:
        """Make room for *count* ranges."""
        low, middle, high = np.full((3, count), np.nan)
        return cls(low, middle, high, np.zeros(count, np.intp), np.full(count, "", object))

    def put(self, rows: NDArray[np.bool_], found: Ranges) -> None:
        """Fill in what was found for some rows."""
        for all_of_them, some in zip(self, found, strict=True):
            all_of_them[rows] = some

    def put_known(self, rows: NDArray[np.bool_], found: Ranges) -> None:
        """Fill in what was found for some rows, where it is a range."""
        known = ~np.isnan(found.middle)
        rows = rows.copy()
        rows[rows] = known
        for all_of_them, some in zip(self, found, strict=True):
            all_of_them[rows] = some[known]


def read_renders(videos: pd.DataFrame) -> Renders:
    """
    Lay out each render's end and its time.

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


def ends_of(renders: Renders, chosen: NDArray[np.bool_]) -> Ends:
    """Count the ends of some renders; those that are lost do not count."""
    used = chosen & ~(renders.rendering & (renders.seconds > LOST_SECONDS))
    return count_ends(
        renders.seconds[used],
        completed=renders.completed[used],
        failed=renders.failed[used],
        running=renders.rendering[used],
    )


def status_in(
    status: pd.Series[str], *lists: list[str] | tuple[str, ...]
) -> list[NDArray[np.bool_]]:
    """
    Whether a status is in one list of them, in the next, and so on; a missing one is in none.

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
    """Moments in UTC, without saying so."""
    return column.to_numpy(dtype="datetime64[us]")
