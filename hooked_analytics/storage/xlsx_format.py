"""XLSX, for people: text is text, times are Excel's own, the header stays in sight."""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hooked_analytics.storage.sanitize import guard_formulas, map_columns, plain_cells
from hooked_analytics.storage.tables import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_ROWS = 1_048_575  # and the header
_MAX_UNITS = 32_767  # UTF-16 units in a cell
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_OPTIONS = {
    "constant_memory": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss",
    "strings_to_formulas": False,
    "strings_to_urls": False,
}


def require_fits(rows: int) -> None:
    """Check the number of rows before an hour goes into writing them."""
    if rows > MAX_ROWS:
        raise ValueError(
            f"a sheet of Excel holds {MAX_ROWS:,} rows and these are {rows:,}; "
            "export to .csv or .parquet"
        )


def write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, formula_safe: bool
) -> None:
    """Write the batches to one sheet."""
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as cause:
        raise ImportError(
            'writing .xlsx needs XlsxWriter: pip install "hooked-analytics[report]"'
        ) from cause

    def cells(_: str, column: pa.Array) -> pa.Array:
        plain = _for_excel(column)
        return guard_formulas(plain, formula_safe=formula_safe) if is_text(plain.type) else plain

    names = guard_formulas(pa.array(schema.names, pa.large_string()), formula_safe=formula_safe)
    rows = (
        row
        for batch in batches
        for row in zip(*(c.to_pylist() for c in map_columns(batch, cells).columns), strict=True)
    )
    try:
        with Workbook(str(path), _OPTIONS) as book:
            sheet = book.add_worksheet("videos")
            sheet.freeze_panes(1, 0)
            bold = book.add_format({"bold": True})
            sheet.write_row(0, 0, map(plain_text, names.to_pylist()), bold)
            cut = _write_rows(sheet, rows)
    except FileCreateError as cause:
        raise OSError(f"{path} cannot be written: {cause}") from cause
    if cut:
        warnings.warn(
            f"{cut} texts were cut to {_MAX_UNITS:,} characters, the most a cell of Excel "
            "holds; CSV and Parquet keep them whole",
            stacklevel=3,
        )


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
                text = plain_text(value)
                sheet.write_string(at, place, text)
                cut += _too_long(value)
            elif isinstance(value, float):
                if math.isfinite(value):
                    sheet.write_number(at, place, value)
                else:
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
