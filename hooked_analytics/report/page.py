"""The page: one HTML file without script that asks nothing of any other machine."""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics._internal.formatting import count
from hooked_analytics._internal.text import one_line
from hooked_analytics._version import __version__
from hooked_analytics.report.pictures import pictures
from hooked_analytics.report.report_tables import first_row
from hooked_analytics.report.sections import sections
from hooked_analytics.report.summary import forecast_sentence, headlines, not_known, scope
from hooked_analytics.storage import atomic_write

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from jinja2 import Environment

    from hooked_analytics.report.report import Report
    from hooked_analytics.report.sections import Section

_EXTRA = 'the page of a report needs {name}: pip install "hooked-analytics[report]"'


def write_page(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write the page of a report, whole or not at all."""
    from pathlib import Path

    page = page_html(report)
    with atomic_write(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return Path(path)


def page_html(report: Report) -> str:
    """
    Make the page.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> from hooked_analytics.report import build_report
    >>> report = build_report(videos_from_records([{"id": "vid_1", "type": "<b>"}]))
    >>> page = page_html(report)
    >>> "<script" in page, "<b>" in page, "&lt;b&gt;" in page
    (False, False, True)
    """
    return _render("page.html", report, inline=True)


def notebook_html(report: Report) -> str:
    """
    Make the same for a notebook's output: no page around it, pictures as images.

    Styles are bound to an own class, so that they change nothing else in the notebook.
    Viewers that take styles and SVG out of notebooks still show the headings and tables.
    """
    try:
        return _render("report.html", report, inline=False)
    except ImportError as missing:
        return f"<pre>{escape(repr(report))}</pre><p>{escape(str(missing))}</p>"


def _render(template: str, report: Report, *, inline: bool) -> str:
    environment = _environment()
    markup: Any = _need("markupsafe").Markup
    drawn = {
        name: [
            (kind, markup(_shown(getattr(picture, kind), picture.alt, inline=inline)))
            for kind in ("wide", "narrow")
        ]
        for name, picture in pictures(report).items()
    }
    return environment.get_template(template).render(
        title=one_line(report.title),
        scope=scope(report),
        headlines=headlines(report),
        not_known=not_known(report),
        forecast=forecast_sentence(report),
        pictures=drawn,
        sections=[(section, markup(_table(section))) for section in sections(report)],
        cohort=_cohort(report),
        outside=_has_days_outside(report),
        ahead="forecast" in report.tables,
        timezone=report.timezone,
        version=__version__,
        inline=inline,
    )


def _environment() -> Environment:
    jinja2: Any = _need("jinja2")
    environment: Environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hooked_analytics.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment


def _need(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as missing:
        package = name.replace("_", "-")
        raise ImportError(_EXTRA.format(name=package)) from missing


def _shown(svg: str, alt: str, *, inline: bool) -> str:
    """Inline the page may colour it; in a notebook an image cannot meet other ids or styles."""
    if inline:
        return svg
    data = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'


def _table(section: Section) -> str:
    """Let great-tables lay the cells out; the page's own style dresses them."""
    great_tables = _need("great_tables")
    names = [each.name for each in section.columns]
    table = great_tables.GT(
        pd.DataFrame(section.cells, columns=names, dtype="object"), id=f"table-{section.name}"
    ).cols_label(**{each.name: each.heading for each in section.columns})
    for text, side in ((True, "left"), (False, "right")):
        chosen = [each.name for each in section.columns if each.text is text]
        table = table.cols_align(side, chosen)
    if section.summed:
        last = great_tables.loc.body(rows=[len(section.cells) - 1])
        table = table.tab_style(great_tables.style.text(weight="bold"), last)
    return re.sub(r"<style>.*?</style>", "", table.as_raw_html(), flags=re.DOTALL)


def _cohort(report: Report) -> str:
    now = first_row(report.tables["totals"])
    measured = now.completed + now.failed + now.rendering
    return (
        f"{count(measured, 'video')} measured: {now.completed:,} completed, {now.failed:,} failed, "
        f"{now.rendering:,} still rendering, counted as “longer than so far”."
    )


def _has_days_outside(report: Report) -> bool:
    now = first_row(report.tables["totals"])
    days = report.tables["credits_by_day"]["period"].dropna()
    return bool((~days.between(now.first_day, now.last_day)).any())
