"""Estimates from what an archive has seen: tiny histories of looks, answers beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import VideoArchive, estimate_completion, videos_from_records
from hooked_analytics.analysis.by_progress import one_look_each
from hooked_analytics.analysis.progress_history import read_looks
from hooked_analytics.analysis.stuck import longest_stalls, stalls, standstill

START = pd.Timestamp("2024-01-15T10:00Z")
HOUR = 3600.0


def look(
    video_id: str,
    seen: float,
    progress: float | None,
    status: str = "STARTED",
    *,
    start: float = 0,
    kind: str | None = "class",
    updated: float | None = None,
) -> dict[str, object]:
    """Describe a look at a video *seen* seconds after its *start*."""
    return {
        "record": {
            "id": video_id,
            "type": kind,
            "status": status,
            "progress": progress,
            "createdAt": (START + pd.Timedelta(start, "s")).isoformat(),
            "updatedAt": (START + pd.Timedelta(start + (updated or seen), "s")).isoformat(),
        },
        "at": START + pd.Timedelta(start + seen, "s"),
    }


def frame(looks: list[dict]) -> pd.DataFrame:
    """One row per look, as of `VideoArchive.observations`."""
    rows = videos_from_records({**each["record"], "id": str(n)} for n, each in enumerate(looks))
    at = pd.DatetimeIndex([each["at"] for each in looks], tz="UTC").as_unit("us")
    ids = pd.array([each["record"]["id"] for each in looks], dtype=rows["video_id"].dtype)
    return rows.assign(video_id=ids, observed_at=at, fetched_at=at)


def past(count: int, *, kind: str | None = "class", total: float = 100) -> list[dict]:
    """Renders at 50 % after 40 s: 100 s where the straight line says 80 s."""
    return [
        each
        for n in range(count)
        for each in (
            look(f"old_{kind}_{n}", 0.4 * total, 50, kind=kind),
            look(f"old_{kind}_{n}", total, 100, "COMPLETED", kind=kind),
        )
    ]


def now(*looks: tuple[float, float | None], kind: str | None = "class") -> list[dict]:
    """Looks at (seconds, progress) of one render that began an hour later."""
    return [look("new", seen, progress, start=HOUR, kind=kind) for seen, progress in looks]


def estimate(history: list[dict], looks: list[dict], **settings: object) -> pd.Series:
    observations = frame([*history, *looks])
    found = estimate_completion(
        frame(looks[-1:]), history=observations.head(0), observations=observations, **settings
    )
    return found.iloc[0]


def seconds(found: pd.Series, *names: str) -> list[float | None]:
    since = START + pd.Timedelta(HOUR, "s")
    return [
        None if pd.isna(found[name]) else round((found[name] - since).total_seconds(), 3)
        for name in names
    ]


def test_the_straight_line_is_corrected_by_how_wrong_it_was():
    """At 50 % it was 100 / 80 = 1.25 too short: 60 s at 50 % are 150, at 25 % they are 300."""
    for progress, total in ((50, 150), (25, 300)):
        found = estimate(past(20), now((60, progress)))
        assert seconds(found, "eta_low", "eta", "eta_high") == [total] * 3
        assert found["time_source"].startswith("progress of 20 comparable renders")


def test_the_ranks_count_the_new_one_in():
    """20 looks at 50 % after 40 s, totals 81 to 100: ranks 2 and 19 of 20 about their mean."""
    history = [each for n in range(20) for each in past(1, kind=f"{n}", total=100)]
    for n, each in enumerate(history):
        each["record"]["type"] = "class"
        if n % 2:
            moved = START + pd.Timedelta(81 + n // 2, "s")
            each["record"]["updatedAt"] = moved.isoformat()
            each["at"] = moved
    low, middle, high = seconds(estimate(history, now((40, 50))), "eta_low", "eta", "eta_high")
    # studentised residuals of a level line lie √((1 + 1/20) / (1 - 1/20)) as far from the mean
    error = np.log(np.arange(81, 101) / 80)
    spread = error.mean() + (error - error.mean()) * np.sqrt(21 / 19)
    assert low == pytest.approx(80 * np.exp(spread[1]), abs=1e-3)
    assert high == pytest.approx(80 * np.exp(spread[18]), abs=1e-3)
    assert middle == pytest.approx(80 * np.exp(np.median(spread)), abs=1e-3)


def test_the_end_is_never_before_now():
    history = past(20, total=10)
    for each in history:
        each["record"]["progress"] = 10  # after 4 of 10 s, so the straight line says 40
    found = estimate(history, now((60, 30)))
    assert seconds(found, "eta_low", "eta", "eta_high") == [60] * 3


def test_ten_are_the_fewest_compared_and_their_high_end_may_be_open():
    ten = estimate(past(10), now((60, 50)), coverage=0.9)
    assert seconds(ten, "eta_low", "eta", "eta_high") == [60, 150, None]
    nine = estimate(past(9), now((60, 50)))
    assert seconds(nine, "eta_low", "eta", "eta_high") == [None] * 3
    assert nine["time_source"] == "too few: 0 comparable renders; stuck: too few finished"


@pytest.mark.parametrize("progress", [0, None])
def test_without_progress_the_time_elapsed_is_asked(progress):
    found = estimate(past(20), now((60, progress)))
    assert pd.isna(found["eta"])


def test_progress_that_never_moved_says_nothing():
    assert pd.isna(estimate(past(20), now((30, 50), (60, 50)))["eta"])
    assert seconds(estimate(past(20), now((30, 25), (60, 50))), "eta") == [150]


def test_its_own_type_comes_first_and_any_type_last():
    other = past(20, kind="scenes", total=400)
    assert seconds(estimate([*past(20), *other], now((60, 50))), "eta") == [150]
    found = estimate(past(20, kind="scenes"), now((60, 50)))
    assert seconds(found, "eta") == [150]
    assert found["time_source"].startswith("progress in any type of 20 comparable renders")
    unknown = estimate([*past(20, kind=None), *other], now((60, 50), kind=None))
    assert unknown["time_source"].startswith("progress of 20 ")


def test_time_elapsed_in_its_own_type_counts_before_progress_in_any():
    observations = frame([*past(20, kind="scenes"), *now((60, 50))])
    history = frame([look(f"h{n}", 10 * n, 100, "COMPLETED") for n in range(1, 21)])
    running = frame(now((60, 50)))
    found = estimate_completion(running, history=history, observations=observations).iloc[0]
    assert found["time_source"].startswith("Kaplan-Meier of 14 ")


def test_failed_renders_do_not_teach_progress():
    failed = [{**e, "record": {**e["record"]}} for e in past(20)]
    for each in failed[1::2]:
        each["record"]["status"] = "FAILED"
    assert pd.isna(estimate(failed, now((60, 50)))["eta"])


def test_looks_are_read_up_to_the_first_that_shows_the_end():
    looks = read_looks(
        frame(
            [
                look("a", 90, 100, "COMPLETED", updated=80),
                look("a", 60, 70),
                look("a", 20, 10),
                look("a", 120, 70),
                look("a", 600, 100, "COMPLETED", updated=500),
                look("b", 30, 5),
                look("b", 30, 5),
            ]
        ),
        START + pd.Timedelta(1, "D"),
    )
    assert looks.seconds.tolist() == [20, 60, 30]
    assert looks.ids.tolist() == ["a", "b"]
    assert looks.total_seconds.tolist()[:1] == [80]
    assert looks.over.tolist() == [True, False]


@pytest.mark.parametrize(("updated", "total"), [(10, 60), (80, 80), (500, 90)])
def test_an_end_outside_the_last_two_looks_is_not_believed(updated, total):
    both = frame([look("a", 60, 70), look("a", 90, 100, "COMPLETED", updated=updated)])
    assert read_looks(both, START + pd.Timedelta(1, "D")).total_seconds.tolist() == [total]


def test_only_the_last_90_days_teach():
    observations = frame(past(1))
    for days, known in ((90, 1), (91, 0)):
        assert len(read_looks(observations, START + pd.Timedelta(days, "D")).ids) == known


def test_one_look_each_and_always_the_same():
    history = [
        each
        for n in range(40)
        for each in (
            *(look(f"v{n}", s, s) for s in (10, 20, 30)),
            look(f"v{n}", 99, 100, "COMPLETED"),
        )
    ]
    observations = frame(history)
    later = START + pd.Timedelta(1, "D")
    drawn = one_look_each(read_looks(observations, later))
    again = one_look_each(read_looks(observations.sample(frac=1, random_state=1), later))
    assert len(drawn.progress) == 40
    assert set(drawn.progress) == {10, 20, 30}
    assert drawn.progress.tolist() == again.progress.tolist()


def lives(count: int, *, pause: float = 10) -> list[dict]:
    """Renders that gain 20 % every 10 s and pause once, at 40 %."""
    at = [(0, 0), (10, 20), (20, 40), (20 + pause, 40), (30 + pause, 60), (40 + pause, 80)]
    return [
        each
        for n in range(count)
        for each in (
            *(look(f"old_{n}", seen, progress) for seen, progress in at),
            look(f"old_{n}", 50 + pause, 100, "COMPLETED"),
        )
    ]


@pytest.mark.parametrize(
    ("stood", "count", "stuck"),
    [(10, 99, False), (11, 99, True), (11, 98, None)],
)
def test_standing_still_for_longer_than_others_ever_do_is_stuck(stood, count, stuck):
    """Each past life stands still for 10 s at 40 %, which is the mean of that tenth too."""
    found = estimate(lives(count), now((5, 20), (20, 40), (20 + stood, 40)))
    assert (None if pd.isna(found["stuck"]) else bool(found["stuck"])) == stuck
    assert found["time_source"].endswith(", standstill") == (count == 99)


def test_no_range_by_progress_while_it_stands_still():
    found = estimate(lives(99), now((5, 20), (20, 40), (80, 40)))
    assert found["stuck"]
    assert pd.isna(found["eta"])


def test_stalls_are_measured_against_their_tenth_of_progress():
    observations = frame(lives(3, pause=30))
    looks = read_looks(observations, START + pd.Timedelta(1, "D"))
    stood = stalls(looks)
    assert stood.seconds[:6].tolist() == [0, 0, 0, 30, 0, 0]
    assert stood.figures[:6].tolist() == [1, 2, 3, 3, 4, 5]
    found = standstill(longest_stalls(stood, 3))
    assert found.usual[[0, 4]].tolist() == [1, 30]
    assert np.isnan(found.usual[1])
    assert np.isnan(found.limit)


def test_an_archive_is_asked_as_it_is(tmp_path):
    archive = VideoArchive(tmp_path)
    looks = now((30, 25), (60, 50))
    for each in (past(20), looks[:1], looks[1:]):
        archive.append(frame(each))
    running = archive.videos()
    (found,) = estimate_completion(
        running, history=running.head(0), observations=archive.observations()
    ).to_dict("records")
    assert seconds(pd.Series(found), "eta") == [150]


@pytest.mark.parametrize("looks", [[], [look("x", 60, None, "FAILED")]])
def test_no_observations_change_nothing(looks):
    running = frame(now((60, 50)))
    history = frame([look(f"h{n}", 10 * n, 100, "COMPLETED") for n in range(1, 21)])
    plain = estimate_completion(running, history=history)
    found = estimate_completion(running, history=history, observations=frame(looks))
    pd.testing.assert_frame_equal(found, plain)
    nobody = estimate_completion(running.head(0), history=history, observations=frame(looks))
    pd.testing.assert_series_equal(nobody.dtypes, found.dtypes)


def test_a_look_without_a_time_is_passed_over():
    running = frame(now((60, 50))).assign(fetched_at=lambda each: each["fetched_at"].shift())
    found = estimate_completion(running, observations=frame(past(20)))
    assert found["time_source"].tolist() == ["no usable time"]
    timeless = frame(past(20)).assign(observed_at=lambda each: each["observed_at"].shift(99))
    found = estimate_completion(frame(now((60, 50))), observations=timeless)
    assert found["time_source"].str.startswith("too few").all()


def test_columns_that_are_missing_are_named():
    running, observations = frame(now((60, 50))), frame(past(1))
    with pytest.raises(ValueError, match="needs the column 'observed_at'"):
        estimate_completion(running, observations=observations.drop(columns="observed_at"))
    with pytest.raises(ValueError, match="needs the column 'progress'"):
        estimate_completion(running.drop(columns="progress"), observations=observations)


observed = frame([*lives(12), *past(12, kind="scenes"), *now((5, 20), (20, 40), (25, 45))])


@settings(max_examples=8)
@given(st.randoms())
def test_neither_the_order_of_looks_nor_one_given_twice_changes_anything(random):
    running = observed.tail(1)
    mixed = observed.iloc[random.choices(range(len(observed)), k=40)]
    mixed = pd.concat([mixed, observed.sample(frac=1, random_state=random.randint(0, 999))])
    pd.testing.assert_frame_equal(
        estimate_completion(running, history=observed, observations=mixed),
        estimate_completion(running, history=observed, observations=observed),
    )
