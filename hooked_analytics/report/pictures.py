"""The pictures of the page, as SVG whose text is text and whose colours the page may change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from hooked_analytics._internal.svg import draw_svg
from hooked_analytics.plots.credits_plots import draw_ahead, draw_days, draw_usage, with_headroom
from hooked_analytics.plots.render_plots import draw_curves, groups_drawn, name_curves
from hooked_analytics.plots.style import INK, PALETTE, canvas, date_axis, labels, nothing, rows
from hooked_analytics.report.sentences import first_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from hooked_analytics.report.report import Report

    Draw = Callable[[Report, Axes], None]

_MAX_BARS, _MAX_DAYS = 12, 92
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
    drawn: list[tuple[str, Draw, tuple[float, float], tuple[float, float], str]] = [
        ("credits", _credits, (5.5, max(bars, 3.0)), (3.7, bars),
         "Bars: credits of each group, on finished and on failed videos"),
        ("times", _times, (5.5, max(bars, 3.0)), (3.7, 2.9),
         "Lines: share of renders completed after so many minutes, per group"),
        ("days", _days, (11.4, 2.9), (3.7, 2.6),
         "Bars: credits of each day; line and band: forecast with its range"),
    ]  # fmt: skip
    made = {}
    for name, draw, wide, narrow, alt in drawn:
        svgs = [
            draw_svg(partial(draw, report), f"{name}-{kind}", size, alt, _VARIABLES)
            for kind, size in (("wide", wide), ("narrow", narrow))
        ]
        made[name] = Picture(svgs[0], svgs[1], alt)
    return made


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
    if by_day["credits"].notna().sum() == 0:
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
