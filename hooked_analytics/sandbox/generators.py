"""How one video is drawn from the tables of constants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from hooked_analytics.sandbox import constants
from hooked_analytics.sandbox.video import Video

__all__ = [
    "credits_of",
    "draw_video",
    "failing",
    "new_video",
    "rounded",
    "sample_video",
    "seeded",
]

TEAM_ID = "team_sandbox"
ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def seeded(seed: int, purpose: str) -> Random:
    """
    Make a source of chances that is the same in every run.

    Parameters
    ----------
    purpose : different words give independent sources

    Examples
    --------
    >>> seeded(0, "faults").random() == seeded(0, "faults").random()
    True
    """
    return Random(f"{seed}/{purpose}")  # noqa: S311 - plausible videos, not secrets


def sample_video() -> Video:
    """
    Record of the API page's own sample reply.

    Returns
    -------
    the page's values, with a team

    Examples
    --------
    >>> sample_video().id, sample_video().used_credits
    ('vid_abc123', 5)
    """
    return Video(
        id="vid_abc123",
        name="Product Tutorial",
        type="class",
        created_at=datetime(2024, 1, 15, 10, tzinfo=UTC).timestamp(),
        render_seconds=300,
        planned_seconds=300,
        failure=None,
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
        webhook=None,
        milliseconds=False,
    )


def draw_video(
    random: Random, type_name: str, created_at: float, *, succeeds: bool | None = None
) -> Video:
    """
    Draw a video of one type from the tables of constants.

    Parameters
    ----------
    random : where all its chances come from
    type_name : the API's word for the type, known or not
    created_at : Unix time [s]
    succeeds : fixed beforehand, or None to draw it too

    Returns
    -------
    a video of the sandbox's own team

    Examples
    --------
    >>> video = draw_video(Random(1), "hook_demo", 0.0)
    >>> video.render_seconds, video.failure, video.used_credits
    (0.0, None, 1)
    """
    kind = constants.facts_of(type_name)
    code = "".join(random.choices(ID_LETTERS, k=12))
    milliseconds = random.random() < constants.MILLISECONDS_SHARE
    duration = random.uniform(kind.shortest_seconds, kind.longest_seconds)
    frames = round(duration * constants.FRAMES_PER_SECOND)
    planned = _lognormal(random, kind.median_seconds, kind.sigma)
    product, benefit = random.choice(constants.PRODUCTS)
    clip, opener, closer = random.choice(constants.OPENERS)
    video = Video(
        id=f"vid_{code}",
        name=f"{product} {clip} {random.randint(1, 40)}",
        type=type_name,
        created_at=rounded(created_at, milliseconds),
        render_seconds=rounded(planned, milliseconds),
        planned_seconds=rounded(planned, milliseconds),
        failure=None,
        duration_frames=frames,
        used_credits=credits_of(type_name, frames),
        avatar_id=random.choice(constants.AVATARS) if kind.has_avatar else None,
        voice_id=random.choice(constants.VOICES),
        music_id=str(random.randint(1, 12)) if random.random() < 0.8 else None,
        aspect_ratio=_weighted(random, constants.ASPECT_RATIOS),
        caption_disabled=random.random() < 0.15,
        caption_preset=random.choice(constants.CAPTION_PRESETS),
        script=f"{opener} {product} {benefit}. {closer}",
        project_id=f"proj_{code}" if random.random() >= constants.WITHOUT_PROJECT_SHARE else None,
        team_id=TEAM_ID,
        webhook=None,
        milliseconds=milliseconds,
    )
    fails = random.random() < kind.failure_rate if succeeds is None else not succeeds
    if fails:
        video = failing(video, random)
    if random.random() < constants.UNKNOWN_CREDITS_SHARE:
        video = replace(video, used_credits=None)
    return video


def failing(video: Video, random: Random, *, reason: str | None = None) -> Video:
    """
    Turn a video into one that fails before its planned end.

    Parameters
    ----------
    reason : the message it ends with; drawn where missing

    Returns
    -------
    a new record, which may still cost credits

    Examples
    --------
    >>> failing(sample_video(), Random(1), reason="Out of film").failure
    'Out of film'
    """
    message, _, charged = random.choices(
        constants.FAILURES, [row[1] for row in constants.FAILURES]
    )[0]
    credits_drawn = math.ceil(2 * charged * (video.used_credits or 0)) / 2
    stopped = rounded(video.planned_seconds * random.uniform(0.15, 0.95), video.milliseconds)
    return replace(
        video,
        failure=message if reason is None else reason,
        render_seconds=stopped,
        used_credits=credits_drawn if reason is None else 0,
    )


def new_video(
    random: Random,
    type_name: str,
    created_at: float,
    *,
    duration_seconds: float | None = None,
    render_seconds: float | None = None,
    fails: bool | str | None = None,
    used_credits: float | None = None,
    **values: object,
) -> Video:
    """
    Draw a video and replace what the caller wants otherwise.

    Parameters
    ----------
    random : where its chances come from
    type_name : the API's word for the type, known or not
    created_at : Unix time [s]
    duration_seconds : length of the video [s]
    render_seconds : from creation to the end, good or bad [s]
    fails : a text is the reason; None leaves it to chance
    used_credits : what it draws [credits]
    values : other fields of `Video`; None leaves a field as drawn

    Returns
    -------
    a video of the sandbox's own team

    Examples
    --------
    >>> video = new_video(Random(1), "class", 0.0, render_seconds=20, fails="Out of film")
    >>> video.ended_at, video.failure
    (20.0, 'Out of film')
    """
    video = draw_video(random, type_name, created_at, succeeds=True)
    # Times given by hand are meant exactly.
    video = replace(video, milliseconds=True, created_at=rounded(created_at, True))
    if duration_seconds is not None:
        frames = round(duration_seconds * constants.FRAMES_PER_SECOND)
        drawn = credits_of(type_name, frames)
        video = replace(video, duration_frames=frames, used_credits=drawn)
    if fails is None:
        fails = random.random() < constants.facts_of(type_name).failure_rate
    if fails:
        video = failing(video, random, reason=fails if isinstance(fails, str) else None)
    if render_seconds is not None:
        stretch = render_seconds / video.render_seconds if video.render_seconds else 1.0
        planned = video.planned_seconds * stretch or render_seconds
        video = replace(video, render_seconds=render_seconds, planned_seconds=planned)
    if used_credits is not None:
        video = replace(video, used_credits=used_credits)
    given = {name: value for name, value in values.items() if value is not None}
    return replace(video, **given)  # type: ignore[arg-type]


def _weighted(random: Random, table: Sequence[tuple[str, float]]) -> str:
    return random.choices([row[0] for row in table], [row[1] for row in table])[0]


def credits_of(type_name: str, frames: int) -> float:
    """
    Credits that a finished video of this type and length draws.

    Examples
    --------
    >>> credits_of("class", 7500)
    5
    """
    return constants.facts_of(type_name).credits(frames / constants.FRAMES_PER_SECOND)


def _lognormal(random: Random, median: float, sigma: float) -> float:
    return random.lognormvariate(math.log(median), sigma) if median > 0 else 0.0


def rounded(seconds: float, milliseconds: bool) -> float:
    """
    Cut a time down to what the API writes.

    Examples
    --------
    >>> rounded(1.23456, milliseconds=True), rounded(1.23456, milliseconds=False)
    (1.234, 1.0)
    """
    # What the API writes must be what the sandbox means, so nothing finer is kept.
    return math.floor(seconds * 1000) / 1000 if milliseconds else float(math.floor(seconds))
