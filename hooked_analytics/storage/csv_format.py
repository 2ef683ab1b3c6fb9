"""CSV: UTF-8, ISO times, missing as an empty cell, no formula, and the exact way back."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pyarrow as pa

from hooked_analytics.schema import VIDEOS_SCHEMA, current_names
from hooked_analytics.storage.sanitize import (
    cast_where_all,
    guard_formulas,
    map_columns,
    plain_cells,
    times_from_text,
    unguard_formulas,
)
from hooked_analytics.storage.tables import is_text, require_ours

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BLOCK_BYTES = 16 * 2**20
_MAX_BLOCK_BYTES = 2**31 - 1

# How programs print a value. What only looks like a number (007, 1e5, nan) stays text.
_FORMS = (
    (r"^-?(?:0|[1-9][0-9]*)$", pa.int64()),
    (r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?|inf)$", pa.float64()),
    (r"^(?:true|false|True|False)$", pa.bool_()),
)


def write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, formula_safe: bool
) -> None:
    """Write the batches with a header, in which strange column names are guarded too."""
    from pyarrow.csv import CSVWriter

    names = guard_formulas(pa.array(schema.names, pa.large_string()), formula_safe=formula_safe)
    kinds = [plain_cells(pa.array([], field.type)).type for field in schema]
    head = pa.schema(list(zip(names.to_pylist(), kinds, strict=True)))

    def cells(_: str, column: pa.Array) -> pa.Array:
        plain = plain_cells(column)
        return guard_formulas(plain, formula_safe=formula_safe) if is_text(plain.type) else plain

    with pa.OSFile(str(path), "wb") as sink, CSVWriter(sink, head) as writer:
        for batch in batches:
            columns = map_columns(batch, cells).columns
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=head))


def read(path: Path) -> pa.Table:
    """Read text as text: only columns that are not ours are looked at for their type."""
    header = current_names(_header(path))
    require_ours(header)
    _require_end(path)
    ours = {field.name: field.type for field in VIDEOS_SCHEMA}
    kinds = {name: ours.get(name, pa.large_string()) for name in header}
    table = _read_as(path, kinds)
    table = pa.Table.from_batches(
        [map_columns(batch, _without_guard) for batch in table.to_batches()], table.schema
    )
    names = unguard_formulas(pa.array(header, pa.large_string())).to_pylist()
    found = [
        column if name in kinds and name in VIDEOS_SCHEMA.names else _found(column)
        for name, column in zip(header, table.columns, strict=True)
    ]
    return pa.table(found, names=names)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            header = next(csv.reader(lines), None)
        except csv.Error as cause:
            raise ValueError(f"its first line is not a CSV header ({cause})") from cause
    if not header:
        raise ValueError("it is empty")
    return header


def _require_end(path: Path) -> None:
    # Arrow takes a file cut inside its last row, even inside a quoted cell, for a whole one.
    quotes, last = 0, b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            quotes += block.count(b'"')
            last = block[-1:]
    if quotes % 2 or last not in b"\r\n":
        raise ValueError(
            "its last row does not end, so it was cut short; if it is whole, put a line break "
            "at its end"
        )


def _read_as(path: Path, kinds: dict[str, pa.DataType]) -> pa.Table:
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    def attempt(block_size: int) -> pa.Table:
        return read_csv(
            str(path),
            read_options=ReadOptions(
                block_size=block_size, column_names=list(kinds), skip_rows_after_names=1
            ),
            parse_options=ParseOptions(newlines_in_values=True),
            convert_options=ConvertOptions(
                column_types=kinds,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    size = path.stat().st_size
    try:
        return attempt(_BLOCK_BYTES)
    except pa.ArrowInvalid:
        if size <= _BLOCK_BYTES:
            raise
        # A row longer than a block fails too; nothing but a bigger block tells the two apart.
        return attempt(min(size + 1, _MAX_BLOCK_BYTES))


def _without_guard(_: str, column: pa.Array) -> pa.Array:
    return unguard_formulas(column) if is_text(column.type) else column


def _found(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for form, kind in _FORMS:
        column = cast_where_all(column, form, kind)
        if not is_text(column.type):
            return column
    return times_from_text(column)
