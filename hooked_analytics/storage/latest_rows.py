"""
Which observation of a video counts: one that went well before a failed one, one that shows
the end before one that does not, and of those the last.

So a failed fetch never hides what was known, and a late or older answer never takes a
finished video back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.storage.parquet_parts import KEYS, SCHEMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.storage.parquet_parts import Part

_RANKS = (0, 1, 2)  # failed fetch, seen well, seen at its end


def observations(parts: list[Part]) -> pa.Table:
    """Read every row, in the order of time; of the same moment, in the order of arrival."""
    table = pa.concat_tables([SCHEMA.empty_table(), *(part.read() for part in parts)])
    moments = _moments(table)
    if (moments[1:] >= moments[:-1]).all():
        return table
    return table.take(np.argsort(moments, kind="stable"))


def latest(parts: list[Part]) -> pa.Table:
    """Read the row that counts of each video, in the order in which they arrived."""
    marks = mark_latest(parts)
    found = [part.read_where(chosen) for part, chosen in zip(parts, marks, strict=True)]
    return pa.concat_tables([SCHEMA.empty_table(), *found])


def mark_latest(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Mark, in each part, the rows that count; only the narrow columns are read."""
    keys = [part.read(KEYS) for part in parts]
    counts = are_latest(pa.concat_tables([SCHEMA.empty_table().select(KEYS), *keys]))
    return np.split(counts, np.cumsum([len(table) for table in keys]))[:-1]


def are_latest(keys: pa.Table) -> NDArray[np.bool_]:
    """
    Mark the one row of each video that counts.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> seen = [(1, "STARTED", None), (4, "COMPLETED", None), (2, "STARTED", None),
    ...         (5, None, "timeout")]
    >>> rows = [("vid_1", datetime(2024, 1, d, tzinfo=UTC), s, e) for d, s, e in seen]
    >>> wanted = SCHEMA.empty_table().select(KEYS).schema
    >>> are_latest(pa.Table.from_arrays([pa.array(c) for c in zip(*rows)], names=KEYS)
    ...            .cast(wanted)).tolist()
    [False, True, False, False]
    """
    coded = keys["video_id"].combine_chunks().dictionary_encode()
    videos = coded.indices.to_numpy()
    rank = _rank(keys)
    in_time = np.argsort(_moments(keys), kind="stable")
    counts = np.zeros(len(coded.dictionary), np.int64)
    for level in _RANKS:
        rows = in_time[rank[in_time] == level]
        counts[videos[rows]] = rows  # the last assignment to a video stays
    marked = np.zeros(len(keys), np.bool_)
    marked[counts] = True
    return marked


def _rank(keys: pa.Table) -> NDArray[Any]:
    import pyarrow.compute as pc

    final = pc.is_in(keys["status"], pa.array(FINAL_STATUSES, pa.large_string())).to_numpy()
    went_well = keys["fetch_error"].is_null().to_numpy()
    return np.where(went_well, np.where(final, 2, 1), 0)


def _moments(table: pa.Table) -> NDArray[np.int64]:
    moments: NDArray[np.int64] = table["observed_at"].cast(pa.int64()).to_numpy()
    return moments
