"""Which videos there are: a history with a rhythm, and renders under way."""

from __future__ import annotations

from datetime import UTC, datetime

from hooked_analytics import Sandbox
from hooked_analytics.sandbox.seed_data import other_team_videos, own_videos

START = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


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
