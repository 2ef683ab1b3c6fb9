"""
A report in a folder: each table as Parquet and CSV, and a manifest that says what they are.

``manifest.json`` names every file with its hash, so a set is complete or it is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from hooked_analytics._version import __version__
from hooked_analytics.report.atomic_set import FileSet, write_set
from hooked_analytics.report.report import Report, Tables
from hooked_analytics.report.report_tables import DAYS, units_of
from hooked_analytics.storage import csv_format, parquet_format
from hooked_analytics.storage.tables import plain_kind

if TYPE_CHECKING:
    import os

MANIFEST = "manifest.json"
MARK, VERSION = "hooked_report", 1
_FACTS = ("title", "timezone", "price_per_credit", "balance", "no_forecast")


def export_report(report: Report, directory: str | os.PathLike[str]) -> list[Path]:
    """Write every table of a report and the manifest, the whole set at once."""
    folder = Path(directory)
    _require_ours(folder / MANIFEST)
    with write_set(folder, MANIFEST) as stage:
        about = {name: _write_table(name, table, stage) for name, table in report.tables.items()}
        manifest = _manifest(report, about)
        (stage / MANIFEST).write_text(
            json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )
    names = [file for each in about.values() for file in each["files"]]
    return [folder / name for name in [*names, MANIFEST]]


def read_report(directory: str | os.PathLike[str]) -> Report:
    """
    Read a report that `Report.export` wrote; the Parquet files are used.

    Parameters
    ----------
    directory : folder with a ``manifest.json``

    Returns
    -------
    the same report: same tables, dtypes and page

    Raises
    ------
    FileNotFoundError
        There is no report.
    ValueError
        The manifest is not of a report or of a newer version, or a file is missing or was
        changed; says which.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics import videos_from_records
    >>> from hooked_analytics.report import build_report
    >>> report = build_report(videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5}]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = report.export(folder)
    ...     back = read_report(folder)
    >>> files[-1].name, repr(back) == repr(report)
    ('manifest.json', True)
    """
    folder = Path(directory)
    files = FileSet(folder)

    def load(text: bytes) -> Report:
        manifest = _parsed(text, folder / MANIFEST)
        tables = {name: _read_table(about, files) for name, about in manifest["tables"].items()}
        return Report(tables=Tables(tables), **{name: manifest[name] for name in _FACTS})

    return files.steady(MANIFEST, load)


def _manifest(report: Report, about: dict[str, Any]) -> dict[str, Any]:
    periods = report.tables["totals"].set_index("period")
    return {
        MARK: VERSION,
        "made_with": f"hooked_analytics {__version__}",
        **{name: getattr(report, name) for name in _FACTS},
        "periods": {name: _period(row) for name, row in periods.iterrows()},
        "missing": "an empty cell in CSV, null in Parquet; never 0",
        "tables": about,
    }


def _period(row: pd.Series[Any]) -> dict[str, Any]:
    days = {name: row[name] for name in ("first_day", "last_day", "seen_at")}
    return {
        **{name: None if pd.isna(day) else day.isoformat() for name, day in days.items()},
        "videos": int(row["videos"]),
        "credits_unknown": int(row["credits_unknown"]),
    }


def _write_table(name: str, table: pd.DataFrame, stage: Path) -> dict[str, Any]:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    notes = {key.decode(): text.decode() for key, text in (arrow.schema.metadata or {}).items()}
    parquet_format.write_batches(
        stage / f"{name}.parquet", arrow.schema, arrow.to_batches(), notes=notes
    )
    cells = _for_csv(table)
    csv_format.write(stage / f"{name}.csv", cells.schema, cells.to_batches(), formula_safe=True)
    files = [stage / f"{name}.{kind}" for kind in ("parquet", "csv")]
    return {
        "rows": len(table),
        "units": units_of(name, [str(column) for column in table.columns]),
        "unknown": {str(column): int(many) for column, many in table.isna().sum().items() if many},
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def _for_csv(table: pd.DataFrame) -> pa.Table:
    """Days as dates of their own zone: midnight in Berlin is another day in UTC."""
    days = [name for name in DAYS if name in table and table[name].dtype.kind == "M"]
    local = {name: table[name].dt.tz_localize(None) for name in days}
    arrow = pa.Table.from_pandas(table.assign(**local), preserve_index=False)
    kinds = [
        (field.name, pa.date32() if field.name in days else plain_kind(field.name, field.type))
        for field in arrow.schema
    ]
    return arrow.cast(pa.schema(kinds))


def _require_ours(manifest: Path) -> None:
    if not manifest.exists():
        return
    try:
        known = MARK in json.loads(manifest.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"{manifest} is not of a report; nothing was touched, choose another folder"
        )


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(text)
        version = manifest[MARK]
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{path} is not the manifest of a report") from None
    if version != VERSION:
        raise ValueError(
            f"{path} is of report version {version!r}, and this hooked_analytics "
            f"({__version__}) knows {VERSION}; update it, or read the Parquet files themselves"
        )
    lacking = [name for name in (*_FACTS, "tables") if name not in manifest]
    if lacking:
        raise ValueError(f"{path} lacks {', '.join(lacking)}, so it was changed")
    return manifest


def _read_table(about: dict[str, Any], files: FileSet) -> pd.DataFrame:
    read = {name: files.checked(name, sha256) for name, sha256 in about["files"].items()}
    (parquet,) = [content for name, content in read.items() if name.endswith(".parquet")]
    import pyarrow.parquet as pq

    table: pd.DataFrame = pq.read_table(io.BytesIO(parquet)).to_pandas()
    return table
