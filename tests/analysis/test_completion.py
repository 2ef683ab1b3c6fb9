"""When renders under way will be over: from tiny histories with the answers beside them."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics import estimate_completion
from tests.analysis.rows import START, after, listed


def videos(*rows: tuple[str | None, str | None, float], seen: float = 50) -> pd.DataFrame:
    """Rows of (type, status, seconds until updated_at), seen so many seconds after the start."""
    timed = [(kind, status, after(seconds)) for kind, status, seconds in rows]
    return listed("type status updatedAt", timed, seen=seen, createdAt=after(0))


def finished(count: int, kind: str | None = "class", step: float = 10) -> list[tuple]:
    return [(kind, "COMPLETED", step * n) for n in range(1, count + 1)]


def seconds(found: pd.DataFrame, name: str) -> list[float | None]:
    return [None if pd.isna(at) else (at - START).total_seconds() for at in found[name]]


def test_only_renders_under_way_are_rows_in_the_order_given():
    frame = videos(("b", "STARTED", 1), ("a", "FAILED", 1), ("a", "STARTED", 1), ("b", None, 1))
    found = estimate_completion(frame)
    assert list(found.columns) == [
        "video_id", "type", "elapsed_seconds", "eta_low", "eta", "eta_high", "time_source", "stuck",
    ]  # fmt: skip
    assert found["video_id"].tolist() == ["vid_0", "vid_2"]
    assert found["elapsed_seconds"].tolist() == [50, 50]
    assert str(found["eta"].dtype) == "datetime64[us, UTC]"
    assert found["stuck"].dtype == "boolean"


RUNNING = videos(("class", "STARTED", 1))


@pytest.mark.parametrize(
    ("count", "low", "middle", "high"),
    [
        # of 20 over at 10, 20, … 15 go on after 50: ranks 1/15, half, 15/15 of those
        (20, 60, 130, 200),
        # 19 of 24 go on: rank ⌊0.1 · 20⌋ = 2 of 19, so 17 of 24 are left, at 70
        (24, 70, 150, 230),
        (15, 60, 100, 150),
        (14, None, None, None),  # ten are the fewest compared
    ],
)
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_the_range_comes_from_those_that_ran_as_long(count, low, middle, high, status):
    history = videos(*[(kind, status, at) for kind, _, at in finished(count)])
    found = estimate_completion(RUNNING, history=history)
    assert [seconds(found, n)[0] for n in ("eta_low", "eta", "eta_high")] == [low, middle, high]
    few = middle is None
    assert found["time_source"].str.startswith("too few comparable renders").tolist() == [few]


def test_a_wide_range_of_ten_is_open_at_both_ends():
    ten = estimate_completion(RUNNING, history=videos(*finished(15)), coverage=0.9)
    # rank 0 of 10 is any time from now, and ⌈0.95 · 11⌉ of 10 was never seen
    assert [seconds(ten, n)[0] for n in ("eta_low", "eta", "eta_high")] == [50, 100, None]


def test_a_type_learns_from_its_own_and_a_missing_type_from_its_own():
    history = videos(*finished(20), *finished(20, None, step=100))
    found = estimate_completion(
        videos(("class", "STARTED", 1), (None, "STARTED", 1), ("new", "STARTED", 1)),
        history=history,
    )
    assert seconds(found, "eta") == [130, 1000, None]
    assert found["time_source"].str.startswith("too few").tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("count", "elapsed", "stuck"),
    [(100, 1485, False), (100, 1486, True), (1000, 14_850, False), (1000, 14_851, True),
     (50, 751, True), (49, 9_000, None)],
)  # fmt: skip
def test_stuck_is_half_as_long_again_as_99_of_100(count, elapsed, stuck):
    running = videos(("class", "STARTED", 1), seen=elapsed)
    found = estimate_completion(running, history=videos(*finished(count)))
    assert [None if pd.isna(s) else bool(s) for s in found["stuck"]] == [stuck]


@pytest.mark.parametrize(
    ("ended", "stuck"),
    [([], [False]), ([900] * 2, [False]), ([900] * 3, [True]), ([1200] * 3, [False])],
)
def test_a_render_is_stuck_against_others_of_its_batch(ended, stuck):
    """All run for 1,500 s: half of the others must have ended, and well before."""
    batch = videos(
        *[("class", "COMPLETED", s) for s in ended],
        *[("class", "STARTED", 1)] * (6 - len(ended)),
        seen=1500,
    )
    found = estimate_completion(batch, history=earlier(videos(*finished(100))))
    assert found["stuck"].unique().tolist() == stuck


def earlier(history: pd.DataFrame, days: float = 20) -> pd.DataFrame:
    moved = {
        name: history[name] - pd.Timedelta(days, "D")
        for name in ("created_at", "updated_at", "fetched_at")
    }
    return history.assign(**moved, video_id="old_" + history["video_id"])


def test_recent_renders_count_more():
    old, new = videos(*finished(40, step=100)), videos(*finished(40))
    history = pd.concat(
        [earlier(old, 90), earlier(new, 1).assign(video_id=lambda v: "n" + v.video_id)]
    )
    found = estimate_completion(RUNNING, history=history)
    assert seconds(found, "eta") == [230]


def test_ten_ended_renders_of_a_batch_stretch_the_past_to_its_pace():
    """Ten of 20 ended by 1,000 s, where half of the past had by 100 s: it is ten times slower."""
    history = earlier(videos(*finished(20)))
    batch = videos(*finished(10, step=100), *[("class", "STARTED", 1)] * 10, seen=1000)
    found = estimate_completion(batch, history=history)
    assert set(seconds(found, "eta")) == {1500}
    assert set(found["time_source"]) == {"elapsed, 20 past renders at the pace of its batch"}


def test_a_batch_unlike_the_past_has_no_range_before_ten_of_it_ended():
    history = earlier(videos(*finished(20)))
    batch = videos(*[("class", "STARTED", 1)] * 20, seen=150)
    found = estimate_completion(batch, history=history)
    assert found["eta"].isna().all()
    assert set(found["time_source"]) == {"none: its batch is unlike past renders"}


def test_a_tail_that_was_not_reached_makes_nobody_stuck():
    history = videos(*finished(100), *[("class", "STARTED", 1)] * 5, seen=2000)
    found = estimate_completion(videos(("class", "STARTED", 1), seen=1500), history=history)
    assert found["stuck"].isna().all()


def test_after_a_day_a_render_is_lost_and_teaches_nothing():
    frame = videos(*finished(20), ("class", "STARTED", 1), seen=86_401)
    found = estimate_completion(frame, history=videos(*finished(30, step=10_000)))
    assert found["stuck"].tolist() == [True]
    assert seconds(found, "eta") == [None]
    assert found["time_source"].tolist() == ["lost: over 24 h"]
    again = estimate_completion(RUNNING, history=frame)
    alone = estimate_completion(RUNNING, history=videos(*finished(20)))
    pd.testing.assert_frame_equal(again, alone)


def test_a_render_without_a_usable_time_stays_a_row():
    early = videos(("class", "STARTED", 1), seen=-10)
    found = estimate_completion(early, history=videos(*finished(20)))
    assert found["time_source"].tolist() == ["no usable time"]
    assert found[["eta", "stuck"]].isna().all(axis=None)
