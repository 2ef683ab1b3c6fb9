"""XLSX, for people: text is text, times are Excel's own, the header stays in sight."""

from __future__ import annotations

import math
import re
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from hooked_analytics.storage.sanitize import guard_formulas, map_columns, plain_cells
from hooked_analytics.storage.tables import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_MAX_ROWS = 1_048_575  # and the header
_MAX_UNITS = 32_767  # UTF-16 units in a cell

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# Excel reads _x003D_ as the sign of that number, "=", unless its underscore is written so too.
_LIKE_A_SIGN = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def require_fits(rows: int) -> None:
    """Check the number of rows before an hour goes into writing them."""
    if rows > _MAX_ROWS:
        raise ValueError(
            f"a sheet of Excel holds {_MAX_ROWS:,} rows and these are {rows:,}; "
            "export to .csv or .parquet"
        )


def write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, formula_safe: bool
) -> None:
    """Write the batches to one sheet."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font
    except ImportError as cause:
        raise ImportError(
            'writing .xlsx needs openpyxl: pip install "hooked-analytics[report]"'
        ) from cause

    book = Workbook(write_only=True)
    sheet = book.create_sheet("videos")
    sheet.freeze_panes = "A2"

    def text_cell(text: str) -> Any:
        cell = WriteOnlyCell(sheet, None)
        # Set past the guessing, which makes a formula of "=1" and an error of "#N/A".
        cell._value, cell.data_type = text, "s"
        return cell

    def title(text: str) -> Any:
        cell = text_cell(text)
        cell.font = Font(bold=True)
        return cell

    def cells(_: str, column: pa.Array) -> pa.Array:
        plain = column if pa.types.is_timestamp(column.type) else plain_cells(column)
        return guard_formulas(plain, formula_safe=formula_safe) if is_text(plain.type) else plain

    names = guard_formulas(pa.array(schema.names, pa.large_string()), formula_safe=formula_safe)
    sheet.append([title(_xml_text(name)) for name in names.to_pylist()])
    cut = 0
    for batch in batches:
        columns = [column.to_pylist() for column in map_columns(batch, cells).columns]
        for row in zip(*columns, strict=True):
            sheet.append([_value(value, text_cell) for value in row])
        cut += sum(_too_long(text) for column in columns for text in column)
    book.save(path)
    if cut:
        warnings.warn(
            f"{cut} texts were cut to {_MAX_UNITS:,} characters, the most a cell of Excel "
            "holds; CSV and Parquet keep them whole",
            stacklevel=3,
        )


def read(path: Path) -> NoReturn:  # noqa: ARG001 - one signature for all formats
    """Refuse: what Excel does to ids, times and text cannot be undone."""
    raise ValueError("an .xlsx file is for people; export to .parquet or .csv and read that")


def _value(value: Any, text_cell: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return text_cell(_xml_text(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, float) and not math.isfinite(value):
        return text_cell(str(value))
    return value


def _xml_text(text: str) -> str:
    text = _NOT_IN_XML.sub("", text)
    if "_x" in text:
        text = _LIKE_A_SIGN.sub("_x005F_", text)
    if not _too_long(text):
        return text
    return text.encode("utf-16-le")[: 2 * _MAX_UNITS].decode("utf-16-le", errors="ignore")


def _too_long(value: Any) -> bool:
    # no text has more than two units a character, so short ones need no encoding
    return (
        isinstance(value, str)
        and 2 * len(value) > _MAX_UNITS
        and len(value.encode("utf-16-le", errors="replace")) > 2 * _MAX_UNITS
    )
