"""Every value, name and note in a Parquet file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hooked_analytics.leaks.search import Find

_BATCH_ROWS = 16_384


def table_texts(stream: BinaryIO) -> Iterator[tuple[str, bytes, Callable[[str, Find], str]]]:
    """
    Give the notes of the file, then the columns, a row to a line.

    Yields
    ------
    where it is, the text, and how a place in it is called

    Raises
    ------
    ValueError, OSError
        It is not whole.
    """
    from pyarrow.parquet import ParquetFile

    with ParquetFile(pa.PythonFile(stream, mode="r")) as file:
        schema = file.schema_arrow
        notes = [file.metadata.metadata, schema.metadata, *(f.metadata for f in schema)]
        for name, note in {pair for held in notes for pair in (held or {}).items()}:
            yield "metadata of the file", name + b": " + note, _only_place
        yield "names of the columns", str(schema).encode(errors="replace"), _only_place
        first = 1
        for batch in file.iter_batches(_BATCH_ROWS):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                lines = _lines(column, name)
                if lines is not None:
                    yield f"column {name}", lines, partial(_row, first)
            first += batch.num_rows


def _only_place(place: str, _: Find) -> str:
    return place


def _row(first: int, place: str, find: Find) -> str:
    return f"{place}, row {first + find.line - 1:,}"


def _lines(column: pa.Array, name: str) -> bytes | None:
    """Write a column of text as lines; numbers, times and the like hold no secret."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_nested(kind):
        values = [str(value).encode(errors="replace") for value in column.to_pylist()]
    elif _is_text(kind):
        values = [value or b"" for value in column.cast(pa.large_binary()).to_pylist()]
    elif pa.types.is_integer(kind):
        values = [str(value).encode() for value in column.to_pylist()]
    else:
        return None
    if "key" in name.lower():
        label = name.encode(errors="replace")
        values = [b'"' + label + b'": "' + value + b'"' for value in values]
    return b"\n".join(value.replace(b"\n", b" ") for value in values)


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
