"""Which row of an archive's observations counts, on any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hooked_analytics.schema.columns import FINAL_STATUSES
from hooked_analytics.schema.epoch import with_microseconds

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

# An archive's directory has these; the first tells it from a videos frame.
LOOK_COLUMNS = ("observed_at", "video_id", "status", "fetch_error")
_RANK = 2**53  # [µs], above any moment


def that_count(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
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
    >>> that_count(nw.from_native(seen).lazy()).collect()["status"].to_list()
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
