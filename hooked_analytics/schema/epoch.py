"""
Moments on any engine: read from text, as microseconds, and which row of a video is the latest.

The one place that asks which engine it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hooked_analytics.schema.columns import COLUMNS, FINAL_STATUSES
from hooked_analytics.schema.frames import MOMENTS, usable_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals.stable.v2 as nw


_RANK = 2**53  # [µs], above any moment
_TIMES = {column.name for column in COLUMNS if column.kind == "time"} | {"observed_at"}


def with_times(frame: Any, needed: Sequence[str], ranked: Sequence[str], what: str) -> Any:
    """
    Read times that are text, as those of a CSV, in a frame whose rows are in memory.

    An engine's rows elsewhere it refuses where the times are *needed*, and names the remedy.
    """
    import narwhals.stable.v2 as nw

    lazy = isinstance(frame, nw.LazyFrame)
    kinds = frame.collect_schema()
    others = [
        name
        for name in dict.fromkeys(needed if lazy else [*needed, *ranked])
        if name in _TIMES and kinds[name] not in (nw.Datetime, nw.Date)
    ]
    if not lazy and others:
        read = usable_frame(frame.select(others).to_pandas(), others, what=what, once=False)
        table = pa.Table.from_pandas(read[others], preserve_index=False)
        made = nw.from_arrow(table, backend=frame.implementation)
        return frame.with_columns(*(made[name] for name in others))
    # of an unknown type is what is all missing, and DuckDB's nanoseconds
    for name in (name for name in others if kinds[name] != nw.Unknown):
        raise ValueError(
            f"{what}: the column {name!r} is {kinds[name]}, no time; cast it to a timestamp, or "
            "have dates parsed where the file is read"
        )
    if frame.implementation.is_polars():
        return frame.with_columns(nw.col(name).cast(nw.Datetime("us", "UTC")) for name in others)
    return frame


def with_microseconds(rows: nw.LazyFrame[Any], **columns: str) -> nw.LazyFrame[Any]:
    """
    Add columns of time since 1970 in UTC [µs], missing where the moment is.

    Whole numbers, because differences of timestamps, their truncation and their zones mean
    something else on every engine: DuckDB counts days of 24 hours across a change of clocks.

    >>> import narwhals.stable.v2 as nw
    >>> import pyarrow as pa
    >>> table = pa.table({"created_at": pa.array([7, None], pa.timestamp("us", tz="UTC"))})
    >>> rows = with_microseconds(nw.from_native(table).lazy(), created="created_at")
    >>> rows.collect()["created"].to_list()
    [7, None]
    """
    import narwhals.stable.v2 as nw

    if rows.implementation.is_duckdb():
        import duckdb

        native: Any = rows.to_native()
        kinds = dict(zip(native.columns, map(str, native.types), strict=True))
        moments = {  # its nanoseconds have no such function
            new: duckdb.ColumnExpression(name).cast(
                "TIMESTAMPTZ" if "TIME ZONE" in kinds[name] or "TZ" in kinds[name] else "TIMESTAMP"
            )
            for new, name in columns.items()
        }
        since = (
            duckdb.FunctionExpression("epoch_us", moment).alias(new)
            for new, moment in moments.items()
        )
        native = native.select(duckdb.StarExpression(), *since)
        counted: nw.LazyFrame[Any] = nw.from_native(native)
        return counted
    if rows.implementation.is_spark_like():
        # seconds with a fraction: a double holds the microseconds of five such ages
        seconds = {new: nw.col(name).cast(nw.Float64) for new, name in columns.items()}
        return rows.with_columns(
            **{new: (since * 1e6).round().cast(nw.Int64) for new, since in seconds.items()}
        )
    return rows.with_columns(
        **{new: nw.col(name).dt.timestamp("us") for new, name in columns.items()}
    )


def latest_rows(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """
    Keep the one row of each video that counts, on the engine; rows without an id all stay.

    >>> import narwhals.stable.v2 as nw
    >>> seen = pa.table({"video_id": ["v", "v", "v"], "status": ["COMPLETED", "STARTED", None],
    ...                  "fetch_error": [None, None, "timeout"],
    ...                  "observed_at": pa.array([2, 3, 4], pa.timestamp("us", tz="UTC"))})
    >>> latest_rows(nw.from_native(seen).lazy()).collect()["status"].to_list()
    ['COMPLETED']
    """
    import narwhals.stable.v2 as nw

    schema = rows.collect_schema()
    one, none = nw.lit(1, nw.Int64), nw.lit(0, nw.Int64)
    well = over = one
    if "fetch_error" in schema:
        well = nw.when(nw.col("fetch_error").is_null()).then(one).otherwise(none)
    if "status" in schema:
        over = nw.when(nw.col("status").is_in(FINAL_STATUSES)).then(one).otherwise(none)
    times = {f"_{name}": name for name in MOMENTS if schema.get(name) == nw.Datetime}
    moment = nw.coalesce(*map(nw.col, times), none)
    ranked = with_microseconds(rows, **times).with_columns(
        _order=(well + well * over) * _RANK + moment
    )
    last = ranked.group_by("video_id").agg(nw.col("_order").max())
    # what a compaction under way shows twice is kept once
    known = ranked.join(last, on=["video_id", "_order"]).unique(["video_id"])
    without = ranked.filter(nw.col("video_id").is_null())
    return nw.concat([known, without]).drop("_order", *times)
