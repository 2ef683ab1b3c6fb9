"""How many renders ended after how long, per group: counted on the engine that holds them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.schema.engines import open_frame, small_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.groups import grouped
from hooked_analytics.schema.outcomes import END_COLUMNS, STATUS_COLUMNS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

    from hooked_analytics.schema.engines import Opened

    Integers = NDArray[np.int64]

WINDOW_COLUMNS = ("video_id", "last_seen_started", "first_seen_final")
KINDS = {status: kind for kind, status in enumerate(STATUS_COLUMNS, start=1)}  # 0: any other
_COUNTED = ("_took", "_kind", "_seen")
_UNUSABLE = -1
_BITS = 63  # of a whole number, its sign left alone


class Counts(NamedTuple):
    """Renders of one group at each distinct time to the end, kind of end and source of it."""

    took: Integers  # [µs], below 0 where it cannot be told
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
    Count the renders of any frame per group, way and time to the end, in one grouping.

    Parameters
    ----------
    videos : object
        One row per video, on any engine.
    keys : list[str]
        Columns to group by.
    observed_renders : object, optional
        What `observed_renders` gives, where an archive has watched. An end that was seen wins over
        an ``updated_at`` outside the window in which it was.
    what : str
        The function asking, for the message when a column is missing.

    Returns
    -------
    the groups and their counts

    Examples
    --------
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
    rows = _with_ends(_with_moments(opened.rows), _watched(opened, observed_renders))
    rows = rows.select(*keys, *_COUNTED)
    found = _by_sorting(opened, rows, keys) or _by_engine(rows, keys)
    groups = found.groups.assign(**{key: opened.decoded(key, found.groups[key]) for key in keys})
    order = np.argsort(grouped(groups, keys).ngroup().to_numpy())
    return EndCounts(
        groups.iloc[order].reset_index(drop=True), [found.counts[group] for group in order]
    )


def _with_moments(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    names = [name for name in END_COLUMNS if name != "status"]
    return with_microseconds(rows, **{f"_{name}": name for name in names})


def _watched(opened: Opened, observed_renders: Any) -> nw.LazyFrame[Any] | None:
    """Give the window in which the end of each video was seen, on the engine of the videos."""
    if observed_renders is None:
        return None
    looks = opened.beside(observed_renders, WINDOW_COLUMNS, what="observed_renders")
    return (
        with_microseconds(looks, _started="last_seen_started", _final="first_seen_final")
        .select("video_id", "_started", "_final")
        .unique(["video_id"])
    )


def _with_ends(rows: nw.LazyFrame[Any], watched: nw.LazyFrame[Any] | None) -> nw.LazyFrame[Any]:
    """Prepare what is counted, as plain whole numbers."""
    import narwhals.stable.v2 as nw

    kind = nw.lit(0, nw.Int64)
    for name, number in KINDS.items():
        kind = nw.when(nw.col("status") == name).then(nw.lit(number, nw.Int64)).otherwise(kind)
    rows = rows.with_columns(_kind=kind, _ended=nw.col("_updated_at"), _seen=nw.lit(0, nw.Int64))
    if watched is not None:
        rows = _with_seen_end(rows.join(watched, on="video_id", how="left"))
    running = nw.col("_kind") == KINDS["STARTED"]
    took = nw.when(running).then(nw.col("_fetched_at")).otherwise(nw.col("_ended"))
    rows = rows.with_columns(_took=took - nw.col("_created_at"))
    usable = (nw.col("_kind") > 0) & (nw.col("_took") >= 0)
    return rows.with_columns(
        _took=nw.when(usable).then(nw.col("_took")).otherwise(nw.lit(_UNUSABLE, nw.Int64))
    )


def _with_seen_end(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """
    Take the middle of the window in which the end was seen, where ``updated_at`` is outside.

    A look is late by half the time between two looks on average. Without a look before the
    end the first look at it is all that is known: it stands in for a later ``updated_at``.
    """
    import narwhals.stable.v2 as nw

    started, final, updated = (nw.col(name) for name in ("_started", "_final", "_updated_at"))
    both, over = final >= started, nw.col("_kind") != KINDS["STARTED"]
    wrong = (updated > final) | (both & ((updated < started) | updated.is_null()))
    middle = nw.when(both).then(started + (final - started) // 2).otherwise(final)
    return rows.with_columns(
        _ended=nw.when(wrong).then(middle).otherwise(updated),
        _seen=nw.when((both | wrong) & over)
        .then(nw.lit(1, nw.Int64))
        .otherwise(nw.lit(0, nw.Int64)),
    )


def _by_engine(rows: nw.LazyFrame[Any], keys: list[str]) -> EndCounts:
    """Have the engine count, and cut what comes over into the groups."""
    import narwhals.stable.v2 as nw

    counted = rows.group_by([*keys, *_COUNTED]).agg(nw.len().alias("_videos"))
    small = small_frame(counted.select(*keys, *_COUNTED, "_videos"))
    group = np.zeros(len(small), np.int64)
    for key in keys:
        part = pd.factorize(small[key])[0] + 1
        group = pd.factorize(group * (part.max(initial=0) + 1) + part)[0]
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    columns = [small[name].astype("int64").to_numpy()[order] for name in (*_COUNTED, "_videos")]
    return EndCounts(
        small[keys].iloc[order[first]].reset_index(drop=True), _cut(columns, first, len(order))
    )


def _by_sorting(opened: Opened, rows: nw.LazyFrame[Any], keys: list[str]) -> EndCounts | None:
    """
    Count by sorting one number per row, several times faster than hashing millions of them.

    Nothing where the rows are elsewhere, or keys and time do not fit into one number.
    """
    if not set(keys) <= set(opened.levels):
        return None
    table = rows.collect().to_native()
    columns = {name: table[name].to_numpy() for name in (*keys, *_COUNTED)}
    # one above, for the -1 of what is missing
    bits = {name: int(each.max(initial=0) + 1).bit_length() for name, each in columns.items()}
    if sum(bits.values()) > _BITS:
        return None
    packed = np.zeros(len(table), np.int64)
    for name in (*keys, *_COUNTED):
        packed <<= bits[name]
        packed |= columns.pop(name) + 1
    packed.sort()
    first = _firsts(packed)
    distinct = packed[first]
    found = {"_videos": np.diff(first, append=len(packed))}
    for name in reversed(_COUNTED):
        found[name], distinct = _last_part(distinct, bits[name])
    starts = _firsts(distinct)
    groups, left = {}, distinct[starts]
    for key in reversed(keys):
        groups[key], left = _last_part(left, bits[key])
    counts = _cut([found[name] for name in (*_COUNTED, "_videos")], starts, len(distinct))
    return EndCounts(pd.DataFrame(groups)[keys], counts)


def _last_part(packed: Integers, bits: int) -> tuple[Integers, Integers]:
    return (packed & ((1 << bits) - 1)) - 1, packed >> bits


def _firsts(numbers: Integers) -> Integers:
    """Positions at which sorted numbers change."""
    changes = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _cut(columns: list[NDArray[Any]], starts: Integers, rows: int) -> list[Counts]:
    return [
        Counts(*(column[start:stop] for column in columns))
        for start, stop in pairwise([*starts.tolist(), rows])
    ]
