"""Which tables stand on the page: their columns, headings and sentences, and written cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics._internal.formatting import (
    MISSING,
    column,
    count,
    date,
    duration,
    joined,
    number,
    places,
    share,
)
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.report.sentences import sentence
from hooked_analytics.report.units import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hooked_analytics.report.report import Report

    Write = Callable[[Iterable[Any]], list[str]]

MAX_ROWS, MAX_CASES, MAX_PERIODS = 20, 8, 13
_MIN_PERIODS = 3


def _each(write: Callable[[Any], str], missing: str = MISSING) -> Write:
    return lambda values: [missing if pd.isna(value) else write(value) for value in values]


_HEADINGS = {
    "videos": "Videos", "credits": "Credits", "credits_unknown": "Not known",
    "share": "Share", "credits_per_video": "Per video", "credits_per_minute": "Per minute",
    "failed_credits": "On failures", "failed_share": "Waste", "cost": "Cost",
    "median_seconds": "Median render", "p90_seconds": "p90", "change": "Change",
    "volume": "Volume", "mix": "Mix", "rate": "Rate", "reason": "Reason",
    "name": "Video", "video_id": "Id", "type": "Type", "attempts": "Attempts", "failures": "Failed",
    "succeeded": "Succeeded", "used_credits": "Credits", "median_credits": "Median of its type",
    "failure_rate": "Failed", "usual": "Usual", "ratio": "Times the usual", "day": "Day",
    "difference": "Against the rest", "p_value": "p", "median_before": "Median before",
    "median_now": "Median now", "videos_now": "Videos",
}  # fmt: skip


def _shares(values: Iterable[Any]) -> list[str]:
    """Shares that stand below one another, with one decimal each."""
    percent = column([float("nan") if pd.isna(each) else each * 100 for each in values], decimals=1)
    return [text if text == MISSING else f"{text}%" for text in percent]


_line = partial(one_line, max_length=160)
# how cells are written that are no plain figures
_WRITERS: dict[str, Write] = {
    "cost": _each("{:,.2f}".format),
    "succeeded": _each(lambda well: "yes" if well else "no", missing="open"),
    **dict.fromkeys(("reason", "name", "video_id"), _each(_line)),
    **dict.fromkeys(("group", "type"), _each(_line, missing="(unknown)")),
    "failed": list,
    **dict.fromkeys(("share", "failed_share"), _shares),
    **dict.fromkeys(
        ("median_seconds", "p90_seconds", "median_before", "median_now"), _each(duration)
    ),
    "day": _each(date),
    "ratio": _each("{:.1f} ×".format),
    "p_value": _each("{:.3f}".format),
}
_SIGNED = ("change", "volume", "mix", "rate")
# parts of a sum in the last row
_ADDED = (*_SIGNED, "videos", "credits", "credits_unknown", "failed_credits", "credits_before",
          "credits_after")  # fmt: skip
_FAILED = ["failure_rate", "failure_low", "failure_high"]
LEFT_ALIGNED = ("group", "day", "reason", "name", "video_id", "type", "succeeded")


class Section(NamedTuple):
    """A table on the page, its cells written; the last row is a sum where it says so."""

    name: str
    heading: str
    sentence: str
    headings: dict[str, str]
    cells: pd.DataFrame
    summed: bool = False


def sections(report: Report) -> list[Section]:
    """Lay out every table that has something to say."""
    made = [*_unusual(report), *_change(report)]
    made += [each for at, key in enumerate(report.by) for each in _by(report, key, at)]
    made += [*_over_time(report), *_cases(report)]
    return [section for section in made if len(section.cells)]


def _section(
    name: str, heading: str, sentence: str, table: pd.DataFrame, columns: str, *,
    noun: str, rows: int = MAX_ROWS, total: pd.DataFrame | None = None, **headings: str,
) -> Section:  # fmt: skip
    """Write the first rows of a table, and its sum where there is one."""
    names, shown, left = columns.split(), table.head(rows), len(table) - rows
    if total is not None and len(table):
        shown = pd.concat([shown, total])
    cells = _cells(shown[names], summed=total is not None)
    return Section(
        name,
        heading,
        sentence + (f" {count(left, noun)} more in the exported tables." if left > 0 else ""),
        {each: (_HEADINGS | headings)[each] for each in names},
        pd.DataFrame(cells, columns=names, dtype="object"),
        summed=total is not None,
    )


def _cells(table: pd.DataFrame, *, summed: bool) -> dict[str, list[str]]:
    """Write each column; credits of one table have as many decimals, and parts add up."""
    units = units_of("")
    names = [str(name) for name in table]
    credits = [name for name in names if units.get(name) == "credits"]
    decimals = places(table[credits].to_numpy().ravel()) if credits else 0
    written = {}
    for name in names:
        if name in _WRITERS:
            written[name] = _WRITERS[name](table[name])
        else:
            written[name] = column(
                table[name],
                signed=name in _SIGNED,
                decimals=decimals if name in credits else None,
                summed=summed and name in _ADDED,
            )
    return written


def _named(key: str) -> str:
    """Heading of a column to group by."""
    return _line(key.replace("_", " ").capitalize())


def _unusual(report: Report) -> list[Section]:
    """Days and groups that are unlike the others; empty most of the time."""
    if "spend_anomalies" not in report.tables:  # a report of version 0.1
        return []
    spend, drift = report.tables["spend_anomalies"], report.tables["render_drift"]
    slower = drift[drift["drifting"].fillna(False).astype(bool)]
    key = report.by[0]
    return [
        _section(
            "unusual", "What is unusual",
            "Days that cost far from what is usual on such a weekday. On about one day in fifty "
            "that is chance.",
            spend.rename(columns={"period": "day"}), "day credits usual ratio", noun="day",
            rows=MAX_CASES,
        ),
        _section(
            "drift", "Renders that became slower or faster",
            "Median render time of the newest videos against the ones before.",
            slower.rename(columns={key: "group"}), "group videos_now median_before median_now",
            noun="group", rows=MAX_CASES, group=_named(key),
        ),
    ]  # fmt: skip


def _change(report: Report) -> list[Section]:
    if "credit_change" not in report.tables:
        return []
    key = report.by[0]
    table = report.tables["credit_change"].rename(columns={key: "group"})
    columns = "credits_before credits_after change volume mix rate"
    earlier, now = _period_names(report.tables["totals"])
    section = _section(
        "change",
        f"Why it changed against {earlier}" if earlier != "Before" else "Why it changed",
        sentence("change", report),
        table,
        f"group {columns}",
        noun="group",
        total=table[columns.split()].sum(min_count=1).to_frame().T.assign(group="All"),
        group=_named(key),
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


def _by(report: Report, key: str, at: int) -> list[Section]:
    """Usage and render times of one key; a second key has tables with a number behind."""
    suffix = "" if not at else f"_{at + 1}"
    usage, times = (report.tables[f"{name}{suffix}"] for name in ("credit_usage", "render_times"))
    total = report.tables["totals"].head(1).assign(group="All")
    total["share"] = total["credits"] / total["credits"]
    cost, money = "", f"Cost ({report.currency})" if report.currency else "Cost"
    if report.price_per_credit is not None:
        cost, total["cost"] = "cost", total["credits"] * report.price_per_credit
    table = usage.merge(times[[key, "median_seconds"]], on=key)
    columns = (
        f"group videos credits {cost} credits_unknown share credits_per_minute "
        "failed failed_credits median_seconds"
    )
    section = _section(
        f"by{suffix}",
        f"By {key.replace('_', ' ')}",
        _differences(report.tables.get(f"comparison{suffix}"), key),
        table.rename(columns={key: "group"}).assign(failed=_rates),
        columns,
        noun="group",
        total=total.assign(failed=total["failure_rate"].map(share)),
        group=_named(key),
        failed="Failed (95%)",
        cost=money,
    )
    return [section]


def _rates(usage: pd.DataFrame) -> list[str]:
    """A failure rate never stands without its interval."""
    return [
        MISSING if pd.isna(rate) else f"{share(rate)} ({share(low)} – {share(high)})"
        for rate, low, high in usage.reindex(columns=_FAILED).itertuples(index=False)
    ]


def _differences(comparison: pd.DataFrame | None, key: str) -> str:
    """Name the groups whose credits per minute differ by more than chance."""
    told = "Per minute: credits of everything that ended, failures included, for each minute of "
    told += "finished video. Half of the renders are over by the median."
    if comparison is None:  # a report of version 0.1
        return told
    differ = comparison[comparison["different"].fillna(False).astype(bool)]
    if differ.empty:
        return f"{told} No {key.replace('_', ' ')} differs from the rest by more than chance."
    names = [
        f"{_line(name)} ({'dearer' if more > 0 else 'cheaper'})"
        for name, more in zip(differ[key].fillna("(unknown)"), differ["difference"], strict=True)
    ]
    return f"{told} Different from the rest by more than chance: {joined(names[:MAX_CASES])}."


def _over_time(report: Report) -> list[Section]:
    """Months, or weeks where there are too few months."""
    months, weeks = (
        report.tables[name].dropna(subset=["period"])
        for name in ("credits_by_month", "credits_by_week")
    )
    by_month = len(months) >= _MIN_PERIODS
    table, word = (months, "month") if by_month else (weeks, "week")
    if len(table) < _MIN_PERIODS:
        return []
    shown = table.tail(MAX_PERIODS)
    spent = shown["credits"].where(shown["credits"] > 0)
    shown = shown.assign(
        failed_share=shown["failed_credits"] / spent,
        group=[f"{day:%b %Y}" if by_month else f"from {date(day)}" for day in shown["period"]],
    )
    left_out = f" The last {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
    return [
        _section(
            "over-time", f"{word.capitalize()} by {word}",
            "By the day a video was created. The first and the last may be incomplete." + left_out,
            shown, "group videos credits credits_unknown failed_credits failed_share",
            noun=word, group=word.capitalize(),
        )
    ]  # fmt: skip


def _cases(report: Report) -> list[Section]:
    """Single videos: failures, retries, outliers."""
    failed, retries, outliers = (
        report.tables[name] for name in ("failure_reasons", "retry_chains", "credit_outliers")
    )
    return [
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
