"""Time left of a batch by its pace: batches of a few renders, the answers beside them."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics.analysis import batch_time_left, time_left_text

START = pd.Timestamp("2024-01-15T10:00Z")


def batch(
    ends: list[float], now: float, *, day: float = 0, progress: float | None = None
) -> pd.DataFrame:
    """Renders created together that end after so many seconds, seen *now*."""
    created = START + pd.Timedelta(day, "D")
    at = [created + pd.Timedelta(min(end, now), "s") for end in ends]
    return pd.DataFrame(
        {
            "video_id": [f"{day}_{n}" for n in range(len(ends))],
            "type": "class",
            "status": ["COMPLETED" if end <= now else "STARTED" for end in ends],
            "progress": progress,
            "created_at": created,
            "updated_at": at,
            "fetched_at": created + pd.Timedelta(now, "s"),
        }
    )


def past(count: int, size: int = 4, step: float = 100) -> pd.DataFrame:
    """Batches of which one render ends every *step* seconds, but the last takes twice as long."""
    ends = [step * n for n in range(1, size)]
    return pd.concat(
        [batch([*ends, step * (size + 1)], 1e6, day=-n - 1) for n in range(count)],
        ignore_index=True,
    )


UNDER_WAY = batch([100, 200, 900, 900], 250)


LATER = batch([100, 900, 900, 900], 150, day=1)


@pytest.mark.parametrize(
    ("videos", "history", "seconds", "remaining", "text"),
    [
        # without past batches the rest takes as long as those that ended
        (UNDER_WAY, None, 250, 2, "about 4 min"),
        # of ten past ones it took 0.67 to 1.5 times as long
        (UNDER_WAY, past(9), 250, 2, "about 4 min"),
        (UNDER_WAY, past(10), 250, 2, "3–7 min"),
        # those of another size or still under way are not compared
        (UNDER_WAY, past(20, size=13), 250, 2, "about 4 min"),
        (UNDER_WAY, past(20).assign(status="STARTED"), 250, 2, "about 4 min"),
        # progress counts until the first has ended
        (batch([900] * 4, 60, progress=25), None, 180, 4, "about 3 min"),
        # of two batches under way the later end counts
        (pd.concat([batch([100, 900], 150), LATER]), None, 450, 4, "about 8 min"),
    ],
)
def test_the_time_left_by_the_pace_of_the_batch(videos, history, seconds, remaining, text):
    left = batch_time_left(videos, history=history)
    assert left is not None
    assert (left.seconds, left.remaining) == (seconds, remaining)
    assert time_left_text(left) == text


@pytest.mark.parametrize(
    "videos", [batch([10, 20], 60), batch([900] * 3, 60), batch([900], 60)[:0], batch([9e5], 9e4)]
)
def test_nothing_to_tell(videos):
    assert batch_time_left(videos) is None
    assert time_left_text(None) == ""
