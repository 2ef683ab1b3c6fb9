"""
Which row of a video counts: one that went well before a failed fetch, one that shows the end
before one that does not, and of those the last.

So a failed fetch never hides what was known, and a late answer never takes an end back. The
rule is here twice: in NumPy for rows in memory, through narwhals for those of an engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics.schema.columns import FINAL_STATUSES
from hooked_analytics.schema.epoch import with_microseconds

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

# An archive's directory has these; the first tells it from a videos frame.
OBSERVATION_COLUMNS = ("observed_at", "video_id", "status", "fetch_error")
_TIMES = ("observed_at", "fetched_at", "updated_at")  # the first that is known counts
RANKED_BY = ("video_id", "status", "fetch_error", *_TIMES)
_RANK = 2**53  # [µs], above any moment


def are_latest(rows: pa.Table) -> NDArray[np.bool_]:
    """
    Mark the one row of each video that counts; rows without an id are all marked.

    Examples
    --------
    >>> rows = pa.table({
    ...     "video_id": ["v", "v", "v", "v"], "status": ["STARTED", "COMPLETED", "STARTED", None],
    ...     "fetch_error": [None, None, None, "timeout"], "observed_at": [1, 4, 2, 5]})
    >>> are_latest(rows).tolist()
    [False, True, False, False]
    """
    coded = rows["video_id"].combine_chunks().dictionary_encode()
    without: NDArray[np.bool_] = coded.is_null().to_numpy(zero_copy_only=False)
    videos = coded.indices.fill_null(0).to_numpy()
    rank = _rank(rows)
    in_time = np.argsort(_moments(rows), kind="stable")
    in_time = in_time[~without[in_time]]
    counts = np.zeros(len(coded.dictionary), np.int64)
    for level in (0, 1, 2):
        at = in_time[rank[in_time] == level]
        counts[videos[at]] = at  # the last assignment to a video stays
    marked = without.copy()
    marked[counts] = True
    return marked


def _rank(rows: pa.Table) -> NDArray[np.int64]:
    """0 for a failed fetch, 1 for a row that went well, 2 for one at the end."""
    well = final = np.ones(len(rows), np.bool_)
    if "fetch_error" in rows.column_names:
        well = rows["fetch_error"].is_null().to_numpy()
    if "status" in rows.column_names:
        texts = rows["status"].cast(pa.large_string())
        final = pc.is_in(texts, pa.array(FINAL_STATUSES, pa.large_string())).to_numpy()
    return well * (1 + final)


def _moments(rows: pa.Table) -> NDArray[np.int64]:
    times = [rows[name].cast(pa.int64()) for name in _TIMES if name in rows.column_names]
    if not times:
        return np.zeros(len(rows), np.int64)
    moments: NDArray[np.int64] = pc.coalesce(*times, pa.scalar(0, pa.int64())).to_numpy()
    return moments


def latest_on_engine(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """
    Keep one observation of each video, the one `VideoArchive.videos` would give.

    One that went well before a failed fetch, one at its end before one that is not, and of
    those the last. What a merge under way shows twice is kept once.

    Examples
    --------
    >>> import narwhals.stable.v2 as nw
    >>> import pyarrow as pa
    >>> seen = pa.table({"video_id": ["v", "v", "v"], "status": ["COMPLETED", "STARTED", None],
    ...                  "fetch_error": [None, None, "timeout"],
    ...                  "observed_at": pa.array([2, 3, 4], pa.timestamp("us", tz="UTC"))})
    >>> latest_on_engine(nw.from_native(seen).lazy()).collect()["status"].to_list()
    ['COMPLETED']
    """
    import narwhals.stable.v2 as nw

    one, none = nw.lit(1, nw.Int64), nw.lit(0, nw.Int64)
    well = nw.when(nw.col("fetch_error").is_null()).then(one).otherwise(none)
    over = nw.when(nw.col("status").is_in(FINAL_STATUSES)).then(one).otherwise(none)
    ranked = with_microseconds(rows, _moment="observed_at").with_columns(
        _order=(well + well * over) * _RANK + nw.col("_moment")
    )
    last = ranked.group_by("video_id").agg(nw.col("_order").max())
    return (
        ranked.join(last, on=["video_id", "_order"]).unique(["video_id"]).drop("_order", "_moment")
    )
