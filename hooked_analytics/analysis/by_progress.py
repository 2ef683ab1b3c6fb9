"""
When renders will be over, from how far they are.

The straight line through progress is too early nearly always, for the last per cents are the
slowest. How much too early it was is known of each render that was seen on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.past_renders import Ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats
    from hooked_analytics.analysis.progress_history import PollExecutor

MIN_COMPARED = 10
MIN_NEAR, SHARE_NEAR = 20, 4
_ROUNDING = 1e-9
# Less than this is rounding: they are all at one place, and there is no line.
_ONE_PLACE = 1e-6
# A point that the line goes through says nothing about its own error.
_MIN_LEFT = 0.1


class Past(NamedTuple):
    """One look at each completed render: how far it was, and log(total / straight line)."""

    types: pd.Series[str]
    progress: Floats
    error: Floats

    def of(self, chosen: NDArray[np.bool_]) -> Past:
        """Keep some."""
        return Past(self.types[chosen], self.progress[chosen], self.error[chosen])


def one_look_each(looks: PollExecutor) -> Past:
    """
    Draw one look at each completed render; which one depends on its id alone.

    Two looks at one render are alike, so that more than one would make ranges too narrow.
    """
    known = looks.completed & (looks.total_seconds > 0)
    usable = (looks.progress > 0) & (looks.seconds > 0) & known[looks.video]
    at = np.flatnonzero(usable)
    videos, first, count = np.unique(looks.video[at], return_index=True, return_counts=True)
    draw = pd.util.hash_array(looks.ids.iloc[videos].to_numpy(dtype=object))
    drawn = at[first + (draw % count.astype(np.uint64)).astype(np.intp)]
    # nearest in progress are chosen among equals, and not by when they were made
    drawn, videos = drawn[np.argsort(draw, kind="stable")], videos[np.argsort(draw, kind="stable")]
    straight = looks.seconds[drawn] / (looks.progress[drawn] / 100)
    return Past(
        looks.types.iloc[videos].reset_index(drop=True),
        looks.progress[drawn],
        np.log(looks.total_seconds[videos] / straight),
    )


def ranges_by_progress(elapsed: Floats, progress: Floats, past: Past, coverage: float) -> Ranges:
    """
    Correct the straight line by how wrong it was at such progress.

    Split conformal ranks of the errors of the renders nearest in progress (Vovk et al., 2005),
    about a line through them: their error at 5 % is another one than at 15 %.

    Examples
    --------
    >>> past = Past(pd.Series(["a"] * 19), np.full(19, 50.0), np.log(np.linspace(1, 2.8, 19)))
    >>> found = ranges_by_progress(np.array([30.0, 30.0]), np.array([50.0, np.nan]), past, 0.8)
    >>> [each.round(0).tolist() for each in (found.low, found.middle, found.high)]
    [[64.0, nan], [114.0, nan], [166.0, nan]]
    """
    count = len(past.progress)
    near = min(max(MIN_NEAR, count // SHARE_NEAR), count)
    outside = (1 - coverage) / 2
    first = int(np.floor(outside * (near + 1) + _ROUNDING))
    last = min(int(np.ceil((1 - outside) * (near + 1) - _ROUNDING)), near + 1)
    factors = np.full((3, len(progress)), np.nan)
    usable = (progress > 0) & (count >= MIN_COMPARED)
    for value in np.unique(progress[usable]):
        error = np.r_[-np.inf, np.sort(_errors_at(value, past, near)), np.nan]
        found = np.exp([error[first], np.median(error[1:-1]), error[last]])
        factors[:, progress == value] = found[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, middle, high = np.maximum(elapsed, elapsed / (progress / 100) * factors)
    how = np.full(len(progress), "progress", dtype=object)
    return Ranges(low, middle, high, np.full(len(progress), near), how)


def _errors_at(value: float, past: Past, near: int) -> Floats:
    """
    Errors that the renders nearest to a progress [%] would have had there.

    Residuals of their line are shrunk by its bending to them, and a new one errs by the
    line's own error too: so they are studentised, and spread as a new one's.
    """
    nearest = np.argsort(np.abs(past.progress - value), kind="stable")[:near]
    error, at = past.error[nearest], np.log(past.progress[nearest])
    off, here = at - at.mean(), np.log(value) - at.mean()
    square = float(off @ off)
    square = square if square > _ONE_PLACE else np.inf
    slope = float(off @ error) / square
    weight, weight_here = (1 / near + each**2 / square for each in (off, here))
    spread = np.sqrt((1 + weight_here) / np.maximum(1 - weight, _MIN_LEFT))
    errors: Floats = error.mean() + slope * here + (error - error.mean() - slope * off) * spread
    return errors
