"""The figures a report leads with, each with a plain sentence, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics._internal.formatting import MISSING, count, dates, joined, number, share

if TYPE_CHECKING:
    from hooked_analytics.report.report import Report

_RATE_MATTERS = 0.5  # credits; below it two sums count as the same
_PARTS = (
    ("volume", "more videos", "fewer videos"),
    ("mix", "a shift to dearer types", "a shift to cheaper types"),
    ("rate", "dearer videos within a type", "cheaper videos within a type"),
)


class Headline(NamedTuple):
    """One figure and what it means."""

    figure: str
    sentence: str


class NotKnown(NamedTuple):
    """What the report cannot know, in sentences; *serious* when it touches a total."""

    sentences: list[str]
    serious: bool


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


def headlines(report: Report) -> list[Headline]:
    """Put the answers first: spent, per minute, on failures, and what comes next."""
    now, before = _periods(report)
    spent = _spent(now, before, report.price_per_credit)
    return [spent, _per_minute(now, before), _on_failures(now), _next(report)]


def _periods(report: Report) -> tuple[Any, Any]:
    totals = report.tables["totals"]
    before = totals[totals["period"].eq("before")]
    return first_row(totals), first_row(before) if len(before) else None


def first_row(table: pd.DataFrame) -> Any:
    """Take the first row, its columns as attributes."""
    return next(table.itertuples(index=False))


def _spent(now: Any, before: Any, price: float | None) -> Headline:
    videos = count(now.videos, "video")
    if not now.videos:
        return Headline(MISSING, "credits: there is no video to count")
    if pd.isna(now.credits):
        return Headline(MISSING, f"credits spent: none of {videos} has a figure")
    parts = ["credits spent"]
    if price is not None:
        parts.append(f"worth {now.credits * price:,.2f} at {price:g} each")
    if before is not None and pd.notna(before.credits):
        change = now.credits - before.credits
        relative = f" ({share(abs(change) / before.credits)})" if before.credits else ""
        parts.append(f"{number(change, signed=True)}{relative} on the period before")
    if now.credits_unknown:
        parts.append(f"without {count(now.credits_unknown, 'video')} whose figure is not known")
    return Headline(number(now.credits), ", ".join(parts))


def _per_minute(now: Any, before: Any) -> Headline:
    what = "credits per finished minute"
    if pd.isna(now.credits_per_minute):
        return Headline(MISSING, f"{what}: no finished video has both figures")
    was = "" if before is None else f" (was {number(before.credits_per_minute)})"
    return Headline(number(now.credits_per_minute), f"{what}, failures folded in{was}")


def _on_failures(now: Any) -> Headline:
    if not now.failed + now.completed:
        return Headline(MISSING, "credits on failed videos: no render has ended yet")
    if not now.failed:
        return Headline("0", f"credits on failed videos: none of {now.completed:,} failed")
    failed = count(now.failed, "failed video")
    if pd.isna(now.failed_credits):
        return Headline(MISSING, f"credits on {failed}: none has a figure")
    unknown = f", {now.failed_unknown:,} of them without a figure" if now.failed_unknown else ""
    part = share(now.failed_share)
    spent = f", {part} of what ended videos cost" if part != MISSING else ""
    return Headline(number(now.failed_credits), f"credits on {failed}{spent}{unknown}")


def _next(report: Report) -> Headline:
    if "forecast_total" not in report.tables:
        return Headline(MISSING, f"no forecast: {report.no_forecast}")
    days = _ahead(report)
    total = first_row(report.tables["forecast_total"])
    if report.balance is not None and pd.notna(total.run_out_chance):
        return _run_out(total, days)
    if pd.isna(total.total_low):
        return Headline(
            f"about {number(total.total)}",
            f"credits {days} if they go on like the last "
            f"{total.history_days:,}; under 28 complete days there is no range",
        )
    return Headline(
        f"{number(total.total_low)}–{number(total.total_high)}",
        f"credits {days}, in 8 of 10 similar lists",
    )


def _run_out(total: Any, days: str) -> Headline:
    balance = f"a balance of {number(total.balance)}"
    if pd.isna(total.run_out_low):
        lasts = share(1 - total.run_out_chance)
        return Headline(f"{lasts}", f"chance that {balance} lasts {days}")
    if pd.isna(total.run_out_high):
        first = f"{total.run_out_low.day} {total.run_out_low:%b}"
        chance = share(total.run_out_chance)
        return Headline(f"from {first}", f"{balance} may run out; {days} in {chance} of cases")
    days_named = dates(total.run_out_low, total.run_out_high)
    return Headline(
        days_named.removesuffix(f" {total.run_out_high.year}"),
        f"{balance} runs out, in 8 of 10 cases",
    )


def forecast_sentence(report: Report) -> str:
    """Say what is ahead, and how far such ranges could be trusted in the past."""
    if "forecast_total" not in report.tables:
        return f"No forecast: {report.no_forecast}."
    days = _ahead(report)
    days = days[0].upper() + days[1:]
    total = first_row(report.tables["forecast_total"])
    ahead = f"{days}: about {number(total.total)} credits"
    if pd.isna(total.total_low):
        return f"{ahead}, without a range: {total.history_days:,} days of history are too few."
    ahead = f"{days}: {number(total.total_low)} to {number(total.total_high)} credits"
    ahead = f"{ahead}, in 8 of 10 similar lists."
    error = getattr(total, "backtest_error", None)
    if error is None or pd.isna(error):
        return f"{ahead} There is too little history to test that by."
    return (
        f"{ahead} {count(total.backtest_origins, 'such forecast')} made in the past of this list "
        f"were off by {share(error)} in the middle."
    )


def _ahead(report: Report) -> str:
    """Name the days of the forecast."""
    days = report.tables["forecast"]["day"]
    return f"in the {len(days)} days {dates(days.iloc[0], days.iloc[-1])}"


def change_sentence(report: Report) -> str:
    """Explain the change between the two periods in words."""
    change = report.tables["credit_change"]
    sums = change[["change", "volume", "mix", "rate"]].sum(min_count=1)
    if sums[["volume", "mix", "rate"]].isna().any():
        return "One of the periods has no video with a credit figure, so nothing can be compared."
    parts = [
        f"{(more if sums[part] > 0 else less)} {number(round(sums[part]), signed=True)}"
        for part, more, less in _PARTS
        if abs(sums[part]) >= _RATE_MATTERS
    ]
    if not parts:
        return "No change."
    said = f"{number(round(sums['change']), signed=True)} credits: {joined(parts)}."
    before, after = change[["unknown_before", "unknown_after"]].sum()
    if before + after:
        said += f" Left out without a figure: {before:,} videos before, {after:,} after."
    return said


def not_known(report: Report) -> NotKnown:
    """Say what is missing, where it touches a total and where not."""
    now, _ = _periods(report)
    if not now.videos:
        return NotKnown(["There are no videos in this report."], serious=True)
    sentences = [_unknown_credits(now)]
    sentences += [
        f"{count(many, noun)} {told}"
        for column, (noun, told) in _NOTES.items()
        if (many := getattr(now, column))
    ]
    return NotKnown(sentences, serious=bool(now.credits_unknown or len(sentences) > 1))


def _unknown_credits(now: Any) -> str:
    if not now.credits_unknown:
        return "Every video has a credit figure."
    has, counted = ("has", "It is") if now.credits_unknown == 1 else ("have", "They are")
    as_what = "a video" if now.credits_unknown == 1 else "videos"
    return (
        f"Not known: {now.credits_unknown:,} of {count(now.videos, 'video')} {has} no credit "
        f"figure ({share(now.credits_unknown / now.videos)}). {counted} counted as {as_what} and "
        "left out of every credit total."
    )


# column of the totals -> noun, and what to say about so many
_NOTES = {
    "rendering": (
        "video",
        "still rendering: credits may change, the time counts as “longer than”.",
    ),
    "not_fetched": ("id", "could not be fetched; failures say why."),
    "other": ("video", "with a status this report does not know."),
    "undated": ("video", "without a usable date, in no figure by day."),
    "refused": ("video", "with a value that was repaired or refused as impossible."),
    "repeated": ("row", "repeat a video given before, and every row is counted."),
}
