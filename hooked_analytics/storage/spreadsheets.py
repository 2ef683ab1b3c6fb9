"""CSV and XLSX: no text runs as a formula, times are UTC, missing is an empty cell."""

from __future__ import annotations

import csv
import math
import re
import warnings
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics.schema import NAMES, VIDEOS_SCHEMA, current_names
from hooked_analytics.storage.sanitize import (
    TIMES,
    cast_text,
    check_schema,
    guard_formulas,
    is_text,
    plain_cells,
    unguard_formulas,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

_BLOCK_BYTES = 16 * 2**20
_MAX_BLOCK_BYTES = 2**31 - 1
_WIDE = pa.decimal128(38, 6)  # of whole numbers that pandas wrote as 161240.0
_NAMELESS = "\0"
_WHOLE = r"^[0-9]+\.0$"
# How programs print a value. What only looks like a number (007, 1e5, nan) stays text.
_FORMS = (
    (r"^-?(?:0|[1-9][0-9]*)$", pa.int64()),
    (r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?|inf)$", pa.float64()),
    (r"^(?:true|false|True|False)$", pa.bool_()),
    *TIMES,
)


def write_csv(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, formula_safe: bool
) -> None:
    """Write the batches with a header, in which strange column names are guarded too."""
    from pyarrow.csv import CSVWriter

    kinds = [plain_cells(pa.array([], field.type)).type for field in schema]
    head = pa.schema(list(zip(_heading(schema, formula_safe), kinds, strict=True)))
    with pa.OSFile(str(path), "wb") as sink, CSVWriter(sink, head) as writer:
        for batch in batches:
            columns = _guarded(batch, plain_cells, formula_safe)
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=head))


def _heading(schema: pa.Schema, formula_safe: bool) -> list[str]:
    names = pa.array(schema.names, pa.large_string())
    found: list[str] = guard_formulas(names, formula_safe=formula_safe).to_pylist()
    return found


def _guarded(
    batch: pa.RecordBatch, spell: Callable[[pa.Array], pa.Array], formula_safe: bool
) -> list[pa.Array]:
    """Turn the columns into what cells hold, no text of it a formula."""
    return [
        guard_formulas(cells, formula_safe=formula_safe) if is_text(cells.type) else cells
        for cells in map(spell, batch.columns)
    ]


def read_csv(path: Path) -> pa.Table:
    """Read text as text; only columns that are not ours are examined for their type."""
    header, mark = _header(path)
    check_schema(header)
    # columns without a name are the index of pandas, or empty ones of a spreadsheet
    header = [name or f"{_NAMELESS}{place}" for place, name in enumerate(header)]
    _check_end(path)
    table = _without_empty_rows(_read_cells(path, header, mark))
    names = unguard_formulas(pa.array(header, pa.large_string())).to_pylist()
    found = [
        _whole_id(name, column) if name in NAMES else cast_text(column, _FORMS)
        for name, column in zip(header, map(_without_guard, table.columns), strict=True)
    ]
    table = pa.table(found, names=names)
    return table.select([name for name in names if not name.startswith(_NAMELESS)])


def _header(path: Path) -> tuple[list[str], str]:
    """Names of the columns, and the sign between cells: some countries' spreadsheets write ;."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        line = lines.readline()
        lines.seek(0)
        mark = max(",;\t", key=line.count)
        try:
            header = next(csv.reader(lines, delimiter=mark), None)
        except csv.Error as cause:
            raise ValueError(f"its first line is not a CSV header ({cause})") from cause
    if not header:
        raise ValueError("it is empty")
    return current_names(header), mark


def _check_end(path: Path) -> None:
    """Refuse a file cut inside a quoted cell, which Arrow takes for whole; warn of a bare end."""
    quotes, last = 0, b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            quotes += block.count(b'"')
            last = block[-1:]
    if quotes % 2:
        raise ValueError("its last row does not end, so it was cut short")
    if last not in b"\r\n":
        doubt = "if it was cut short, so may be its last value"
        warnings.warn(f"{path} has no line break at its end: {doubt}", stacklevel=4)


def _read_cells(path: Path, header: list[str], mark: str) -> pa.Table:
    """Read the cells in the types of our columns; the others as text."""
    from pyarrow import csv as arrow_csv

    ours = {name: VIDEOS_SCHEMA.field(name).type for name in header if name in NAMES}
    kinds = dict.fromkeys(header, pa.large_string()) | ours
    wide = {n: _WIDE if pa.types.is_integer(kind) else kind for n, kind in kinds.items()}
    # a spreadsheet leaves the zone out
    naive = {n: pa.timestamp("us") if pa.types.is_timestamp(k) else k for n, k in wide.items()}
    size = path.stat().st_size
    # a row longer than a block fails like a wrong value; nothing but a bigger block tells
    blocks = [_BLOCK_BYTES, min(size + 1, _MAX_BLOCK_BYTES)][: 1 + (size > _BLOCK_BYTES)]
    points = ",." if mark == ";" else "."
    reading = arrow_csv.ReadOptions(column_names=header, skip_rows_after_names=1)
    parsing = arrow_csv.ParseOptions(delimiter=mark, newlines_in_values=True)
    converting = arrow_csv.ConvertOptions(
        null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    faults: list[pa.ArrowInvalid] = []
    for attempt in product(blocks, (kinds, wide, naive), points):
        reading.block_size, converting.column_types, converting.decimal_point = attempt
        try:
            table = arrow_csv.read_csv(str(path), reading, parsing, converting)
            return table.cast(pa.schema(list(kinds.items())))
        except pa.ArrowInvalid as fault:
            faults.append(fault)
    column = re.compile(r"In CSV column #([0-9]+)")
    raise ValueError(column.sub(lambda at: f"column {header[int(at[1])]!r}", str(faults[0])))


def _without_empty_rows(table: pa.Table) -> pa.Table:
    """Leave out rows without any value, as a spreadsheet has them where rows were emptied."""
    full = reduce(pc.or_, (column.is_valid() for column in table.columns))
    if empty := len(table) - (pc.sum(full).as_py() or 0):
        warnings.warn(f"{empty:,} rows without any value were left out", stacklevel=4)
        return table.filter(full)
    return table


def _without_guard(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not is_text(column.type):
        return column
    return pa.chunked_array(map(unguard_formulas, column.chunks), column.type)


def _whole_id(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take the fraction off ids that pandas took for numbers with gaps."""
    if not name.endswith("_id") or not pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
        return column
    return pc.replace_substring_regex(column, r"\.0$", "")


