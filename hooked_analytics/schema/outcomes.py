"""How each render ended and after how long, and how many of a group did so at each time."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.schema.columns import FINAL_STATUSES
from hooked_analytics.schema.engines import open_frame, small_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.frames import grouped, usable_frame

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

    from hooked_analytics.schema.engines import Opened

    Integers = NDArray[np.int64]

# How the status is counted, and where the clock of such a render stops.
STATUS_COLUMNS = {
    "COMPLETED": ("completed", "updated_at"),
    "FAILED": ("failed", "updated_at"),
    "STARTED": ("rendering", "fetched_at"),
}
END_COLUMNS = ("status", "created_at", "updated_at", "fetched_at")
KINDS = {status: kind for kind, status in enumerate(STATUS_COLUMNS, start=1)}  # 0: any other
# Above so many rows each distinct time would be a group of its own: gigabytes.
MAX_EXACT_ROWS = 1_000_000
_BITS = 11  # kept of such a time; a double holds 53
_COUNTED = ["_took", "_kind", "_seen", "_videos"]
_WINDOW_COLUMNS = ("video_id", "last_seen_started", "first_seen_final")
_UNUSABLE = -1


def seconds_between(videos: pd.DataFrame, start: str, end: str, status: str) -> pd.Series[float]:
    """
    Time from one column to another where the status is as given [s].

    Missing for any other status, where a time is missing, and where the clock ran backwards.
    """
    took = (videos[end] - videos[start]).dt.total_seconds()
    return took.where(has_status(videos, status) & took.ge(0)).astype("float64")


def seconds_to_end(videos: pd.DataFrame) -> pd.Series[float]:
    """Time each video took to its end [s], or so far where it is rendering."""
    took = (seconds_between(videos, "created_at", end, s) for s, (_, end) in STATUS_COLUMNS.items())
    return reduce(lambda found, each: found.fillna(each), took)


def has_status(videos: pd.DataFrame, status: str) -> pd.Series[bool]:
    """Whether each video has the status; a missing one is none."""
    return videos["status"].eq(status).fillna(False).astype(bool)


def is_final(videos: pd.DataFrame) -> pd.Series[bool]:
    """
    Whether a render is over, so that another request changes nothing that matters.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the column ``status``.

    Returns
    -------
    Series of bool
        Same index as *videos*. False where ``status`` is missing or unknown: an unknown status is
        not an end.

    Examples
    --------
    >>> is_final(pd.DataFrame({"status": ["COMPLETED", "STARTED", "paused", None]})).tolist()
    [True, False, False, False]
    """
    usable = usable_frame(videos, ["status"], what="is_final", once=False)
    final = usable["status"].isin(FINAL_STATUSES).astype(bool)
    return final.set_axis(videos.index).rename("is_final")


class Counts(NamedTuple):
    """Renders of one group at each distinct time to the end, kind of end and source of it."""

    took: Integers  # [ms], below 0 where it cannot be told
    kind: Integers  # of `KINDS`
    seen: Integers  # 1 where the archive bounds the end
    videos: Integers

    def of(self, status: str) -> Integers:
        """Renders of one status, 0 where the row counts another one."""
        return np.where(self.kind == KINDS[status], self.videos, 0)


class EndCounts(NamedTuple):
    """The groups, one row each with their keys in order, and the counts of each."""

    groups: pd.DataFrame
    counts: list[Counts]


def end_counts(
    videos: Any, keys: list[str], *, observed_renders: Any = None, what: str
) -> EndCounts:
    """
    Count the renders of any frame per group, kind of end and time to it, in one grouping.

    Times are whole milliseconds, as Hooked writes them; above a million rows at most 0.05 % off.
    With *observed_renders*, an end that was seen wins over an ``updated_at`` outside the window.

    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": n, "type": "class", "status": "COMPLETED",
    ...     "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:02:00Z"}
    ...     for n in ("vid_1", "vid_2")])
    >>> found = end_counts(videos, ["type"], what="render_times")
    >>> found.groups["type"].tolist(), found.counts[0].of("COMPLETED").tolist()
    (['class'], [2])
    """
    columns = [*END_COLUMNS, *(["video_id"] if observed_renders is not None else [])]
    opened = open_frame(videos, columns, keys, what=what)
    moments = {f"_{name}": name for name in END_COLUMNS if name != "status"}
    rows = with_microseconds(opened.rows, **moments)
    rows = _with_ends(rows, _windows(opened, observed_renders))
    if opened.count_rows() > MAX_EXACT_ROWS:
        rows = _rounded(rows)
    # without an archive it would be a constant, which costs a grouping as much as any other key
    seen = [] if observed_renders is None else ["_seen"]
    found = _counted(rows, [*keys, "_took", "_kind", *seen], keys)
    groups = found.groups.assign(**{key: opened.decoded(key, found.groups[key]) for key in keys})
    order = np.argsort(grouped(groups, keys).ngroup().to_numpy())
    return EndCounts(
        groups.iloc[order].reset_index(drop=True), [found.counts[group] for group in order]
    )


def _windows(opened: Opened, observed_renders: Any) -> nw.LazyFrame[Any] | None:
    """Give the window in which the end of each video was seen, on the engine of the videos."""
    if observed_renders is None:
        return None
    seen = opened.beside(observed_renders, _WINDOW_COLUMNS, what="observed_renders")
    return (
        with_microseconds(seen, _started="last_seen_started", _final="first_seen_final")
        .select("video_id", "_started", "_final")
        .unique(["video_id"])
    )


def _with_ends(rows: nw.LazyFrame[Any], windows: nw.LazyFrame[Any] | None) -> nw.LazyFrame[Any]:
    """Prepare what is counted, as plain whole numbers."""
    import narwhals.stable.v2 as nw

    kind = nw.lit(0, nw.Int64)
    for name, number in KINDS.items():
        kind = nw.when(nw.col("status") == name).then(nw.lit(number, nw.Int64)).otherwise(kind)
    rows = rows.with_columns(_kind=kind, _ended=nw.col("_updated_at"))
    if windows is not None:
        rows = _with_seen_end(rows.join(windows, on="video_id", how="left"))
    running = nw.col("_kind") == KINDS["STARTED"]
    took = nw.when(running).then(nw.col("_fetched_at")).otherwise(nw.col("_ended"))
    rows = rows.with_columns(_took=took - nw.col("_created_at"))
    usable = (nw.col("_kind") > 0) & (nw.col("_took") >= 0)
    milliseconds = (nw.col("_took") + 500) // 1000
    return rows.with_columns(
        _took=nw.when(usable).then(milliseconds).otherwise(nw.lit(_UNUSABLE, nw.Int64))
    )


def _with_seen_end(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """
    Take the middle of the window in which the end was seen, where ``updated_at`` is outside.

    An observation is late by half the time between two on average. Without one before the end,
    the first after it is all that is known: it stands in for a later ``updated_at``.
    """
    import narwhals.stable.v2 as nw

    started, final, updated = (nw.col(name) for name in ("_started", "_final", "_updated_at"))
    both, over = final >= started, nw.col("_kind") != KINDS["STARTED"]
    wrong = (updated > final) | (both & ((updated < started) | updated.is_null()))
    middle = nw.when(both).then(started + (final - started) // 2).otherwise(final)
    one, none = nw.lit(1, nw.Int64), nw.lit(0, nw.Int64)
    return rows.with_columns(
        _ended=nw.when(wrong).then(middle).otherwise(updated),
        _seen=nw.when((both | wrong) & over).then(one).otherwise(none),
    )


def _rounded(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Keep the first bits of each time, by Dekker's splitting: a thousand groups an octave."""
    import narwhals.stable.v2 as nw

    took = nw.col("_took").cast(nw.Float64)
    shifted = took * (2.0 ** (53 - _BITS) + 1)
    return rows.with_columns(_took=(shifted - (shifted - took)).cast(nw.Int64))


def _counted(rows: nw.LazyFrame[Any], by: list[str], keys: list[str]) -> EndCounts:
    """Have the engine count, and cut what comes over into the groups."""
    import narwhals.stable.v2 as nw

    small = small_frame(rows.group_by(by).agg(_videos=nw.len()).select(*by, "_videos"))
    group = grouped(small, keys).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    every = small.reindex(columns=_COUNTED, fill_value=0).iloc[order]
    columns: list[NDArray[Any]] = [every[name].astype("int64").to_numpy() for name in _COUNTED]
    counts = [
        Counts(*(column[start:stop] for column in columns))
        for start, stop in pairwise([*first.tolist(), len(order)])
    ]
    return EndCounts(small[keys].iloc[order[first]].reset_index(drop=True), counts)
