"""When a whole batch will be over, and how many of it by when, from renders like them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hooked_analytics.analysis.past_renders import LOST_SECONDS, ends_of, read_renders, type_codes
from hooked_analytics.analysis.survival import kaplan_meier

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hooked_analytics.analysis.survival import Ends

    Floats = NDArray[np.float64]

MIN_COMPARABLE = 10
COVERAGE = 0.8
_STEPS = 160
_UNKNOWN_TYPE = -1  # as `type_codes` numbers a missing one
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
    F_i(h) = 1 - S(e + h) / S(e) by Kaplan-Meier, for a render of the same type running since e;
    of any type where its own is not known.
    All are over with the product of F_i; how many are has mean sum F_i and variance
    sum F_i (1 - F_i). The far end uses F m / (m + 1), m renders compared with: the slowest
    render yet may come.

    Examples
    --------
    >>> import pandas as pd
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
    under_way, learnt = read_renders(videos), read_renders(history)
    known = under_way.rendering & (under_way.seconds <= LOST_SECONDS)
    if not known.any() or np.isnan(learnt.seconds).all():
        return None
    elapsed = under_way.seconds[known]
    horizon = max(np.nanmax(learnt.seconds) - elapsed.min(), 1.0)
    seconds = np.geomspace(1.0, 1.0 + horizon, _STEPS) - 1.0
    over, m = np.zeros((len(elapsed), _STEPS)), np.zeros(len(elapsed))
    here, there = type_codes(under_way.types[known], learnt.types)
    for code in np.unique(here):
        rows, alike = here == code, (there == code) | (code == _UNKNOWN_TYPE)
        over[rows], m[rows] = _over_by(elapsed[rows], ends_of(learnt, alike), seconds)
    told = m >= MIN_COMPARABLE
    if not told.any():
        return None
    # of those with too few to compare: at best over at once, at worst never
    cautious = np.where(told, m / (m + 1), 0.0)[:, None] * over
    over[~told] = 1.0
    tail = (1 - COVERAGE) / 2
    return Ahead(
        seconds,
        np.maximum(np.floor(cautious.sum(axis=0) - _spread(cautious)), 0.0),
        np.minimum(np.ceil(over.sum(axis=0) + _spread(over)), len(over)),
        _first(seconds, over.prod(axis=0) >= tail - _ROUNDING),
        _first(seconds, cautious.prod(axis=0) >= 1 - tail - _ROUNDING),
    )


def _over_by(elapsed: Floats, ends: Ends, seconds: Floats) -> tuple[Floats, Floats]:
    """Chance of each render of a type to be over after more seconds, and how many it rests on."""
    left = np.r_[1.0, kaplan_meier(ends).share]
    at = elapsed[:, None]
    place = np.searchsorted(ends.seconds, np.hstack([at, at + seconds]), side="right")
    after = left[place]
    now = np.where(after[:, :1] > 0, after[:, :1], np.nan)
    return np.nan_to_num(1 - after[:, 1:] / now), np.r_[ends.at_risk, 0.0][place[:, 0]]


def _spread(over: Floats) -> Floats:
    spread: Floats = _Z * np.sqrt((over * (1 - over)).sum(axis=0))
    return spread


def _first(seconds: Floats, reached: NDArray[np.bool_]) -> float:
    return float(seconds[reached.argmax()]) if reached.any() else float("nan")


def span(low: float, high: float) -> str:
    """
    Write a range of time left; "+" where its far end is not known, nothing where neither is.

    Examples
    --------
    >>> span(100, 290), span(20, 45), span(130, float("nan")), span(9, 400)
    ('2–5 min', '20–45 s', '2+ min', '≤ 7 min')
    """
    if math.isnan(low) and math.isnan(high):
        return ""
    low = 0.0 if math.isnan(low) else max(low, 0.0)
    top = low if math.isnan(high) else max(high, low)
    unit, name = next(
        (u, n) for u, n in ((1, "s"), (60, "min"), (3600, "h")) if top < 120 * u or u == 3600
    )
    first = math.floor(low / unit + 0.5)
    if math.isnan(high):
        return f"{first}+ {name}" if first else ""
    last = math.ceil(round(high / unit, 3))
    if not first:
        return f"≤ {last} {name}"
    return f"{first}–{last} {name}" if last > first else f"{last} {name}"
