"""The report as a workbook for an accountant: a sheet a table, totals as formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics import __version__
from hooked_analytics.report.sentences import headlines, not_known, scope
from hooked_analytics.report.units import units_of
from hooked_analytics.storage.spreadsheets import plain_text

if TYPE_CHECKING:
    from pathlib import Path

    from hooked_analytics.report.report import Report

# unit of a column -> how Excel shows it
_FORMATS = {
    "credits": "#,##0.0", "credits per video": "#,##0.00", "videos": "#,##0",
    "credits per finished minute": "#,##0.00", "share, 0 to 1": "0.0%", "s": "#,##0",
    "currency of the price per credit": "#,##0.00", "days": "#,##0", "past forecasts": "#,##0",
}  # fmt: skip
# columns that a sum over rows makes sense for
_SUMMED = {
    "videos", "completed", "failed", "rendering", "credits", "credits_unknown", "cost",
    "failed_credits", "credits_before", "credits_after", "change", "volume", "mix", "rate",
    "used_credits", "success_credits", "attempts", "failures", "duration_unknown",
}  # fmt: skip
_NO_SUM = {"totals", "change_parts", "forecast_total", "completion_curve", "spend_anomalies"}
_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
_MAX_NAME, _MAX_WIDTH, _MIN_WIDTH = 31, 60, 10


def write_workbook(report: Report, path: Path) -> None:
    """Write every table to a sheet of its own, the notes first."""
    try:
        from xlsxwriter import Workbook
    except ImportError as cause:
        raise ImportError(
            'a workbook needs XlsxWriter: pip install "hooked-analytics[report]"'
        ) from cause
    with Workbook(str(path), _OPTIONS) as book:
        _write_notes(book, report)
        for name, table in report.tables.items():
            if len(table):
                _write_table(book, name, table, report)


def _write_notes(book: Any, report: Report) -> None:
    sheet = book.add_worksheet("Notes")
    bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 90, wrapped)
    price = "" if report.price_per_credit is None else f"{report.price_per_credit:g}"
    rows = [
        ("Report", report.title),
        ("Scope", scope(report)),
        *((each.figure, each.sentence) for each in headlines(report)),
        *(("Not known", each) for each in not_known(report).sentences),
        ("Price per credit", f"{price} {report.currency or ''}".strip() or "not given"),
        ("Empty cells", "A figure nobody knows. It is never 0."),
        ("Days", f"Begin at midnight, {report.timezone}."),
        ("Made with", f"hooked_analytics {__version__}"),
    ]
    for at, (name, text) in enumerate(rows):
        sheet.write_string(at, 0, plain_text(name), bold)
        sheet.write_string(at, 1, plain_text(text), wrapped)


def _write_table(book: Any, name: str, table: pd.DataFrame, report: Report) -> None:
    """Header, rows, and where it makes sense a row of sums below them."""
    sheet = book.add_worksheet(name[:_MAX_NAME])
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
    units = units_of(name)
    for at, column in enumerate(table.columns):
        values, unit = table[column], units.get(str(column), "")
        shown = _format(values, unit)
        style = book.add_format({"num_format": shown}) if shown else None
        heading = _heading(str(column), values, report)
        sheet.write_string(0, at, plain_text(heading), bold)
        sheet.set_column(at, at, _width(heading, values))
        for row, value in enumerate(values, 1):
            _write_cell(sheet, row, at, value, style)
        if column in _SUMMED and name not in _NO_SUM:
            _write_sum(book, sheet, at, values, shown)
    if name not in _NO_SUM and _SUMMED & set(table.columns):
        sheet.write_string(len(table) + 1, 0, "Total", book.add_format({"bold": True, "top": 1}))


def _write_cell(sheet: Any, row: int, at: int, value: Any, style: Any) -> None:
    if pd.isna(value):
        return
    if isinstance(value, pd.Timestamp):
        sheet.write_datetime(row, at, value.tz_localize(None).to_pydatetime(), style)
    elif isinstance(value, bool):
        sheet.write_boolean(row, at, value)
    elif isinstance(value, str):
        sheet.write_string(row, at, plain_text(value))
    else:
        sheet.write_number(row, at, float(value), style)


def _write_sum(book: Any, sheet: Any, at: int, values: pd.Series[Any], shown: str) -> None:
    """A formula that follows the filter, with the value for programs that do not compute."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    style = book.add_format({"bold": True, "top": 1, "num_format": shown})
    cells = ":".join(xl_rowcol_to_cell(row, at) for row in (1, len(values)))
    total = float(values.sum())
    sheet.write_formula(len(values) + 1, at, f"=SUBTOTAL(109,{cells})", style, total)


def _format(values: pd.Series[Any], unit: str) -> str:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return "yyyy-mm-dd" if unit.startswith("day") else "yyyy-mm-dd hh:mm"
    return _FORMATS.get(unit, "")


def _heading(column: str, values: pd.Series[Any], report: Report) -> str:
    """Words of a column; a time says its zone, money its currency."""
    words = column.replace("_", " ")
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return f"{words} ({values.dt.tz})"
    if column == "cost" and report.currency:
        return f"{words} ({report.currency})"
    return words


def _width(heading: str, values: pd.Series[Any]) -> int:
    longest = max((len(str(value)) for value in values.head(100) if not pd.isna(value)), default=0)
    times = 18 if isinstance(values.dtype, pd.DatetimeTZDtype) else longest
    return min(max(len(heading) // 2, times, _MIN_WIDTH), _MAX_WIDTH)
