"""
The videos that the sandbox starts with, and how a new one is drawn.

Every number and text here is invented to look plausible; none of it describes the real service.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter
from random import Random
from typing import NamedTuple

from hooked_analytics.sandbox.video import FRAMES_PER_SECOND, Video

TEAM_ID, OTHER_TEAM_ID = "team_sandbox", "team_elsewhere"
ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
DAY_SECONDS = 86_400
HISTORY_DAYS = 120
DAILY_GROWTH = 0.01
LIVE_SHARE = 0.04
MIN_LIVE_SECONDS = 60.0
RETRY_SHARE = 0.6
RETRY_ROOM_SECONDS = 7_200  # so that a retry is over in time for the start
UNKNOWN_CREDITS_SHARE = 0.01
WITHOUT_PROJECT_SHARE = 0.1
MILLISECONDS_SHARE = 0.6


class VideoType(NamedTuple):
    """How videos of one type behave: shares of all videos, render time, length, price."""

    name: str
    share_then: float  # 120 days ago
    share_now: float
    median_seconds: float  # of the render time, which is lognormal
    sigma: float
    failure_rate: float
    min_seconds: float  # of the finished video
    max_seconds: float
    credits_base: float
    credits_per_minute: float
    has_avatar: bool


TYPES = (
    VideoType("class", 0.14, 0.08, 240, 0.35, 0.03, 60, 360, 0, 1, True),
    VideoType("ugc_ads", 0.16, 0.26, 210, 0.45, 0.06, 15, 60, 3, 4, True),
    VideoType("ugc_video", 0.14, 0.18, 150, 0.40, 0.05, 15, 90, 2, 4, True),
    VideoType("script_to_video", 0.14, 0.12, 170, 0.40, 0.05, 20, 120, 2, 2, False),
    VideoType("prompt_to_video", 0.08, 0.08, 200, 0.50, 0.08, 20, 90, 3, 2, False),
    VideoType("hook_demo", 0.08, 0.08, 0, 0.00, 0.00, 5, 20, 1, 0, True),
    VideoType("product_ads", 0.08, 0.08, 220, 0.50, 0.07, 15, 60, 4, 3, True),
    VideoType("scenes", 0.04, 0.04, 320, 0.45, 0.09, 10, 60, 4, 8, True),
    VideoType("add_captions", 0.06, 0.04, 60, 0.35, 0.02, 10, 120, 0, 0.5, False),
    VideoType("extend_video", 0.02, 0.01, 180, 0.50, 0.10, 4, 60, 0, 20, False),
    VideoType("remove_background", 0.03, 0.01, 90, 0.40, 0.04, 10, 60, 1, 1, False),
    VideoType("tiktok_slideshow", 0.03, 0.02, 45, 0.30, 0.02, 6, 60, 1, 0, False),
)

# message of a failed video, how often, part of the credits charged all the same
FAILURES = (
    ("Unsupported characters in the script", 0.30, 0.0),
    ("Voice model is currently unavailable", 0.25, 0.0),
    ("Audio processing failed", 0.20, 1.0),
    ("Avatar lip sync did not converge", 0.15, 1.0),
    ("Source media could not be read", 0.10, 0.5),
)

WEEKDAY_WEIGHTS = (1.00, 1.10, 1.15, 1.10, 0.95, 0.35, 0.30)  # Monday first
HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 13, 16, 19, 18, 16, 13, 9, 7, 5, 4, 3, 2)

# id, name, gender, age, type
AVATARS = (
    ("avatar_sarah_01", "Sarah", "female", "young", "library"),
    ("avatar_marco_02", "Marco", "male", "adult", "library"),
    ("avatar_aiko_03", "Aiko", "female", "adult", "library"),
    ("avatar_lena_04", "Lena", "female", "senior", "custom"),
)
# id, name, language, accent, style
VOICES = (
    ("tzX5paJ07p5hyWFcU3uG", "Confident Kate", "English", "American", "confident"),
    ("b7QmKd02LrXoVn5sTyEw", "Warm Jonas", "German", "Neutral", "warm"),
    ("Zp4hNc81GuJaRf6iWqOx", "Lively Inés", "Spanish", "Castilian", "lively"),
)
MOODS = ("upbeat", "calm", "dramatic", "playful")
MUSIC_TRACKS = 12
ASPECT_RATIOS = {"ratio_9_16": 0.80, "ratio_16_9": 0.12, "ratio_1_1": 0.08}
CAPTION_PRESETS = ("default", "beast", "tiktok", "classic", "bubble", "neon", "vivid")

# product, what it does
PRODUCTS = (
    ("Brightcup", "keeps your coffee hot until the last sip"),
    ("Mossy", "tells you when your plants are thirsty"),
    ("Fernway", "packs a week of clothes into one small bag"),
    ("Pocketlab", "turns homework into a ten-minute game"),
    ("Solana Skin", "calms dry skin overnight"),
    ("Tidalist", "plans your week before Monday does"),
    ("Crumb & Co", "bakes sourdough you can slice on the bus"),
    ("Hushbox", "makes any room quiet enough to record in"),
)

# kind of clip (for the name), opening line, closing line
OPENERS = (
    ("teaser", "Stop scrolling for five seconds.", "Tap to try it today."),
    ("customer story", "I did not believe it either.", "Read the other reviews below."),
    ("how-to", "Here is the trick nobody tells you.", "Save this for later."),
    ("launch", "It is finally here.", "The first hundred orders ship free."),
    ("comparison", "I tested five so you do not have to.", "The link is in the bio."),
    ("weekend offer", "This one ends on Sunday.", "Use the code HELLO at checkout."),
)

# the API page's own sample, with a team
SAMPLE_VIDEO = Video(
    id="vid_abc123",
    name="Product Tutorial",
    type="class",
    created_at=datetime(2024, 1, 15, 10, tzinfo=UTC).timestamp(),
    render_seconds=300,
    planned_seconds=300,
    duration_frames=7500,
    used_credits=5,
    avatar_id="avatar_sarah_01",
    voice_id="tzX5paJ07p5hyWFcU3uG",
    music_id="1",
    aspect_ratio="ratio_9_16",
    caption_disabled=False,
    caption_preset="classic",
    script="Hello! Welcome to this tutorial...",
    project_id="proj_abc123",
    team_id=TEAM_ID,
    milliseconds=False,
)


def seeded(seed: int, purpose: str) -> Random:
    """Source of chances that is the same in every run, and another for every purpose."""
    return Random(f"{seed}/{purpose}")  # noqa: S311 - plausible videos, not secrets


def own_videos(count: int, seed: int, started_at: float) -> list[Video]:
    """Draw the team's videos, oldest first; the last few still render at *started_at*."""
    live = max(5, round(count * LIVE_SHARE)) if count >= 20 else (count - 1) // 4
    history, random = _history(seeded(seed, "history"), started_at), seeded(seed, "live")
    past = [next(history) for _ in range(count - 1 - live)]
    rendering = [_live_video(random, started_at) for _ in range(live)]
    return sorted([SAMPLE_VIDEO, *past, *rendering], key=attrgetter("created_at"))


