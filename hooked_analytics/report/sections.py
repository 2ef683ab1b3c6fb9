"""Tables for readers: those on the page of a report, their cells written, and `show`."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
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
from hooked_analytics.analysis import render_seconds
from hooked_analytics.report.report import units_of
from hooked_analytics.report.sentences import sentence
from hooked_analytics.schema import NAMES
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hooked_analytics.report.report import Report

    Write = Callable[[Iterable[Any]], list[str]]

_MAX_ROWS, _MAX_CASES = 20, 8
_MIN_PERIODS, _MAX_PERIODS = 3, 13
_HEADINGS = {
    "videos": "Videos", "credits": "Credits", "credits_unknown": "Not known",
    "share": "Share", "credits_per_minute": "Per minute", "failed_credits": "On failures",
    "failed_share": "Waste", "median_seconds": "Median render", "change": "Change",
    "volume": "Volume", "mix": "Mix", "rate": "Rate", "reason": "Reason", "name": "Video",
    "video_id": "Id", "type": "Type", "attempts": "Attempts", "failures": "Failed",
    "succeeded": "Succeeded", "used_credits": "Credits", "median_credits": "Usual",
    "usual": "Usual", "ratio": "Times the usual", "day": "Day", "median_before": "Median before",
    "median_now": "Median now", "videos_now": "Videos", "failed": "Failed (95%)",
}  # fmt: skip
_PER_MINUTE = (
    "Per minute: credits of everything that ended, failures included, for each minute of finished "
    "video. Half of the renders are over by the median."
)
_SIGNED = ("change", "volume", "mix", "rate")
# parts of a sum in the last row
_ADDED = (*_SIGNED, "videos", "credits", "credits_unknown", "failed_credits", "credits_before",
          "credits_after")  # fmt: skip
LEFT_ALIGNED = ("group", "day", "reason", "name", "video_id", "type", "succeeded")
# columns of `show` and their headings
_SHOWN = {
    "name": "name", "type": "type", "status": "status", "progress": "progress",
    "created_at": "created", "duration_seconds": "duration", "render_seconds": "render",
    "used_credits": "credits",
}  # fmt: skip
_NEEDED = ["video_id", *_SHOWN, "updated_at", "fetched_at"]
_NEEDED.remove("render_seconds")


def _each(write: Callable[[Any], str], missing: str = MISSING) -> Write:
    return lambda values: [missing if pd.isna(value) else write(value) for value in values]


def _shares(values: pd.Series[Any]) -> list[str]:
    """Shares that stand below one another, with one decimal each."""
    percent = column(values.astype("Float64") * 100, decimals=1)
    return [text if text == MISSING else f"{text}%" for text in percent]


def _line(value: Any) -> str:
    """Write a name on one line, whatever a column to group by holds."""
    return one_line(str(value), 160) or "(blank)"


# how cells are written that are no plain figures
_WRITERS: dict[str, Callable[[Any], list[str]]] = {
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
    name: str, heading: str, sentence: str, table: pd.DataFrame, columns: str, noun: str,
    rows: int = _MAX_CASES, total: pd.DataFrame | None = None, **headings: str,
) -> Section:  # fmt: skip
    """Write the first rows of a table, and its sum where there is one."""
    names, shown, left = columns.split(), table.head(rows), len(table) - rows
    if total is not None and len(table):
        shown = pd.concat([shown, total])
    more = f" {count(left, noun)} more in the exported tables." if left > 0 else ""
    written = {each: (_HEADINGS | headings)[each] for each in names}
    cells = _cells(shown[names], summed=total is not None)
    return Section(name, heading, sentence + more, written, cells, total is not None)


def _cells(table: pd.DataFrame, *, summed: bool) -> pd.DataFrame:
    """Write each column; credits of one table have as many decimals, and parts add up."""
    units = units_of("")
    credits = [name for name in table if units.get(str(name)) == "credits"]
    decimals = places(table[credits].to_numpy().ravel()) if credits else 0

    def write(name: Any) -> list[str]:
        if name in _WRITERS:
            return _WRITERS[name](table[name])
        digits, parts = decimals if name in credits else None, summed and name in _ADDED
        return column(table[name], signed=name in _SIGNED, decimals=digits, summed=parts)

    return pd.DataFrame({name: write(name) for name in table}, dtype="object")


def _named(key: str) -> str:
    """Heading of a column to group by."""
    return _line(_words(key).capitalize())


def _words(key: str) -> str:
    return key.replace("_", " ")


def _unusual(report: Report) -> Iterator[Section]:
    """Days and groups that are unlike the others; empty most of the time."""
    spend, drift = report.tables["spend_anomalies"], report.tables["render_drift"]
    slower, key = drift[drift["drifting"].fillna(False).astype(bool)], report.by[0]
    yield _section(
        "unusual", "What is unusual",
        "Days that cost far from what is usual on such a weekday. On about one day in a hundred "
        "that is chance.",
        spend.rename(columns={"period": "day"}), "day credits usual ratio", "day",
    )  # fmt: skip
    yield _section(
        "drift", "Renders that became slower or faster",
        "Median render time of the newest videos against the ones before.",
        slower.rename(columns={key: "group"}), "group videos_now median_before median_now",
        "group", group=_named(key),
    )  # fmt: skip


def _change(report: Report) -> Iterator[Section]:
    if "credit_change" not in report.tables:
        return
    key, columns = report.by[0], "credits_before credits_after change volume mix rate"
    table = report.tables["credit_change"].rename(columns={key: "group"})
    earlier, now = _period_names(report.tables["totals"])
    yield _section(
        "change",
        "Why it changed" + (f" against {earlier}" if earlier != "Before" else ""),
        sentence("change", report),
        table, f"group {columns}", "group", _MAX_ROWS,
        total=table[columns.split()].sum(min_count=1).to_frame().T.assign(group="All"),
        group=_named(key), credits_before=earlier, credits_after=now,
    )  # fmt: skip


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
    # a failure rate never stands without its interval
    rates = (usage[f"failure_{end}"].map(share) for end in ("rate", "low", "high"))
    failed = [
        rate if rate == MISSING else f"{rate} ({low} – {high})"
        for rate, low, high in zip(*rates, strict=True)
    ]
    cost = "" if report.price_per_credit is None else "cost"
    return _section(
        f"by{suffix}", f"By {_words(key)}", _PER_MINUTE + _differences(comparison, key),
        usage.assign(failed=failed)
        .merge(times[[key, "median_seconds"]], on=key)
        .rename(columns={key: "group"}),
        f"group videos credits {cost} credits_unknown share credits_per_minute failed "
        "failed_credits median_seconds",
        "group", _MAX_ROWS, total, group=_named(key),
        cost=f"Cost ({report.currency})" if report.currency else "Cost",
    )  # fmt: skip


def _differences(comparison: pd.DataFrame, key: str) -> str:
    """Name the groups whose credits per minute differ by more than chance."""
    if comparison.empty:
        return ""
    differ = comparison[comparison["different"].fillna(False).astype(bool)].head(_MAX_CASES)
    if differ.empty:
        return f" No {_words(key)} differs from the rest by more than chance."
    names = [
        f"{_line(name)} ({'dearer' if more > 0 else 'cheaper'})"
        for name, more in zip(differ[key].fillna("(unknown)"), differ["difference"], strict=True)
    ]
    return f" Different from the rest by more than chance: {joined(names)}."


def _over_time(report: Report) -> Iterator[Section]:
    """Months, or weeks where there are too few months."""
    for word, form in (("month", "{:%b %Y}".format), ("week", lambda day: f"from {date(day)}")):
        table = report.tables[f"credits_by_{word}"].dropna(subset=["period"])
        if len(table) < _MIN_PERIODS:
            continue
        shown = table.tail(_MAX_PERIODS)
        spent = shown["credits"].where(shown["credits"] > 0)
        left_out = f" The last {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
        yield _section(
            "over-time", f"{word.capitalize()} by {word}",
            "By the day a video was created. The first and the last may be incomplete." + left_out,
            shown.assign(
                failed_share=shown["failed_credits"] / spent, group=shown["period"].map(form)
            ),
            "group videos credits credits_unknown failed_credits failed_share",
            word, _MAX_ROWS, group=word.capitalize(),
        )  # fmt: skip
        return


def _cases(report: Report) -> Iterator[Section]:
    """Single videos: failures, retries, outliers."""
    failed, retries = report.tables["failure_reasons"], report.tables["retry_chains"]
    yield _section(
        "failures", "What failed, and why",
        f"{count(failed['videos'].sum(), 'video')} failed or could not be fetched. What "
        "Hooked gives back later is not known here.",
        failed, "reason videos credits credits_unknown", "reason",
    )  # fmt: skip
    yield _section(
        "retries", "Retried after failing",
        "Same type, script and avatar, created again after a failure: "
        f"{number(retries['failed_credits'].sum(min_count=1))} credits went into the attempts "
        "that failed.",
        retries, "name video_id type attempts failures succeeded credits credits_unknown", "chain",
    )  # fmt: skip
    yield _section(
        "outliers", "Videos of unusual cost",
        "Far from what others of their type cost for the same length.",
        report.tables["credit_outliers"],
        "name video_id type used_credits median_credits", "video",
    )  # fmt: skip


def show(videos: pd.DataFrame) -> Any:
    """
    Show the columns that people want of a videos frame: no links, no scripts, no empty columns.

    Parameters
    ----------
    videos : DataFrame
        A videos frame. Columns of your own follow ours.

    Returns
    -------
    DataFrame or itables.ITable
        ``name, type, status, progress`` [%], ``created`` (UTC), ``duration`` [s], ``render`` [s],
        ``credits``. A table to sort and search where `itables` is installed.

    Raises
    ------
    ValueError
        A column is missing.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> table = show(videos_from_records([{"id": "vid_1", "name": "Spring", "usedCredits": 5}]))
    >>> getattr(table, "df", table)[["name", "credits"]].to_dict("records")
    [{'name': 'Spring', 'credits': 5.0}]
    """
    usable = usable_frame(videos, _NEEDED, what="show")
    own = [name for name in videos.columns if name not in {*_SHOWN, *NAMES}]
    table: pd.DataFrame = (
        usable.assign(
            name=usable["name"].map(partial(one_line, max_length=60), na_action="ignore"),
            created_at=usable["created_at"].dt.floor("s"),
            render_seconds=render_seconds(usable),
        )
        .set_index("video_id")[[*_SHOWN, *own]]
        .rename(columns=_SHOWN)
    )
    if find_spec("itables") is None:
        return table
    from itables.widget import ITable

    return ITable(table)
