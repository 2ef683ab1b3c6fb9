"""JSON lines: one object a row, missing as null, numbers and text exact."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics.schema import NAMES, VIDEOS_SCHEMA, current_names
from hooked_analytics.storage.sanitize import map_columns, times_as_text, times_from_text
from hooked_analytics.storage.tables import require_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import TextIO

_BATCH_ROWS = 65_536
_OURS = frozenset(NAMES)


def write(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    formula_safe: bool,  # noqa: ARG001 - no spreadsheet reads JSON
) -> None:
    """Write the batches, an object to a line."""
    rows = 0
    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for batch in batches:
            rows += batch.num_rows
            columns = [c.to_pylist() for c in map_columns(batch, _json_column).columns]
            for values in zip(*columns, strict=True):
                lines.write(encode(dict(zip(schema.names, values, strict=True))) + "\n")
        if not rows:
            # A file of no bytes is what a failed copy leaves, so no rows are one blank line.
            lines.write("\n")


def _json_column(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return times_as_text(column)
    if pa.types.is_floating(column.type) and pc.any(pc.is_inf(column)).as_py():
        raise ValueError(
            f"column {name!r} holds an infinite number, for which JSON has no word; "
            "export to .parquet or .csv"
        )
    return column


def read(path: Path) -> pa.Table:
    """Read the objects, our fields in their types, the others in those Arrow finds."""
    parts: list[pa.Table] = []
    others: list[dict[str, Any]] = []
    seen: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        objects = _objects(lines)
        while rows := list(islice(objects, _BATCH_ROWS)):
            rows = _renamed(rows)
            seen.update(dict.fromkeys(name for row in rows for name in row))
            parts.append(pa.table([_column(rows, name) for name in NAMES], schema=VIDEOS_SCHEMA))
            others += ({k: row[k] for k in row.keys() - _OURS} for row in rows)
    if not parts:
        return VIDEOS_SCHEMA.empty_table()
    require_ours(list(seen))
    table = pa.concat_tables(parts)
    for name in seen:
        if name not in _OURS:
            table = table.append_column(name, _found([row.get(name) for row in others]))
    return table


def _renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give fields of an older version their names of today."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    today = dict(zip(names, current_names(names), strict=True))
    if all(name == new for name, new in today.items()):
        return rows
    return [{today[name]: value for name, value in row.items()} for row in rows]


def _objects(lines: TextIO) -> Iterator[dict[str, Any]]:
    number = 0
    decode = json.JSONDecoder(parse_constant=_refuse).decode
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row = decode(line)
        except (ValueError, RecursionError) as cause:
            raise ValueError(f"line {number} is not JSON ({cause})") from cause
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not a JSON object")
        yield row
    if not number:
        raise ValueError("it is empty")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _column(rows: list[dict[str, Any]], name: str) -> pa.Array:
    kind = VIDEOS_SCHEMA.field(name).type
    values = [row.get(name) for row in rows]
    try:
        if pa.types.is_timestamp(kind):
            return pa.array(values, pa.large_string()).cast(kind)
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as cause:
        raise ValueError(f"a value of {name} is not {kind} ({cause})") from cause


def _found(values: list[Any]) -> pa.Array:
    column = pa.array(values)
    return times_from_text(column) if pa.types.is_string(column.type) else column
