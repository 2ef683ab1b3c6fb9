"""Time left of a batch by its pace: batches of a few renders, the answers beside them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from hooked_analytics.analysis import TimeLeft, batch_time_left, time_left_text

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


def test_without_past_batches_the_rest_takes_as_long_as_those_that_ended():
    left = batch_time_left(batch([100, 200, 900, 900], 250))
    assert left is not None
    assert (left.seconds, left.remaining, left.compared) == (250, 2, 0)
    assert math.isnan(left.low_seconds)
    assert time_left_text(left) == "about 4 min"


@pytest.mark.parametrize(("count", "shown"), [(9, False), (10, True)])
def test_ten_past_batches_give_a_range(count, shown):
    """Their rest took 500 - t of t s when two of four had ended, t in [200, 300): 0.67 to 1.5."""
    left = batch_time_left(batch([100, 200, 900, 900], 250), history=past(count))
    assert left is not None
    assert left.compared == (count if shown else 0)
    if shown:
        assert 250 * 0.66 < left.low_seconds < left.seconds == 250 < left.high_seconds < 250 * 1.51


@pytest.mark.parametrize("history", [past(20, size=13), past(20).assign(status="STARTED")])
def test_batches_of_another_size_or_still_under_way_are_not_compared(history):
    left = batch_time_left(batch([100, 200, 900, 900], 250), history=history)
    assert left is not None
    assert left.compared == 0


def test_progress_counts_until_the_first_has_ended():
    left = batch_time_left(batch([900] * 4, 60, progress=25))
    assert left is not None
    assert left.seconds == 180
    assert math.isnan(left.high_seconds)


@pytest.mark.parametrize(
    "videos", [batch([10, 20], 60), batch([900] * 3, 60), batch([900], 60)[:0], batch([9e5], 9e4)]
)
def test_nothing_to_tell(videos):
    assert batch_time_left(videos) is None
    assert time_left_text(None) == ""


def test_of_two_batches_under_way_the_later_end_counts():
    both = pd.concat([batch([100, 900], 150), batch([100, 900, 900, 900], 150, day=1)])
    left = batch_time_left(both)
    assert isinstance(left, TimeLeft)
    assert (left.seconds, left.remaining) == (450, 4)
