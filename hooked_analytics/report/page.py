"""The page: one HTML file without script, and which columns its tables show under which heading."""

from __future__ import annotations

import base64
import re
from functools import partial
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics import __version__
from hooked_analytics._internal.formatting import MISSING, column, count, duration, number, share
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.report.pictures import pictures
from hooked_analytics.report.summary import (
    change_sentence,
    first_row,
    forecast_sentence,
    headlines,
    not_known,
    scope,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hooked_analytics.report.report import Report

    Write = Callable[[Iterable[Any]], list[str]]

_EXTRA = 'the page of a report needs {name}: pip install "hooked-analytics[report]"'
MAX_ROWS, MAX_CASES, MAX_MONTHS = 20, 8, 13
_MIN_MONTHS = 3


def _each(write: Callable[[Any], str], missing: str = MISSING) -> Write:
    return lambda values: [missing if pd.isna(value) else write(value) for value in values]


_HEADINGS = {
    "type": "Type", "videos": "Videos", "credits": "Credits", "credits_unknown": "Not known",
    "share": "Share", "credits_per_video": "Per video", "credits_per_minute": "Per minute",
    "failed_credits": "On failures", "failed_share": "Waste", "cost": "Cost",
    "median_seconds": "Median render", "p90_seconds": "p90", "change": "Change",
    "volume": "Volume", "mix": "Mix", "rate": "Rate", "period": "Month", "reason": "Reason",
    "name": "Video", "video_id": "Id", "attempts": "Attempts", "failures": "Failed",
    "succeeded": "Succeeded", "used_credits": "Credits", "median_credits": "Median of its type",
}  # fmt: skip
_line = partial(one_line, max_length=160)
# how cells are written that are no plain figures
_WRITERS: dict[str, Write] = {
    "type": _each(_line, missing="(unknown)"),
    "cost": _each("{:,.2f}".format),
    "period": _each("{:%b %Y}".format),
    "succeeded": _each(lambda well: "yes" if well else "no", missing="open"),
    **dict.fromkeys(("reason", "name", "video_id"), _each(_line)),
    **dict.fromkeys(("share", "failed_share"), _each(share)),
    **dict.fromkeys(("median_seconds", "p90_seconds"), _each(duration)),
    **dict.fromkeys(("change", "volume", "mix", "rate"), partial(column, signed=True)),
}
_LEFT = ("type", "period", "reason", "name", "video_id", "succeeded")


class Section(NamedTuple):
    """A table on the page, its cells written; the last row is a sum where it says so."""

    name: str
    heading: str
    sentence: str
    headings: dict[str, str]
    cells: pd.DataFrame
    summed: bool = False


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
        forecast=forecast_sentence(report),
        pictures=drawn,
        sections=[(section, markup(_table(section))) for section in _sections(report)],
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
        chosen = [name for name in section.headings if (name in _LEFT) is is_left]
        table = table.cols_align(side, chosen)
    if section.summed:
        last = great_tables.loc.body(rows=[len(section.cells) - 1])
        table = table.tab_style(great_tables.style.text(weight="bold"), last)
    return re.sub(r"<style>.*?</style>", "", table.as_raw_html(), flags=re.DOTALL)


def _sections(report: Report) -> list[Section]:
    """Lay out every table that has something to say."""
    failed, retries, outliers = (
        report.tables[name] for name in ("failure_reasons", "retry_chains", "credit_outliers")
    )
    made = [*_change(report), _by_type(report), *_months(report.tables["credits_by_month"])]
    made += [
        _section(
            "failures", "What failed, and why",
            f"{count(failed['videos'].sum(), 'video')} failed or could not be fetched. What "
            "Hooked gives back later is not known here.",
            failed, "reason videos credits credits_unknown", noun="reason", rows=MAX_CASES,
        ),
        _section(
            "retries", "Retried after failing",
            "Same type, script and avatar, created again after a failure: "
            f"{number(retries['failed_credits'].sum(min_count=1))} credits went into the attempts "
            "that failed.",
            retries, "name video_id type attempts failures succeeded credits credits_unknown",
            noun="chain", rows=MAX_CASES,
        ),
        _section(
            "outliers", "Videos of unusual cost", "Far from what others of their type cost.",
            outliers, "name video_id type used_credits median_credits", noun="video",
            rows=MAX_CASES,
        ),
    ]  # fmt: skip
    return [section for section in made if len(section.cells)]


def _section(
    name: str, heading: str, sentence: str, table: pd.DataFrame, columns: str, *,
    noun: str, rows: int = MAX_ROWS, total: pd.DataFrame | None = None, **headings: str,
) -> Section:  # fmt: skip
    """Write the first rows of a table, and its sum where there is one."""
    names, shown, left = columns.split(), table.head(rows), len(table) - rows
    if total is not None and len(table):
        shown = pd.concat([shown, total])
    cells = {each: _WRITERS.get(each, column)(shown[each]) for each in names}
    return Section(
        name,
        heading,
        sentence + (f" {count(left, noun)} more in the exported tables." if left > 0 else ""),
        {each: (_HEADINGS | headings)[each] for each in names},
        pd.DataFrame(cells, columns=names, dtype="object"),
        summed=total is not None,
    )


def _change(report: Report) -> list[Section]:
    if "credit_change" not in report.tables:
        return []
    table = report.tables["credit_change"]
    columns = "credits_before credits_after change volume mix rate"
    earlier, now = _period_names(report.tables["totals"])
    section = _section(
        "change",
        f"Why it changed against {earlier}" if earlier != "Before" else "Why it changed",
        change_sentence(report),
        table,
        f"type {columns}",
        noun="type",
        total=table[columns.split()].sum(min_count=1).to_frame().T.assign(type="All"),
        credits_before=earlier,
        credits_after=now,
    )
    return [section]


def _period_names(periods: pd.DataFrame) -> tuple[str, str]:
    """Months where each period is within one, else plain words."""
    days = [day.dt.strftime("%B %Y") for day in (periods["first_day"], periods["last_day"])]
    now, earlier = days[0].where(days[0].eq(days[1])).fillna("")
    if now and earlier and now.split()[0] != earlier.split()[0]:
        return earlier.split()[0], now.split()[0]
    return "Before", "Now"


def _by_type(report: Report) -> Section:
    usage, times = report.tables["credit_usage"], report.tables["render_times"]
    total = report.tables["totals"].head(1).assign(type="All")
    total["share"] = total["credits"] / total["credits"]
    cost = ""
    if report.price_per_credit is not None:
        cost, total["cost"] = "cost", total["credits"] * report.price_per_credit
    return _section(
        "types",
        "By type",
        "Per minute: credits of everything that ended, failures folded in, for each minute of "
        "finished video. Half of the renders are over by the median, nine in ten by the p90.",
        usage.merge(times[["type", "median_seconds", "p90_seconds"]], on="type"),
        f"type videos credits {cost} credits_unknown share credits_per_video credits_per_minute "
        "failed_credits failed_share median_seconds p90_seconds",
        noun="type",
        total=total,
    )


def _months(by_month: pd.DataFrame) -> list[Section]:
    table = by_month.dropna(subset=["period"])
    if len(table) < _MIN_MONTHS:
        return []
    shown = table.tail(MAX_MONTHS)
    left_out = f" The last {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
    sentence = "By the day a video was created. The first and the last month may be incomplete."
    columns = "period videos credits credits_unknown"
    return [_section("months", "Month by month", sentence + left_out, shown, columns, noun="month")]
