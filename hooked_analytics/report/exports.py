"""A report as files: a folder of tables and back, and a workbook for an accountant."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from hooked_analytics import __version__
from hooked_analytics._internal.atomic import atomic_directory, local_path, read_swapped
from hooked_analytics.report.report import DAY_COLUMNS, Report, Tables, units_of
from hooked_analytics.report.sentences import headlines, not_known, scope
from hooked_analytics.storage.files import write_parquet
from hooked_analytics.storage.sanitize import storage_type
from hooked_analytics.storage.spreadsheets import plain_text, write_csv

if TYPE_CHECKING:
    import os
    from pathlib import Path

MANIFEST, MARK, VERSION = "manifest.json", "hooked_report", 2
_FACTS = ("title", "timezone", "price_per_credit", "balance", "no_forecast")
# facts that a report of version 0.1 has not, and what they are there
_NEWER_FACTS: dict[str, Any] = {"by": ["type"], "budget": None, "currency": None}
# columns that the page reads and version 0.1 did not write; a table of which it has none is empty
_NEWER_COLUMNS = {
    "totals": ["days"],
    "credit_usage": ["failure_rate", "failure_low", "failure_high"],
    "credits_by_month": ["failed_credits"],
    "credits_by_week": ["period", "videos", "credits", "credits_unknown", "failed_credits"],
    "comparison": ["different", "difference"],
    "spend_anomalies": ["period", "credits", "usual", "ratio"],
    "render_drift": ["type", "videos_now", "median_before", "median_now", "drifting"],
    "change_parts": ["volume", "mix", "rate"],
}
# names of columns in version 1
_RENAMED = {
    "wasted_credits": "failed_credits", "waste_share": "failed_share", "money": "cost",
    "basis": "time_source", "error": "fetch_error",
}  # fmt: skip
_FILE = re.compile(r"[a-z0-9_]+\.(?:parquet|csv|json)")
# what version 0.1 kept in the folder beside the tables
_OLD_FILES = (".hooked-lock", ".hooked-next", ".hooked-stage-*")

# unit of a column -> how a workbook shows it
_FORMATS = {
    "credits": "#,##0.0", "credits per video": "#,##0.00", "videos": "#,##0",
    "credits per finished minute": "#,##0.00", "share, 0 to 1": "0.0%", "s": "#,##0",
    "currency of the price per credit": "#,##0.00", "days": "#,##0", "past forecasts": "#,##0",
}  # fmt: skip
# columns that a sum over rows makes sense for, and tables that are no list of parts
_SUMMED = {
    "videos", "completed", "failed", "rendering", "credits", "credits_unknown", "cost",
    "failed_credits", "credits_before", "credits_after", "change", "volume", "mix", "rate",
    "used_credits", "success_credits", "attempts", "failures", "duration_unknown",
}  # fmt: skip
_NO_SUM = {"totals", "change_parts", "forecast_total", "completion_curve", "spend_anomalies"}
_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
_MAX_NAME, _MAX_WIDTH, _MIN_WIDTH, _TIME_WIDTH = 31, 60, 10, 18


def export_folder(report: Report, folder: Path) -> list[Path]:
    """Write every table and the manifest into a new folder, then swap it in."""
    _require_ours(folder / MANIFEST)
    with atomic_directory(folder, _owned) as new:
        about = {name: _write_table(name, table, new) for name, table in report.tables.items()}
        (new / MANIFEST).write_text(_manifest(report, about), encoding="utf-8")
    names = [file for each in about.values() for file in each["files"]]
    return [folder / name for name in [*names, MANIFEST]]


def read_report(directory: str | os.PathLike[str]) -> Report:
    """
    Read a report that `Report.export` wrote: same tables, dtypes and page.

    Parameters
    ----------
    directory : str or PathLike
        Folder with a ``manifest.json``.

    Returns
    -------
    Report
        From the Parquet files, each checked against its hash in the manifest.

    Raises
    ------
    FileNotFoundError
        There is no report.
    ValueError
        The report is of a newer version, or a file is missing or was changed; says which.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics import build_report, videos_from_records
    >>> report = build_report(videos_from_records([{"id": "vid_1", "usedCredits": 5}]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = report.export(f"{folder}/october")
    ...     repr(read_report(f"{folder}/october")) == repr(report)
    True
    """
    folder = local_path(directory)
    text = read_swapped(folder, MANIFEST)
    while True:
        manifest = _parsed(text, folder / MANIFEST)
        try:
            tables = {name: _read_table(folder, each) for name, each in manifest["tables"].items()}
        except _ChangedError:
            before, text = text, read_swapped(folder, MANIFEST)
            if text == before:  # else another process has just swapped the folder
                raise
        else:
            facts = {name: manifest.get(name, old) for name, old in _NEWER_FACTS.items()}
            facts |= {name: manifest[name] for name in _FACTS} | {"by": tuple(facts["by"])}
            return Report(tables=_of_today(tables, manifest[MARK]), **facts)


def _of_today(tables: dict[str, pd.DataFrame], version: int) -> Tables:
    """Give an older report the tables, empty, and the columns, missing, that it has not."""
    for name, new in _NEWER_COLUMNS.items() if version < VERSION else ():
        table = tables.get(name, pd.DataFrame())
        tables[name] = table.reindex(columns=list(dict.fromkeys([*table, *new])))
    return Tables(tables)


class _ChangedError(ValueError):
    """A file is not the one the manifest names."""


def _manifest(report: Report, tables: dict[str, Any]) -> str:
    periods = report.tables["totals"].set_index("period")
    shown = periods[["first_day", "last_day", "seen_at", "videos", "credits_unknown"]]
    about = {
        MARK: VERSION,
        "made_with": f"hooked_analytics {__version__}",
        **{name: getattr(report, name) for name in (*_FACTS, *_NEWER_FACTS)},
        "periods": shown.astype("object").where(shown.notna(), None).to_dict("index"),
        "missing": "an empty cell in CSV, null in Parquet; never 0",
        "tables": tables,
    }
    times = pd.Timestamp.isoformat
    return json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False, default=times) + "\n"


def _write_table(name: str, table: pd.DataFrame, folder: Path) -> dict[str, Any]:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    notes = {key.decode(): text.decode() for key, text in (arrow.schema.metadata or {}).items()}
    files = [folder / f"{name}.{kind}" for kind in ("parquet", "csv")]
    write_parquet(files[0], arrow.schema, arrow.to_batches(), notes=notes)
    cells = _for_csv(table)
    write_csv(files[1], cells.schema, cells.to_batches(), formula_safe=True)
    units = units_of(name)
    return {
        "rows": len(table),
        "units": {column: units[column] for column in table if column in units},
        "unknown": {str(column): int(many) for column, many in table.isna().sum().items() if many},
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def _for_csv(table: pd.DataFrame) -> pa.Table:
    """Days as dates of their own zone: midnight in Berlin is another day in UTC."""
    times = table.select_dtypes("datetimetz")
    days = {name: times[name].dt.tz_localize(None) for name in times if name in DAY_COLUMNS}
    arrow = pa.Table.from_pandas(table.assign(**days), preserve_index=False)
    kinds = [
        (field.name, pa.date32() if field.name in days else storage_type(field.name, field.type))
        for field in arrow.schema
    ]
    return arrow.cast(pa.schema(kinds))


def _owned(folder: Path) -> set[str]:
    """Names of the files of a set; only plain names, for the manifest may come from anywhere."""
    found = {path.name for form in _OLD_FILES for path in folder.glob(form)} | {MANIFEST}
    with suppress(OSError, KeyError, TypeError, AttributeError):
        tables = _loaded((folder / MANIFEST).read_bytes())["tables"].values()
        found |= {name for table in tables for name in table["files"] if _FILE.fullmatch(name)}
    return found


def _require_ours(manifest: Path) -> None:
    with suppress(FileNotFoundError):  # none yet, or another process swaps the folder just now
        if MARK not in _loaded(manifest.read_bytes()):
            told = "is not of a report; nothing was touched, choose another folder"
            raise ValueError(f"{manifest} {told}")


def _loaded(text: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    manifest = _loaded(text)
    if MARK not in manifest:
        raise ValueError(f"{path} is not the manifest of a report")
    version = manifest[MARK]
    if version not in range(1, VERSION + 1):
        raise ValueError(
            f"{path} is of report version {version!r}, and this hooked_analytics "
            f"({__version__}) knows {VERSION}; update it, or read the Parquet files themselves"
        )
    if lacking := [name for name in (*_FACTS, "tables") if name not in manifest]:
        raise ValueError(f"{path} lacks {', '.join(lacking)}, so it was changed")
    return manifest


def _read_table(folder: Path, about: dict[str, Any]) -> pd.DataFrame:
    import pyarrow.parquet as pq

    read = {name: _checked(folder, name, sha256) for name, sha256 in about["files"].items()}
    (parquet,) = [content for name, content in read.items() if name.endswith(".parquet")]
    table: pd.DataFrame = pq.read_table(io.BytesIO(parquet)).to_pandas()
    return table.rename(columns=_RENAMED)


def _checked(folder: Path, name: str, sha256: str) -> bytes:
    if not _FILE.fullmatch(name):
        raise ValueError(f"{folder} has no file {name[:80]!r}: that is no plain name")
    try:
        content = read_swapped(folder, name)
    except FileNotFoundError:
        raise _ChangedError(f"{folder / name} is missing; export the report again") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        told = "was changed after the report was exported; export it again"
        raise _ChangedError(f"{folder / name} {told}")
    return content


def workbook_bytes(report: Report) -> bytes:
    """Write every table to a sheet of its own, the notes first."""
    try:
        from xlsxwriter import Workbook
    except ImportError as cause:
        raise ImportError(
            'a workbook needs XlsxWriter: pip install "hooked-analytics[report]"'
        ) from cause
    written = io.BytesIO()
    with Workbook(written, _OPTIONS) as book:
        _write_notes(book, report)
        for name, table in report.tables.items():
            if len(table):
                _write_sheet(book, name, table, report)
    return written.getvalue()


def _write_notes(book: Any, report: Report) -> None:
    sheet = book.add_worksheet("Notes")
    bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 90, wrapped)
    price = "" if report.price_per_credit is None else f"{report.price_per_credit:g}"
    rows = [
        ("Report", report.title),
        ("Scope", scope(report)),
        *headlines(report),
        *(("Not known", each) for each in not_known(report)),
        ("Price per credit", f"{price} {report.currency or ''}".strip() or "not given"),
        ("Empty cells", "A figure nobody knows. It is never 0."),
        ("Days", f"Begin at midnight, {report.timezone}."),
        ("Made with", f"hooked_analytics {__version__}"),
    ]
    for at, (name, text) in enumerate(rows):
        sheet.write_string(at, 0, plain_text(name), bold)
        sheet.write_string(at, 1, plain_text(text), wrapped)


def _write_sheet(book: Any, name: str, table: pd.DataFrame, report: Report) -> None:
    """Header, rows, and where it makes sense a row of sums that follow the filter."""
    from xlsxwriter.utility import xl_range

    sheet, end = book.add_worksheet(name[:_MAX_NAME]), len(table) + 1
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
    summed = _SUMMED & set(table) if name not in _NO_SUM else set()
    units = units_of(name)
    for at, (column, values) in enumerate(table.items()):
        shown, heading, width = _layout(str(column), values, units.get(str(column), ""), report)
        style = book.add_format({"num_format": shown})
        sheet.write_string(0, at, plain_text(heading), bold)
        sheet.set_column(at, at, width)
        for row, value in enumerate(values, 1):
            _write_cell(sheet, row, at, value, style)
        if column in summed:
            total = book.add_format({"bold": True, "top": 1, "num_format": shown})
            formula = f"=SUBTOTAL(109,{xl_range(1, at, len(table), at)})"
            # the value is for programs that do not compute
            sheet.write_formula(end, at, formula, total, float(values.sum()))
    if summed:
        sheet.write_string(end, 0, "Total", book.add_format({"bold": True, "top": 1}))


def _layout(column: str, values: pd.Series[Any], unit: str, report: Report) -> tuple[str, str, int]:
    """Number format, heading and width; a time says its zone, money its currency."""
    heading, shown = column.replace("_", " "), _FORMATS.get(unit, "General")
    longest = max((len(str(value)) for value in values.head(100) if not pd.isna(value)), default=0)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        heading, longest = f"{heading} ({values.dt.tz})", _TIME_WIDTH
        shown = "yyyy-mm-dd" if unit.startswith("day") else "yyyy-mm-dd hh:mm"
    elif column == "cost" and report.currency:
        heading = f"{heading} ({report.currency})"
    return shown, heading, min(max(len(heading) // 2, longest, _MIN_WIDTH), _MAX_WIDTH)


def _write_cell(sheet: Any, row: int, at: int, value: Any, style: Any) -> None:
    if isinstance(value, str):  # `write` would take some texts for a formula
        sheet.write_string(row, at, plain_text(value))
    elif isinstance(value, float) and math.isinf(value):  # a workbook has no such number
        sheet.write_string(row, at, str(value))
    elif isinstance(value, pd.Timestamp):
        sheet.write_datetime(row, at, value.tz_localize(None).to_pydatetime(), style)
    elif not pd.isna(value):
        sheet.write(row, at, value, style)
