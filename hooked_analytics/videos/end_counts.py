"""How many renders ended after how long, per group: counted on the engine that holds them."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.videos.clock import NEVER, with_microseconds
from hooked_analytics.videos.ends import END_COLUMNS, STATUS_COLUMNS
from hooked_analytics.videos.engines import open_frame, small_frame
from hooked_analytics.videos.groups import grouped

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

    from hooked_analytics.videos.engines import Opened

    Integers = NDArray[np.int64]

WINDOW_COLUMNS = ("video_id", "last_seen_started", "first_seen_final")
KINDS = {status: kind for kind, status in enumerate(STATUS_COLUMNS, start=1)}  # 0: any other
_COUNTED = ("_took", "_kind", "_seen")
_UNUSABLE = -1
_KIND_BIT, _TOOK_BIT, _BITS = 1, 3, 62  # of a packed number: seen below, then kind, then took


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


def end_counts(videos: Any, keys: list[str], *, observed: Any = None, what: str) -> EndCounts:
    """
    Count the renders of any frame per group, way and time to the end, in one grouping.

    Parameters
    ----------
    videos : one row per video, on any engine
    keys : columns to group by
    observed : what `observed_renders` gives, where an archive has watched
        An end that was seen wins over an ``updated_at`` outside the window in which it was.
    what : the function asking, for the message when a column is missing

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
    columns = [*END_COLUMNS, *(["video_id"] if observed is not None else [])]
    opened = open_frame(videos, columns, keys, what=what)
    rows = _with_moments(opened.rows)
    if observed is not None:
        rows = _with_window(opened, rows, observed)
    rows = _with_ends(rows, seen=observed is not None).select(*keys, *_COUNTED)
    found = _by_sorting(opened, rows, keys) or _by_engine(rows, keys)
    groups = found.groups.assign(**{key: opened.decoded(key, found.groups[key]) for key in keys})
    order = np.argsort(grouped(groups, keys).ngroup().to_numpy())
    return EndCounts(
        groups.iloc[order].reset_index(drop=True), [found.counts[group] for group in order]
    )


def _with_moments(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    names = [name for name in END_COLUMNS if name != "status"]
    return with_microseconds(rows, **{f"_{name}": name for name in names})


def _with_window(opened: Opened, rows: nw.LazyFrame[Any], observed: Any) -> nw.LazyFrame[Any]:
    """Put the window in which each end was seen beside its video."""
    looks = opened.beside(observed, WINDOW_COLUMNS, what="observed")
    window = (
        with_microseconds(looks, _started="last_seen_started", _final="first_seen_final")
        .select("video_id", "_started", "_final")
        .unique(["video_id"])
    )
    return rows.join(window, on="video_id", how="left")


def _with_ends(rows: nw.LazyFrame[Any], *, seen: bool) -> nw.LazyFrame[Any]:
    """Prepare what is counted, as plain whole numbers."""
    import narwhals.stable.v2 as nw

    one, none = nw.lit(1, nw.Int64), nw.lit(0, nw.Int64)
    status, created, ended = nw.col("status"), nw.col("_created_at"), nw.col("_updated_at")
    if seen:
        rows, ended = _with_seen_end(rows), nw.col("_end")
    kind = none
    for name, number in KINDS.items():
        kind = nw.when(status == name).then(nw.lit(number, nw.Int64)).otherwise(kind)
    stop = nw.when(status == "STARTED").then(nw.col("_fetched_at")).otherwise(ended)
    usable = (kind > 0) & (created > NEVER) & (stop >= created)
    took = nw.when(usable).then(stop - created)
    over = (status == "COMPLETED") | (status == "FAILED")
    was_seen = nw.when(over & (nw.col("_bounded") == 1)).then(one).otherwise(none) if seen else none
    return rows.with_columns(
        _took=took.otherwise(nw.lit(_UNUSABLE, nw.Int64)), _kind=kind, _seen=was_seen
    )


def _with_seen_end(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """
    Take the middle of the window in which the end was seen, where ``updated_at`` is outside.

    A look is late by half the time between two looks on average. Without a look before the
    end the first look at it is all that is known: it stands in for a later ``updated_at``.
    """
    import narwhals.stable.v2 as nw

    started, final, updated = (nw.col(name) for name in ("_started", "_final", "_updated_at"))
    both = (started > NEVER) & (final > NEVER)
    wrong = ((final > NEVER) & (updated > final)) | (both & (updated < started))
    middle = nw.when(both).then(started + (final - started) // 2).otherwise(final)
    return rows.with_columns(
        _end=nw.when(wrong).then(middle).otherwise(updated),
        _bounded=nw.when(both | wrong).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64)),
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
    took, kind, seen = (table[name].to_numpy() for name in _COUNTED)
    per_group = int(took.max(initial=0)) + 2
    sizes = [len(opened.levels[key]) + 1 for key in keys]
    if (prod(sizes) * per_group).bit_length() + _TOOK_BIT > _BITS:
        return None
    packed = np.zeros(len(table), np.int64)
    for key, size in zip(keys, sizes, strict=True):
        packed *= size
        packed += table[key].to_numpy()
        packed += 1
    packed *= per_group
    packed += took
    packed += 1
    packed <<= _TOOK_BIT
    packed |= kind << _KIND_BIT
    packed |= seen
    packed.sort()
    first = _firsts(packed)
    distinct = packed[first]
    group, rest = np.divmod(distinct >> _TOOK_BIT, per_group)
    columns = [
        rest - 1,
        (distinct >> _KIND_BIT) & 3,
        distinct & 1,
        np.diff(first, append=len(packed)),
    ]
    starts = _firsts(group)
    found, codes = group[starts], {}
    for key, size in reversed([*zip(keys, sizes, strict=True)]):
        found, code = np.divmod(found, size)
        codes[key] = code - 1
    return EndCounts(pd.DataFrame(codes)[keys], _cut(columns, starts, len(group)))


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
