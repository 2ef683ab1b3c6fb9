"""
The sentences of a report, as two tables of templates.

A clause holds where every figure in it is known and its condition is true. Each place (the name up
to the comma) says the first of its `STARTS` that holds, then all of its `ADDITIONS` that hold.
"""

from __future__ import annotations

import string
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics._internal.formatting import MISSING, count, date, dates, joined, number, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from hooked_analytics.report.report import Report

_FORMATTER = string.Formatter()


class Facts(SimpleNamespace):
    """Figures by name; one that is not there is missing."""

    def __getattr__(self, name: str) -> Any:
        return float("nan")


class Clause(NamedTuple):
    """Words with places for figures; the figure of a headline stands apart."""

    text: str
    figure: str = ""
    when: Callable[[Any], object] = lambda _: True

    def holds(self, facts: Facts) -> bool:
        """Whether its figures are known and its condition is true."""
        names = [name for _, name, *_ in _FORMATTER.parse(self.text + self.figure) if name]
        return _known(*(getattr(facts, name) for name in names)) and bool(self.when(facts))


class Headline(NamedTuple):
    """One figure and what it means."""

    figure: str
    sentence: str


def _known(*values: Any) -> bool:
    return not any(pd.isna(value) for value in values)


_MIN_CHANGE = 0.5  # credits; below it two sums count as the same
_EXPECTED = "credits expected for {month}, {month_to_date:number} of them so far"

