"""The page: one HTML file without script. Its appearance is in ``templates``, its pictures here."""

from __future__ import annotations

import base64
import re
from functools import partial
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics import __version__
from hooked_analytics._internal.formatting import count
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics._internal.svg import draw_svg
from hooked_analytics.plots.credits_plots import draw_ahead, draw_days, draw_usage
from hooked_analytics.plots.render_plots import draw_curves, groups_drawn, name_curves
from hooked_analytics.plots.style import (
    INK,
    PALETTE,
    canvas,
    date_axis,
    labels,
    nothing,
    rows,
    with_headroom,
)
from hooked_analytics.report.sections import LEFT_ALIGNED, sections
from hooked_analytics.report.sentences import first_row, headlines, not_known, scope, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hooked_analytics.report.report import Report
    from hooked_analytics.report.sections import Section

_EXTRA = 'the page of a report needs {name}: pip install "hooked-analytics[report]"'
_MAX_BARS, _MAX_DAYS = 12, 92
# colours of matplotlib, which the page's style may set otherwise under these names
_VARIABLES = {**PALETTE, "muted": INK}
# what each picture shows
_ALT = {
    "credits": "Bars: credits of each group, on finished and on failed videos",
    "times": "Lines: share of renders completed after so many minutes, per group",
    "days": "Bars: credits of each day; line and band: forecast with its range",
}


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
    jinja2 = _need("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hooked_analytics.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = pictures(report)
    now = first_row(report.tables["totals"])
    days = report.tables["credits_by_day"]["period"].dropna()
    page: str = environment.get_template(template).render(
        title=one_line(report.title, 160),
        scope=scope(report),
        headlines=headlines(report),
        not_known=not_known(report),
        forecast=sentence("forecast", report),
        pictures=drawn
        if inline
        else {name: {"image": _image(name, drawn[name])} for name in drawn},
        sections=[(section, _table(section)) for section in sections(report)],
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


def _image(name: str, drawn: dict[str, str]) -> str:
    """Picture of a notebook: it meets no other ids, and one is enough where styles are dropped."""
    data = base64.b64encode(drawn["wide"].encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{_ALT[name]}">'


def _table(section: Section) -> str:
    """Let great-tables lay the cells out; the page's own style dresses them."""
    great_tables = _need("great_tables")
    left = [name for name in section.headings if name in LEFT_ALIGNED]
    table = (
        great_tables.GT(section.cells, id=f"table-{section.name}")
        .cols_label(**section.headings)
        .cols_align("right")
        .cols_align("left", left)
    )
    if section.summed:
        last = great_tables.loc.body(rows=[len(section.cells) - 1])
        table = table.tab_style(great_tables.style.text(weight="bold"), last)
    return re.sub(r"<style>.*?</style>", "", table.as_raw_html(), flags=re.DOTALL)


def pictures(report: Report) -> dict[str, dict[str, str]]:
    """Draw every picture of a report, as SVG in two widths, from its tables."""
    bars = 0.55 + 0.3 * max(min(len(_with_credits(report)), _MAX_BARS), 3)
    tall = max(bars, 3.0)
    drawn = (
        ("credits", _credits, {"wide": (5.5, tall), "narrow": (3.7, bars)}),
        ("times", _times, {"wide": (5.5, tall), "narrow": (3.7, 2.9)}),
        ("days", _days, {"wide": (11.4, 2.9), "narrow": (3.7, 2.6)}),
    )
    return {
        name: {
            width: draw_svg(partial(draw, report), f"{name}-{width}", size, _ALT[name], _VARIABLES)
            for width, size in sizes.items()
        }
        for name, draw, sizes in drawn
    }


def _with_credits(report: Report) -> pd.DataFrame:
    return report.tables["credit_usage"].dropna(subset=["credits"])


def _credits(report: Report, ax: Axes) -> None:
    known = _with_credits(report).head(_MAX_BARS)
    rows(ax, labels(known, [report.by[0]]), "")
    draw_usage(ax, known)


def _times(report: Report, ax: Axes) -> None:
    canvas(ax, "", grid="y")
    drawn = groups_drawn(report.tables["render_times"])
    if drawn.empty:
        nothing(ax)
        return
    name_curves(ax, draw_curves(ax, drawn, report.tables["completion_curve"], [report.by[0]]))


def _days(report: Report, ax: Axes) -> None:
    canvas(ax, "", grid="y")
    by_day = report.tables["credits_by_day"].dropna(subset=["period"])
    if by_day["credits"].isna().all():
        nothing(ax)
        return
    now = first_row(report.tables["totals"])
    first = by_day["period"].max() - pd.Timedelta(_MAX_DAYS, "D")
    by_day = by_day[by_day["period"] > min(first, now.first_day - pd.Timedelta(1, "D"))]
    inside = by_day["period"].between(now.first_day, now.last_day)
    for chosen, colour in ((~inside, PALETTE["unknown"]), (inside, PALETTE["rendering"])):
        draw_days(ax, by_day[chosen], colour)
    if "forecast" in report.tables:
        draw_ahead(ax, report.tables["forecast"], mark="forecast")
    with_headroom(ax)
    date_axis(ax)
