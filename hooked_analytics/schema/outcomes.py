"""How each render ended and after how long, and how many of a group did so at each time."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.schema.engines import open_frame, small_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.frames import grouped

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
_DIGITS, _STEPS = 4, 5
_WINDOW_COLUMNS = ("video_id", "last_seen_started", "first_seen_final")
_COUNTED = ("_took", "_kind", "_seen")
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

    Times are whole milliseconds, as Hooked writes them; above a million rows four digits of them.
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
        rows = _with_few_digits(rows)
    found = _counted(rows, keys)
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
    rows = rows.with_columns(_kind=kind, _ended=nw.col("_updated_at"), _seen=nw.lit(0, nw.Int64))
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


def _with_few_digits(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Round times to four digits: at most 0.05 % off, and never more than some thousand groups."""
    import narwhals.stable.v2 as nw

    step = nw.lit(10**_STEPS, nw.Int64)
    for power in reversed(range(_STEPS)):
        short = nw.col("_took") < 10 ** (_DIGITS + power)
        step = nw.when(short).then(nw.lit(10**power, nw.Int64)).otherwise(step)
    took, by = nw.col("_took"), nw.col("_step")
    return rows.with_columns(_step=step).with_columns(_took=(took + by // 2) // by * by)


def _counted(rows: nw.LazyFrame[Any], keys: list[str]) -> EndCounts:
    """Have the engine count, and cut what comes over into the groups."""
    import narwhals.stable.v2 as nw

    counted = rows.group_by([*keys, *_COUNTED]).agg(nw.len().alias("_videos"))
    small = small_frame(counted.select(*keys, *_COUNTED, "_videos"))
    group = grouped(small, keys).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    columns: list[NDArray[Any]] = [
        small[name].astype("int64").to_numpy()[order] for name in (*_COUNTED, "_videos")
    ]
    counts = [
        Counts(*(column[start:stop] for column in columns))
        for start, stop in pairwise([*first.tolist(), len(order)])
    ]
    return EndCounts(small[keys].iloc[order[first]].reset_index(drop=True), counts)
