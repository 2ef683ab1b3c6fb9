"""The report: a frozen set of tables, and what can be made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path


class Tables(Mapping[str, pd.DataFrame]):
    """
    Tables by name; each is handed out as a copy, so that a report stays what it was.

    Examples
    --------
    >>> tables = Tables({"totals": pd.DataFrame({"credits": [5.0]})})
    >>> totals = tables["totals"]
    >>> totals.loc[0, "credits"] = 0.0
    >>> tables["totals"]["credits"].tolist()
    [5.0]
    """

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
    title : of the page
    tables : name -> frame, read-only
        ``totals`` (one row per period), ``credit_usage``, ``render_times``,
        ``completion_curve``, ``credits_by_day``, ``credits_by_month``, ``failures``,
        ``failure_reasons``, ``retry_chains``, ``credit_outliers``; ``credit_change`` with a
        period to compare; ``forecast`` and ``forecast_total`` where there is enough history.
        A missing figure is missing.
    timezone : whose midnight begins a day
    price_per_credit, balance : as given
    no_forecast : why there is none; empty when there is one

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

    def __repr__(self) -> str:
        """Write the headline figures, and what is not known."""
        from hooked_analytics.report.summary import headlines, not_known, scope

        shown = headlines(self)
        width = max(len(headline.figure) for headline in shown)
        lines = [self.title, scope(self)]
        lines += [f"  {line.figure.rjust(width)}  {line.sentence}" for line in shown]
        return "\n".join([*lines, *not_known(self).sentences])

    def _repr_html_(self) -> str:
        from hooked_analytics.report.page import notebook_html

        return notebook_html(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """
        Write the page: one file without script that asks nothing of any other machine.

        Parameters
        ----------
        path : file to write
            An older file of that name stays as it was until the new one is complete.

        Returns
        -------
        the path that was written

        Raises
        ------
        ImportError
            great-tables, jinja2 or matplotlib is missing; says how to install them.
        OSError
            The disk is full or the folder cannot be written; an old file is as it was.
        """
        from hooked_analytics.report.page import write_page

        return write_page(self, path)

    def export(self, directory: str | os.PathLike[str]) -> list[Path]:
        """
        Write every table as Parquet and CSV, and ``manifest.json``, which says what they are.

        The set is replaced as a whole: after a crash `read_report` finds the old one or the
        new one. Text that a spreadsheet would run as a formula is made harmless in CSV.

        Parameters
        ----------
        directory : folder to write to
            Made if absent. Files that are no part of a report stay.

        Returns
        -------
        the files that were written, ``manifest.json`` last

        Raises
        ------
        ValueError
            The folder has a ``manifest.json`` that is not of a report.
        OSError
            The disk is full or the folder cannot be written; an old set is as it was.

        See Also
        --------
        hooked_analytics.read_report : The way back.
        """
        from hooked_analytics.report.export_folder import export_report

        return export_report(self, directory)
