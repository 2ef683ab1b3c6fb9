"""The report: a frozen set of tables, and the units of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from hooked_analytics._internal.atomic import atomic_write, local_path
from hooked_analytics.storage.sanitize import scrub_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS_OF_UNIT = {
    "credits": "credits credits_before credits_after change volume mix rate used_credits low high "
    "failed_credits total total_low total_high balance success_credits median_credits usual "
    "volume_low volume_high mix_low mix_high rate_low rate_high month_to_date month_total "
    "month_low month_high",
    "videos": "videos completed failed rendering other not_fetched undated refused repeated "
    "credits_unknown failed_unknown without_id unknown_before unknown_after attempts failures "
    "duration_unknown videos_before videos_now",
    "share, 0 to 1": "share failed_share failure_rate failure_low failure_high censored_share "
    "completed_share run_out_chance backtest_error filled_share over_budget_chance p_value",
    "s": "median_seconds median_low median_high p90_seconds p90_low p90_high at_seconds "
    "median_before median_now",
    "UTC": "created_at seen_at first_created_at last_created_at",
    "day, by the report's time zone": "first_day last_day period day run_out run_out_low "
    "run_out_high budget_date",
    "credits per video": "credits_per_video",
    "credits per finished minute": "credits_per_minute",
    "currency of the price per credit": "cost",
    "past forecasts": "backtest_origins",
    "days": "history_days days days_before days_after",
    "times the usual": "ratio",
}
_UNITS = {name: unit for unit, names in _COLUMNS_OF_UNIT.items() for name in names.split()}
_COMPARED = ("value", "low", "high", "shrunk", "difference", "difference_low", "difference_high")
# in some tables the same name has another unit
_OWN_UNITS = {
    "completion_curve": dict.fromkeys(("low", "high"), "share, 0 to 1"),
    "comparison": dict.fromkeys(_COMPARED, "credits per finished minute"),
}
DAY_COLUMNS = [name for name, unit in _UNITS.items() if unit.startswith("day,")]


def units_of(table: str) -> dict[str, str]:
    """Units of the columns of one table; a column that is not here is text."""
    return _UNITS | _OWN_UNITS.get(table.rstrip("_0123456789"), {})


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by name; each is handed out as a copy, so that a report stays what it was."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = {name: table.copy() for name, table in tables.items()}

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        rows = ", ".join(f"{name}: {len(table):,}" for name, table in self._tables.items())
        return f"<tables and their rows: {rows}>"


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """
    What was spent, on what, how long it took and what comes next; made by `build_report`.

    In a notebook it shows itself as a page, printed it reads as sentences.

    Attributes
    ----------
    tables : Tables
        Name -> frame, read-only: ``totals`` (one row per period), ``credit_usage``,
        ``render_times``, ``credits_by_day``, ``failures`` and more; ``credit_change`` with a
        period to compare; ``forecast`` and ``forecast_total`` where there is enough history.
    title, timezone, price_per_credit, balance, by, budget, currency
        As given to `build_report`.
    no_forecast : str
        Why there is none; empty when there is one.

    Examples
    --------
    >>> from hooked_analytics import build_report, videos_from_records
    >>> report = build_report(videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5}]))
    >>> report.tables["credit_usage"][["type", "credits"]].to_dict("records")
    [{'type': 'class', 'credits': 5.0}]
    """

    title: str
    tables: Tables
    timezone: str
    price_per_credit: float | None
    balance: float | None
    no_forecast: str
    by: tuple[str, ...] = ("type",)
    budget: float | None = None
    currency: str | None = None

    def __repr__(self) -> str:
        """Write the headline figures, and what is not known."""
        from hooked_analytics.report.sentences import headlines, not_known, scope

        figures = headlines(self)
        width = max(len(headline.figure) for headline in figures)
        lines = [f"  {each.figure.rjust(width)}  {each.sentence}" for each in figures]
        return "\n".join([self.title, scope(self), *lines, *not_known(self)])

    def _repr_html_(self) -> str:
        from hooked_analytics.report.page import notebook_html

        return notebook_html(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """
        Write the page: one file without script that requests nothing from any other machine.

        Parameters
        ----------
        path : str or PathLike
            File to write; an older one stays whole until the new one is.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ImportError
            great-tables, jinja2 or matplotlib is missing; says how to install them.
        """
        from hooked_analytics.report.page import page_html

        return _written(local_path(path), page_html(self).encode())

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """
        Write a workbook: a sheet per table, dates as dates, sums as formulas, notes first.

        Parameters
        ----------
        path : str or PathLike
            File to write, ``.xlsx``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ImportError
            XlsxWriter is missing; says how to install it.
        ValueError
            The suffix is not ``.xlsx``.
        """
        from hooked_analytics.report.exports import workbook_bytes

        target = local_path(path)
        if target.suffix.lower() != ".xlsx":
            raise ValueError(f"a workbook is a file .xlsx, not {target.name!r}")
        return _written(target, workbook_bytes(self))

    def export(self, directory: str | os.PathLike[str]) -> list[Path]:
        """
        Write every table as Parquet and CSV, and ``manifest.json``, which says what they are.

        The folder is replaced as a whole: after a crash `read_report` finds the old set or the
        new one. Text that a spreadsheet would run as a formula is made harmless in CSV.

        Parameters
        ----------
        directory : str or PathLike
            Folder, made if absent; files in it that are no part of a report stay.

        Returns
        -------
        list of Path
            The files, ``manifest.json`` last.

        Raises
        ------
        ValueError
            The folder has a ``manifest.json`` that is not of a report, or is the one this
            process works in.
        """
        from hooked_analytics.report.exports import export_folder

        return export_folder(self, local_path(directory))


def _written(target: Path, content: bytes) -> Path:
    with atomic_write(target) as beside:
        beside.write_bytes(content)
    return target


def without_signatures(table: pd.DataFrame) -> pd.DataFrame:
    """Take the signature off links in any text; categories become text."""
    scrubbed = {}
    for name in table:
        if table[name].dtype.kind == "O":
            text = table[name].astype("string")
            values = pa.array(list(text), pa.large_string(), from_pandas=True)
            clean = scrub_text(values).to_pylist()
            scrubbed[str(name)] = pd.Series(clean, index=table.index, dtype=text.dtype)
    return table.assign(**scrubbed)