def table_of_text(path: Path) -> pd.DataFrame | None:
    """Read any CSV; None where the first line has one cell, as in a file of ids."""
    import pandas as pd

    with path.open(encoding="utf-8-sig", errors="replace") as file:
        heading = file.readline()
    mark = next((mark for mark in ",;\t" if mark in heading), None)
    if mark is None:
        return None
    return pd.read_csv(path, sep=mark, dtype={"video_id": str}, encoding="utf-8-sig")


# -- XLSX --------------------------------------------------------------------------------

MAX_ROWS = 1_048_575  # and the header
_MAX_UNITS = 32_767  # UTF-16 units in a cell
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_OPTIONS = {
    "constant_memory": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss",
    "strings_to_formulas": False,
    "strings_to_urls": False,
}


def write_xlsx(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, formula_safe: bool
) -> None:
    """Write the batches to one sheet."""
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as cause:
        remedy = 'pip install "hooked-analytics[report]"'
        raise ImportError(f"writing .xlsx needs XlsxWriter: {remedy}") from cause

    columns = (_guarded(batch, _for_excel, formula_safe) for batch in batches)
    rows = (row for some in columns for row in zip(*(c.to_pylist() for c in some), strict=True))
    try:
        with Workbook(str(path), _OPTIONS) as book:
            sheet = book.add_worksheet("videos")
            sheet.freeze_panes(1, 0)
            bold = book.add_format({"bold": True})
            sheet.write_row(0, 0, map(plain_text, _heading(schema, formula_safe)), bold)
            cut = _write_rows(sheet, rows)
    except FileCreateError as cause:
        raise OSError(f"{path} cannot be written: {cause}") from cause
    if cut:
        said = f"{cut} texts were cut to {_MAX_UNITS:,} characters, the most a cell of Excel holds"
        warnings.warn(f"{said}; CSV and Parquet keep them whole", stacklevel=3)


def _for_excel(column: pa.Array) -> pa.Array:
    """Give times as those of UTC without a zone, the rest as in CSV."""
    if not pa.types.is_timestamp(column.type):
        return plain_cells(column)
    zone = "UTC" if column.type.tz else None
    return column.cast(pa.timestamp("us", zone), safe=False).cast(pa.timestamp("us"))


def _write_rows(sheet: Any, rows: Iterable[tuple[Any, ...]]) -> int:
    """Write rows below the header; count the texts that were cut."""
    cut = 0
    for at, row in enumerate(rows, 1):
        for place, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(at, place, plain_text(value))
                cut += _too_long(value)
            elif isinstance(value, float) and not math.isfinite(value):
                sheet.write_string(at, place, str(value))
            elif value is not None:
                sheet.write(at, place, value)
    return cut


def plain_text(text: str) -> str:
    """Leave out what XML cannot hold, and cut to what a cell holds."""
    text = _NOT_IN_XML.sub("", text)
    if not _too_long(text):
        return text
    return text.encode("utf-16-le")[: 2 * _MAX_UNITS].decode("utf-16-le", errors="ignore")


def _too_long(text: str) -> bool:
    # no text has more than two units a character, so short ones need no encoding
    if 2 * len(text) <= _MAX_UNITS:
        return False
    return len(text.encode("utf-16-le", errors="replace")) > 2 * _MAX_UNITS
