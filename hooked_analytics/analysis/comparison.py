"""Which groups differ from the rest by more than chance, and by how much."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import collected
from hooked_analytics.analysis.survival import (
    count_ends,
    kaplan_meier,
    percentiles,
    quantile,
    wilson,
)
from hooked_analytics.schema.checks import group_keys
from hooked_analytics.schema.engines import like
from hooked_analytics.schema.frames import grouped
from hooked_analytics.schema.outcomes import has_status, seconds_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hooked_analytics.analysis.survival import Quantile
    from hooked_analytics.schema.engines import FrameT

    Floats = NDArray[np.float64]
    Groups = NDArray[np.intp]

# Of the groups called different, at most this share is no more so than chance would have it.
FALSE_DISCOVERIES = 0.05
# Below the first nothing is tested; below the second "no difference found" says nothing.
MIN_TESTED, MIN_COMPARED = 5, 10
MIN_ROUNDS, MAX_ROUNDS, MAX_GROUPS, RESAMPLES = 4000, 10_000, 2000, 1000
# Above so many videos a drawn sum is normal for all that matters; below so many all are permuted.
MAX_DRAWN, MAX_PERMUTED = 1000, 5000
_FIGURES = [
    "videos", "value", "low", "high", "shrunk", "difference", "difference_low", "difference_high",
    "p_value", "different",
]  # fmt: skip


class _Compared(NamedTuple):
    """Figures of each group and of all others together, and the scores that are tested."""

    value: Floats
    low: Floats
    high: Floats
    rest: Floats
    rest_low: Floats
    rest_high: Floats
    overall: float
    variance: Floats  # of each value, were the groups alike
    scores: Floats  # one per video, with sum 0


def compare_groups(
    videos: FrameT, *, by: str | Sequence[str] = "type", metric: str = "credits_per_minute"
) -> FrameT:
    """
    Compare each group with the rest, chance and the number of groups taken into account.

    The cheapest of many groups of few videos is mostly cheap by luck.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine (collected: at most 5 million rows). Needs ``status``, the
        columns of *by*, and those of the metric: ``used_credits`` and ``duration_seconds``, or
        ``created_at``, ``updated_at`` and ``fetched_at``.
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.
    metric : str, default "credits_per_minute"
        ``credits_per_minute`` and ``failure_rate`` as in `credit_usage`, or ``render_seconds``: the
        median time to the end, as in `render_times`.

    Returns
    -------
    one row per group, the highest ``shrunk`` first; the kind of frame that was given
        The keys; ``videos`` with a figure; ``value`` in the unit of the metric with its 95 %
        interval ``low``, ``high``; ``shrunk``: the value drawn to that of all groups as far as
        chance explains its distance; ``difference`` to the rest with its 95 % interval;
        ``p_value``, corrected for the number of groups, missing below five videos; ``different``:
        whether it is, at most one of twenty findings being chance, missing where fewer than ten
        videos show no difference.

    Raises
    ------
    ValueError
        A needed column is not there, *metric* is none of these, or groups are more than 2,000.

    Notes
    -----
    Wilson's interval of a share, resampled videos for a ratio, Kaplan-Meier's interval of a
    median; the difference joins two intervals by the square root of their squared sides (Newcombe
    1998). P-values: permutation of the videos among the groups (for times, of their log-rank
    scores), corrected by Benjamini and Hochberg. Shrinkage: DerSimonian and Laird.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "avatar_id": ["a"] * 20 + ["b"] * 20,
    ...     "status": ["FAILED"] * 12 + ["COMPLETED"] * 28,
    ... })
    >>> found = compare_groups(videos, by="avatar_id", metric="failure_rate")
    >>> found[["avatar_id", "value", "difference", "different"]].to_dict("records")
    [{'avatar_id': 'a', 'value': 0.6, 'difference': 0.6, 'different': True},
     {'avatar_id': 'b', 'value': 0.0, 'difference': -0.6, 'different': True}]
    """
    keys = group_keys(by, _FIGURES)
    if metric not in _METRICS:
        raise ValueError(f"metric is one of {', '.join(_METRICS)}, not {metric!r}")
    columns, prepare, compare = _METRICS[metric]
    rows = collected(videos, columns, keys, what="compare_groups").pipe(prepare)
    numbers = grouped(rows, keys)
    names = numbers.size().reset_index(name="_all")[keys]
    if len(names) > MAX_GROUPS:
        raise ValueError(
            f"compare_groups compares at most {MAX_GROUPS:,} groups, and by={by!r} makes "
            f"{len(names):,}; choose a column with fewer values"
        )
    groups = numbers.ngroup().to_numpy(dtype=np.intp)
    used = rows["_used"].to_numpy(dtype=bool)
    size = np.bincount(groups[used], minlength=len(names))
    table = pd.DataFrame(np.nan, index=names.index, columns=_FIGURES[1:-1])
    if (there := size > 0).any():
        _, dense = np.unique(groups[used], return_inverse=True)
        figures = compare(rows[used], dense, int(there.sum()))
        table.loc[there] = _table(figures, dense, size[there])
    table = names.join(table.assign(videos=size, different=_different(table["p_value"], size)))
    order: dict[str, Any] = {"ascending": False, "kind": "stable", "ignore_index": True}
    return like(table.sort_values(["shrunk", "value"], **order)[[*keys, *_FIGURES]], videos)


def _different(p_value: pd.Series[float], size: NDArray[Any]) -> pd.Series[bool]:
    found = p_value.le(FALSE_DISCOVERIES).astype("boolean")
    return found.mask(p_value.isna() | (~found & (size < MIN_COMPARED)))


def _table(figures: _Compared, groups: Groups, size: NDArray[Any]) -> Floats:
    """Columns of the result from ``value`` to ``p_value``."""
    below, above = figures.value - figures.low, figures.high - figures.value
    rest_below, rest_above = figures.rest - figures.rest_low, figures.rest_high - figures.rest
    difference = figures.value - figures.rest
    low, high = np.hypot(below, rest_above), np.hypot(above, rest_below)
    p_values = _p_values(figures.scores, groups, size)
    own = [figures.value, figures.low, figures.high, _shrunk(figures)]
    return np.column_stack([*own, difference, difference - low, difference + high, p_values])


def _shrunk(figures: _Compared) -> Floats:
    """Values drawn to the overall one; all the way where chance explains their spread."""
    known = np.isfinite(figures.value) & (figures.variance > 0)
    if known.sum() < 2:
        return figures.value
    weights = 1 / figures.variance[known]
    off = (figures.value - figures.overall)[known]
    spread = weights.sum() - (weights**2).sum() / weights.sum()
    between = max((weights @ off**2 - (known.sum() - 1)) / spread, 0.0)
    kept = np.where(known, between / (between + np.where(known, figures.variance, 1.0)), 1.0)
    return np.asarray(figures.overall + kept * (figures.value - figures.overall))


def _p_values(scores: Floats, groups: Groups, size: NDArray[Any]) -> Floats:
    from scipy.stats import false_discovery_control

    tested = size >= MIN_TESTED
    p_values = np.full(len(size), np.nan)
    if len(size) > 1 and tested.any():
        draw, rounds = np.random.default_rng(0), min(max(MIN_ROUNDS, 40 * len(size)), MAX_ROUNDS)
        chances = _chances_of_sums(scores, groups, draw, rounds)
        p_values[tested] = false_discovery_control(chances[tested])
    return p_values


def _ratios(rows: pd.DataFrame, groups: Groups, count: int) -> _Compared:
    """Compare sums of ``_top`` over sums of ``_bottom`` [credits/min]."""
    pairs = rows[["_top", "_bottom"]].to_numpy(dtype=float)
    sums = np.column_stack([np.bincount(groups, column) for column in pairs.T])
    size, draw = np.bincount(groups), np.random.default_rng(0)
    drawn = np.stack([_resampled_sums(pairs[groups == n], draw) for n in range(count)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = percentiles(drawn[..., 0] / drawn[..., 1], size)
        others = drawn.sum(axis=1, keepdims=True) - drawn
        rest_low, rest_high = percentiles(others[..., 0] / others[..., 1], size.sum() - size)
    rest = sums.sum(axis=0) - sums
    overall = _over(*sums.sum(axis=0)).item()
    scores = pairs[:, 0] - (0.0 if np.isnan(overall) else overall) * pairs[:, 1]
    mean = np.bincount(groups, scores) / size
    within = ((scores - mean[groups]) ** 2).sum() / max(len(scores) - count, 1)
    return _Compared(
        _over(*sums.T), low, high, _over(*rest.T), rest_low, rest_high, overall,
        _over(within * size, sums[:, 1] ** 2), scores - scores.mean(),
    )  # fmt: skip


def _over(top: Any, bottom: Any) -> Floats:
    bottom = np.asarray(bottom, dtype=float)
    return np.asarray(top / np.where(bottom > 0, bottom, np.nan), dtype=float)


def _rates(rows: pd.DataFrame, groups: Groups, _count: int) -> _Compared:
    """Compare shares of videos that failed, among those that ended."""
    failed = rows["status"].eq("FAILED").to_numpy(dtype=np.float64)
    hits, size = np.bincount(groups, failed), np.bincount(groups)
    others, rest = hits.sum() - hits, size.sum() - size
    overall = float(failed.mean())
    (low, high), (rest_low, rest_high) = wilson(hits, size), wilson(others, rest)
    return _Compared(
        _over(hits, size), low, high, _over(others, rest), rest_low, rest_high,
        overall, _over(overall * (1 - overall), size), np.asarray(failed - overall),
    )  # fmt: skip


def _medians(rows: pd.DataFrame, groups: Groups, count: int) -> _Compared:
    """Compare medians of the time to the end [s], and log-rank scores."""
    seconds, over = rows["_seconds"].to_numpy(dtype=float), rows["_over"].to_numpy(dtype=bool)

    def median(chosen: NDArray[Any]) -> Quantile:
        ends = count_ends(seconds[chosen], completed=over[chosen], running=~over[chosen])
        return quantile(kaplan_meier(ends), 0.5)

    own, own_low, own_high = np.array([median(groups == n) for n in range(count)]).T
    rest, rest_low, rest_high = np.array([median(groups != n) for n in range(count)]).T
    overall = median(groups >= 0).seconds
    ends = count_ends(seconds, completed=over, running=~over)
    hazard = np.cumsum(ends.over / ends.at_risk)[np.searchsorted(ends.seconds, seconds)]
    ended = np.bincount(groups, over, minlength=count)
    # as of a lognormal law with the quartiles of all ends
    logs = np.log(np.maximum(seconds[over], 1.0)) if over.any() else np.array([np.nan])
    deviation = np.ptp(np.quantile(logs, [0.25, 0.75])) / 1.349 * np.sqrt(np.pi / 2) * overall
    scores = hazard - over  # high where renders take long
    return _Compared(
        own, own_low, own_high, rest, rest_low, rest_high, overall,
        _over(deviation**2, ended), scores - scores.mean(),
    )  # fmt: skip


def _resampled_sums(values: Floats, draw: np.random.Generator) -> Floats:
    """Sums of the columns of *values* over resamples of its rows, one row per resample."""
    values = values[np.lexsort(values.T)]  # the order of the list decides nothing
    size = len(values)
    if size > MAX_DRAWN:
        covariance = np.cov(values, rowvar=False, bias=True) * size
        return draw.multivariate_normal(values.sum(axis=0), covariance, RESAMPLES, method="eigh")
    return np.asarray(values[draw.integers(size, size=(RESAMPLES, size))].sum(axis=1))


def _chances_of_sums(
    scores: Floats, groups: Groups, draw: np.random.Generator, rounds: int
) -> Floats:
    """
    How often a group drawn at random has a sum of scores as far from 0 as each group has.

    A permutation test: exact at any size of a group where the videos are alike. In large lists
    small groups are drawn with replacement and large ones have the normal law.
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
    limits = np.divide(found, others, out=np.zeros(len(size)), where=others > 0)
    return np.array(
        [_chance(scores, n, limit, draw, rounds) for n, limit in zip(size, limits, strict=True)]
    )