def other_team_videos(count: int, seed: int, started_at: float) -> list[Video]:
    """Draw finished videos of another team, which the API must refuse to show."""
    history = _history(seeded(seed, "foreign"), started_at)
    videos = [replace(next(history), team_id=OTHER_TEAM_ID) for _ in range(count)]
    return sorted(videos, key=attrgetter("created_at"))


def new_video(
    random: Random,
    type_name: str,
    created_at: float,
    *,
    duration_seconds: float | None = None,
    render_seconds: float | None = None,
    fails: bool | str | None = None,
    **values: object,
) -> Video:
    """Draw a video and replace what the caller sets; None leaves a field as drawn."""
    video = _draw_video(random, type_name, created_at, succeeds=True)
    # Times given by hand are meant exactly, and what is created has a project.
    moment, project_id = _rounded(created_at, True), f"proj_{video.id.removeprefix('vid_')}"
    video = replace(video, milliseconds=True, created_at=moment, project_id=project_id)
    if duration_seconds is not None:
        frames = round(duration_seconds * FRAMES_PER_SECOND)
        video = replace(video, duration_frames=frames, used_credits=_credits(type_name, frames))
    if fails is None:
        fails = random.random() < _type_named(type_name).failure_rate
    if fails:
        video = _failing(video, random, reason=fails if isinstance(fails, str) else None)
    if render_seconds is not None:
        stretch = render_seconds / video.render_seconds if video.render_seconds else 1.0
        planned = video.planned_seconds * stretch or render_seconds
        video = replace(video, render_seconds=render_seconds, planned_seconds=planned)
    given = {name: value for name, value in values.items() if value is not None}
    return replace(video, **given)  # type: ignore[arg-type]


