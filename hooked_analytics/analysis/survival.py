"""
Estimators in plain NumPy: how long until something ends, and how far a figure may be off.

A render still under way is right-censored, "longer than this": leaving it out makes a young list
seem faster than it is.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.95
# Shares are products of many fractions: 5 of 10 left may come out a hair above 0.5.
ROUNDING = 1e-9


class Ends(NamedTuple):
    """How many renders ended which way, or were last seen running, at each distinct time."""

    seconds: Floats  # distinct, ascending
    completed: Floats
    failed: Floats
    running: Floats

    @property
    def over(self) -> Floats:
        """Renders that ended at each time, either way."""
        return self.completed + self.failed

    @property
    def at_risk(self) -> Floats:
        """Renders not over just before each time; those last seen running then count in."""
        return (self.over + self.running)[::-1].cumsum()[::-1]


class Curve(NamedTuple):
    """A share at each distinct time with its band; the band is missing where it has none."""

    seconds: Floats
    share: Floats
    low: Floats
    high: Floats


class Quantile(NamedTuple):
    """A time with its interval [s]; a part is missing where the curve does not get there."""

    seconds: float
    low: float
    high: float


def count_ends(
    seconds: ArrayLike, *, completed: ArrayLike = 0, failed: ArrayLike = 0, running: ArrayLike = 0
) -> Ends:
    """
    Count ends per distinct time to the end or to the last observation [s].

    Each time stands for so many renders; missing and negative ones are not used.
    """
    at = np.asarray(seconds, dtype=float)
    order = np.argsort(at, kind="stable")  # what comes sorted, millions at times, costs little
    order = order[at[order] >= 0]
    at_usable = at[order]
    starts = np.flatnonzero(np.diff(at_usable, prepend=-1.0))
    counts = (
        np.add.reduceat(np.broadcast_to(np.asarray(each, dtype=float), at.shape)[order], starts)
        if len(starts)
        else np.empty(0)
        for each in (completed, failed, running)
    )
    return Ends(at_usable[starts], *counts)


def kaplan_meier(ends: Ends) -> Curve:
    """
    Share of renders not over after each time.

    Kaplan and Meier (1958), variance by Greenwood, 95 % band on the log(-log) scale, which keeps
    inside 0 and 1; missing where the share is 1 or 0.
    """
    at_risk, over = ends.at_risk, ends.over
    share = np.cumprod(1 - over / at_risk, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(over / (at_risk * (at_risk - over)))
        spread = np.sqrt(greenwood) / -np.log(share)
    return Curve(ends.seconds, share, *_log_log_band(share, spread))


def aalen_johansen(ends: Ends) -> Curve:
    """
    Share of renders completed by each time, failing being the other way to end.

    Aalen and Johansen (1978); variance by the delta method (Marubini and Valsecchi 1995). Without
    failures it is one minus Kaplan-Meier, band included.
    """
    n, over, completed = ends.at_risk, ends.over, ends.completed
    left_before = np.concatenate([[1.0], np.cumprod(1 - over / n)])[:-1]
    share = np.cumsum(left_before * completed / n)
    # After the last render is over nothing can be added, so its endless hazard has no weight.
    hazard = np.divide(over, n * (n - over), out=np.zeros_like(over), where=n > over)
    jump = left_before * completed / n**2
    variance = (
        share**2 * np.cumsum(hazard)
        - 2 * share * np.cumsum(share * hazard + jump)
        + np.cumsum(share**2 * hazard + 2 * share * jump)
        + np.cumsum(left_before**2 * completed * (n - completed) / n**3)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(variance.clip(0)) / ((1 - share) * -np.log1p(-share))
    high_left, low_left = _log_log_band(1 - share, spread)
    return Curve(ends.seconds, share, 1 - low_left, 1 - high_left)


def quantile(curve: Curve, p: float) -> Quantile:
    """
    Read from a Kaplan-Meier curve the first time with no more than 1 - p left.

    The interval holds every time whose band covers 1 - p: a missing upper end means that the list
    is too young or too short to bound it.
    """
    reached = (part <= 1 - p + ROUNDING for part in curve[1:])
    return Quantile(*(float(curve.seconds[at.argmax()]) if at.any() else np.nan for at in reached))


def share_at(curve: Curve, ends: Ends, at_seconds: ArrayLike) -> Curve:
    """Read an Aalen-Johansen curve; missing after the last observation of one still running."""
    at = np.asarray(at_seconds, dtype=float)
    if not len(ends.seconds):
        return Curve(at, *np.full((3, len(at)), np.nan))
    position = np.searchsorted(ends.seconds, at, side="right")
    seen = (at <= ends.seconds[-1]) | (ends.running[-1] == 0)
    parts = zip((0.0, np.nan, np.nan), curve[1:], strict=True)
    return Curve(
        at, *(np.where(seen, np.r_[first, part][position], np.nan) for first, part in parts)
    )


def conditional_quantile(curve: Curve, elapsed: ArrayLike, p: ArrayLike) -> Floats:
    """
    Total time by which the share *p* of those still going on after *elapsed* is over [s].

    The smallest t beyond *elapsed* with S(t) <= (1 - p) S(elapsed). It is *elapsed* itself
    where p is 0 or less, and missing where p is above 1 or the curve does not get there.

    >>> curve = kaplan_meier(count_ends([1, 2, 3, 4], completed=1))
    >>> conditional_quantile(curve, [0, 2, 2], [0.5, 0.5, 1.1]).tolist()
    [2.0, 3.0, nan]
    """
    since, level = np.broadcast_arrays(np.asarray(elapsed, dtype=float), p)
    after = np.searchsorted(curve.seconds, since, side="right")
    target = (1 - level) * np.r_[1.0, curve.share][after] + ROUNDING
    reached = np.searchsorted(-curve.share, -target, side="left")
    total = np.r_[curve.seconds, np.nan][np.maximum(reached, after)]
    return np.where(level > 1, np.nan, np.where(level <= 0, since, total))


def _log_log_band(share: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Band of *share* whose log(-log) has the standard error *spread*; missing at 0 and 1."""
    inside = (share > ROUNDING) & (share < 1 - ROUNDING)
    with np.errstate(all="ignore"):
        low, high = (share ** np.exp(sign * _z() * spread) for sign in (1, -1))
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def _z() -> float:
    return NormalDist().inv_cdf((1 + LEVEL) / 2)


