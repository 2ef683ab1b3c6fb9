"""Renders whose true law is known: lognormal times, median 180 s, sigma 0.8."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure

MEDIAN, SIGMA = 180.0, 0.8
P90 = MEDIAN * np.exp(SIGMA * NormalDist().inv_cdf(0.9))
START = pd.Timestamp("2024-01-01T00:00Z").as_unit("us")
SEED = 0
NEVER = 1e7


def gate(what: str, against: str, low: float, high: float, ours: float, theirs: str) -> Figure:
    target = f"{low:g} to {high:g}"
    return Figure(what, against, target, f"{ours:.3g}", theirs, "–", bool(low <= ours <= high))


def frame(created: Any, took: Any, now: Any, kind: str = "class") -> pd.DataFrame:
    """Renders asked for at *created* and seen at *now* [s], over where their time is up."""
    created, took, now = np.broadcast_arrays(*(np.asarray(a, float) for a in (created, took, now)))
    over = created + took <= now
    moment = {
        name: START + pd.to_timedelta(np.round(at * 1e6), unit="us")
        for name, at in (
            ("created_at", created),
            ("updated_at", created + took),
            ("fetched_at", now),
        )
    }
    return pd.DataFrame(
        {
            "video_id": np.arange(len(took)).astype(str),
            "type": kind,
            "status": np.where(over, "COMPLETED", "STARTED"),
            **moment,
        }
    )


def times(draw: np.random.Generator, size: int) -> Any:
    return MEDIAN * np.exp(SIGMA * draw.standard_normal(size))
