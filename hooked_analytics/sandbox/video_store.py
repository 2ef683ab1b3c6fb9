"""The sandbox's clock, and its videos by id and by age."""

from __future__ import annotations

import bisect
import math
import threading
import time

from hooked_analytics.sandbox.seed_data import new_video, other_team_videos, own_videos, seeded
from hooked_analytics.sandbox.video import Video, state_at

OTHER_TEAM_VIDEOS = 5

# lower case in the filter, upper case in the body; nothing here is ever a draft
STATUS_FILTERS = {
    "draft": "DRAFT",
    "processing": "STARTED",
    "completed": "COMPLETED",
    "failed": "FAILED",
}


class Clock:
    """
    A clock that starts now, once `start` is called, and may run faster than the real one.

    A *time_scale* of 0 makes it stand still: then only `advance` moves it.
    """

    def __init__(self, time_scale: float) -> None:
        if not (math.isfinite(time_scale) and time_scale >= 0):
            raise ValueError(f"time_scale must be 0 or more, not {time_scale!r}")
        self.time_scale = time_scale
        self._origin = time.time()
        self._real_start: float | None = None

    def start(self) -> None:
        """Set it going; a clock that goes already is left alone."""
        if self._real_start is None:
            self._real_start = time.monotonic()

    def now(self) -> float:
        """Unix time in the sandbox [s]."""
        if self._real_start is None:
            return self._origin
        return self._origin + (time.monotonic() - self._real_start) * self.time_scale

    def advance(self, seconds: float) -> None:
        """Jump ahead by sandbox time [s]."""
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"the clock only goes ahead: seconds must be >= 0, not {seconds!r}")
        self._origin += seconds

    def real_seconds(self, seconds: float) -> float:
        """How long a stretch of sandbox time takes in real time; the same if it stands still."""
        return seconds / self.time_scale if self.time_scale else seconds


class VideoStore:
    """The team's videos and another team's; safe to share between threads."""

    def __init__(self, videos: int, seed: int, clock: Clock) -> None:
        self.clock = clock
        self._seed = seed
        self._created = 0
        self._lock = threading.Lock()
        start = clock.now()
        self.own = own_videos(videos, seed, start)  # oldest first
        self._own = {video.id: video for video in self.own}
        self.other_team = {v.id: v for v in other_team_videos(OTHER_TEAM_VIDEOS, seed, start)}

    def find(self, video_id: str) -> Video | None:
        """Video of that id, whoever owns it."""
        return self._own.get(video_id) or self.other_team.get(video_id)

    def create(self, type_name: str, created_at: float | None = None, **values: object) -> Video:
        """Draw a video, replace what *values* say, and add it to the team's."""
        with self._lock:
            self._created += 1
            random = seeded(self._seed, f"created/{self._created}")
        moment = self.clock.now() if created_at is None else created_at
        video = new_video(random, type_name, moment, **values)  # type: ignore[arg-type]
        with self._lock:
            if self.find(video.id) is not None:
                raise ValueError(f"there is a video {video.id!r} already; choose another video_id")
            self._own[video.id] = video
            # A new list, because the server's thread may be reading the old one.
            own = self.own.copy()
            bisect.insort(own, video, key=lambda each: each.created_at)
            self.own = own
        return video

    def remove(self, video_id: str) -> None:
        """Take out a video of the team."""
        with self._lock:
            if self._own.pop(video_id, None) is None:
                raise ValueError(f"the team has no video {video_id!r}")
            self.own = [video for video in self.own if video.id != video_id]

    def select(self, now: float, *, type_name: str | None, status: str | None) -> list[Video]:
        """Videos that pass the list endpoint's filters, newest first; None lets all pass."""
        return [
            video
            for video in reversed(self.own)
            if (type_name is None or video.type == type_name)
            and (status is None or state_at(video, now).status == STATUS_FILTERS[status])
        ]