def _chance(scores: Floats, n: int, limit: float, draw: np.random.Generator, rounds: int) -> float:
    if n > MAX_DRAWN:
        deviation = float(np.sqrt(n) * scores.std())
        return 2 * NormalDist().cdf(-limit / deviation) if deviation > 0 and limit > 0 else 1.0
    sums = np.abs(draw.choice(scores, (rounds, n)).sum(axis=1))
    return float(((sums >= limit).sum() + 1) / (rounds + 1))


def _with_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Credits and minutes of the same videos: completed ones with both, and failed ones."""
    completed, failed = (has_status(rows, status) for status in ("COMPLETED", "FAILED"))
    credits = rows["used_credits"].astype("float64").replace([np.inf, -np.inf], np.nan)
    minutes = (rows["duration_seconds"].astype("float64") / 60).where(completed, 0.0)
    used = credits.notna() & (failed | (completed & minutes.gt(0) & minutes.lt(np.inf)))
    return rows.assign(_top=credits, _bottom=minutes, _used=used)


def _with_ends(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(_used=has_status(rows, "COMPLETED") | has_status(rows, "FAILED"))


def _with_seconds(rows: pd.DataFrame) -> pd.DataFrame:
    seconds = seconds_to_end(rows)
    return rows.assign(_seconds=seconds, _over=~has_status(rows, "STARTED"), _used=seconds.notna())


_METRICS = {
    "credits_per_minute": (["status", "used_credits", "duration_seconds"], _with_pairs, _ratios),
    "failure_rate": (["status"], _with_ends, _rates),
    "render_seconds": (["status", "created_at", "updated_at", "fetched_at"], _with_seconds,
                       _medians),
}  # fmt: skip