def _draw_video(
    random: Random, type_name: str, created_at: float, *, succeeds: bool = False
) -> Video:
    kind = _type_named(type_name)
    code = "".join(random.choices(ID_LETTERS, k=12))
    milliseconds = random.random() < MILLISECONDS_SHARE
    frames = round(random.uniform(kind.min_seconds, kind.max_seconds) * FRAMES_PER_SECOND)
    median = kind.median_seconds
    seconds = random.lognormvariate(math.log(median), kind.sigma) if median > 0 else 0.0
    planned = _rounded(seconds, milliseconds)
    product, benefit = random.choice(PRODUCTS)
    clip, opener, closer = random.choice(OPENERS)
    video = Video(
        id=f"vid_{code}",
        name=f"{product} {clip} {random.randint(1, 40)}",
        type=type_name,
        created_at=_rounded(created_at, milliseconds),
        render_seconds=planned,
        planned_seconds=planned,
        duration_frames=frames,
        used_credits=_credits(type_name, frames),
        avatar_id=random.choice(AVATARS)[0] if kind.has_avatar else None,
        voice_id=random.choice(VOICES)[0],
        music_id=str(random.randint(1, MUSIC_TRACKS)) if random.random() < 0.8 else None,
        aspect_ratio=random.choices(list(ASPECT_RATIOS), list(ASPECT_RATIOS.values()))[0],
        caption_disabled=random.random() < 0.15,
        caption_preset=random.choice(CAPTION_PRESETS),
        script=f"{opener} {product} {benefit}. {closer}",
        project_id=f"proj_{code}" if random.random() >= WITHOUT_PROJECT_SHARE else None,
        team_id=TEAM_ID,
        milliseconds=milliseconds,
    )
    if not succeeds and random.random() < kind.failure_rate:
        video = _failing(video, random)
    unknown = random.random() < UNKNOWN_CREDITS_SHARE
    return replace(video, used_credits=None) if unknown else video


def _failing(video: Video, random: Random, *, reason: str | None = None) -> Video:
    """Let a video fail before its planned end; it may still cost credits."""
    message, _, charged = random.choices(FAILURES, [row[1] for row in FAILURES])[0]
    stopped = _rounded(video.planned_seconds * random.uniform(0.15, 0.95), video.milliseconds)
    return replace(
        video,
        failure=reason or message,
        render_seconds=stopped,
        used_credits=0 if reason else math.ceil(2 * charged * (video.used_credits or 0)) / 2,
    )


def _history(random: Random, started_at: float) -> Iterator[Video]:
    midnight = started_at - started_at % DAY_SECONDS
    ages = range(HISTORY_DAYS)
    weekdays = (datetime.fromtimestamp(midnight - age * DAY_SECONDS, UTC).weekday() for age in ages)
    day_weights = [WEEKDAY_WEIGHTS[d] / (1 + DAILY_GROWTH) ** age for age, d in enumerate(weekdays)]
    while True:
        age = random.choices(ages, day_weights)[0]
        hour = random.choices(range(24), HOUR_WEIGHTS)[0]
        moment = midnight - age * DAY_SECONDS + hour * 3600 + random.uniform(0, 3600)
        then = age / HISTORY_DAYS
        shares = [row.share_then * then + row.share_now * (1 - then) for row in TYPES]
        video = _draw_video(random, random.choices(TYPES, shares)[0].name, moment)
        if video.ended_at > started_at - RETRY_ROOM_SECONDS:
            continue
        yield video
        if video.failure is None or random.random() >= RETRY_SHARE:
            continue
        moment = video.ended_at + random.uniform(90, 900)
        yield replace(
            _draw_video(random, video.type, moment, succeeds=True),
            name=video.name,
            script=video.script,
            avatar_id=video.avatar_id,
            duration_frames=video.duration_frames,
            used_credits=_credits(video.type, video.duration_frames),
        )


def _live_video(random: Random, started_at: float) -> Video:
    slow = [row for row in TYPES if row.median_seconds > MIN_LIVE_SECONDS]
    kind = random.choices(slow, [row.share_now for row in slow])[0]
    while (video := _draw_video(random, kind.name, started_at)).render_seconds < MIN_LIVE_SECONDS:
        pass
    passed = random.uniform(0.02, 0.85) * video.render_seconds
    return replace(video, created_at=_rounded(started_at - passed, video.milliseconds))


def _type_named(name: str) -> VideoType:
    """Row of a type; an unknown type behaves like a talking avatar."""
    known = {row.name: row for row in TYPES}
    return known.get(name) or known["ugc_video"]._replace(name=name)


def _credits(type_name: str, frames: int) -> float:
    """Credits of a finished video, a multiple of a half."""
    row = _type_named(type_name)
    raw = row.credits_base + row.credits_per_minute * frames / FRAMES_PER_SECOND / 60
    return max(1, math.ceil(2 * raw - 1e-9)) / 2


def _rounded(seconds: float, milliseconds: bool) -> float:
    # What the API writes must be what the sandbox means, so nothing finer is kept.
    return math.floor(seconds * 1000) / 1000 if milliseconds else float(math.floor(seconds))
