"""CSV and XLSX: no text runs as a formula, times are UTC, missing is an empty cell."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from contextlib import suppress
from functools import reduce
from itertools import chain, islice, product
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics.schema import NAMES, NULL_WORDS, VIDEOS_SCHEMA, current_names
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
_ROUNDED = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+$"  # no id: they have no +
_MARKS = ",;\t|"
_SEP = re.compile(f'\ufeff?"?sep=([{_MARKS}])"?\\s*', re.IGNORECASE)  # said to Excel
_PLACE = re.compile(r"In CSV column #([0-9]+)")
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
    form = _form_of(path)
    header = current_names(form.header)
    check_schema(header)
    # columns without a name are the index of pandas, or empty ones of a spreadsheet
    header = [name or f"{_NAMELESS}{place}" for place, name in enumerate(header)]
    whole = _check_end(path)
    try:
        table = _read_cells(path, header, form)
    except ValueError as fault:
        text = _filled_up(path, header, form) if whole and "columns, got" in str(fault) else None
        if text is None:
            raise
        table = _read_cells(path, header, form, text)
    table = _without_empty_rows(table)
    names = unguard_formulas(pa.array(header, pa.large_string())).to_pylist()
    found = [
        _checked_id(name, column) if name in NAMES else cast_text(column, _FORMS)
        for name, column in zip(header, map(_without_guard, table.columns), strict=True)
    ]
    table = pa.table(found, names=names)
    return table.select([name for name in names if not name.startswith(_NAMELESS)])


class _Form(NamedTuple):
    header: list[str]
    mark: str  # between cells
    above: int  # lines above the header
    nulls: list[str]  # what stands for missing


def _form_of(path: Path, errors: str = "strict") -> _Form:
    """Find out how a CSV is written, by its first rows."""
    mark, above = "", 0
    with path.open(encoding="utf-8-sig", newline="", errors=errors) as file:
        for line in file:
            if said := _SEP.fullmatch(line):
                mark = said[1]
            elif line.strip(f'{_MARKS}" \r\n'):
                break
            above += 1
        else:
            raise ValueError("it is empty")
        mark = mark or max(_MARKS, key=line.count)
        rows = csv.reader(chain([line], file), delimiter=mark)
        try:
            header = next(rows)
        except csv.Error as cause:
            raise ValueError(f"its first line is not a CSV header ({cause})") from cause
        nulls = {""}
        with suppress(csv.Error, ValueError):  # a cell too long for Python, no such column
            place = current_names(header).index("fetch_error")
            nulls |= {row[place] for row in islice(rows, 100) if len(row) > place} & NULL_WORDS
    return _Form(header, mark, above, sorted(nulls))


def _check_end(path: Path) -> bool:
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
    return last in b"\r\n"


def _read_cells(path: Path, header: list[str], form: _Form, text: bytes | None = None) -> pa.Table:
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
    points = "." if form.mark == "," else ",."
    reading = arrow_csv.ReadOptions(column_names=header, skip_rows_after_names=1)
    reading.skip_rows = 0 if text else form.above
    parsing = arrow_csv.ParseOptions(delimiter=form.mark, newlines_in_values=True)
    converting = arrow_csv.ConvertOptions(null_values=form.nulls, strings_can_be_null=True)
    # in a file of ours an empty text is one; others put all cells into quotes
    quoted = (True,) if len(form.nulls) > 1 else (False, True)
    faults: list[str] = []
    for attempt in product(blocks, quoted, (kinds, wide, naive), points):
        reading.block_size, converting.quoted_strings_can_be_null = attempt[:2]
        converting.column_types, converting.decimal_point = attempt[2:]
        try:
            source = pa.BufferReader(text) if text else str(path)
            table = arrow_csv.read_csv(source, reading, parsing, converting)
            return table.cast(pa.schema(list(kinds.items())))
        except pa.ArrowInvalid as fault:
            faults.append(str(fault))
    # the attempt that came furthest tells the cause
    places = [int(at[1]) if (at := _PLACE.search(fault)) else -1 for fault in faults]
    said = faults[places.index(max(places))]
    raise ValueError(_PLACE.sub(lambda at: f"column {header[int(at[1])]!r}", said))


def _filled_up(path: Path, header: list[str], form: _Form) -> bytes | None:
    """Fill up rows that Excel ends early where 16 of them end in empty cells; None for others."""
    least = header.index("fetched_at") + 1  # what follows is often empty in every row
    filled = io.StringIO()
    write = csv.writer(filled, delimiter=form.mark).writerow
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(islice(file, form.above, None), delimiter=form.mark)
        try:
            for row in filter(None, rows):
                if not least <= len(row) <= len(header):
                    return None
                write(row + [""] * (len(header) - len(row)))
        except csv.Error:
            return None
    return filled.getvalue().encode()


def _without_empty_rows(table: pa.Table) -> pa.Table:
    """Leave out rows without a video: a spreadsheet's sums, and rows that were emptied in it."""
    full = reduce(
        pc.or_, (table[name].is_valid() for name in ("video_id", "status", "fetch_error"))
    )
    if empty := len(table) - (pc.sum(full).as_py() or 0):
        warnings.warn(f"{empty:,} rows without a video were left out", stacklevel=4)
        return table.filter(full)
    return table


def _without_guard(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not is_text(column.type):
        return column
    return pa.chunked_array(map(unguard_formulas, column.chunks), column.type)


def _checked_id(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take the fraction off ids that pandas took for numbers with gaps; refuse rounded ones."""
    if not name.endswith("_id"):
        return column
    if rounded := column.filter(pc.match_substring_regex(column, _ROUNDED)):
        said = f"column {name!r}: a spreadsheet has made numbers such as {rounded[0]} of the ids"
        raise ValueError(f"{said}; read the file it was exported to")
    whole = pc.all(pc.match_substring_regex(column, _WHOLE)).as_py()
    return pc.replace_substring_regex(column, r"\.0$", "") if whole else column


def table_of_text(path: Path) -> pd.DataFrame | None:
    """Read any CSV; None where its lines hold one id each."""
    import pandas as pd

    try:
        form = _form_of(path, errors="replace")
    except ValueError:
        return None
    named = {name.strip() for name in form.header} - {""}
    if len(form.header) < 2 or (len(named) < 2 and "video_id" not in named):
        return None  # perhaps the comma behind an id
    table = pd.read_csv(
        path,
        sep=form.mark,
        skiprows=form.above,
        index_col=False,  # else ids are an index where rows end in a comma that the header lacks
        dtype={name: str for name in form.header if name.strip() == "video_id"},
        encoding="utf-8-sig",
    )
    return table.rename(columns=str.strip)


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
