"""The sandbox's clock, its videos, and a webhook event when a render has ended."""

from __future__ import annotations

import bisect
import heapq
import http.client
import json
import logging
import math
import threading
import time
from collections import deque
from contextlib import closing
from itertools import count
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import urlsplit

from hooked_analytics._internal.net import is_loopback
from hooked_analytics.sandbox.seed_data import new_video, other_team_videos, own_videos, seeded
from hooked_analytics.sandbox.video import SignedLinks, Video, iso_time

_log = logging.getLogger(__name__)

OTHER_TEAM_VIDEOS = 5
# An event that was not taken is sent again so much later, in sandbox time.
RETRY_SECONDS = (60.0, 300.0, 900.0)
RESPONSE_SECONDS = 5.0  # real time for a receiver to respond
SENDER_THREADS = 8
MAX_DELIVERIES = 10_000


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
        self.sender = WebhookSender(clock)
        self._seed = seed
        self._created = count(1)
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
        random = seeded(self._seed, f"created/{next(self._created)}")
        moment = self.clock.now() if created_at is None else created_at
        video = new_video(random, type_name, moment, **values)  # type: ignore[arg-type]
        with self._lock:
            if self.find(video.id) is not None:
                raise ValueError(f"there is a video {video.id!r} already; choose another video_id")
            self._own[video.id] = video
            # A new list, because the server's thread may be reading the old one.
            own = self.own.copy()
            bisect.insort(own, video, key=attrgetter("created_at"))
            self.own = own
        self.sender.expect(video)
        return video

    def remove(self, video_id: str) -> None:
        """Take out a video of the team."""
        with self._lock:
            if self._own.pop(video_id, None) is None:
                raise ValueError(f"the team has no video {video_id!r}")
            self.own = [video for video in self.own if video.id != video_id]


class Delivery(NamedTuple):
    """One event that was sent: about which video, the attempt from 1, what came of it."""

    video_id: str
    attempt: int
    outcome: str  # the HTTP status, or why there is none


class WebhookSender:
    """Sends the events of all videos that have a webhook, from daemon threads of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: SignedLinks | None = None  # None while it does not send
        # the latest, in the order they ended
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_DELIVERIES)
        self._due: list[tuple[float, int, int, Video]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, links: SignedLinks) -> None:
        """Begin to send, with links to the running server."""
        self._links = links
        self.wake()

    def stop(self) -> list[threading.Thread]:
        """Stop sending, without waiting for an event that is under way; the threads that were."""
        with self._changed:
            self._links = None
            threads, self._threads = self._threads, []
            self._changed.notify_all()
        return threads

    def close(self) -> None:
        """Stop sending, once the events under way are sent."""
        deadline = time.monotonic() + RESPONSE_SECONDS + 1
        for thread in self.stop():
            thread.join(max(0.0, deadline - time.monotonic()))

    def expect(self, video: Video) -> None:
        """Send an event when this video ends, if it has a webhook."""
        if video.webhook:
            self._put(video.ended_at, 1, video)

    def wake(self) -> None:
        """Read the clock again, because it jumped or an event was added."""
        with self._changed:
            # most sandboxes never send an event, and start no thread
            if self._links is not None and self._due and not self._threads:
                self._threads = [
                    threading.Thread(target=self._work, name="hooked-sandbox-webhooks", daemon=True)
                    for _ in range(SENDER_THREADS)
                ]
                for thread in self._threads:
                    thread.start()
            self._changed.notify_all()

    def _put(self, due: float, attempt: int, video: Video) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._order), attempt, video))
        self.wake()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            links, attempt, video = job
            now = self._clock.now()
            outcome = _post(video.webhook or "", _event(video, links.download(video.id, now)))
            _log.info("webhook event about %s, attempt %d: %s", video.id, attempt, outcome)
            self.deliveries.append(Delivery(video.id, attempt, outcome))
            if not outcome.startswith("2") and attempt <= len(RETRY_SECONDS):
                self._put(self._clock.now() + RETRY_SECONDS[attempt - 1], attempt + 1, video)

    def _next(self) -> tuple[SignedLinks, int, Video] | None:
        """Wait for the next event that is due; None when the sandbox closes."""
        with self._changed:
            while self._links is not None and threading.current_thread() in self._threads:
                left = self._due[0][0] - self._clock.now() if self._due else math.inf
                if left <= 0:
                    _, _, attempt, video = heapq.heappop(self._due)
                    return self._links, attempt, video
                stands = left == math.inf or not self._clock.time_scale
                self._changed.wait(None if stands else self._clock.real_seconds(left))
            return None


def _event(video: Video, link: str) -> dict[str, object]:
    state = "completed" if video.failure is None else "failed"
    body: dict[str, object] = {
        "event": f"project.{state}",
        "projectId": video.project_id or video.id,
        "status": state,
        "createdAt": iso_time(video.created_at),
        **({} if video.metadata is None else {"metadata": video.metadata}),
    }
    if video.failure is not None:
        return {**body, "message": video.failure}
    file = {
        "id": video.id,
        "url": link,
        "duration": video.duration_seconds,
        "thumbnail": None,
        "aspectRatio": video.aspect_ratio.removeprefix("ratio_").replace("_", ":"),
        "resolution": "1080p",
    }
    return {**body, "video": file, "completedAt": iso_time(video.ended_at)}


def _post(url: str, body: dict[str, object]) -> str:
    """Send one event; invented videos are told to this machine only."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or parts.scheme not in {"http", "https"}:
        return "not this machine"
    # not by requests, whose log would show the address, which is a secret of its owner
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        with closing(
            kind(parts.hostname or "", parts.port, timeout=RESPONSE_SECONDS)
        ) as connection:
            path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
