"""Moments as whole microseconds, on any engine: the one place that asks which engine it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw


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

        since = (
            duckdb.FunctionExpression("epoch_us", duckdb.ColumnExpression(name)).alias(new)
            for new, name in columns.items()
        )
        native: Any = rows.to_native().select(duckdb.StarExpression(), *since)
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
