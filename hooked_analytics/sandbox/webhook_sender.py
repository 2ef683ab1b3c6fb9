"""Sends a webhook event when a render has ended, and again where nobody took it."""

from __future__ import annotations

import heapq
import http.client
import json
import logging
import threading
import time
from collections import deque
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from hooked_analytics._internal.net import is_loopback
from hooked_analytics.sandbox.video import SignedLinks, Video, iso_time
from hooked_analytics.sandbox.video_store import Clock

_log = logging.getLogger(__name__)

# An event that was not taken is sent again so much later, in sandbox time.
RETRY_SECONDS = (60.0, 300.0, 900.0)
RESPONSE_SECONDS = 5.0  # real time for a receiver to respond
SENDER_THREADS = 8
MAX_DELIVERIES = 10_000


class Delivery(NamedTuple):
    """One event that was sent: about which video, the attempt from 1, what came of it."""

    video_id: str
    attempt: int
    outcome: str  # the HTTP status, or why there is none


class WebhookSender:
    """Sends the events of all videos that have a webhook, from daemon threads of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: SignedLinks | None = None
        # the latest, in the order they ended
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_DELIVERIES)
        self._due: list[tuple[float, int, int, Video]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, links: SignedLinks) -> None:
        """Begin to send, with links to the running server."""
        self._links = links
        with self._changed:
            self._start_threads()

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
        """Read the clock again, because it jumped."""
        with self._changed:
            self._changed.notify_all()

    def _put(self, due: float, attempt: int, video: Video) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._order), attempt, video))
            self._start_threads()
            self._changed.notify_all()

    def _start_threads(self) -> None:
        """Start the threads once they are needed; most sandboxes never send an event."""
        if self._links is None or not self._due or self._threads:
            return
        self._threads = [
            threading.Thread(target=self._work, name="hooked-sandbox-webhooks", daemon=True)
            for _ in range(SENDER_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            links, attempt, video = job
            now = self._clock.now()
            outcome = _post(video.webhook or "", _event(video, links.download(video.id, now)))
            _log.info("webhook event about %s, attempt %d: %s", video.id, attempt, outcome)
            self.deliveries.append(Delivery(video.id, attempt, outcome))
            if not outcome.startswith("2") and attempt <= len(RETRY_SECONDS):
                due = self._clock.now() + RETRY_SECONDS[attempt - 1]
                self._put(due, attempt + 1, video)

    def _next(self) -> tuple[SignedLinks, int, Video] | None:
        """Wait for the next event that is due; None when the sandbox closes."""
        with self._changed:
            while self._links is not None and threading.current_thread() in self._threads:
                left = self._due[0][0] - self._clock.now() if self._due else None
                if left is not None and left <= 0:
                    _, _, attempt, video = heapq.heappop(self._due)
                    return self._links, attempt, video
                standing = left is None or not self._clock.time_scale
                self._changed.wait(None if standing else self._clock.real_seconds(left or 0))
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
        connection = kind(parts.hostname or "", parts.port, timeout=RESPONSE_SECONDS)
        try:
            path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body).encode(), headers)
            return str(connection.getresponse().status)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
