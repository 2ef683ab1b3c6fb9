"""Estimates from what an archive observed: tiny histories, the answers beside them."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import VideoArchive, estimate_completion, videos_from_records
from hooked_analytics.analysis.past_renders import read_progress
from tests.analysis.rows import START, after

HOUR = 3600.0


def observation(
    video_id: str, seen: float, progress: float | None, status: str = "STARTED",
    *, start: float = 0, kind: str | None = "class", updated: float | None = None,
) -> dict[str, object]:  # fmt: skip
    """Describe an observation of a video *seen* seconds after its *start*."""
    record = {
        "id": video_id, "type": kind, "status": status, "progress": progress,
        "createdAt": after(start), "updatedAt": after(start + (updated or seen)),
    }  # fmt: skip
    return {"record": record, "at": START + pd.Timedelta(start + seen, "s")}


def frame(observed: list[dict]) -> pd.DataFrame:
    """One row per observation, as of `VideoArchive.observations`."""
    rows = videos_from_records({**each["record"], "id": str(n)} for n, each in enumerate(observed))
    at = pd.DatetimeIndex([each["at"] for each in observed], tz="UTC").as_unit("us")
    ids = pd.array([each["record"]["id"] for each in observed], dtype=rows["video_id"].dtype)
    return rows.assign(video_id=ids, observed_at=at, fetched_at=at)


def past(count: int, *, kind: str | None = "class", total: float = 100) -> list[dict]:
    """Renders at 50 % after 40 s: 100 s where the straight line says 80 s."""
    ends = ((0.4 * total, 50, "STARTED"), (total, 100, "COMPLETED"))
    ids = [f"old_{kind}_{n}" for n in range(count)]
    return [observation(video_id, *end, kind=kind) for video_id in ids for end in ends]


def now(*observed: tuple[float, float | None], kind: str | None = "class") -> list[dict]:
    """Observations (seconds, progress) of one render that began an hour later."""
    return [observation("new", *each, start=HOUR, kind=kind) for each in observed]


def estimate(history: list[dict], observed: list[dict], **settings: object) -> pd.Series:
    observations = frame([*history, *observed])
    found = estimate_completion(
        frame(observed[-1:]), history=observations.head(0), observations=observations, **settings
    )
    return found.iloc[0]


def seconds(found: pd.Series, *names: str) -> list[float | None]:
    """Find when it ends, in seconds after the render began."""
    since = START + pd.Timedelta(HOUR, "s")
    ends = [found[name] for name in names or ("eta_low", "eta", "eta_high")]
    return [None if pd.isna(at) else round((at - since).total_seconds(), 3) for at in ends]


def test_the_straight_line_is_corrected_by_how_wrong_it_was():
    """At 50 % it was 100 / 80 = 1.25 too short: 60 s at 50 % are 150, at 25 % they are 300."""
    for progress, total in ((50, 150), (25, 300)):
        found = estimate(past(20), now((60, progress)))
        assert seconds(found) == [total] * 3
        assert found["time_source"].startswith("progress, 20 past renders")


def test_the_ranks_count_the_new_one_in():
    """20 observations at 50 % after 40 s, totals 81 to 100: the 2nd and the 19th of 20."""
    history = past(20)
    for n, each in enumerate(history[1::2]):
        moved = START + pd.Timedelta(81 + n, "s")
        each["record"]["updatedAt"], each["at"] = moved.isoformat(), moved
    found = seconds(estimate(history, now((40, 50))))
    assert found == [82, pytest.approx(90.5, abs=0.01), 99]


def test_the_end_is_never_before_now():
    history = past(20, total=10)
    for each in history:
        each["record"]["progress"] = 10  # after 4 of 10 s, so the straight line says 40
    found = estimate(history, now((60, 30)))
    assert seconds(found) == [60] * 3


def test_ten_are_the_fewest_compared_and_their_high_end_may_be_open():
    ten = estimate(past(10), now((60, 50)), coverage=0.9)
    assert seconds(ten) == [60, 150, None]
    nine = estimate(past(9), now((60, 50)))
    assert seconds(nine) == [None] * 3
    assert nine["time_source"] == "too few comparable renders"


@pytest.mark.parametrize("observed", [[(60, 0)], [(60, None)], [(30, 50), (60, 50)]])
def test_without_progress_or_where_it_never_moved_the_time_elapsed_counts(observed):
    assert pd.isna(estimate(past(20), now(*observed))["eta"])
    assert seconds(estimate(past(20), now((30, 25), (60, 50))), "eta") == [150]


def test_only_its_own_type_teaches_and_a_missing_type_its_own():
    other = past(20, kind="scenes", total=400)
    assert seconds(estimate([*past(20), *other], now((60, 50))), "eta") == [150]
    assert pd.isna(estimate(past(20, kind="scenes"), now((60, 50)))["eta"])
    unknown = estimate([*past(20, kind=None), *other], now((60, 50), kind=None))
    assert unknown["time_source"].startswith("progress, 20 ")


def test_failed_renders_do_not_teach_progress():
    failed = past(20)
    for each in failed[1::2]:
        each["record"]["status"] = "FAILED"
    assert pd.isna(estimate(failed, now((60, 50)))["eta"])


LATER = START + pd.Timedelta(1, "D")


@pytest.mark.parametrize(("updated", "total"), [(10, 60), (80, 80), (500, 90)])
def test_an_end_outside_the_last_two_observations_and_what_follows_it_are_not_believed(
    updated, total
):
    end = observation("a", 90, 100, "COMPLETED", updated=updated)
    late = observation("a", 600, 100, "COMPLETED", updated=500)
    seen = frame([late, end, observation("a", 120, 70), observation("a", 60, 70)])
    assert read_progress(seen, LATER)["total"].tolist() == [total] * 2


def test_only_the_last_90_days_teach():
    observations = frame(past(1))
    for days, known in ((90, 2), (91, 0)):
        assert len(read_progress(observations, START + pd.Timedelta(days, "D"))) == known


def lives(count: int, *, pause: float = 10) -> list[dict]:
    """Renders that gain 20 % every 10 s and pause once, at 40 %."""
    at = [(0, 0), (10, 20), (20, 40), (20 + pause, 40), (30 + pause, 60), (40 + pause, 80),
          (50 + pause, 100, "COMPLETED")]  # fmt: skip
    return [observation(f"old_{n}", *each) for n in range(count) for each in at]


@pytest.mark.parametrize(
    ("count", "observed", "stuck"),
    [
        # past renders stood at 40 % for 10 s as observed: 30 s at most, from 20 % to 60 %
        (50, [(5, 20), (20, 40), (50, 40)], False),
        (50, [(5, 20), (20, 40), (52, 40)], True),
        (49, [(5, 20), (20, 40), (52, 40)], None),
        (60, [(5, 0), (900, 0)], None),  # at 0 % a render may wait for a machine
    ],
)
def test_standing_still_for_longer_than_others_ever_do_is_stuck(count, observed, stuck):
    found = estimate(lives(count), now(*observed))
    assert (None if pd.isna(found["stuck"]) else bool(found["stuck"])) == stuck
    assert pd.isna(found["eta"]) or not stuck  # no range by progress while it stands still


def test_a_stall_shorter_than_the_spacing_of_past_observations_is_not_judged():
    coarse = [each for each in lives(60) if each["record"]["progress"] in {0, 80, 100}]
    found = estimate(coarse, now((5, 20), (30, 85), (55, 85)))
    assert not found["stuck"]


def test_an_archive_is_read_as_it_is(tmp_path):
    archive = VideoArchive(tmp_path)
    observed = now((30, 25), (60, 50))
    for each in (past(20), observed[:1], observed[1:]):
        archive.append(frame(each))
    running, seen = archive.videos(), archive.observations()
    found = estimate_completion(running, history=running.head(0), observations=seen)
    assert seconds(found.iloc[0], "eta") == [150]


@pytest.mark.parametrize("observed", [[], [observation("x", 60, None, "FAILED")]])
def test_no_observations_change_nothing(observed):
    running = frame(now((60, 50)))
    history = frame([observation(f"h{n}", 10 * n, 100, "COMPLETED") for n in range(1, 21)])
    plain = estimate_completion(running, history=history)
    found = estimate_completion(running, history=history, observations=frame(observed))
    pd.testing.assert_frame_equal(found, plain)
    nobody = estimate_completion(running.head(0), history=history, observations=frame(observed))
    pd.testing.assert_series_equal(nobody.dtypes, found.dtypes)


def test_an_observation_without_a_time_is_passed_over():
    running = frame(now((60, 50))).assign(fetched_at=lambda each: each["fetched_at"].shift())
    found = estimate_completion(running, observations=frame(past(20)))
    assert found["time_source"].tolist() == ["no usable time"]
    timeless = frame(past(20)).assign(observed_at=lambda each: each["observed_at"].shift(99))
    found = estimate_completion(frame(now((60, 50))), observations=timeless)
    assert found["time_source"].str.startswith("too few").all()


LIVES = frame([*lives(12), *past(12, kind="scenes"), *now((5, 20), (20, 40), (25, 45))])


@settings(max_examples=8)
@given(st.randoms())
def test_neither_the_order_of_observations_nor_one_given_twice_changes_anything(random):
    running = LIVES.tail(1)
    mixed = LIVES.iloc[random.choices(range(len(LIVES)), k=40)]
    mixed = pd.concat([mixed, LIVES.sample(frac=1, random_state=random.randint(0, 999))])
    pd.testing.assert_frame_equal(
        estimate_completion(running, history=LIVES, observations=mixed),
        estimate_completion(running, history=LIVES, observations=LIVES),
    )