def wilson(hits: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats]:
    """95 % interval of a share, by Wilson's score; missing where there are no trials."""
    n = np.asarray(trials, dtype=float)
    n = np.where(n > 0, n, np.nan)
    rate, z = np.asarray(hits, dtype=float) / n, _z()
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def percentiles(drawn: Floats, sizes: ArrayLike = 1000) -> tuple[Floats, Floats]:
    """
    95 % interval of each column of resampled figures.

    The ends lie further out for few videos, where plain percentiles are too narrow
    (Hesterberg 2015, "expanded percentile"); missing below two videos.

    >>> low, high = percentiles(np.arange(1001.0)[:, None])
    >>> low.round().tolist(), high.round().tolist()
    ([25.0], [975.0])
    """
    from scipy.special import ndtr, stdtrit

    n = np.broadcast_to(np.asarray(sizes, dtype=float), drawn.shape[1:])
    freedom = np.maximum(n - 1, 1)
    tail = ndtr(-stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(n / freedom))
    ends = np.full((2, *drawn.shape[1:]), np.nan)
    # where some resamples hold nothing to divide by, the figure has no ends
    for at in np.flatnonzero((n > 1) & np.isfinite(drawn).all(axis=0)):
        ends[:, at] = np.quantile(drawn[:, at], [tail[at], 1 - tail[at]])
    return ends[0], ends[1]
