"""Numbers, shares, times and dates as people read them. A missing one is a dash, never 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def number(value: float, *, signed: bool = False) -> str:
    """
    Write a figure: whole from a hundred on, one decimal below where there is one.

    >>> number(7451.2), number(4.62), number(5.0), number(float("nan"))
    ('7,451', '4.6', '5', '–')
    >>> number(1041, signed=True), number(0.04), number(0, signed=True)
    ('+1,041', '0.04', '±0')
    """
    if pd.isna(value):
        return MISSING
    size = abs(float(value))
    if size >= 100 or size == int(size):
        written = f"{size:,.0f}"
    else:
        written = f"{size:.1f}" if size >= 0.1 else f"{size:.1g}"
    plus = "" if not signed else "+" if size else "±"
    return (MINUS if value < 0 else plus) + written


def places(values: Iterable[float]) -> int:
    """
    Decimals for figures that stand in one table: one where any has a fraction and none is large.

    >>> places([125.5, 3]), places([0, 4000.5]), places([float("nan"), 2])
    (1, 0, 0)
    """
    sizes = [abs(float(value)) for value in values if not pd.isna(value)]
    return 0 if max(sizes, default=0) >= 1000 or all(s == int(s) for s in sizes) else 1


def column(
    values: Iterable[float],
    *,
    signed: bool = False,
    decimals: int | None = None,
    summed: bool = False,
) -> list[str]:
    """
    Write figures that stand below one another, with as many decimals each.

    Where the last is the sum of the others (*summed*), the others are rounded so that what is
    printed adds up to it, by the largest remainders.

    >>> column([125.5, 3, float("nan")]), column([0, 4000.5], signed=True)
    (['125.5', '3.0', '–'], ['0', '+4,000'])
    >>> column([0.5, 0.5, 2000, 2001], summed=True)
    ['1', '0', '2,000', '2,001']
    """
    known = [float("nan") if pd.isna(value) else float(value) for value in values]
    digits = places(known) if decimals is None else decimals
    rounded = _adding_up(known, digits) if summed else [round(v, digits) for v in known]
    return [_signed(value, digits, signed=signed) for value in rounded]


def _signed(value: float, digits: int, *, signed: bool) -> str:
    if math.isnan(value):
        return MISSING
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{abs(value):,.{digits}f}"


def _adding_up(values: list[float], digits: int) -> list[float]:
    """Round down, then give what is left to the largest remainders."""
    plain = [round(value, digits) for value in values]
    if len(values) < 2 or math.isnan(values[-1]):
        return plain
    *parts, total = values
    scale = 10**digits
    whole = [value if math.isnan(value) else math.floor(value * scale) for value in parts]
    left = round(total * scale) - sum(v for v in whole if not math.isnan(v))
    if not 0 <= left <= len(parts):
        return plain
    rest = {at: v * scale - whole[at] for at, v in enumerate(parts) if not math.isnan(v)}
    for at in sorted(rest, key=lambda at: rest[at], reverse=True)[:left]:
        whole[at] += 1
    return [value / scale for value in (*whole, round(total * scale))]


def share(value: float) -> str:
    """
    Write a share in per cent, with a decimal where it is small.

    >>> share(0.387), share(0.056), share(0.0001), share(0), share(float("nan"))
    ('39%', '5.6%', '<0.1%', '0%', '–')
    """
    if pd.isna(value):
        return MISSING
    if 0 < value < 0.001:
        return "<0.1%"
    return f"{value:.1%}" if 0 < value < 0.0995 else f"{value:.0%}"


def duration(seconds: float) -> str:
    """
    Write a time in its two largest units; seconds count for little from ten minutes on.

    >>> duration(48.2), duration(224.1), duration(240), duration(4790), duration(float("nan"))
    ('48 s', '3 min 44 s', '4 min', '1 h 20 min', '–')
    """
    if math.isnan(seconds):
        return MISSING
    left = round(seconds) if seconds < 600 else 60 * round(seconds / 60)
    parts = []
    for name, size in _UNITS:
        many, left = divmod(left, size)
        parts.append((many, name))
    first = next((at for at, (many, _) in enumerate(parts) if many), len(parts) - 1)
    largest, *others = parts[first : first + 2]
    return " ".join(f"{many} {name}" for many, name in (largest, *others) if many or not others)


def count(many: float, noun: str) -> str:
    """
    Write a number with its noun.

    >>> count(1, "video"), count(1851, "video"), count(2, "day")
    ('1 video', '1,851 videos', '2 days')
    """
    return f"{int(many):,} {noun}{'' if many == 1 else 's'}"


def date(day: pd.Timestamp) -> str:
    """
    Write a day.

    >>> date(pd.Timestamp("2026-12-09")), date(pd.NaT)
    ('9 Dec 2026', '–')
    """
    return MISSING if pd.isna(day) else f"{day.day} {day:%b %Y}"


def dates(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """
    Write a stretch of days as short as it can be said.

    >>> day = pd.Timestamp
    >>> dates(day("2026-10-01"), day("2026-10-31")), dates(day("2026-07-04"), day("2026-10-31"))
    ('1–31 Oct 2026', '4 Jul – 31 Oct 2026')
    >>> dates(day("2026-10-01"), day("2026-10-01")), dates(day("2025-12-30"), day("2026-01-02"))
    ('1 Oct 2026', '30 Dec 2025 – 2 Jan 2026')
    """
    if pd.isna(first) or pd.isna(last) or first.date() == last.date():
        return date(first if pd.notna(first) else last)
    if first.year != last.year:
        return f"{date(first)} – {date(last)}"
    if first.month != last.month:
        return f"{first.day} {first:%b} – {date(last)}"
    return f"{first.day}–{date(last)}"


def joined(parts: Iterable[str]) -> str:
    """
    Join parts to a list as it is spoken.

    >>> joined(["a", "b", "c"]), joined(["a"])
    ('a, b and c', 'a')
    """
    *most, last = list(parts)
    return f"{', '.join(most)} and {last}" if most else last
