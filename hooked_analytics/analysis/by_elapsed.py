"""When renders will be over, from those that were still running after the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hooked_analytics.analysis.past_renders import LOST_SECONDS, Ranges
from hooked_analytics.analysis.survival import conditional_quantile, kaplan_meier

if TYPE_CHECKING:
    from hooked_analytics.analysis.past_renders import Floats
    from hooked_analytics.analysis.survival import Ends

MIN_COMPARABLE = 10
# keeps a rank that is whole from being rounded past itself
_ROUNDING = 1e-9


def ranges_by_elapsed(ends: Ends, elapsed: Floats, coverage: float) -> Ranges:
    """
    Condition the Kaplan-Meier curve of one type on the time elapsed [s].

    Examples
    --------
    >>> from hooked_analytics.analysis.survival import count_ends
    >>> ends = count_ends(range(10, 210, 10), completed=1)
    >>> found = ranges_by_elapsed(ends, np.array([50.0, 190.0]), 0.8)
    >>> found.low.tolist(), found.middle.tolist(), found.high.tolist()
    ([60.0, nan], [130.0, nan], [200.0, nan])
    >>> found.comparable.tolist()
    [15, 1]
    """
    curve = kaplan_meier(ends)
    comparable = np.r_[ends.at_risk, 0][np.searchsorted(ends.seconds, elapsed, side="right")]
    enough = (comparable >= MIN_COMPARABLE) & (elapsed <= LOST_SECONDS)
    outside, m = (1 - coverage) / 2, np.maximum(comparable, 1)
    levels = (
        np.floor(outside * (m + 1) + _ROUNDING) / m,
        np.full(len(m), 0.5),
        np.ceil((1 - outside) * (m + 1) - _ROUNDING) / m,
    )
    low, middle, high = (
        np.where(enough, conditional_quantile(curve, elapsed, p), np.nan) for p in levels
    )
    how = np.full(len(m), "Kaplan-Meier", dtype=object)
    return Ranges(low, middle, high, comparable.astype(np.intp), how)
