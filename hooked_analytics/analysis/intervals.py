"""How far a figure of few videos may be off, and whether groups differ by more than chance."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 1000
# Above so many videos the sum of a resample is normal for all that matters.
MAX_DRAWN = 1000
MAX_PERMUTED = 5000


def wilson(hits: ArrayLike, trials: ArrayLike, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """
    Interval of a share, by Wilson's score; missing where there are no trials.

    Examples
    --------
    >>> low, high = wilson([1, 0], [10, 0])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0179, nan], [0.4042, nan])
    """
    n = np.asarray(trials, dtype=float)
    n = np.where(n > 0, n, np.nan)
    rate = np.asarray(hits, dtype=float) / n
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def resampled_sums(values: Floats, draw: np.random.Generator) -> Floats:
    """
    Sums of the columns of *values* over resamples of its rows, one row per resample.

    Examples
    --------
    >>> resampled_sums(np.ones((4, 1)), np.random.default_rng(0))[:2].tolist()
    [[4.0], [4.0]]
    """
    values = values[np.lexsort(values.T)]  # the order of the list decides nothing
    size = len(values)
    if size > MAX_DRAWN:
        covariance = np.atleast_2d(np.cov(values, rowvar=False, bias=True)) * size
        drawn = draw.multivariate_normal(values.sum(axis=0), covariance, RESAMPLES, method="eigh")
        return np.asarray(drawn)
    rows = draw.integers(max(size, 1), size=(RESAMPLES, size))
    return np.asarray(values[rows].sum(axis=1))


def percentiles(drawn: Floats, sizes: ArrayLike = MAX_DRAWN) -> tuple[Floats, Floats]:
    """
    Interval of each column of resampled figures.

    The ends lie further out for few videos, where plain percentiles are too narrow
    (Hesterberg 2015, "expanded percentile"); missing below two videos.

    Examples
    --------
    >>> low, high = percentiles(np.arange(1001.0)[:, None], [1000])
    >>> low.round().tolist(), high.round().tolist()
    ([25.0], [975.0])
    """
    from scipy.special import ndtr, stdtrit

    n = np.broadcast_to(np.asarray(sizes, dtype=float), drawn.shape[1:])
    freedom = np.maximum(n - 1, 1)
    tail = ndtr(-stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(n / freedom))
    ends = np.full((2, *drawn.shape[1:]), np.nan)
    for at in np.flatnonzero(n > 1):
        known = drawn[np.isfinite(drawn[:, at]), at]
        # where some resamples hold nothing to divide by, the figure has no ends
        if len(known) == len(drawn):
            ends[:, at] = np.quantile(known, [tail[at], 1 - tail[at]])
    return ends[0], ends[1]


def chance_of_sums(
    scores: Floats, groups: NDArray[np.intp], draw: np.random.Generator, *, rounds: int
) -> Floats:
    """
    How often a group drawn at random has a sum of scores as far from 0 as each group has.

    A permutation test: exact at any size of a group where the videos are alike. In large lists
    small groups are drawn with replacement and large ones have the normal law.

    Parameters
    ----------
    scores : Floats
        One per video, with sum 0.
    groups : NDArray[np.intp]
        Number of the group of each, every number from 0 on in use.
    draw : np.random.Generator
        Source of chance.
    rounds : int
        How many times to draw.

    Examples
    --------
    >>> groups, draw = np.repeat([0, 1], 6), np.random.default_rng(0)
    >>> chance_of_sums(np.repeat([1.0, -1.0], 6), groups, draw, rounds=999).round(2).tolist()
    [0.0, 0.0]
    """
    size = np.bincount(groups)
    # a hair of tolerance: the same videos in another order have the same sum
    found = np.abs(np.bincount(groups, scores)) * (1 - 1e-9) - 1e-12 * np.abs(scores).sum()
    scores = np.sort(scores)
    if len(scores) <= MAX_PERMUTED:
        starts = np.concatenate([[0], size.cumsum()[:-1]])
        beyond, done = np.zeros(len(size)), 0
        at_once = np.tile(scores, (min(100_000 // len(scores), rounds), 1))
        while done < rounds:
            sums = np.add.reduceat(draw.permuted(at_once, axis=1), starts, axis=1)
            beyond += (np.abs(sums) >= found).sum(axis=0)
            done += len(at_once)
        return np.asarray((beyond + 1) / (done + 1))
    others = np.sqrt(1 - size / len(scores))  # drawn without replacement they would vary less
    chances = [
        _chance(scores, int(n), limit / spread if spread else 0.0, draw, rounds)
        for n, limit, spread in zip(size, found, others, strict=True)
    ]
    return np.array(chances)


def _chance(scores: Floats, n: int, limit: float, draw: np.random.Generator, rounds: int) -> float:
    if n > MAX_DRAWN:
        deviation = float(np.sqrt(n) * scores.std())
        return 2 * NormalDist().cdf(-limit / deviation) if deviation > 0 and limit > 0 else 1.0
    sums = np.abs(draw.choice(scores, (rounds, n)).sum(axis=1))
    return float(((sums >= limit).sum() + 1) / (rounds + 1))
