"""One video of the sandbox: what the API says of it at a moment, its signed link, its file."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

FRAMES_PER_SECOND = 25
# Real progress bars rush through the cheap first steps and crawl at the end.
PROGRESS_POWER = 0.6
FIXED_BYTES, FRAME_BYTES = 56_240, 14  # invented, so that longer videos have larger files
THUMBNAIL_SHAPE = (9, 16)

LINK_LIFE_SECONDS = 86_400
ALGORITHM = "AWS4-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"

# the API's name of a field that never changes, and ours
FIELDS = {
    "id": "id",
    "name": "name",
    "type": "type",
    "script": "script",
    "durationInFrames": "duration_frames",
    "avatarId": "avatar_id",
    "voiceId": "voice_id",
    "musicId": "music_id",
    "projectId": "project_id",
    "teamId": "team_id",
    "webhook": "webhook",
}
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
    milliseconds: bool
    failure: str | None = None
    webhook: str | None = None
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


class State(NamedTuple):
    """What changes while a video renders; `updated_at` is its end, or its last step of progress."""

    status: str
    progress: int
    message: str
    updated_at: float


def state_at(video: Video, now: float) -> State:
    """Where a video stands at Unix time *now*."""
    elapsed = min(max(0.0, now - video.created_at), video.render_seconds)
    share = elapsed / video.planned_seconds if video.planned_seconds > 0 else 0.0
    progress = min(99, int(100 * share**PROGRESS_POWER))
    if now >= video.ended_at:
        if video.failure is None:
            return State("COMPLETED", 100, "Video completed successfully", video.ended_at)
        return State("FAILED", progress, video.failure, video.ended_at)
    stepped = video.planned_seconds * (progress / 100) ** (1 / PROGRESS_POWER)
    message = next(text for start, text in reversed(STAGES) if progress >= start)
    return State("STARTED", progress, message, video.created_at + min(stepped, elapsed))


def details(video: Video, now: float, links: SignedLinks) -> dict[str, object]:
    """
    Body of the details endpoint: the page's fields and those of its OpenAPI block.

    `url` and `size` are there only once the video is COMPLETED: the OpenAPI block does not let
    them be null.
    """
    state = state_at(video, now)
    done, ended = state.status == "COMPLETED", state.status != "STARTED"
    body = {theirs: getattr(video, ours) for theirs, ours in FIELDS.items()} | {
        "status": state.status,
        "progress": state.progress,
        "message": state.message,
        "thumbnail": links.thumbnail(video.id) if done else None,
        "durationInSeconds": _number(video.duration_seconds),
        "videoSettings": {
            "aspectRatio": video.aspect_ratio,
            "caption": {"disabled": video.caption_disabled, "preset": video.caption_preset},
        },
        "createdAt": iso_time(video.created_at, milliseconds=video.milliseconds),
        "updatedAt": iso_time(state.updated_at, milliseconds=video.milliseconds),
        "usedCredits": _number(video.used_credits) if ended else None,
    }
    if done:
        body["url"] = links.download(video.id, now)
        body["size"] = FIXED_BYTES + FRAME_BYTES * max(1, video.duration_frames)
    return body | dict(video.fields)


def iso_time(unix_seconds: float, *, milliseconds: bool = False) -> str:
    """Time as the API writes it, such as ``1970-01-01T00:00:00Z``."""
    moment = datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds") + "Z"


def _number(value: float | None) -> float | int | None:
    # JSON from JavaScript has no 5.0: whole numbers come without a point.
    return int(value) if value is not None and value == int(value) else value


class SignedLinks:
    """Writes links as S3 signs them and checks those that come back; the seed makes the key."""

    def __init__(self, base_url: str, *, seed: int) -> None:
        self.base_url = base_url
        self._key = hashlib.sha256(f"hooked sandbox {seed}".encode()).digest()

    def download(self, video_id: str, now: float) -> str:
        """Fresh link to a video's file, good for 24 h."""
        date = datetime.fromtimestamp(now, UTC).strftime(DATE_FORMAT)
        signature = self._signature(video_id, date, str(LINK_LIFE_SECONDS))
        return (
            f"{self.base_url}/hooked-videos/{quote(video_id, safe='')}.mp4"
            f"?X-Amz-Algorithm={ALGORITHM}&X-Amz-Date={date}"
            f"&X-Amz-Expires={LINK_LIFE_SECONDS}&X-Amz-Signature={signature}"
        )

    def thumbnail(self, video_id: str) -> str:
        """Address of a video's picture, which needs no signature."""
        return f"{self.base_url}/thumbnails/{quote(video_id, safe='')}.png"

    def refusal(self, video_id: str, query: Mapping[str, str], now: float) -> list[str]:
        """Check the query of a link: nothing when it is good, else S3's code, message and times."""
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signature = query.get("X-Amz-Signature", "")
        expected = self._signature(video_id, date, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return ["SignatureDoesNotMatch", "The request signature does not match."]
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
        if now < (ends_at := signed_at + int(expires)):
            return []
        more = f"<Expires>{iso_time(ends_at)}</Expires><ServerTime>{iso_time(now)}</ServerTime>"
        return ["AccessDenied", "Request has expired", more]

    def _signature(self, video_id: str, date: str, expires: str) -> str:
        text = f"{ALGORITHM}\n{video_id}\n{date}\n{expires}"
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


@cache
def _sample() -> bytes:
    """Read a real film: one second of H.264, 18 x 32 pixels."""
    return Path(__file__).with_name("sample.mp4").read_bytes()


def mp4_file(video_id: str, frames: int) -> bytes:
    """
    Bytes of a video's MP4 file: a real film of one second, padded to the size *frames* decides.

    The padding repeats the id, so that every video has other bytes.

    >>> film = mp4_file("vid_abc123", 7500)
    >>> film[4:12], len(film)
    (b'ftypisom', 161240)
    """
    size = FIXED_BYTES + FRAME_BYTES * max(1, frames) - len(_sample())
    word = video_id.encode(errors="replace") + b"\0"
    padding = (word * (size // len(word) + 1))[: size - 8]
    return _sample() + struct.pack(">I4s", size, b"free") + padding


def png_file(video_id: str) -> bytes:
    """Bytes of a video's thumbnail: 9 x 16 pixels of one colour, which the id decides."""
    width, height = THUMBNAIL_SHAPE
    colour = hashlib.sha256(video_id.encode(errors="replace")).digest()[:3]
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * width) * height)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
