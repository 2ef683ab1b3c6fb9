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
from hooked_analytics.report.report import units_of
from hooked_analytics.report.sentences import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hooked_analytics.report.report import Report

    Write = Callable[[Iterable[Any]], list[str]]

MAX_ROWS, MAX_CASES, MAX_PERIODS = 20, 8, 13
_MIN_PERIODS = 3
_HEADINGS = {
    "videos": "Videos", "credits": "Credits", "credits_unknown": "Not known",
    "share": "Share", "credits_per_minute": "Per minute", "failed_credits": "On failures",
    "failed_share": "Waste", "median_seconds": "Median render", "change": "Change",
    "volume": "Volume", "mix": "Mix", "rate": "Rate", "reason": "Reason", "name": "Video",
    "video_id": "Id", "type": "Type", "attempts": "Attempts", "failures": "Failed",
    "succeeded": "Succeeded", "used_credits": "Credits", "median_credits": "Median of its type",
    "usual": "Usual", "ratio": "Times the usual", "day": "Day", "median_before": "Median before",
    "median_now": "Median now", "videos_now": "Videos", "failed": "Failed (95%)",
}  # fmt: skip
_PER_MINUTE = (
    "Per minute: credits of everything that ended, failures included, for each minute of finished "
    "video. Half of the renders are over by the median."
)


def _each(write: Callable[[Any], str], missing: str = MISSING) -> Write:
    return lambda values: [missing if pd.isna(value) else write(value) for value in values]


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
    **dict.fromkeys(("median_seconds", "median_before", "median_now"), _each(duration)),
    "day": _each(date),
    "ratio": _each("{:.1f} ×".format),
}
_SIGNED = ("change", "volume", "mix", "rate")
# parts of a sum in the last row
_ADDED = (*_SIGNED, "videos", "credits", "credits_unknown", "failed_credits", "credits_before",
          "credits_after")  # fmt: skip
LEFT_ALIGNED = ("group", "day", "reason", "name", "video_id", "type", "succeeded")


class Section(NamedTuple):
    """A table on the page, its cells written; the last row is a sum where it says so."""

    name: str
    heading: str
    sentence: str
    headings: dict[str, str]
    cells: pd.DataFrame
    summed: bool


def sections(report: Report) -> list[Section]:
    """Lay out every table that has something to say."""
    made = [*_unusual(report), *_change(report)]
    made += [_by(report, key, f"_{at}" if at > 1 else "") for at, key in enumerate(report.by, 1)]
    made += [*_over_time(report), *_cases(report)]
    return [section for section in made if len(section.cells)]


def _section(
    name: str, heading: str, sentence: str, table: pd.DataFrame, columns: str, *,
    noun: str, rows: int = MAX_CASES, total: pd.DataFrame | None = None, **headings: str,
) -> Section:  # fmt: skip
    """Write the first rows of a table, and its sum where there is one."""
    names, shown, left = columns.split(), table.head(rows), len(table) - rows
    summed = total is not None
    if summed and len(table):
        shown = pd.concat([shown, total])
    more = f" {count(left, noun)} more in the exported tables." if left > 0 else ""
    return Section(
        name,
        heading,
        sentence + more,
        {each: (_HEADINGS | headings)[each] for each in names},
        pd.DataFrame(_cells(shown[names], summed=summed), columns=names, dtype="object"),
        summed,
    )


def _cells(table: pd.DataFrame, *, summed: bool) -> dict[str, list[str]]:
    """Write each column; credits of one table have as many decimals, and parts add up."""
    units = units_of("")
    credits = [name for name in table if units.get(str(name)) == "credits"]
    decimals = places(table[credits].to_numpy().ravel()) if credits else 0
    plain = {
        str(name): partial(
            column,
            signed=name in _SIGNED,
            decimals=decimals if name in credits else None,
            summed=summed and name in _ADDED,
        )
        for name in table
    }
    return {name: _WRITERS.get(name, write)(table[name]) for name, write in plain.items()}


def _words(key: str) -> str:
    return key.replace("_", " ")


def _named(key: str) -> str:
    """Heading of a column to group by."""
    return _line(_words(key).capitalize())


def _unusual(report: Report) -> list[Section]:
    """Days and groups that are unlike the others; empty most of the time."""
    spend, drift = report.tables["spend_anomalies"], report.tables["render_drift"]
    slower, key = drift[drift["drifting"].fillna(False).astype(bool)], report.by[0]
    return [
        _section(
            "unusual", "What is unusual",
            "Days that cost far from what is usual on such a weekday. On about one day in fifty "
            "that is chance.",
            spend.rename(columns={"period": "day"}), "day credits usual ratio", noun="day",
        ),
        _section(
            "drift", "Renders that became slower or faster",
            "Median render time of the newest videos against the ones before.",
            slower.rename(columns={key: "group"}), "group videos_now median_before median_now",
            noun="group", group=_named(key),
        ),
    ]  # fmt: skip


