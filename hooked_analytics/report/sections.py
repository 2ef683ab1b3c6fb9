"""The tables of the page: which columns, under which headings, written how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics._internal.formatting import MISSING, column, count, duration, number, share
from hooked_analytics._internal.text import one_line
from hooked_analytics.report.summary import change_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hooked_analytics.report.report import Report

    Write = Callable[[Iterable[Any]], list[str]]

MAX_ROWS, MAX_CASES, MAX_MONTHS = 20, 8, 13
_MIN_MONTHS = 3


class Column(NamedTuple):
    """A column of a table on the page."""

    name: str
    heading: str
    write: Write
    text: bool = False


class Section(NamedTuple):
    """A table on the page: its cells are written, its last row is a sum where it says so."""

    name: str
    heading: str
    sentence: str
    columns: Sequence[Column]
    cells: list[list[str]]
    summed: bool = False


def _each(write: Callable[[Any], str], missing: str = MISSING) -> Write:
    return lambda values: [missing if pd.isna(value) else write(value) for value in values]


def _signed(values: Iterable[float]) -> list[str]:
    return column(values, signed=True)


_text, _share, _seconds = _each(one_line), _each(share), _each(duration)
_type = _each(one_line, missing="(unknown)")
_money = _each("{:,.2f}".format)
_succeeded = _each(lambda value: "yes" if value else "no", missing="open")


_TYPE = Column("type", "Type", _type, text=True)
_VIDEO = (Column("name", "Video", _text, text=True), Column("video_id", "Id", _text, text=True))
_USAGE = (
    _TYPE,
    Column("videos", "Videos", column),
    Column("credits", "Credits", column),
    Column("credits_unknown", "Not known", column),
    Column("share", "Share", _share),
    Column("credits_per_video", "Per video", column),
    Column("credits_per_minute", "Per minute", column),
    Column("failed_credits", "On failures", column),
    Column("failed_share", "Waste", _share),
    Column("median_seconds", "Median render", _seconds),
    Column("p90_seconds", "p90", _seconds),
)
_MONEY = Column("cost", "Money", _money)
_REASONS = (
    Column("reason", "Reason", _text, text=True),
    Column("videos", "Videos", column),
    Column("credits", "Credits", column),
    Column("credits_unknown", "Not known", column),
)
_RETRIES = (
    *_VIDEO,
    _TYPE,
    Column("attempts", "Attempts", column),
    Column("failures", "Failed", column),
    Column("succeeded", "Succeeded", _succeeded, text=True),
    Column("credits", "Credits", column),
    Column("credits_unknown", "Not known", column),
)
_OUTLIERS = (
    *_VIDEO,
    _TYPE,
    Column("used_credits", "Credits", column),
    Column("median_credits", "Median of its type", column),
)


def sections(report: Report) -> list[Section]:
    """Lay out every table that has something to say."""
    made = [make(report) for make in (_change, _by_type, _months, _reasons, _retries, _outliers)]
    return [section for section in made if section is not None and section.cells]


def _cells(table: pd.DataFrame, columns: Sequence[Column]) -> list[list[str]]:
    written = [each.write(table[each.name]) for each in columns]
    return [list(row) for row in zip(*written, strict=True)]


def _change(report: Report) -> Section | None:
    if "credit_change" not in report.tables:
        return None
    table = report.tables["credit_change"]
    earlier, now = _period_names(report)
    columns = (
        _TYPE,
        Column("credits_before", earlier, column),
        Column("credits_after", now, column),
        Column("change", "Change", _signed),
        Column("volume", "Volume", _signed),
        Column("mix", "Mix", _signed),
        Column("rate", "Rate", _signed),
    )
    sums = table[[each.name for each in columns[1:]]].sum(min_count=1)
    shown = pd.concat([table.head(MAX_ROWS), sums.to_frame().T.assign(type="All")])
    return Section(
        "change",
        f"Why it changed against {earlier}" if earlier != "Before" else "Why it changed",
        change_sentence(report) + _more(table, "type"),
        columns,
        _cells(shown, columns) if len(table) else [],
        summed=True,
    )


def _period_names(report: Report) -> tuple[str, str]:
    """Months where each period is within one, else plain words."""
    periods = report.tables["totals"]
    names = []
    for first, last in periods[["first_day", "last_day"]].iloc[::-1].itertuples(index=False):
        one_month = pd.notna(first) and (first.year, first.month) == (last.year, last.month)
        names.append(f"{first:%B}" if one_month else "")
    if all(names) and len(set(names)) == 2:
        return names[0], names[1]
    return "Before", "Now"


def _by_type(report: Report) -> Section | None:
    usage, times = report.tables["credit_usage"], report.tables["render_times"]
    table = usage.merge(times[["type", "median_seconds", "p90_seconds"]], on="type")
    total = report.tables["totals"].head(1).assign(type="All")
    total["share"] = total["credits"] / total["credits"]
    columns = [*_USAGE]
    if report.price_per_credit is not None:
        columns.insert(3, _MONEY)
        total["cost"] = total["credits"] * report.price_per_credit
    return Section(
        "types",
        "By type",
        "Per minute: credits of everything that ended, failures folded in, for each minute of "
        "finished video. Half of the renders are over by the median, nine in ten by the p90."
        + _more(table, "type"),
        columns,
        _cells(pd.concat([table.head(MAX_ROWS), total]), columns) if len(table) else [],
        summed=True,
    )


def _months(report: Report) -> Section | None:
    table = report.tables["credits_by_month"].dropna(subset=["period"])
    if len(table) < _MIN_MONTHS:
        return None
    columns = (
        Column("period", "Month", _each(lambda day: f"{day:%b %Y}"), text=True),
        Column("videos", "Videos", column),
        Column("credits", "Credits", column),
        Column("credits_unknown", "Not known", column),
    )
    shown = table.tail(MAX_MONTHS)
    left_out = f" The last {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
    sentence = "By the day a video was asked for. The first and the last month may be incomplete."
    return Section("months", "Month by month", sentence + left_out, columns, _cells(shown, columns))


def _reasons(report: Report) -> Section | None:
    table = report.tables["failure_reasons"]
    sentence = (
        f"{count(int(table['videos'].sum()), 'video')} failed or could not be fetched. What "
        "Hooked gives back later is not known here." + _more(table, "reason", MAX_CASES)
    )
    shown = table.head(MAX_CASES)
    return Section("failures", "What failed, and why", sentence, _REASONS, _cells(shown, _REASONS))


def _retries(report: Report) -> Section | None:
    table = report.tables["retry_chains"]
    sentence = (
        "Same type, script and avatar, made again after a failure: "
        f"{number(table['failed_credits'].sum(min_count=1))} credits went into the attempts that "
        "failed." + _more(table, "chain", MAX_CASES)
    )
    shown = table.head(MAX_CASES)
    return Section(
        "retries", "Made again after failing", sentence, _RETRIES, _cells(shown, _RETRIES)
    )


def _outliers(report: Report) -> Section | None:
    table = report.tables["credit_outliers"]
    sentence = "Far from what others of their type cost." + _more(table, "video", MAX_CASES)
    shown = table.head(MAX_CASES)
    return Section(
        "outliers", "Videos of unusual cost", sentence, _OUTLIERS, _cells(shown, _OUTLIERS)
    )


def _more(table: pd.DataFrame, noun: str, shown: int = MAX_ROWS) -> str:
    left = len(table) - shown
    return f" {count(left, noun)} more in the exported tables." if left > 0 else ""
