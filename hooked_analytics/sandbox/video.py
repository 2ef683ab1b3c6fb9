"""One video of the sandbox, and what the API says about it at a given moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hooked_analytics.sandbox.signed_files import SignedLinks

FRAMES_PER_SECOND = 25
# Real progress bars rush through the cheap first steps and crawl at the end.
PROGRESS_POWER = 0.6
# invented, so that longer videos have larger files [B]
FIXED_BYTES = 56_240
FRAME_BYTES = 14

LIST_FIELDS = (
    "id", "name", "status", "url", "durationInFrames", "projectId", "thumbnail", "size",
    "progress", "message", "createdAt", "updatedAt",
)  # fmt: skip

# from this progress on [%], message of a video that is rendering
STAGES = (
    (0, "Video is queued for rendering"),
    (5, "Preparing the script"),
    (20, "Generating the voice-over"),
    (45, "Rendering scenes"),
    (80, "Adding captions and music"),
    (95, "Uploading the video"),
)


@dataclass(frozen=True, slots=True)
class Video:
    """
    What is fixed about a video the moment it is created, its end included.

    Times are Unix times [s]. *planned_seconds* is what progress is measured by; it is longer than
    *render_seconds* where the render fails. *fields* is laid over the body of the details.
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
    metadata: Mapping[str, object] | None = None

    @property
    def ended_at(self) -> float:
        """When the render ends, Unix time [s]."""
        return self.created_at + self.render_seconds

    @property
    def duration_seconds(self) -> float:
        """Length of the finished video [s]."""
        return self.duration_frames / FRAMES_PER_SECOND

    @property
    def size_bytes(self) -> int:
        """Size of the finished video's file [B]."""
        return FIXED_BYTES + FRAME_BYTES * max(1, self.duration_frames)


class State(NamedTuple):
    """What changes while a video renders."""

    status: str
    progress: int
    message: str
    updated_at: float


def state_at(video: Video, now: float) -> State:
    """
    State of a video, a pure function of the clock.

    `updated_at` is the end of the render, or the last step of progress while it goes on.
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


def details(video: Video, now: float, links: SignedLinks) -> dict[str, object]:
    """
    Body of the details endpoint: the page's fields and those of its OpenAPI block.

    `url` and `size` are there only once the video is COMPLETED: the OpenAPI block does not let
    them be null.
    """
    state = state_at(video, now)
    body: dict[str, object] = {
        "id": video.id,
        "name": video.name,
        "type": video.type,
        "status": state.status,
        "thumbnail": None,
        "progress": state.progress,
        "message": state.message,
        "durationInFrames": video.duration_frames,
        "durationInSeconds": _number(video.duration_seconds),
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
        "usedCredits": _number(video.used_credits) if state.status != "STARTED" else None,
        "webhook": video.webhook,
    }
    if state.status == "COMPLETED":
        body["url"] = links.download(video.id, now)
        body["thumbnail"] = links.thumbnail(video.id)
        body["size"] = video.size_bytes
    return {**body, **video.fields}


def list_item(video: Video, now: float, links: SignedLinks) -> dict[str, object]:
    """One entry of the list endpoint: always the same twelve fields, fewer than the details."""
    known = details(video, now, links)
    return {name: known.get(name) for name in LIST_FIELDS}


def iso_time(unix_seconds: float, *, milliseconds: bool = False) -> str:
    """
    Time as the API writes it.

    >>> iso_time(0), iso_time(0.25, milliseconds=True)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:00.250Z')
    """
    moment = datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds") + "Z"


def _number(value: float | None) -> float | int | None:
    # JSON from JavaScript has no 5.0: whole numbers come without a point.
    return int(value) if value is not None and value == int(value) else value
