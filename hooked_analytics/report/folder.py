"""
A report in a folder, and back.

Each table is Parquet and CSV; ``manifest.json`` names every file with its hash, so a set is
complete or it is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from hooked_analytics import __version__
from hooked_analytics._internal.atomic import atomic_directory, local_path, read_swapped
from hooked_analytics.report.report import Report, Tables
from hooked_analytics.report.units import DAY_COLUMNS, units_of
from hooked_analytics.storage.files import write_parquet
from hooked_analytics.storage.sanitize import storage_type
from hooked_analytics.storage.spreadsheets import write_csv

if TYPE_CHECKING:
    import os

MANIFEST, MARK, VERSION = "manifest.json", "hooked_report", 2
_FACTS = ("title", "timezone", "price_per_credit", "balance", "no_forecast")
# columns that the page reads and version 0.1 did not write
_NEWER_COLUMNS = {
    "totals": ["days"],
    "credits_by_month": ["failed_credits"],
    "forecast_total": ["backtest_error", "filled_share", "month_total", "over_budget_chance"],
}
# facts of newer versions, and what they are in an older report
_NEWER_FACTS: dict[str, Any] = {"by": ["type"], "budget": None, "currency": None}
_FILE = re.compile(r"[a-z0-9_]+\.(?:parquet|csv|json)")
# what version 0.1 kept in the folder beside the tables
_OLD_FILES = (".hooked-lock", ".hooked-next", ".hooked-stage-*")

# names of columns in version 1
_RENAMED = {
    "wasted_credits": "failed_credits", "waste_share": "failed_share", "money": "cost",
    "basis": "time_source", "error": "fetch_error",
}  # fmt: skip


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
        From the Parquet files.

    Raises
    ------
    FileNotFoundError
        There is no report.
    ValueError
        The report is of a newer version, or a file is missing or was changed; says which.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics import videos_from_records
    >>> from hooked_analytics.report import build_report
    >>> report = build_report(videos_from_records([{"id": "vid_1", "usedCredits": 5}]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = report.export(f"{folder}/october")
    ...     back = read_report(f"{folder}/october")
    >>> files[-1].name, repr(back) == repr(report)
    ('manifest.json', True)
    """
    folder = local_path(directory)
    text = read_swapped(folder, MANIFEST)
    while True:
        manifest = _parsed(text, folder / MANIFEST)
        try:
            tables = {name: _read_table(folder, each) for name, each in manifest["tables"].items()}
        except _ChangedError:
            before, text = text, read_swapped(folder, MANIFEST)
            if text == before:
                raise
        else:
            told = _NEWER_FACTS | manifest
            facts = {name: told[name] for name in (*_FACTS, *_NEWER_FACTS)}
            return Report(tables=_of_today(tables), **facts | {"by": tuple(facts["by"])})


def _of_today(tables: dict[str, pd.DataFrame]) -> Tables:
    """Columns that a table of an older version has not are missing in it."""
    filled = {
        name: tables[name].reindex(columns=[*tables[name], *(set(new) - set(tables[name]))])
        for name, new in _NEWER_COLUMNS.items()
        if name in tables
    }
    return Tables({"credits_by_week": tables["credits_by_month"].iloc[:0], **tables, **filled})


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
    try:
        tables = json.loads((folder / MANIFEST).read_bytes())["tables"].values()
        return found | {
            name for table in tables for name in table["files"] if _FILE.fullmatch(name)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return found


def _require_ours(manifest: Path) -> None:
    try:
        about = _loaded(manifest.read_bytes())
    except FileNotFoundError:  # none yet, or another process swaps the folder just now
        return
    if MARK not in about:
        told = "is not of a report; nothing was touched, choose another folder"
        raise ValueError(f"{manifest} {told}")


def _loaded(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
        raise _ChangedError(
            f"{folder / name} was changed after the report was exported; export it again"
        )
    return content