def _change(report: Report) -> list[Section]:
    if "credit_change" not in report.tables:
        return []
    key, columns = report.by[0], "credits_before credits_after change volume mix rate"
    table = report.tables["credit_change"].rename(columns={key: "group"})
    earlier, now = _period_names(report.tables["totals"])
    return [
        _section(
            "change",
            "Why it changed" + (f" against {earlier}" if earlier != "Before" else ""),
            sentence("change", report),
            table, f"group {columns}", noun="group", rows=MAX_ROWS,
            total=table[columns.split()].sum(min_count=1).to_frame().T.assign(group="All"),
            group=_named(key), credits_before=earlier, credits_after=now,
        )
    ]  # fmt: skip


def _period_names(periods: pd.DataFrame) -> tuple[str, str]:
    """Months where each period is within one, else plain words."""
    days = [day.dt.strftime("%B %Y") for day in (periods["first_day"], periods["last_day"])]
    now, earlier = days[0].where(days[0].eq(days[1])).fillna("")
    if now and earlier and now.split()[0] != earlier.split()[0]:
        return earlier.split()[0], now.split()[0]
    return "Before", "Now"


def _by(report: Report, key: str, suffix: str) -> Section:
    """Usage and render times of one key; a second key has tables with a number behind."""
    usage, times, comparison = (
        report.tables[f"{name}{suffix}"] for name in ("credit_usage", "render_times", "comparison")
    )
    total = report.tables["totals"].head(1)
    total = total.assign(
        group="All",
        share=total["credits"] / total["credits"],
        failed=total["failure_rate"].map(share),
        cost=total["credits"] * (report.price_per_credit or 0),
    )
    cost = "" if report.price_per_credit is None else "cost"
    return _section(
        f"by{suffix}", f"By {_words(key)}", _PER_MINUTE + _differences(comparison, key),
        usage.merge(times[[key, "median_seconds"]], on=key)
        .rename(columns={key: "group"})
        .assign(failed=_rates),
        f"group videos credits {cost} credits_unknown share credits_per_minute failed "
        "failed_credits median_seconds",
        noun="group", rows=MAX_ROWS, total=total, group=_named(key),
        cost=f"Cost ({report.currency})" if report.currency else "Cost",
    )  # fmt: skip


def _rates(usage: pd.DataFrame) -> list[str]:
    """A failure rate never stands without its interval."""
    rates = usage[["failure_rate", "failure_low", "failure_high"]]
    return [
        MISSING if pd.isna(rate) else f"{share(rate)} ({share(low)} – {share(high)})"
        for rate, low, high in rates.itertuples(index=False)
    ]


def _differences(comparison: pd.DataFrame, key: str) -> str:
    """Name the groups whose credits per minute differ by more than chance."""
    if comparison.empty:
        return ""
    differ = comparison[comparison["different"].fillna(False).astype(bool)]
    if differ.empty:
        return f" No {_words(key)} differs from the rest by more than chance."
    names = [
        f"{_line(name)} ({'dearer' if more > 0 else 'cheaper'})"
        for name, more in zip(differ[key].fillna("(unknown)"), differ["difference"], strict=True)
    ]
    return f" Different from the rest by more than chance: {joined(names[:MAX_CASES])}."


def _over_time(report: Report) -> list[Section]:
    """Months, or weeks where there are too few months."""
    table, word = report.tables["credits_by_month"].dropna(subset=["period"]), "month"
    if len(table) < _MIN_PERIODS:
        table, word = report.tables["credits_by_week"].dropna(subset=["period"]), "week"
    if len(table) < _MIN_PERIODS:
        return []
    shown, write = table.tail(MAX_PERIODS), "{:%b %Y}".format if word == "month" else _week
    shown = shown.assign(
        failed_share=shown["failed_credits"] / shown["credits"].where(shown["credits"] > 0),
        group=shown["period"].map(write),
    )
    left_out = f" The last {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
    return [
        _section(
            "over-time", f"{word.capitalize()} by {word}",
            "By the day a video was created. The first and the last may be incomplete." + left_out,
            shown, "group videos credits credits_unknown failed_credits failed_share",
            noun=word, rows=MAX_ROWS, group=word.capitalize(),
        )
    ]  # fmt: skip


def _week(day: pd.Timestamp) -> str:
    return f"from {date(day)}"


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
            failed, "reason videos credits credits_unknown", noun="reason",
        ),
        _section(
            "retries", "Retried after failing",
            "Same type, script and avatar, created again after a failure: "
            f"{number(retries['failed_credits'].sum(min_count=1))} credits went into the attempts "
            "that failed.",
            retries, "name video_id type attempts failures succeeded credits credits_unknown",
            noun="chain",
        ),
        _section(
            "outliers", "Videos of unusual cost", "Far from what others of their type cost.",
            outliers, "name video_id type used_credits median_credits", noun="video",
        ),
    ]  # fmt: skip
