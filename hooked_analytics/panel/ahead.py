"""When a whole batch will be over, and how many of it by when, from renders like them."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.survival import count_ends, kaplan_meier
from hooked_analytics.videos.ends import by_group, with_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST_COMPARABLE = 10
COVERAGE = 0.8
_STEPS = 160
# Shares are products of fractions: a tenth may come out a hair below.
_ROUNDING = 1e-9
_Z = NormalDist().inv_cdf(0.5 + COVERAGE / 2)


class Ahead(NamedTuple):
    """How many more renders will be over after so many seconds, and when all are [s]."""

    seconds: Floats
    low: Floats
    high: Floats
    all_low: float  # missing where it cannot be told
    all_high: float


def look_ahead(videos: pd.DataFrame, history: pd.DataFrame) -> Ahead | None:
    """
    Expect the ends of the renders under way.

    Parameters
    ----------
    videos : one row per video
    history : renders to learn from, those under way among them

    Returns
    -------
    80 % ranges, or None where no render has 10 others to compare it with

    Notes
    -----
    F_i(h) = 1 - S(e + h) / S(e) by Kaplan-Meier, for a render of the same type running since e.
    All are over with the product of F_i; how many are has mean sum F_i and variance
    sum F_i (1 - F_i). The far end uses F m / (m + 1), m renders compared with: the slowest
    render yet may come.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 21)
    >>> took = pd.to_timedelta([*range(10, 210, 10), 0], unit="s")
    >>> videos = pd.DataFrame({
    ...     "type": "class", "status": ["COMPLETED"] * 20 + ["STARTED"], "created_at": at,
    ...     "updated_at": at + took, "fetched_at": at + pd.to_timedelta(50, unit="s"),
    ... })
    >>> ahead = look_ahead(videos, videos)
    >>> round(ahead.all_low), round(ahead.all_high)
    (20, 150)
    """
    running = with_ends(videos, ["type"], what="look_ahead")
    running = running[running["rendering"].eq(1)]
    learnt = with_ends(history, ["type"], what="look_ahead")
    if running.empty or running["seconds"].isna().any() or learnt["seconds"].isna().all():
        return None
    horizon = max(learnt["seconds"].max() - running["seconds"].min(), 1.0)
    seconds = np.geomspace(1.0, 1.0 + horizon, _STEPS) - 1.0
    found = [_over_by(part, learnt, seconds) for part in by_group(running, ["type"])]
    over, m = np.vstack([each for each, _ in found]), np.concatenate([m for _, m in found])
    known = m >= FEWEST_COMPARABLE
    if not known.any():
        return None
    # of those with too few to compare: at best over at once, at worst never
    cautious = np.where(known, m / (m + 1), 0.0)[:, None] * over
    over[~known] = 1.0
    tail = (1 - COVERAGE) / 2
    return Ahead(
        seconds,
        np.maximum(np.floor(cautious.sum(axis=0) - _spread(cautious)), 0.0),
        np.minimum(np.ceil(over.sum(axis=0) + _spread(over)), len(over)),
        _first(seconds, over.prod(axis=0) >= tail - _ROUNDING),
        _first(seconds, cautious.prod(axis=0) >= 1 - tail - _ROUNDING),
    )


def _over_by(running: pd.DataFrame, learnt: pd.DataFrame, seconds: Floats) -> tuple[Floats, Floats]:
    """Chance of each render of a type to be over after more seconds, and how many it rests on."""
    kind = running["type"].iloc[0]
    same = learnt["type"].isna() if pd.isna(kind) else learnt["type"].eq(kind).fillna(False)
    of_type = learnt[same.astype(bool)]
    ends = count_ends(
        of_type["seconds"].to_numpy(dtype=float),
        completed=of_type["completed"],
        failed=of_type["failed"],
        running=of_type["rendering"],
    )
    left = np.r_[1.0, kaplan_meier(ends).share]
    elapsed = running["seconds"].to_numpy(dtype=float)[:, None]
    at = np.searchsorted(ends.seconds, np.hstack([elapsed, elapsed + seconds]), side="right")
    after = left[at]
    now = np.where(after[:, :1] > 0, after[:, :1], np.nan)
    over = np.nan_to_num(1 - after[:, 1:] / now)
    return over, np.r_[ends.at_risk, 0.0][at[:, 0]]


def _spread(over: Floats) -> Floats:
    spread: Floats = _Z * np.sqrt((over * (1 - over)).sum(axis=0))
    return spread


def _first(seconds: Floats, reached: NDArray[np.bool_]) -> float:
    return float(seconds[reached.argmax()]) if reached.any() else float("nan")
