"""Which renders run for longer than others ever do, or stand still for longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hooked_analytics.analysis.past_renders import SECOND
from hooked_analytics.analysis.survival import kaplan_meier, lognormal_quantile, quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats
    from hooked_analytics.analysis.progress_history import PollExecutor
    from hooked_analytics.analysis.survival import Ends

TAIL = 0.99
# Finished renders from which a far tail is fitted, read off, and read off alone.
MIN_FOR_FIT, MIN_FOR_TAIL, MIN_WITHOUT_FIT = 20, 100, 1000
# Looks seconds apart see no shorter stall.
_SHORTEST = 1.0
TENTHS = 10
_ROUNDING = 1e-9


def tail_limit(ends: Ends) -> tuple[float, str]:
    """
    Time beyond which a render of this type is stuck [s], and how it was found.

    At 100 renders the second slowest is the 99th percentile as it is read off, and one of ten
    medians may hide below it. So the slowest is taken (the rank that counts the new one in),
    or the lognormal law's if that is lower.

    Examples
    --------
    >>> from hooked_analytics.analysis.survival import count_ends
    >>> tail_limit(count_ends(range(10, 1010, 10), completed=1))
    (1000.0, 'Kaplan-Meier')
    >>> tail_limit(count_ends([1, 2], completed=1))
    (nan, 'too few finished')
    """
    finished = float(ends.over.sum())
    if finished < MIN_FOR_FIT:
        return float("nan"), "too few finished"
    if finished < MIN_FOR_TAIL:
        fitted = lognormal_quantile(ends, TAIL)
        return fitted, "tail not reached" if np.isnan(fitted) else "lognormal"
    curve = kaplan_meier(ends)
    plain = quantile(curve, TAIL).seconds
    if np.isnan(plain):
        return plain, "tail not reached"
    if finished >= MIN_WITHOUT_FIT:
        return plain, "Kaplan-Meier"
    ranked = quantile(curve, min(_rank(int(finished)) / finished, 1.0)).seconds
    limits = {"Kaplan-Meier": ranked, "lognormal": lognormal_quantile(ends, TAIL)}
    known = {how: limit for how, limit in limits.items() if not np.isnan(limit)}
    how = min(known, key=lambda name: known[name], default="tail not reached")
    return known.get(how, float("nan")), how


class Stalls(NamedTuple):
    """How long progress has stood still, and of how many looks and figures that is known."""

    video: NDArray[np.intp]
    tenth: NDArray[np.intp]  # of progress, 0 to 9
    seconds: Floats
    looks: NDArray[np.intp]
    figures: NDArray[np.intp]  # of progress, different ones in a row

    def at(self, place: NDArray[np.intp]) -> Stalls:
        """Pick looks by number; -1 is one that is not known."""
        unknown = (-1, 0, np.nan, 0, 0)
        return Stalls(*(np.append(e, u)[place] for e, u in zip(self, unknown, strict=True)))


class Standstill(NamedTuple):
    """How long renders of one type stand still."""

    usual: Floats  # in each tenth of progress, the mean of the longest of each render [s]
    limit: float  # 99th percentile of the longest of each whole render, in such means


def stalls(looks: PollExecutor) -> Stalls:
    """Tell at each look since when progress was what it is; the time is missing where it is."""
    number = np.arange(len(looks.video))
    known = ~np.isnan(looks.progress)
    started = np.r_[True, looks.video[1:] != looks.video[:-1]][: len(number)]
    moved = started | np.r_[True, looks.progress[1:] != looks.progress[:-1]][: len(number)]
    first, since = (np.maximum.accumulate(np.where(at, number, 0)) for at in (started, moved))
    seen = np.cumsum(moved)
    stood = (looks.at - looks.at[since]) / SECOND
    return Stalls(
        video=looks.video,
        tenth=np.clip(np.where(known, looks.progress, 0) // 10, 0, 9).astype(np.intp),
        seconds=np.where(known, stood, np.nan),
        looks=number - first + 1,
        figures=seen - seen[first] + 1,
    )


def longest_stalls(stood: Stalls, videos: int) -> Floats:
    """Longest stall [s] of each of so many videos, a row, in each tenth, a column."""
    longest = np.full((videos, TENTHS), -np.inf)
    known = ~np.isnan(stood.seconds)
    np.maximum.at(longest, (stood.video[known], stood.tenth[known]), stood.seconds[known])
    return np.where(longest < 0, np.nan, longest)


def standstill(longest: Floats) -> Standstill:
    """
    Learn from the longest stalls of finished renders of one type.

    A render passes ten tenths of progress: the 99th percentile of each would raise up to ten
    alarms in a hundred healthy lives. So each stall is measured against its tenth, and the
    limit is that of the longest one in each life.

    Examples
    --------
    >>> found = standstill(np.full((99, 10), 4.0))
    >>> float(found.usual[0]), found.limit
    (4.0, 1.0)
    """
    counts = (~np.isnan(longest)).sum(axis=0)
    sums = np.nansum(longest, axis=0)
    usual = np.where(counts > 0, np.maximum(sums / np.maximum(counts, 1), _SHORTEST), np.nan)
    times = np.fmax.reduce(longest / usual, axis=1, initial=np.nan)
    of_lives = np.sort(times[~np.isnan(times)])
    rank = _rank(len(of_lives))
    return Standstill(usual, float(of_lives[rank - 1]) if rank <= len(of_lives) else float("nan"))


def stands_still(now: Stalls, past: Standstill) -> Floats:
    """Whether progress has stood still for too long: 1, 0, or missing where that is not known."""
    times = now.seconds / past.usual[now.tenth]
    return np.where(np.isnan(times) | np.isnan(past.limit), np.nan, times > past.limit)


def _rank(count: int) -> int:
    """Which of *count* is the 99th percentile when the new one is counted in."""
    return int(np.ceil(TAIL * (count + 1) - _ROUNDING))
