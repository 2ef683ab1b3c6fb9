"""
The sentences of a report, as one table of templates.

`facts` takes the figures out of the tables. Each `Clause` says when it holds, and what it says.
A sentence is every clause of its place that holds, in the order of the table.
"""

from __future__ import annotations

import string
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics._internal.formatting import (
    MISSING,
    count,
    date,
    dates,
    joined,
    number,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hooked_analytics.report.report import Report


class Clause(NamedTuple):
    """Words that hold when their figures say so; the first figure of a place leads it."""

    place: str
    when: Callable[[Any], bool]
    text: str
    figure: str = ""


class Headline(NamedTuple):
    """One figure and what it means."""

    figure: str
    sentence: str


class NotKnown(NamedTuple):
    """What the report cannot know, in sentences; *serious* when it touches a total."""

    sentences: list[str]
    serious: bool


def _known(*values: Any) -> bool:
    return not any(pd.isna(value) for value in values)


def _spent(f: Any) -> bool:
    return bool(f.videos) and _known(f.credits)


def _failing(f: Any) -> bool:
    return bool(f.failed) and _known(f.failed_credits)


def _ranged(f: Any) -> bool:
    return bool(f.ahead) and _known(f.total_low)


def _lasting(f: Any) -> bool:
    return bool(f.ahead) and f.balance is not None and _known(f.run_out_chance)


def _budgeted(f: Any) -> bool:
    return bool(f.ahead) and f.budget is not None and _known(f.month_total)


_RATE_MATTERS = 0.5  # credits; below it two sums count as the same
_UNKNOWN_IDS = "could not be fetched; failures say why."
_RENDERING = "still rendering: credits may change, the time counts as “longer than”."

CLAUSES = {
    # credits spent
    "spent, no video": Clause(
        "spent", lambda f: not f.videos, "credits: there is no video to count", MISSING
    ),
    "spent, no figure": Clause(
        "spent", lambda f: f.videos and not _known(f.credits),
        "credits spent: none of {videos:count:video} has a figure", MISSING,
    ),
    "spent": Clause("spent", _spent, "credits spent", "{credits:number}"),
    "spent, worth": Clause(
        "spent", lambda f: _spent(f) and f.price is not None,
        "worth {cost:money}{currency} at {price:g}{currency} each",
    ),
    "spent, against": Clause(
        "spent", lambda f: _spent(f) and _known(f.credits_before) and f.credits_before > 0,
        "{change:signed} ({change_share:share}) on the period before",
    ),
    "spent, against none": Clause(
        "spent", lambda f: _spent(f) and f.credits_before == 0,
        "{change:signed} on the period before",
    ),
    "spent, a day": Clause(
        "spent",
        lambda f: _spent(f) and _known(f.a_day, f.a_day_before) and f.days != f.days_before,
        "{a_day:number} a day against {a_day_before:number}",
    ),
    "spent, without": Clause(
        "spent", lambda f: _spent(f) and f.credits_unknown > 0,
        "without {credits_unknown:count:video} whose figure is not known",
    ),
    # credits per minute
    "per minute, none": Clause(
        "per_minute", lambda f: not _known(f.per_minute),
        "credits per finished minute: no finished video has both figures", MISSING,
    ),
    "per minute": Clause(
        "per_minute", lambda f: _known(f.per_minute),
        "credits per finished minute, failures included", "{per_minute:number}",
    ),
    "per minute, was": Clause(
        "per_minute", lambda f: _known(f.per_minute, f.per_minute_before),
        "{per_minute_before:number} in the period before",
    ),
    # failures
    "failures, nothing ended": Clause(
        "failures", lambda f: f.failed + f.completed == 0,
        "credits on failed videos: no render has ended yet", MISSING,
    ),
    "failures, none": Clause(
        "failures", lambda f: f.completed and not f.failed,
        "credits on failed videos: none of {completed:whole} failed", "0",
    ),
    "failures, no figure": Clause(
        "failures", lambda f: f.failed and not _known(f.failed_credits),
        "credits on {failed:count:failed video}: none has a figure", MISSING,
    ),
    "failures": Clause(
        "failures", _failing, "credits on {failed:count:failed video}", "{failed_credits:number}"
    ),
    "failures, part": Clause(
        "failures", lambda f: _failing(f) and _known(f.failed_share),
        "{failed_share:share} of what ended videos cost",
    ),
    "failures, without": Clause(
        "failures", lambda f: _failing(f) and f.failed_unknown > 0,
        "{failed_unknown:whole} of them without a figure",
    ),
    # what comes next
    "next, none": Clause("next", lambda f: not f.ahead, "no forecast: {no_forecast}", MISSING),
    "next, about": Clause(
        "next", lambda f: f.ahead and not _lasting(f) and not _ranged(f),
        "credits {ahead} if they go on like the last {history_days:whole}; "
        "under 28 complete days there is no range",
        "about {total:number}",
    ),
    "next, range": Clause(
        "next", lambda f: _ranged(f) and not _lasting(f),
        "credits {ahead}, in 8 of 10 similar lists", "{total_low:number}–{total_high:number}",
    ),
    "next, lasts": Clause(
        "next", lambda f: _lasting(f) and not _known(f.run_out_low),
        "chance that a balance of {balance:number} lasts {ahead}", "{lasts:share}",
    ),
    "next, runs out from": Clause(
        "next", lambda f: _lasting(f) and _known(f.run_out_low) and not _known(f.run_out_high),
        "a balance of {balance:number} may run out; {ahead} in {run_out_chance:share} of cases",
        "from {run_out_low:day}",
    ),
    "next, runs out": Clause(
        "next", lambda f: _lasting(f) and _known(f.run_out_low, f.run_out_high),
        "a balance of {balance:number} runs out, in 8 of 10 cases", "{run_out_days}",
    ),
    # the budget of the month
    "budget": Clause(
        "budget", lambda f: _budgeted(f) and not _known(f.month_low),
        "credits expected for {month}, {month_to_date:number} of them so far",
        "about {month_total:number}",
    ),
    "budget, range": Clause(
        "budget", lambda f: _budgeted(f) and _known(f.month_low),
        "credits expected for {month}, {month_to_date:number} of them so far",
        "{month_low:number}–{month_high:number}",
    ),
    "budget, chance": Clause(
        "budget", lambda f: _budgeted(f) and _known(f.over_budget_chance),
        "{over_budget_chance:share} chance to exceed the budget of {budget:number}",
    ),
    "budget, date": Clause(
        "budget", lambda f: _budgeted(f) and _known(f.budget_date),
        "reached about {budget_date:date}",
    ),
    # the sentence over the picture of days
    "forecast, none": Clause("forecast", lambda f: not f.ahead, "No forecast: {no_forecast}."),
    "forecast, about": Clause(
        "forecast", lambda f: f.ahead and not _known(f.total_low),
        "{Ahead}: about {total:number} credits, without a range: {history_days:whole} days of "
        "history are too few.",
    ),
    "forecast": Clause(
        "forecast", _ranged,
        "{Ahead}: {total_low:number} to {total_high:number} credits, in 8 of 10 similar lists.",
    ),
    "forecast, untested": Clause(
        "forecast", lambda f: _ranged(f) and not _known(f.backtest_error),
        "There is too little history to test that by.",
    ),
    "forecast, tested": Clause(
        "forecast", lambda f: _ranged(f) and _known(f.backtest_error),
        "{backtest_origins:count:such forecast} made in the past of this list were off by "
        "{backtest_error:share} in the middle.",
    ),
    "forecast, filled": Clause(
        "forecast", lambda f: f.ahead and f.filled_share > 0,
        "{filled_share:share} of the history had no credit figure and was filled in.",
    ),
    # why it changed
    "change, nothing": Clause(
        "change", lambda f: not _known(f.changed),
        "One of the periods has no video with a credit figure, so nothing can be compared.",
    ),
    "change, none": Clause(
        "change", lambda f: _known(f.changed) and abs(f.changed) < _RATE_MATTERS, "No change."
    ),
    "change": Clause(
        "change",
        lambda f: _known(f.changed) and abs(f.changed) >= _RATE_MATTERS and not f.causes,
        "{changed:signed} credits. No single cause stands out from chance.",
    ),
    "change, causes": Clause(
        "change", lambda f: _known(f.changed) and abs(f.changed) >= _RATE_MATTERS and f.causes,
        "{changed:signed} credits: {causes}.",
    ),
    "change, without": Clause(
        "change", lambda f: _known(f.changed) and f.unknown_before + f.unknown_after > 0,
        "Left out without a figure: {unknown_before:whole} videos before, "
        "{unknown_after:whole} after.",
    ),
    # what is not known
    "known, no video": Clause(
        "known", lambda f: not f.videos, "There are no videos in this report."
    ),
    "known, all": Clause(
        "known", lambda f: f.videos and not f.credits_unknown, "Every video has a credit figure."
    ),
    "known, one": Clause(
        "known", lambda f: f.credits_unknown == 1,
        "Not known: 1 of {videos:count:video} has no credit figure ({unknown_share:share}). "
        "It is counted as a video and left out of every credit total.",
    ),
    "known, some": Clause(
        "known", lambda f: f.credits_unknown > 1,
        "Not known: {credits_unknown:whole} of {videos:count:video} have no credit figure "
        "({unknown_share:share}). They are counted as videos and left out of every credit total.",
    ),
    "known, rendering": Clause(
        "known", lambda f: f.rendering > 0, "{rendering:count:video} " + _RENDERING
    ),
    "known, not fetched": Clause(
        "known", lambda f: f.not_fetched > 0, "{not_fetched:count:id} " + _UNKNOWN_IDS
    ),
    "known, status": Clause(
        "known", lambda f: f.other > 0,
        "{other:count:video} with a status this report does not know.",
    ),
    "known, undated": Clause(
        "known", lambda f: f.undated > 0,
        "{undated:count:video} without a usable date, in no figure by day.",
    ),
    "known, refused": Clause(
        "known", lambda f: f.refused > 0,
        "{refused:count:video} with a value that was repaired or refused as impossible.",
    ),
    "known, repeated": Clause(
        "known", lambda f: f.repeated > 0,
        "{repeated:count:row} repeated a video and left out: a video counts once.",
    ),
}  # fmt: skip
_PARTS = {
    "volume": ("more videos", "fewer videos"),
    "mix": ("a shift to dearer {key}", "a shift to cheaper {key}"),
    "rate": ("dearer videos", "cheaper videos"),
}


class _Words(string.Formatter):
    """Format fields as people read them: ``{credits:number}``, ``{videos:count:video}``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a value by the word after the colon."""
        name, _, noun = format_spec.partition(":")
        writers: dict[str, Callable[[Any], str]] = {
            "number": number,
            "signed": lambda each: number(each, signed=True),
            "whole": "{:,}".format,
            "money": "{:,.2f}".format,
            "share": share,
            "date": date,
            "day": lambda each: f"{each.day} {each:%b}",
            "count": lambda each: count(each, noun),
        }
        write = writers.get(name)
        return write(value) if write else str(super().format_field(value, format_spec))


def clauses(place: str, facts: Any) -> list[Clause]:
    """Every clause of a place that holds, its words filled in."""
    words = _Words()
    return [
        Clause(
            place,
            each.when,
            words.vformat(each.text, (), vars(facts)),
            words.vformat(each.figure, (), vars(facts)),
        )
        for each in CLAUSES.values()
        if each.place == place and each.when(facts)
    ]


def headlines(report: Report) -> list[Headline]:
    """Put the answers first: spent, per minute, on failures, what comes next, the budget."""
    figures = facts(report)
    found = (
        clauses(each, figures) for each in ("spent", "per_minute", "failures", "next", "budget")
    )
    return [
        Headline(said[0].figure, ", ".join(each.text for each in said)) for said in found if said
    ]


def sentence(place: str, report: Report) -> str:
    """Write the sentence of ``forecast`` or ``change``."""
    return " ".join(each.text for each in clauses(place, facts(report)))


def not_known(report: Report) -> NotKnown:
    """Say what is missing, where it touches a total and where not."""
    figures = facts(report)
    sentences = [each.text for each in clauses("known", figures)]
    return NotKnown(sentences, serious=bool(figures.credits_unknown or len(sentences) > 1))


def scope(report: Report) -> str:
    """Say which videos the report is about, and as of when."""
    now, before = _periods(report)
    parts = [f"{_created(now)} ({report.timezone})"]
    if before is not None:
        parts.append(f"compared with {_created(before)}")
    if pd.notna(now.seen_at):
        parts.append(f"as seen {now.seen_at.day} {now.seen_at:%b %Y %H:%M} UTC")
    return " · ".join(parts)


def _created(period: Any) -> str:
    when = dates(period.first_day, period.last_day)
    return count(period.videos, "video") + (f" created {when}" if when != MISSING else "")


def _periods(report: Report) -> tuple[Any, Any]:
    totals = report.tables["totals"]
    before = totals[totals["period"].eq("before")]
    return first_row(totals), first_row(before) if len(before) else None


def first_row(table: pd.DataFrame) -> Any:
    """Take the first row, its columns as attributes."""
    return next(table.itertuples(index=False))


def facts(report: Report) -> Any:
    """Take every figure that a clause may use out of the tables of a report."""
    now, before = _periods(report)
    price, currency = report.price_per_credit, report.currency
    was = before.credits if before is not None else float("nan")
    change = now.credits - was
    return SimpleNamespace(
        **{name: getattr(now, name) for name in _FROM_TOTALS},
        per_minute=now.credits_per_minute,
        per_minute_before=float("nan") if before is None else before.credits_per_minute,
        unknown_share=now.credits_unknown / now.videos if now.videos else 0.0,
        price=price,
        cost=now.credits * price if price is not None else float("nan"),
        currency=f" {currency}" if currency else "",
        credits_before=was,
        change=change,
        change_share=abs(change) / was if was else float("nan"),
        days_before=0 if before is None else before.days,
        a_day=now.credits / now.days if now.days else float("nan"),
        a_day_before=was / before.days if before is not None and before.days else float("nan"),
        no_forecast=report.no_forecast,
        budget=report.budget,
        **_ahead(report),
        **_causes(report),
    )


_FROM_TOTALS = (
    "videos", "credits", "credits_unknown", "completed", "failed", "failed_credits",
    "failed_share", "failed_unknown", "rendering", "not_fetched", "other", "undated", "refused",
    "repeated", "days",
)  # fmt: skip


def _ahead(report: Report) -> dict[str, Any]:
    """Figures of the forecast; ``ahead`` is empty without one."""
    if "forecast_total" not in report.tables:
        return {"ahead": "", "Ahead": "", "balance": report.balance, "filled_share": 0.0}
    total = first_row(report.tables["forecast_total"].drop(columns="credits_unknown"))._asdict()
    days = report.tables["forecast"]["day"]
    ahead = f"in the {len(days)} days {dates(days.iloc[0], days.iloc[-1])}"
    run_out = (total["run_out_low"], total["run_out_high"])
    return {
        "month_total": float("nan"),
        **total,
        "balance": report.balance,
        "ahead": ahead,
        "Ahead": ahead[0].upper() + ahead[1:],
        "month": f"{days.iloc[0]:%B %Y}",
        "lasts": 1 - total["run_out_chance"],
        "run_out_days": dates(*run_out).rpartition(" ")[0] if _known(*run_out) else "",
    }


def _causes(report: Report) -> dict[str, Any]:
    """Name each part of the change whose interval leaves out zero."""
    if "credit_change" not in report.tables:
        return {"changed": float("nan"), "causes": "", "unknown_before": 0, "unknown_after": 0}
    change, parts = report.tables["credit_change"], dict.fromkeys(_PARTS, 0.0)
    if len(report.tables.get("change_parts", ())):
        parts = first_row(report.tables["change_parts"])._asdict()
    said = [
        f"{words[parts[part] < 0].format(key=report.by[0])} {number(parts[part], signed=True)}"
        for part, words in _PARTS.items()
        if parts.get(f"{part}_low", 0) > 0 or parts.get(f"{part}_high", 0) < 0
    ]
    compared = change[["volume", "mix", "rate"]].sum(min_count=1).notna().all()
    return {
        "changed": change["change"].sum(min_count=1) if compared else float("nan"),
        "causes": joined(said) if said else "",
        "unknown_before": int(change["unknown_before"].sum()),
        "unknown_after": int(change["unknown_after"].sum()),
    }
