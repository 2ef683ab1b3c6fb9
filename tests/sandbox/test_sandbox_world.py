"""Which videos there are: a history with a rhythm, and renders under way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from hooked_analytics.sandbox import Sandbox, constants
from hooked_analytics.sandbox.seed_data import other_team_videos, own_videos
from hooked_analytics.sandbox.video import state_at

START = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
DAY = 86_400


@pytest.fixture(scope="module")
def many():
    return own_videos(3000, 0, START)


def test_the_same_seed_and_start_give_the_same_videos():
    assert own_videos(50, 3, START) == own_videos(50, 3, START)
    assert own_videos(50, 3, START) != own_videos(50, 4, START)


def test_every_id_is_there_once_and_the_newest_is_last(many):
    assert len({video.id for video in many}) == 3000
    ages = [video.created_at for video in many]
    assert ages == sorted(ages)
    assert many[0].id == "vid_abc123"


@pytest.mark.parametrize(
    ("count", "rendering"), [(1, 0), (2, 0), (5, 1), (20, 5), (200, 8), (1000, 40)]
)
def test_a_few_are_rendering_at_the_start(count, rendering):
    videos = own_videos(count, 0, START)
    assert len(videos) == count
    states = Counter(state_at(video, START).status for video in videos)
    assert states["STARTED"] == rendering
    assert all(video.created_at < START for video in videos)


def test_history_reaches_120_days_back(many):
    ages = [(START - video.created_at) / DAY for video in many[1:]]
    assert 115 < max(ages) < 121


def test_weekends_are_weaker(many):
    days = Counter(datetime.fromtimestamp(video.created_at, UTC).weekday() for video in many)
    assert days[5] + days[6] < 0.5 * (days[1] + days[2])


def test_it_grows_by_about_one_per_cent_a_day(many):
    ages = [(START - video.created_at) / DAY for video in many[1:-120]]
    early, late = (sum(low <= age < low + 28 for age in ages) for low in (84, 0))
    assert 1.7 < late / early < 3.2  # 1.01 ** 84 is 2.3


def test_the_mix_shifts(many):
    early, late = many[1:800], many[-800:]
    ads = [sum(video.type == "ugc_ads" for video in part) / 800 for part in (early, late)]
    assert ads[0] + 0.03 < ads[1]


def test_all_types_occur(many):
    assert {video.type for video in many} == {row.name for row in constants.TYPES}
    assert len(constants.TYPES) == 12


def test_shares_add_up_to_one():
    assert sum(row.share_then for row in constants.TYPES) == pytest.approx(1)
    assert sum(row.share_now for row in constants.TYPES) == pytest.approx(1)
    assert sum(row[1] for row in constants.FAILURES) == pytest.approx(1)
    assert sum(row[1] for row in constants.ASPECT_RATIOS) == pytest.approx(1)


def test_about_one_per_cent_has_no_credits(many):
    unknown = sum(video.used_credits is None for video in many) / 3000
    assert 0.003 < unknown < 0.02


def test_some_failures_cost_credits(many):
    costs = {video.used_credits for video in many if video.failure is not None}
    assert 0 in costs
    assert any(cost is not None and cost > 0 for cost in costs)


def is_retry(video, failed):
    same = ("type", "script", "avatar_id", "name", "duration_frames")
    return video.failure is None and all(
        getattr(video, key) == getattr(failed, key) for key in same
    )


def test_failures_are_retried_with_success(many):
    failed = [video for video in many if video.failure is not None]
    retries = [next((v for v in many if is_retry(v, old)), None) for old in failed]
    waits = [
        new.created_at - old.ended_at
        for old, new in zip(failed, retries, strict=True)
        if new is not None
    ]
    assert 0.5 < len(waits) / len(failed) < 0.7
    assert 80 < min(waits) < max(waits) < 910


def test_times_come_with_and_without_milliseconds(many):
    assert 0.5 < sum(video.milliseconds for video in many) / 3000 < 0.7


def test_another_team_has_its_own_videos():
    own = {video.id for video in own_videos(200, 0, START)}
    foreign = other_team_videos(5, 0, START)
    assert len(foreign) == 5
    assert own.isdisjoint(video.id for video in foreign)
    assert all(video.ended_at < START for video in foreign)


def test_settings_that_cannot_be():
    for settings, message in (
        ({"videos": 0}, "the sample is one"),
        ({"time_scale": -1}, "time_scale"),
        ({"api_key": ""}, "api_key"),
        ({"drip_seconds": 0}, "drip_seconds"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"burst": 5}, "burst needs"),
        ({"faults": {"fire": 0.1}}, r"unknown faults \['fire'\]"),
        ({"faults": {"drop": 1.1}}, "between 0 and 1"),
        ({"faults": {"drop": 0.6, "drip": 0.6}}, "not be above 1"),
        ({"started_at": datetime(2026, 3, 2)}, "time zone"),  # noqa: DTZ001
    ):
        with pytest.raises(ValueError, match=message):
            Sandbox(**settings)


def test_now_starts_where_it_is_told():
    start = datetime(2026, 3, 2, tzinfo=UTC)
    sandbox = Sandbox(videos=1, started_at=start)
    sandbox.advance(90)
    assert sandbox.now() - start == timedelta(seconds=90)
    with pytest.raises(ValueError, match="only goes ahead"):
        sandbox.advance(-1)
