"""Forty avatars of 5 to 30 videos: equal ones, and one at double price."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invented import SEED, gate
from hooked_analytics import compare_groups

GROUPS = 40


def bench_comparison(runs: int = 200) -> list[Figure]:
    """Lists in which a group is called different, of *runs* each."""
    draw, false, found, spread = np.random.default_rng(SEED), 0, 0, []
    for _ in range(runs):
        equal = compare_groups(_videos(draw), by="avatar_id")
        false += bool(equal["different"].fillna(False).any())
        spread.append(equal["shrunk"].max() / equal["shrunk"].min())
        dear = compare_groups(_videos(draw, dear=0), by="avatar_id").set_index("avatar_id")
        found += bool(dear["different"].fillna(False)[0])
    return [
        gate("forty equal groups: lists with any `different`", "0.05", 0, 0.12, false / runs, "–"),
        gate("forty equal groups: dearest over cheapest, shrunk", "1", 1, 1.2,
             float(np.median(spread)), "–"),
        gate("one of forty at double price: found", "1", 0.8, 1, found / runs, "–"),
    ]  # fmt: skip


def _videos(draw: np.random.Generator, dear: int | None = None) -> pd.DataFrame:
    avatar = np.repeat(np.arange(GROUPS), draw.integers(5, 31, GROUPS))
    size = len(avatar)
    minutes = draw.lognormal(0.3, 0.6, size)
    credits = 4 * minutes * draw.lognormal(0, 0.4, size) * np.where(avatar == dear, 2, 1)
    failed = draw.random(size) < 0.08
    return pd.DataFrame(
        {
            "avatar_id": avatar,
            "status": np.where(failed, "FAILED", "COMPLETED"),
            "used_credits": credits,
            "duration_seconds": np.where(failed, np.nan, 60 * minutes),
        }
    )
