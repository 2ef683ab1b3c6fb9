"""The pictures of the page, as SVG whose text is text and whose colours the page may change."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics.plots.credits_plots import draw_usage
from hooked_analytics.plots.forecast_plot import draw_ahead, draw_days, with_headroom
from hooked_analytics.plots.render_times_plot import draw_curves, groups_drawn, name_curves
from hooked_analytics.plots.style import INK, PALETTE, canvas, date_axis, labels, nothing, rows
from hooked_analytics.report.report_tables import first_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from hooked_analytics.report.report import Report

_MAX_BARS, _MAX_DAYS = 12, 92
_KEYS = ["type"]
_POINTS_AN_INCH = 72
# Hex colours of matplotlib and the names under which the page's style may set others.
_VARIABLES = {**PALETTE, "muted": INK}


class Picture(NamedTuple):
    """One picture in two widths, and what it shows in a sentence."""

    wide: str
    narrow: str
    alt: str


def pictures(report: Report) -> dict[str, Picture]:
    """Draw every picture of a report from its tables."""
    bars = 0.55 + 0.3 * max(min(len(_with_credits(report)), _MAX_BARS), 3)
    return {
        "credits": _picture(
            "credits", report, _credits, (5.5, max(bars, 3.0)), (3.7, bars),
            "Bars: credits of each type, on finished and on failed videos",
        ),
        "times": _picture(
            "times", report, _times, (5.5, max(bars, 3.0)), (3.7, 2.9),
            "Lines: share of renders completed after so many minutes, per type",
        ),
        "days": _picture(
            "days", report, _days, (11.4, 2.9), (3.7, 2.6),
            "Bars: credits of each day; line and band: forecast with its range",
        ),
    }  # fmt: skip


def _with_credits(report: Report) -> pd.DataFrame:
    return report.tables["credit_usage"].dropna(subset=["credits"])


def _credits(report: Report, ax: Axes) -> None:
    known = _with_credits(report).head(_MAX_BARS)
    rows(ax, labels(known, _KEYS), "")
    draw_usage(ax, known)


def _times(report: Report, ax: Axes) -> None:
    canvas(ax, "", grid="y")
    drawn = groups_drawn(report.tables["render_times"])
    if drawn.empty:
        nothing(ax)
        return
    lines = draw_curves(ax, drawn, report.tables["completion_curve"], _KEYS)
    name_curves(ax, lines)


def _days(report: Report, ax: Axes) -> None:
    canvas(ax, "", grid="y")
    by_day = report.tables["credits_by_day"].dropna(subset=["period"]).tail(_MAX_DAYS)
    if by_day["credits"].notna().sum() == 0:
        nothing(ax)
        return
    now = first_row(report.tables["totals"])
    outside = ~by_day["period"].between(now.first_day, now.last_day)
    draw_days(ax, *_columns(by_day[outside]), colour=PALETTE["unknown"])
    draw_days(ax, *_columns(by_day[~outside]))
    if "forecast" in report.tables:
        draw_ahead(ax, report.tables["forecast"], mark="forecast")
    with_headroom(ax)
    date_axis(ax)


def _columns(by_day: pd.DataFrame) -> tuple[pd.Series[pd.Timestamp], pd.Series[float]]:
    return by_day["period"], by_day["credits"]


def _picture(
    name: str,
    report: Report,
    draw: Callable[[Report, Axes], None],
    wide: tuple[float, float],
    narrow: tuple[float, float],
    alt: str,
) -> Picture:
    return Picture(
        _svg(f"{name}-wide", report, draw, wide, alt),
        _svg(f"{name}-narrow", report, draw, narrow, alt),
        alt,
    )


def _svg(
    name: str,
    report: Report,
    draw: Callable[[Report, Axes], None],
    size: tuple[float, float],
    alt: str,
) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_alpha(0)
    written = io.StringIO()
    ax = figure.subplots()
    ax.tick_params(axis="x", pad=7)  # the first label of x would touch that of y
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        draw(report, ax)
        # savefig would draw all of it twice, once to lay it out
        canvas_of_svg: Any = FigureCanvasSVG(figure)  # it has no types
        canvas_of_svg.print_svg(written, metadata={"Date": None})
    return _embedded(written.getvalue(), name, size, alt)


def _embedded(svg: str, name: str, size: tuple[float, float], alt: str) -> str:
    """
    Fit matplotlib's file into a page: no prolog, names of its own, colours by variable.

    Every change is made inside tags; text between them is left as it is.
    """
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    width, height = (side * _POINTS_AN_INCH for side in size)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width / _POINTS_AN_INCH * 96:g}" font-family="system-ui, sans-serif">'
    )
    return head + re.sub(r"<[^<>]*>", lambda tag: _own(tag[0], name), body)


def _own(tag: str, name: str) -> str:
    tag = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font: (?:[a-z0-9]+ )*?([0-9.]+px) [^;\"]*", r"font-size: \1", tag)
    tag = tag.replace('<text style="', '<text style="white-space: pre; ')
    for variable, colour in _VARIABLES.items():
        tag = tag.replace(colour, f"var(--{variable}, {colour})")
    return tag