STARTS = {
    "spent, no video": Clause(
        "credits: there is no video to count", MISSING, lambda f: not f.videos),
    "spent": Clause("credits spent", "{credits:number}"),
    "spent, no figure": Clause("credits spent: none of {videos:count:video} has a figure", MISSING),
    "per minute": Clause("credits per finished minute, failures included", "{per_minute:number}"),
    "per minute, none": Clause(
        "credits per finished minute: no finished video has both figures", MISSING),
    "failures, nothing ended": Clause("credits on failed videos: no render has ended yet", MISSING,
        lambda f: f.failed + f.completed == 0),
    "failures, none": Clause(
        "credits on failed videos: none of {completed:whole} failed", "0", lambda f: not f.failed),
    "failures": Clause("credits on {failed:count:failed video}", "{failed_credits:number}"),
    "failures, no figure": Clause(
        "credits on {failed:count:failed video}: none has a figure", MISSING),
    "next, runs out": Clause(
        "a balance of {balance:number} runs out, in 8 of 10 cases", "{run_out_days}"),
    "next, runs out from": Clause(
        "a balance of {balance:number} may run out; in {ahead} in {run_out_chance:share} of cases",
        "from {run_out_low:day}"),
    "next, lasts": Clause(
        "chance that a balance of {balance:number} lasts in {ahead}", "{lasts:share}"),
    "next, range": Clause(
        "credits in {ahead}, in 8 of 10 similar lists", "{total_low:number}–{total_high:number}"),
    "next, about": Clause("credits in {ahead} if they go on like the last {history_days:whole}; "
        "under 28 complete days there is no range", "about {total:number}"),
    "next, none": Clause("no forecast: {no_forecast}", MISSING),
    "budget, range": Clause(_EXPECTED, "{month_low:number}–{month_high:number}"),
    "budget": Clause(_EXPECTED, "about {month_total:number}"),
    "forecast": Clause(
        "In {ahead}: {total_low:number} to {total_high:number} credits, in 8 of 10 similar lists."),
    "forecast, about": Clause(
        "In {ahead}: about {total:number} credits, without a range: {history_days:whole} days of "
        "history are too few."),
    "forecast, none": Clause("No forecast: {no_forecast}."),
    "change, none": Clause("No change.", when=lambda f: abs(f.changed) < _MIN_CHANGE),
    "change, causes": Clause("{changed:signed} credits: {causes}."),
    "change": Clause("{changed:signed} credits. No single cause stands out from chance."),
    "change, nothing": Clause(
        "One of the periods has no video with a credit figure, so nothing can be compared."),
    "known, no video": Clause("There are no videos in this report.", when=lambda f: not f.videos),
    "known, all": Clause("Every video has a credit figure.", when=lambda f: not f.credits_unknown),
    "known, one": Clause(
        "Not known: 1 of {videos:count:video} has no credit figure ({unknown_share:share}). "
        "It is counted as a video and left out of every credit total.",
        when=lambda f: f.credits_unknown == 1),
    "known, some": Clause(
        "Not known: {credits_unknown:whole} of {videos:count:video} have no credit figure "
        "({unknown_share:share}). They are counted as videos and left out of every credit total."),
}  # fmt: skip
ADDITIONS = {
    "spent, worth": Clause("worth {cost:money}{currency} at {price:g}{currency} each"),
    "spent, against": Clause("{change:signed} ({change_share:share}) on the period before"),
    "spent, against none": Clause(
        "{change:signed} on the period before", when=lambda f: f.credits_before == 0),
    "spent, a day": Clause("{a_day:number} a day against {a_day_before:number}",
        when=lambda f: f.days != f.days_before),
    "spent, without": Clause("without {credits_unknown:count:video} whose figure is not known",
        when=lambda f: _known(f.credits) and f.credits_unknown > 0),
    "per minute, was": Clause(
        "{per_minute_before:number} in the period before", when=lambda f: _known(f.per_minute)),
    "failures, part": Clause("{failed_share:share} of what ended videos cost",
        when=lambda f: f.failed and _known(f.failed_credits)),
    "failures, without": Clause("{failed_unknown:whole} of them without a figure",
        when=lambda f: _known(f.failed_credits) and f.failed_unknown > 0),
    "budget, chance": Clause(
        "{over_budget_chance:share} chance to exceed the budget of {budget:number}"),
    "budget, date": Clause("reached about {budget_date:date}"),
    "forecast, untested": Clause("There is too little history to test that by.",
        when=lambda f: _known(f.total_low) and not _known(f.backtest_error)),
    "forecast, tested": Clause(
        "{backtest_origins:count:such forecast} made in the past of this list were off by "
        "{backtest_error:share} in the middle.", when=lambda f: _known(f.total_low)),
    "forecast, filled": Clause(
        "{filled_share:share} of the history had no credit figure and was filled in.",
        when=lambda f: f.filled_share > 0),
    "change, without": Clause(
        "Left out without a figure: {unknown_before:whole} videos before, {unknown_after:whole} "
        "after.", when=lambda f: _known(f.changed) and f.unknown_before + f.unknown_after > 0),
    "known, rendering": Clause(
        "{rendering:count:video} still rendering: credits may change, the time counts as "
        "“longer than”.", when=lambda f: f.rendering > 0),
    "known, not fetched": Clause("{not_fetched:count:id} could not be fetched; failures say why.",
        when=lambda f: f.not_fetched > 0),
    "known, status": Clause(
        "{other:count:video} with a status this report does not know.", when=lambda f: f.other > 0),
    "known, undated": Clause("{undated:count:video} without a usable date, in no figure by day.",
        when=lambda f: f.undated > 0),
    "known, refused": Clause(
        "{refused:count:video} with a value that was repaired or refused as impossible.",
        when=lambda f: f.refused > 0),
    "known, without id": Clause(
        "{without_id:count:row} without an id: each counts as a video of its own.",
        when=lambda f: f.without_id > 0),
    "known, repeated": Clause(
        "{repeated:count:row} repeated a video and left out: a video counts once.",
        when=lambda f: f.repeated > 0),
}  # fmt: skip
_PARTS = {
    "volume": ("more videos", "fewer videos"),
    "mix": ("a shift to dearer {key}", "a shift to cheaper {key}"),
    "rate": ("dearer videos", "cheaper videos"),
}
_WRITERS: dict[str, Callable[..., str]] = {
    "number": number,
    "signed": lambda value: number(value, signed=True),
    "whole": "{:,}".format,
    "money": "{:,.2f}".format,
    "share": share,
    "date": date,
    "day": lambda day: f"{day.day} {day:%b}",
    "count": count,
}


class _Words(string.Formatter):
    """Write figures as people read them: ``{credits:number}``, ``{videos:count:video}``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a value by the word after the colon, with the noun after the second."""
        name, *noun = format_spec.split(":")
        write = _WRITERS.get(name)
        return write(value, *noun) if write else str(super().format_field(value, format_spec))


def clauses(place: str, facts: Facts) -> dict[str, Headline]:
    """Every clause of a place that is said, by its name, with its figures filled in."""
    starts, additions = (
        [name for name, each in table.items() if name.split(",")[0] == place and each.holds(facts)]
        for table in (STARTS, ADDITIONS)
    )
    said = {name: (STARTS | ADDITIONS)[name] for name in (*starts[:1], *additions)}
    fill, figures = _Words().vformat, vars(facts)
    return {
        name: Headline(fill(each.figure, (), figures), fill(each.text, (), figures))
        for name, each in said.items()
    }


