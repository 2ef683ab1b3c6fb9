"""
A report of 100,000 videos: how long it takes, how large the page is, what the forecast's share is.

The videos are spread over 365 days and all under review. Times are shown, not raced: there is
nothing to compare with but the parts of the same work.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.figures import Figure, median, spread
from hooked_analytics import build_report, forecast_credits
from hooked_analytics.schema import VIDEOS_SCHEMA, frame_from_arrow

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 2_000_000
DAYS = 365
NOW = pd.Timestamp("2026-11-01T06:00Z")
TYPES = np.array(["ugc_ads", "product_ads", "class", "script_to_video", "hook_demo", "scenes"])
REASONS = np.array(["Voice model unavailable", "Avatar lost", "Audio processing failed"])


def bench_report(rounds: int = 5, rows: int = 100_000) -> list[Figure]:
    """Measure the report of a year of videos, and its parts."""
    videos = build(rows)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        report = build_report(videos, balance=10_000)
        report.to_html(page)  # imports and fonts are not what is measured
        all_of_it, made, drawn, ahead = ([] for _ in range(4))
        for _ in range(rounds):
            made.append(_seconds(lambda: build_report(videos, balance=10_000)))
            drawn.append(_seconds(lambda: report.to_html(page)))
            all_of_it.append(made[-1] + drawn[-1])
            ahead.append(_seconds(lambda: forecast_credits(videos, horizon_days=28, balance=1e4)))
        size = page.stat().st_size
    share = [part / whole for part, whole in zip(ahead, all_of_it, strict=True)]
    return [
        Figure(
            f"`build_report` and `to_html`, {rows:,} videos of {DAYS} days",
            "its two steps: tables; page",
            "shown",
            spread(all_of_it, "{:.1f} s"),
            f"{median(made):.1f} s; {median(drawn):.1f} s",
            "–",
            True,
        ),
        Figure(
            "size of that page",
            "largest allowed",
            f"≤ {MAX_BYTES / 1e6:g} MB",
            f"{size / 1e6:.2f} MB",
            f"{MAX_BYTES / 1e6:g} MB",
            f"{size / MAX_BYTES:.2f}",
            size <= MAX_BYTES,
        ),
        Figure(
            f"`forecast_credits`, 28 days ahead of {DAYS}, run-out included",
            "`build_report` and `to_html`",
            "shown",
            spread(ahead, "{:.2f} s"),
            f"{median(all_of_it):.1f} s",
            spread(share, "{:.0%}"),
            True,
        ),
    ]


def build(rows: int) -> pd.DataFrame:
    """Make videos of every type and status over a year, some without a figure."""
    draw = np.random.default_rng(0)
    made = NOW - pd.to_timedelta(draw.uniform(0, DAYS * 86_400, rows), unit="s")
    kind = draw.integers(len(TYPES), size=rows)
    status = draw.choice(["COMPLETED", "FAILED", "STARTED"], size=rows, p=[0.93, 0.06, 0.01])
    took = pd.to_timedelta(draw.lognormal(5 + kind / 5, 0.6), unit="s")
    columns = {
        "video_id": [f"vid_{n:08}" for n in range(rows)],
        "name": [f"Video {n}" for n in range(rows)],
        "type": TYPES[kind],
        "status": status,
        "message": np.where(status == "FAILED", draw.choice(REASONS, rows), None),
        "script": [f"script {n}" for n in draw.integers(rows // 2, size=rows)],
        "created_at": made.as_unit("us"),
        "updated_at": (made + took).as_unit("us"),
        "duration_seconds": draw.uniform(10, 120, rows),
        "used_credits": np.where(draw.uniform(size=rows) < 0.02, np.nan, 1.0 + 2 * kind),
        "fetched_at": [NOW] * rows,
    }
    arrays = [
        pa.array(columns.get(field.name, [None] * rows), field.type, from_pandas=True)
        for field in VIDEOS_SCHEMA
    ]
    return frame_from_arrow(pa.Table.from_arrays(arrays, schema=VIDEOS_SCHEMA))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
