"""The report: a frozen set of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics._internal.atomic import atomic_write, local_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by name; each is handed out as a copy, so that a report stays what it was."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = {name: table.copy() for name, table in tables.items()}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Copy of one table."""
        return self._tables[name].copy()

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of the report."""
        return iter(self._tables)

    def __len__(self) -> int:
        """How many tables there are."""
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
        ``render_times``, ``completion_curve``, ``credits_by_day``, ``credits_by_month``,
        ``failures``, ``failure_reasons``, ``retry_chains``, ``credit_outliers``;
        ``credit_change`` with a period to compare; ``forecast`` and ``forecast_total`` where
        there is enough history. A missing figure is missing.
    title, timezone, price_per_credit, balance
        As given to `build_report`.
    no_forecast : str
        Why there is none; empty when there is one.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> from hooked_analytics.report import build_report
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
        return "\n".join([self.title, scope(self), *lines, *not_known(self).sentences])

    def _repr_html_(self) -> str:
        from hooked_analytics.report.page import notebook_html

        return notebook_html(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """
        Write the page: one file without script that requests nothing from any other machine.

        Parameters
        ----------
        path : str or PathLike
            File to write; an older one stays as it was until the new one is complete.

        Returns
        -------
        Path
            The file that was written.

        Raises
        ------
        ImportError
            great-tables, jinja2 or matplotlib is missing; says how to install them.
        """
        from hooked_analytics.report.page import page_html

        target = local_path(path)
        page = page_html(self)
        with atomic_write(target) as beside:
            beside.write_text(page, encoding="utf-8")
        return target

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
            The file that was written.

        Raises
        ------
        ImportError
            XlsxWriter is missing; says how to install it.
        ValueError
            The suffix is not ``.xlsx``.
        """
        from hooked_analytics.report.workbook import write_workbook

        target = local_path(path)
        if target.suffix.lower() != ".xlsx":
            raise ValueError(f"a workbook is a file .xlsx, not {target.name!r}")
        with atomic_write(target) as beside:
            write_workbook(self, beside)
        return target

    def export(self, directory: str | os.PathLike[str]) -> list[Path]:
        """
        Write every table as Parquet and CSV, and ``manifest.json``, which says what they are.

        The folder is replaced as a whole: after a crash `read_report` finds the old set or the
        new one. Text that a spreadsheet would run as a formula is made harmless in CSV.

        Parameters
        ----------
        directory : str or PathLike
            Folder to write to, made if absent; files that are no part of a report stay.

        Returns
        -------
        list of Path
            The files that were written, ``manifest.json`` last.

        Raises
        ------
        ValueError
            The folder has a ``manifest.json`` that is not of a report, or is the one this
            process works in.
        """
        from hooked_analytics.report.folder import export_folder

        return export_folder(self, local_path(directory))
