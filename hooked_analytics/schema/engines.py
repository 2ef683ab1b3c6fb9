"""
Any frame in, the same kind of frame out.

Pandas, Polars, PyArrow, DuckDB, Dask and Spark frames are read through narwhals. Numbers are
prepared as plain columns, grouped where they are, and only the small result comes over, as
pandas. A pandas frame goes the way of Arrow, its keys as whole numbers: text is slow to group.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pandas as pd
import pyarrow as pa

from hooked_analytics.schema.columns import (
    NAMES,
    VIDEOS_SCHEMA,
    frame_from_arrow,
    require_columns,
)
from hooked_analytics.schema.epoch import latest_rows, with_times
from hooked_analytics.schema.frames import (
    RANKED_BY,
    are_latest,
    usable_frame,
    warn_of_rows,
)
from hooked_analytics.schema.values import parse_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals.stable.v2 as nw

FrameT = TypeVar("FrameT")

MAX_CHECKED_ROWS = 5_000_000
_TAKEN = "pandas, Polars, PyArrow, DuckDB, Dask or Spark"


@dataclass(frozen=True)
class Opened:
    """The needed columns of a frame, one row per video, where the engine holds them."""

    native: Any
    rows: nw.LazyFrame[Any]
    levels: dict[str, pd.Series[Any]]  # what the numbers stand for, where keys are coded
    dtypes: dict[str, Any]  # of other keys, where they are pandas

    @property
    def in_memory(self) -> bool:
        """Whether the keys are coded and the rows are an Arrow table."""
        return isinstance(self.native, pd.DataFrame | pa.Table)

    def count_rows(self) -> int:
        """Rows of the frame as given, repeated ones too."""
        import narwhals.stable.v2 as nw

        if self.in_memory:
            return len(self.native)
        return _numbers(nw.from_native(self.native), nw.len())[0]

    def sums(self, rows: nw.LazyFrame[Any], by: list[str], values: Sequence[str]) -> pd.DataFrame:
        """
        Group *rows* by columns and sum plain ones, on the engine; in no order.

        Columns: *by*, ``videos`` (rows), and for each of *values* its sum, 0 where none is known,
        and how many are known in ``_known``.
        """
        import narwhals.stable.v2 as nw

        known = {f"{name}_known": name for name in values}
        groups = rows.group_by(by).agg(
            nw.len().alias("videos"),
            *(nw.col(name).sum() for name in values),
            *(nw.col(name).count().alias(new) for new, name in known.items()),
        )
        small = small_frame(groups.select(*by, "videos", *values, *known))
        return small.assign(
            **{name: self.decoded(name, small[name]) for name in by},
            **{name: small[name].fillna(0).astype("float64") for name in values},
            **{name: small[name].astype("int64") for name in ("videos", *known)},
        )

    def decoded(self, key: str, values: pd.Series[Any]) -> pd.Series[Any]:
        """Give the keys of a small result back as they were."""
        if key not in self.levels:
            return values.astype(self.dtypes[key]) if key in self.dtypes else values
        meant: pd.Series[Any] = self.levels[key].reindex(values.astype("int64"))
        return meant.set_axis(values.index)

    def beside(self, other: Any, columns: Sequence[str], *, what: str) -> nw.LazyFrame[Any]:
        """Read a second frame on the same engine, to join it; a pandas one is taken along."""
        import narwhals.stable.v2 as nw

        if isinstance(other, pd.DataFrame):
            require_columns(other.columns, columns, what=what)
            small = other[list(columns)]
            table = pa.table({name: _arrow(small[name]) for name in columns})
            other = table if self.in_memory else _native(frame_from_arrow(table), self.native)
        rows = nw.from_native(frame_of_engine(other, what=what)).lazy()
        if rows.implementation != self.rows.implementation:
            raise TypeError(
                f"{what} is on {rows.implementation}, the videos are on "
                f"{self.rows.implementation}; give both on one engine, or {what} as pandas"
            )
        require_columns(rows.collect_schema().names(), columns, what=what)
        chosen: nw.LazyFrame[Any] = rows.select(*columns)
        return chosen


def open_frame(videos: Any, columns: Sequence[str], keys: Sequence[str], *, what: str) -> Opened:
    """
    Read the columns needed of a frame of any engine, and the *keys* to group by.

    Each video counts once, a status in the spelling of the schema. Of an engine's frame above
    `MAX_CHECKED_ROWS` only an archive's observations are searched for either: elsewhere that would
    cost more memory than the answer.

    >>> opened = open_frame(pa.table({"type": ["a", "b"], "n": [1, 2]}), ["n"], ["type"],
    ...                     what="credit_usage")
    >>> opened.sums(opened.rows, ["type"], ["n"])["n"].tolist()
    [1.0, 2.0]
    """
    import narwhals.stable.v2 as nw

    dtypes: dict[str, Any] = {}
    levels: dict[str, pd.Series[Any]] = {}
    plain = list(dict.fromkeys(columns))
    needed = list(dict.fromkeys([*columns, *keys]))
    if isinstance(videos, pd.DataFrame):
        given = videos = usable_frame(videos, columns, what=what, keys=keys)
        dtypes = {key: videos[key].dtype for key in keys if key in plain}
    else:
        given = videos = frame_of_engine(videos, what=what)
        there = nw.from_native(videos).lazy().collect_schema().names()
        require_columns(there, needed, what=what)
        videos = _as_meant(videos, needed, there, what)
    if isinstance(videos, pd.DataFrame | pa.Table):
        rows, levels = _coded(videos, plain, [key for key in keys if key not in plain])
    else:
        rows = nw.from_native(videos).lazy().select(needed)
    # not the reduced frame: to count it, an engine would reduce it once more
    return Opened(given, rows, levels, dtypes)


def _as_meant(videos: Any, needed: Sequence[str], there: Sequence[str], what: str) -> Any:
    """Bring the spellings of a status to the known words, and keep one row of each video."""
    import narwhals.stable.v2 as nw

    frame = with_times(nw.from_native(videos), needed, [n for n in RANKED_BY if n in there], what)
    if "observed_at" not in there:
        rows = _numbers(frame, nw.len())[0]
        if rows > MAX_CHECKED_ROWS:
            return videos
        frame = _with_known_words(frame) if "status" in there else frame
        if "video_id" not in there:
            return frame.to_native()
        if frame.collect_schema()["video_id"] == nw.String:
            bare = nw.col("video_id").str.strip_chars()
            frame = frame.with_columns(video_id=nw.when(bare != "").then(bare))
        given = frame.filter(~nw.col("video_id").is_null())
        with_id, distinct = _numbers(given, nw.len(), nw.col("video_id").n_unique())
        warn_of_rows(what, rows, with_id - distinct, rows - with_id)
        if with_id == distinct:
            return frame.to_native()
    ranked = [name for name in RANKED_BY if name in there]
    if isinstance(frame, nw.DataFrame):
        return frame.filter(are_latest(frame.select(ranked).to_arrow()).tolist()).to_native()
    return latest_rows(frame.select(dict.fromkeys([*needed, *ranked]))).to_native()


def _with_known_words(frame: Any) -> Any:
    import narwhals.stable.v2 as nw

    status = nw.col("status")
    for text in frame.lazy().select("status").unique().collect("pyarrow")["status"].to_list():
        if isinstance(text, str) and (word := parse_status(text)) != text:
            meant = nw.lit(word, nw.String)
            status = nw.when(nw.col("status") == text).then(meant).otherwise(status)
    return frame.with_columns(status=status)


def _numbers(frame: Any, *expressions: nw.Expr) -> list[int]:
    """Fetch the one row of whole numbers that the expressions give."""
    named = {f"n{place}": each for place, each in enumerate(expressions)}
    row = frame.lazy().select(**named).collect("pyarrow")
    # Dask hands its index out beside them, and counts nothing as missing
    return [int(row.item(0, name) or 0) for name in named]


def frame_of_engine(videos: Any, *, what: str) -> Any:
    """Take a frame of an engine as it is, and any other Arrow stream as a PyArrow table."""
    import narwhals.stable.v2 as nw

    if isinstance(nw.from_native(videos, pass_through=True), nw.DataFrame | nw.LazyFrame):
        return videos
    if isinstance(videos, pa.RecordBatchReader):
        raise TypeError(f"{what} reads a frame more than once; pass reader.read_all()")
    if hasattr(videos, "__arrow_c_stream__"):
        with suppress(pa.ArrowException):  # a single column
            return pa.table(videos)
    raise TypeError(f"{what} takes a frame of {_TAKEN}, not {type(videos)}")


def like(answer: pd.DataFrame, videos: FrameT) -> FrameT:
    """
    Give a small answer as a frame of the engine that *videos* are on.

    Eager frames come back eager, lazy and distributed ones as a small one of their kind.

    >>> like(pd.DataFrame({"credits": [1.0]}), pa.table({"type": ["class"]})).column_names
    ['credits']
    """
    same = answer if isinstance(videos, pd.DataFrame) else _native(answer, videos)
    return cast("FrameT", same)


def as_given(rows: nw.LazyFrame[Any], videos: FrameT) -> FrameT:
    """Hand rows out where they are, not fetched from an engine that is lazy."""
    import narwhals.stable.v2 as nw

    lazy = isinstance(nw.from_native(cast("Any", videos), pass_through=True), nw.LazyFrame)
    return cast("FrameT", rows.to_native() if lazy else rows.collect().to_native())


def small_frame(rows: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Fetch a small result as pandas, every engine's types brought to ours."""
    table = rows.collect("pyarrow").to_native()
    ours = [field.with_type(_our_type(field.type)) for field in table.schema]
    return frame_from_arrow(table.cast(pa.schema(ours)))


