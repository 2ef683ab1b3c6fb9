"""The page: one HTML file without script, whose appearance is in ``templates``."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hooked_analytics import __version__
from hooked_analytics._internal.formatting import count
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.report.pictures import pictures
from hooked_analytics.report.sections import LEFT_ALIGNED, sections
from hooked_analytics.report.sentences import first_row, headlines, not_known, scope, sentence

if TYPE_CHECKING:
    from hooked_analytics.report.report import Report
    from hooked_analytics.report.sections import Section

_EXTRA = 'the page of a report needs {name}: pip install "hooked-analytics[report]"'


def page_html(report: Report) -> str:
    """Make the page."""
    return _render("page.html", report, inline=True)


def notebook_html(report: Report) -> str:
    """Make the same for a notebook's output: no page around it, and its styles change no other."""
    try:
        return _render("report.html", report, inline=False)
    except ImportError as missing:
        return f"<pre>{escape(repr(report))}</pre><p>{escape(str(missing))}</p>"


def _render(template: str, report: Report, *, inline: bool) -> str:
    jinja2, markup = _need("jinja2"), _need("markupsafe").Markup
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hooked_analytics.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        name: [
            (kind, markup(_image(getattr(picture, kind), picture.alt, inline=inline)))
            for kind in ("wide", "narrow")
        ]
        for name, picture in pictures(report).items()
    }
    now = first_row(report.tables["totals"])
    days = report.tables["credits_by_day"]["period"].dropna()
    page: str = environment.get_template(template).render(
        title=one_line(report.title, 160),
        scope=scope(report),
        headlines=headlines(report),
        not_known=not_known(report),
        forecast=sentence("forecast", report),
        pictures=drawn,
        sections=[(section, markup(_table(section))) for section in sections(report)],
        measured=count(now.completed + now.failed + now.rendering, "video"),
        now=now,
        outside=bool((~days.between(now.first_day, now.last_day)).any()),
        ahead="forecast" in report.tables,
        timezone=report.timezone,
        version=__version__,
        inline=inline,
    )
    return page


def _need(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as missing:
        raise ImportError(_EXTRA.format(name=name.replace("_", "-"))) from missing


def _image(svg: str, alt: str, *, inline: bool) -> str:
    """Inline the page may colour it; in a notebook an image cannot meet other ids or styles."""
    if inline:
        return svg
    data = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'


def _table(section: Section) -> str:
    """Let great-tables lay the cells out; the page's own style dresses them."""
    great_tables = _need("great_tables")
    table = great_tables.GT(section.cells, id=f"table-{section.name}").cols_label(
        **section.headings
    )
    for is_left, side in ((True, "left"), (False, "right")):
        chosen = [name for name in section.headings if (name in LEFT_ALIGNED) is is_left]
        table = table.cols_align(side, chosen)
    if section.summed:
        last = great_tables.loc.body(rows=[len(section.cells) - 1])
        table = table.tab_style(great_tables.style.text(weight="bold"), last)
    return re.sub(r"<style>.*?</style>", "", table.as_raw_html(), flags=re.DOTALL)