def headlines(report: Report) -> list[Headline]:
    """Put the answers first: spent, per minute, on failures, what comes next, the budget."""
    figures = facts(report)
    places = ("spent", "per minute", "failures", "next", "budget")
    found = [list(clauses(each, figures).values()) for each in places]
    return [Headline(s[0].figure, ", ".join(each.sentence for each in s)) for s in found if s]


def sentence(place: str, report: Report) -> str:
    """Write the sentence of ``forecast`` or ``change``."""
    return " ".join(each.sentence for each in clauses(place, facts(report)).values())


def not_known(report: Report) -> list[str]:
    """Say what is missing, the sentence on the totals first."""
    return [each.sentence for each in clauses("known", facts(report)).values()]


def scope(report: Report) -> str:
    """Say which videos the report is about, and as of when."""
    now, *before = _rows(report.tables["totals"])
    parts = [f"{_created(now)} ({report.timezone})"]
    parts += [f"compared with {_created(each)}" for each in before]
    if _known(now.seen_at):
        parts.append(f"as seen {date(now.seen_at)} {now.seen_at:%H:%M} UTC")
    return " · ".join(parts)


def _created(period: Facts) -> str:
    when = dates(period.first_day, period.last_day)
    return count(period.videos, "video") + (f" created {when}" if when != MISSING else "")


def title_of(totals: pd.DataFrame, period: str | None = None) -> str:
    """Title of a report that was given none."""
    now = first_row(totals)
    if not _known(now.first_day):
        named = "Credit spend" if period is None else f"Credit spend, {period}"
        return named if period is None or now.videos else f"{named}: no videos"
    months = {f"{day:%B %Y}" for day in (now.first_day, now.last_day)}
    in_one_month = len(months) == 1 and now.first_day != now.last_day
    return f"Credit spend, {months.pop() if in_one_month else dates(now.first_day, now.last_day)}"


def _rows(table: pd.DataFrame) -> list[Facts]:
    return [Facts(**{str(name): row[name] for name in row}) for row in table.to_dict("records")]


def first_row(table: pd.DataFrame) -> Facts:
    """Take the first row, its columns as attributes."""
    return next(iter(_rows(table.head(1))), Facts())


def facts(report: Report) -> Facts:
    """Take every figure that a clause may use out of the tables of a report."""
    now, before = (*_rows(report.tables["totals"]), Facts())[:2]
    change, price = now.credits - before.credits, report.price_per_credit
    return Facts(
        **_ahead(report)
        | _causes(report)
        | vars(now)
        | {
            "per_minute": now.credits_per_minute,
            "per_minute_before": before.credits_per_minute,
            "unknown_share": _ratio(now.credits_unknown, now.videos),
            "price": price,
            "cost": float("nan") if price is None else now.credits * price,
            "currency": f" {report.currency}" if report.currency else "",
            "credits_before": before.credits,
            "change": change,
            "change_share": _ratio(abs(change), before.credits),
            "days_before": before.days,
            "a_day": _ratio(now.credits, now.days),
            "a_day_before": _ratio(before.credits, before.days),
            "no_forecast": report.no_forecast,
            "balance": report.balance,
            "budget": report.budget,
        }
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _ahead(report: Report) -> dict[str, Any]:
    """Figures of the forecast, and of the days it is about."""
    if "forecast_total" not in report.tables:
        return {}
    total, days = first_row(report.tables["forecast_total"]), report.tables["forecast"]["day"]
    run_out = (total.run_out_low, total.run_out_high)
    return vars(total) | {
        "ahead": f"the {len(days)} days {dates(days.iloc[0], days.iloc[-1])}",
        "month": f"{days.iloc[0]:%B %Y}",
        "lasts": 1 - total.run_out_chance,
        "run_out_days": dates(*run_out).rpartition(" ")[0] if _known(*run_out) else None,
    }


def _causes(report: Report) -> dict[str, Any]:
    """Name each part of the change whose interval leaves out zero."""
    if "credit_change" not in report.tables:
        return {}
    change, parts = report.tables["credit_change"], vars(first_row(report.tables["change_parts"]))
    causes = [
        f"{words[parts[part] < 0].format(key=report.by[0])} {number(parts[part], signed=True)}"
        for part, words in _PARTS.items()
        if parts.get(f"{part}_low", 0) > 0 or parts.get(f"{part}_high", 0) < 0
    ]
    compared = change[list(_PARTS)].sum(min_count=1).notna().all()
    return {
        "changed": change["change"].sum(min_count=1) if compared else float("nan"),
        "causes": joined(causes) if causes else None,
        "unknown_before": int(change["unknown_before"].sum()),
        "unknown_after": int(change["unknown_after"].sum()),
    }
