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
    from collections.abc import Iterator

    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

    from hooked_analytics.videos.engines import Opened

    Integers = NDArray[np.int64]

WINDOW_COLUMNS = ("video_id", "last_seen_started", "first_seen_final")
KINDS = {status: kind for kind, status in enumerate(STATUS_COLUMNS, start=1)}  # 0: any other
_COUNTED = ("took", "kind", "seen")
_UNUSABLE = -1
_MOST = 2**62


class EndCounts(NamedTuple):
    """The groups, and how many renders of each ended which way after each distinct time."""

    opened: Opened
    groups: pd.DataFrame  # one row per group: the keys, in their order
    counts: pd.DataFrame  # number of the group, took [µs], kind, seen, videos; by group

    def per_group(self) -> Iterator[pd.DataFrame]:
        """Cut the counts into the groups, in their order."""
        first = np.searchsorted(self.counts["group"], np.arange(len(self.groups) + 1))
        for start, stop in pairwise(first):
            yield self.counts.iloc[start:stop]


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
        ``took`` is -1 where the time cannot be told; ``kind`` is a number of `KINDS`;
        ``seen`` is 1 where the archive bounds the end.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([{"id": n, "type": "class", "status": "COMPLETED",
    ...     "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:02:00Z"}
    ...     for n in ("vid_1", "vid_2")])
    >>> found = end_counts(videos, ["type"], what="render_times")
    >>> found.counts.to_dict("records")
    [{'group': 0, 'took': 120000000, 'kind': 1, 'seen': 0, 'videos': 2}]
    """
    columns = [*END_COLUMNS, *(["video_id"] if observed is not None else [])]
    opened = open_frame(videos, columns, keys, what=what)
    rows = _with_moments(opened.rows)
    if observed is not None:
        rows = _with_window(opened, rows, observed)
    rows = _with_ends(rows, seen=observed is not None).select(*keys, *_COUNTED)
    counts = _in_memory(opened, rows, keys)
    if counts is None:
        counts = _on_engine(rows, keys)
    return EndCounts(opened, *_numbered(opened, counts, keys))


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
    was_seen = nw.when(over & (nw.col("_seen") == 1)).then(one).otherwise(none) if seen else none
    return rows.with_columns(
        took=took.otherwise(nw.lit(_UNUSABLE, nw.Int64)), kind=kind, seen=was_seen
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
        _seen=nw.when(both | wrong).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64)),
    )


def _on_engine(rows: nw.LazyFrame[Any], keys: list[str]) -> pd.DataFrame:
    import narwhals.stable.v2 as nw

    groups = rows.group_by([*keys, *_COUNTED]).agg(nw.len().alias("videos"))
    counts = small_frame(groups.select(*keys, *_COUNTED, "videos"))
    return counts.astype(dict.fromkeys([*_COUNTED, "videos"], "int64"))


def _in_memory(opened: Opened, rows: nw.LazyFrame[Any], keys: list[str]) -> pd.DataFrame | None:
    """
    Count by sorting whole numbers, several times faster than hashing millions of distinct ones.

    Nothing where the rows are elsewhere, or keys and times do not fit into one number.
    """
    if not set(keys) <= set(opened.levels):
        return None
    table = rows.collect().to_native()
    names = [*keys, *_COUNTED]
    columns = {name: table[name].to_numpy() for name in names}
    sizes = {name: int(columns[name].max(initial=0)) + 2 for name in names}
    if prod(sizes.values()) >= _MOST:
        return None
    packed = np.zeros(len(table), np.int64)
    for name in names:
        packed *= sizes[name]
        packed += columns.pop(name) + 1
    packed.sort()
    first = np.flatnonzero(np.r_[True, packed[1:] != packed[:-1]]) if len(packed) else packed
    distinct = packed[first]
    found = {"videos": np.diff(first, append=len(packed))}
    for name in reversed(names):
        distinct, part = np.divmod(distinct, sizes[name])
        found[name] = part - 1
    return pd.DataFrame(found)


def _numbered(
    opened: Opened, counts: pd.DataFrame, keys: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the groups in the order of their keys, and sort the counts by them."""
    codes = np.zeros(len(counts), np.int64)
    for key in keys:
        part = pd.factorize(counts[key])[0] + 1
        codes = pd.factorize(codes * (part.max(initial=0) + 1) + part)[0]
    _, first = np.unique(codes, return_index=True)
    distinct = counts[keys].iloc[first].reset_index(drop=True)
    groups = distinct.assign(**{key: opened.decoded(key, distinct[key]) for key in keys})
    position = grouped(groups, keys).ngroup().to_numpy()
    number = position[codes]
    ordered = counts[[*_COUNTED, "videos"]].assign(group=number)
    if (np.diff(number) < 0).any():
        ordered = ordered.iloc[np.argsort(number, kind="stable")]
    return (
        groups.iloc[np.argsort(position)].reset_index(drop=True),
        ordered[["group", *_COUNTED, "videos"]].reset_index(drop=True),
    )
