"""One video of the sandbox, and how it looks at a given moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from hooked_analytics.sandbox.constants import FRAMES_PER_SECOND, STAGES
from hooked_analytics.sandbox.media import mp4_size

__all__ = ["State", "Video", "details", "iso_time", "list_item", "state_at"]

# Real progress bars rush through the cheap first steps and crawl at the end.
PROGRESS_POWER = 0.6


@dataclass(frozen=True, slots=True)
class Video:
    """
    What is fixed about a video the moment it is created, its end included.

    Parameters
    ----------
    created_at : Unix time [s]
    render_seconds : from creation to the end, good or bad [s]
    planned_seconds : what progress is measured by; longer than *render_seconds* where it fails [s]
    failure : the reason, or None where the render succeeds
    used_credits : once it has ended; None where the API does not say [credits]
    milliseconds : whether its times are written with milliseconds
    fields : laid over the answer of the details endpoint

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> sample_video().duration_frames
    7500
    """

    id: str
    name: str
    type: str
    created_at: float
    render_seconds: float
    planned_seconds: float
    failure: str | None
    duration_frames: int
    used_credits: float | None
    avatar_id: str | None
    voice_id: str | None
    music_id: str | None
    aspect_ratio: str
    caption_disabled: bool
    caption_preset: str
    script: str | None
    project_id: str | None
    team_id: str
    webhook: str | None
    milliseconds: bool
    fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def ended_at(self) -> float:
        """
        When the render ends, Unix time [s].

        Examples
        --------
        >>> from hooked_analytics.sandbox.generators import sample_video
        >>> iso_time(sample_video().ended_at)
        '2024-01-15T10:05:00Z'
        """
        return self.created_at + self.render_seconds


class State(NamedTuple):
    """
    What changes while a video renders.

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> video = sample_video()
    >>> state_at(video, video.created_at + 30)[:3]
    ('STARTED', 25, 'Generating the voice-over')
    """

    status: str
    progress: int
    message: str
    updated_at: float


def state_at(video: Video, now: float) -> State:
    """
    State of a video, a pure function of the clock.

    Parameters
    ----------
    now : Unix time [s]

    Returns
    -------
    `progress` in whole per cent; `updated_at` is the end of the render, or the moment of the
    last step of progress while it goes on

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> video = sample_video()
    >>> state_at(video, video.ended_at)[:3]
    ('COMPLETED', 100, 'Video completed successfully')
    """
    if now >= video.ended_at:
        if video.failure is None:
            return State("COMPLETED", 100, "Video completed successfully", video.ended_at)
        progress = _progress(video.render_seconds, video.planned_seconds)
        return State("FAILED", progress, video.failure, video.ended_at)
    elapsed = max(0.0, now - video.created_at)
    progress = _progress(elapsed, video.planned_seconds)
    stepped = video.planned_seconds * (progress / 100) ** (1 / PROGRESS_POWER)
    message = next(text for start, text in reversed(STAGES) if progress >= start)
    return State("STARTED", progress, message, video.created_at + min(stepped, elapsed))


def _progress(elapsed_seconds: float, planned_seconds: float) -> int:
    if planned_seconds <= 0:
        return 0
    return min(99, int(100 * (elapsed_seconds / planned_seconds) ** PROGRESS_POWER))


def details(
    video: Video, now: float, link: Callable[[str], str], thumbnail: Callable[[str], str]
) -> dict[str, object]:
    """
    Body of the details endpoint: the page's fields and those of its OpenAPI block.

    `url` and `size` are there only once the video is COMPLETED, since the OpenAPI block does
    not let them be null.

    Parameters
    ----------
    now : Unix time [s]
    link, thumbnail : video id -> address

    Returns
    -------
    the video object, without its envelope

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> video = sample_video()
    >>> body = details(video, video.ended_at, link=str, thumbnail=str)
    >>> body["status"], body["durationInSeconds"], body["usedCredits"], body["updatedAt"]
    ('COMPLETED', 300, 5, '2024-01-15T10:05:00Z')
    """
    state = state_at(video, now)
    ended = state.status != "STARTED"
    body: dict[str, object] = {
        "id": video.id,
        "name": video.name,
        "type": video.type,
        "status": state.status,
        "thumbnail": None,
        "progress": state.progress,
        "message": state.message,
        "durationInFrames": video.duration_frames,
        "durationInSeconds": _number(video.duration_frames / FRAMES_PER_SECOND),
        "avatarId": video.avatar_id,
        "voiceId": video.voice_id,
        "musicId": video.music_id,
        "videoSettings": {
            "aspectRatio": video.aspect_ratio,
            "caption": {"disabled": video.caption_disabled, "preset": video.caption_preset},
        },
        "script": video.script,
        "projectId": video.project_id,
        "teamId": video.team_id,
        "createdAt": iso_time(video.created_at, milliseconds=video.milliseconds),
        "updatedAt": iso_time(state.updated_at, milliseconds=video.milliseconds),
        "usedCredits": _number(video.used_credits) if ended else None,
        "webhook": video.webhook,
    }
    if state.status == "COMPLETED":
        body["url"] = link(video.id)
        body["thumbnail"] = thumbnail(video.id)
        body["size"] = mp4_size(video.duration_frames)
    body.update(video.fields)
    return body


def list_item(
    video: Video, now: float, link: Callable[[str], str], thumbnail: Callable[[str], str]
) -> dict[str, object]:
    """
    One entry of the list endpoint, which knows less than the details.

    Parameters
    ----------
    now : Unix time [s]
    link, thumbnail : video id -> address

    Returns
    -------
    always the same twelve fields, null where there is nothing yet

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> video = sample_video()
    >>> item = list_item(video, video.created_at, link=str, thumbnail=str)
    >>> item["status"], item["url"], "usedCredits" in item
    ('STARTED', None, False)
    """
    state = state_at(video, now)
    completed = state.status == "COMPLETED"
    return {
        "id": video.id,
        "name": video.name,
        "status": state.status,
        "url": link(video.id) if completed else None,
        "durationInFrames": video.duration_frames,
        "projectId": video.project_id,
        "thumbnail": thumbnail(video.id) if completed else None,
        "size": mp4_size(video.duration_frames) if completed else None,
        "progress": state.progress,
        "message": state.message,
        "createdAt": iso_time(video.created_at, milliseconds=video.milliseconds),
        "updatedAt": iso_time(state.updated_at, milliseconds=video.milliseconds),
    }


def iso_time(unix_seconds: float, *, milliseconds: bool = False) -> str:
    """
    Time as the API writes it.

    Parameters
    ----------
    unix_seconds : Unix time [s]
    milliseconds : whether to write them

    Returns
    -------
    ISO 8601 in UTC, ending in Z

    Examples
    --------
    >>> iso_time(0), iso_time(0.25, milliseconds=True)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:00.250Z')
    """
    moment = datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds") + "Z"


def _number(value: float | None) -> float | int | None:
    # JSON from JavaScript has no 5.0: whole numbers come without a point.
    return int(value) if value is not None and value == int(value) else value
