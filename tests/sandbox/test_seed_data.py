"""Which videos there are: a history with a rhythm, and renders under way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from hooked_analytics import Sandbox
from hooked_analytics.sandbox import seed_data
from hooked_analytics.sandbox.seed_data import other_team_videos, own_videos

START = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
DAY = 86_400


@pytest.fixture(scope="module")
def many():
    return own_videos(3000, 0, START)


def test_the_same_seed_and_start_give_the_same_videos():
    assert own_videos(50, 3, START) == own_videos(50, 3, START)
    assert own_videos(50, 3, START) != own_videos(50, 4, START)
    others = other_team_videos(5, 3, START)
    assert {video.id for video in own_videos(50, 3, START)}.isdisjoint(v.id for v in others)
    assert [video.ended_at < START for video in others] == [True] * 5
    assert Sandbox(videos=1).video_ids == ["vid_abc123"]


def test_a_few_are_rendering_at_the_start():
    for count, rendering in ((1, 0), (2, 0), (5, 1), (20, 5), (200, 8), (1000, 40)):
        videos = own_videos(count, 0, START)
        assert len({video.id for video in videos}) == count
        assert sum(video.ended_at > START for video in videos) == rendering
        assert all(video.created_at < START for video in videos)


def test_history_has_a_rhythm(many):
    assert many == sorted(many, key=lambda video: video.created_at)
    ages = [(START - video.created_at) / DAY for video in many[1:]]
    assert 115 < max(ages) < 121
    days = Counter(datetime.fromtimestamp(video.created_at, UTC).weekday() for video in many)
    assert days[5] + days[6] < 0.5 * (days[1] + days[2])
    early, late = (sum(low <= age < low + 28 for age in ages[:-120]) for low in (84, 0))
    assert 1.5 < late / early < 3.2  # 1.01 ** 84 is 2.3
    ads = [sum(v.type == "ugc_ads" for v in part) / 800 for part in (many[1:800], many[-800:])]
    assert ads[0] + 0.03 < ads[1]


def test_shares(many):
    assert {video.type for video in many} == {row.name for row in seed_data.TYPES}
    assert len(seed_data.TYPES) == 12
    assert 0.003 < sum(video.used_credits is None for video in many) / 3000 < 0.02
    assert 0.5 < sum(video.milliseconds for video in many) / 3000 < 0.7
    costs = {video.used_credits for video in many if video.failure is not None}
    assert 0 in costs
    assert any(cost is not None and cost > 0 for cost in costs)


def test_failures_are_retried_with_success(many):
    def same(video):
        keys = ("type", "script", "avatar_id", "name", "duration_frames")
        return [getattr(video, key) for key in keys]

    failed = [video for video in many if video.failure is not None]
    good = [video for video in many if video.failure is None]
    retries = [(old, new) for old in failed for new in good if same(new) == same(old)]
    waits = [new.created_at - old.ended_at for old, new in retries]
    assert 0.5 < len(waits) / len(failed) < 0.7
    assert 80 < min(waits) < max(waits) < 910