def _our_type(theirs: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(theirs):
        return _our_type(theirs.value_type)
    if pa.types.is_string(theirs) or str(theirs) == "string_view":
        return pa.large_string()
    if pa.types.is_integer(theirs):
        return pa.int64()
    # a sum of whole numbers is a decimal on DuckDB
    if pa.types.is_floating(theirs) or pa.types.is_decimal(theirs):
        return pa.float64()
    return theirs


def known(name: str) -> nw.Expr:
    """
    Give a number where it is finite, else missing.

    By `is_finite`: a comparison would not do, for DuckDB takes its outcome from the statistics
    of a Parquet file, which leave NaN out.
    """
    import narwhals.stable.v2 as nw

    number = nw.col(name).cast(nw.Float64)
    return nw.when(number.is_finite()).then(number)


def _coded(
    videos: pd.DataFrame | pa.Table, columns: list[str], keys: list[str]
) -> tuple[nw.LazyFrame[Any], dict[str, pd.Series[Any]]]:
    """Read a frame in memory as Arrow, without a copy where it can be, its keys numbered."""
    import narwhals.stable.v2 as nw

    arrays = {name: _arrow(videos[name]) for name in columns}
    # what is all missing has no type of its own, and cannot be joined
    for name in [name for name in arrays if name in NAMES and pa.types.is_null(arrays[name].type)]:
        arrays[name] = arrays[name].cast(VIDEOS_SCHEMA.field(name).type)
    levels = {}
    for key in keys:
        column = videos[key]
        if isinstance(videos, pa.Table):
            column = frame_from_arrow(videos.select([key]))[key]
        codes, found = pd.factorize(column)
        arrays[key] = pa.array(codes.astype("int32"))
        levels[key] = pd.Series(found, dtype=column.dtype)
    return nw.from_native(pa.table(arrays)).lazy(), levels


def _arrow(column: Any) -> Any:
    array = column if isinstance(column, pa.ChunkedArray) else pa.array(column, from_pandas=True)
    wanted = _our_type(array.type) if _is_text(array.type) else array.type
    return array if wanted == array.type else array.cast(wanted)


def _is_text(kind: pa.DataType) -> bool:
    """Whether it may be text, which Arrow joins only in one and the same of its types."""
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def _native(answer: pd.DataFrame, wanted: Any) -> Any:
    """Bring a small pandas frame to the engine of another one."""
    import narwhals.stable.v2 as nw

    table = pa.Table.from_pandas(answer, preserve_index=False).replace_schema_metadata()
    frame = nw.from_native(wanted, pass_through=True)
    if frame is wanted:  # another Arrow stream
        return table
    engine = frame.implementation
    if isinstance(frame, nw.DataFrame):
        return nw.from_arrow(table, backend=engine).to_native()
    if engine.is_polars():
        return nw.from_arrow(table, backend=engine).lazy().to_native()
    if engine.is_duckdb():
        return _on_duckdb(table, wanted)
    if engine.is_dask():
        from dask import dataframe

        return dataframe.from_pandas(answer, npartitions=1)
    if engine.is_pyspark() or engine.is_pyspark_connect():
        return _on_spark(table, wanted)
    raise TypeError(f"takes a frame of {_TAKEN}, not {type(wanted)}")


def _on_duckdb(answer: pa.Table, wanted: Any) -> Any:  # noqa: ARG001 - the query reads it
    """Stay on the connection of *wanted*, which only a query on it can reach."""
    found = wanted.query("videos", "SELECT * FROM answer")
    return found.set_alias("answer")


def _on_spark(answer: pa.Table, wanted: Any) -> Any:
    from pyspark.sql.types import (
        BooleanType,
        DoubleType,
        LongType,
        StringType,
        StructField,
        StructType,
        TimestampType,
    )

    of = {
        pa.int64(): LongType(),
        pa.float64(): DoubleType(),
        pa.bool_(): BooleanType(),
        pa.string(): StringType(),
        pa.large_string(): StringType(),
    }
    theirs = {field.name: field.dataType for field in wanted.schema.fields}
    fields = [
        StructField(column.name, of.get(column.type) or theirs.get(column.name) or TimestampType())
        for column in answer.schema
    ]
    rows = [tuple(row.values()) for row in answer.to_pylist()]
    return wanted.sparkSession.createDataFrame(rows, StructType(fields))
