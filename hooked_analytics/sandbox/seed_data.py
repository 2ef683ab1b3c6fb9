"""Which videos the sandbox holds when it starts: a history that is over, and a few renders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from hooked_analytics.sandbox import constants
from hooked_analytics.sandbox.generators import (
    credits_of,
    draw_video,
    rounded,
    sample_video,
    seeded,
)
from hooked_analytics.sandbox.video import Video

__all__ = ["other_team_videos", "own_videos"]

OTHER_TEAM_ID = "team_elsewhere"
DAY_SECONDS = 86_400
MARGIN_SECONDS = 60.0
ROOM_FOR_RETRY_SECONDS = 7_200
MIN_LIVE_SECONDS = 60.0


def own_videos(count: int, seed: int, started_at: float) -> list[Video]:
    """
    Draw the team's videos as they are when the sandbox starts.

    Parameters
    ----------
    count : how many, the API page's sample among them
    seed : the same seed and start give the same videos
    started_at : Unix time [s]

    Returns
    -------
    oldest first; the last few are still rendering at *started_at*

    Examples
    --------
    >>> videos = own_videos(200, 0, 1_750_000_000)
    >>> len(videos), videos[0].id
    (200, 'vid_abc123')
    >>> sum(video.ended_at > 1_750_000_000 for video in videos)
    8
    """
    live = max(5, round(count * constants.LIVE_SHARE)) if count >= 20 else (count - 1) // 4
    history = _history(seeded(seed, "history"), started_at)
    videos = [sample_video()]
    videos += [next(history) for _ in range(count - 1 - live)]
    random = seeded(seed, "live")
    videos += [_live_video(random, started_at) for _ in range(live)]
    return sorted(videos, key=lambda video: video.created_at)


def other_team_videos(count: int, seed: int, started_at: float) -> list[Video]:
    """
    Draw finished videos of another team, which the API must refuse to show.

    Parameters
    ----------
    count : how many
    seed : the same seed and start give the same videos
    started_at : Unix time [s]

    Returns
    -------
    oldest first

    Examples
    --------
    >>> [video.team_id for video in other_team_videos(2, 0, 1_750_000_000)]
    ['team_elsewhere', 'team_elsewhere']
    """
    history = _history(seeded(seed, "foreign"), started_at)
    videos = [replace(next(history), team_id=OTHER_TEAM_ID) for _ in range(count)]
    return sorted(videos, key=lambda video: video.created_at)


def _history(random: Random, started_at: float) -> Iterator[Video]:
    midnight = started_at - started_at % DAY_SECONDS
    ages = range(constants.HISTORY_DAYS)
    day_weights = [_day_weight(midnight - age * DAY_SECONDS, age) for age in ages]
    while True:
        age = random.choices(ages, day_weights)[0]
        hour = random.choices(range(24), constants.HOUR_WEIGHTS)[0]
        moment = midnight - age * DAY_SECONDS + hour * 3600 + random.uniform(0, 3600)
        video = draw_video(random, _draw_type(random, age), moment)
        if video.ended_at > started_at - ROOM_FOR_RETRY_SECONDS:
            continue
        yield video
        if video.failure is not None and random.random() < constants.RETRY_SHARE:
            yield _finished(_retry(random, video), started_at)


def _day_weight(day: float, age: int) -> float:
    weekday = datetime.fromtimestamp(day, UTC).weekday()
    return constants.WEEKDAY_WEIGHTS[weekday] / (1 + constants.DAILY_GROWTH) ** age


def _draw_type(random: Random, age: int) -> str:
    then = age / constants.HISTORY_DAYS
    weights = [row.share_then * then + row.share_now * (1 - then) for row in constants.TYPES]
    return random.choices(constants.TYPES, weights)[0].name


def _retry(random: Random, failed: Video) -> Video:
    moment = failed.ended_at + random.uniform(90, 900)
    again = draw_video(random, failed.type, moment, succeeds=True)
    return replace(
        again,
        name=failed.name,
        script=failed.script,
        avatar_id=failed.avatar_id,
        duration_frames=failed.duration_frames,
        used_credits=credits_of(failed.type, failed.duration_frames),
    )


def _finished(video: Video, started_at: float) -> Video:
    """Move a video back where it would not be over in time for the start."""
    latest = started_at - MARGIN_SECONDS - video.render_seconds
    if video.created_at <= latest:
        return video
    return replace(video, created_at=rounded(latest, video.milliseconds))


def _live_video(random: Random, started_at: float) -> Video:
    slow = [row for row in constants.TYPES if row.median_seconds > MIN_LIVE_SECONDS]
    kind = random.choices(slow, [row.share_now for row in slow])[0]
    while True:
        video = draw_video(random, kind.name, started_at)
        if video.render_seconds >= MIN_LIVE_SECONDS:
            break
    passed = random.uniform(0.02, 0.85) * video.render_seconds
    return replace(video, created_at=rounded(started_at - passed, video.milliseconds))
