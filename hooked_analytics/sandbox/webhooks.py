"""The sandbox calls when a render has ended, and again where nobody took the call."""

from __future__ import annotations

import heapq
import http.client
import json
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from hooked_analytics._internal.net import is_loopback
from hooked_analytics.sandbox.clock import Clock
from hooked_analytics.sandbox.constants import FRAMES_PER_SECOND
from hooked_analytics.sandbox.video import Video, iso_time

__all__ = ["SHAPES", "Delivery", "WebhookSender", "call_body"]

SHAPES = ("project", "video")
# After a call that was not taken, the next comes so much later [s].
RETRY_SECONDS = (60.0, 300.0, 900.0)
# Real time for a call to be answered [s].
PATIENCE_SECONDS = 5.0
CALLERS = 8
REMEMBERED = 10_000
RATIOS = {"ratio_9_16": "9:16", "ratio_16_9": "16:9", "ratio_1_1": "1:1"}


class Delivery(NamedTuple):
    """One call that was made: about whom, the how manieth, and what came of it."""

    video_id: str
    attempt: int
    outcome: str  # the HTTP status, or why there is none


class WebhookSender:
    """
    Makes the calls of all videos that have a webhook, in threads of its own.

    Parameters
    ----------
    clock : retries are as far apart as documented, in its time
    link : video id and Unix time -> address of the file
    shape : one of `SHAPES`

    Examples
    --------
    >>> sender = WebhookSender(Clock(0, 0), link=lambda video_id, now: "", shape="project")
    >>> sender.made()
    []
    """

    def __init__(self, clock: Clock, link: Callable[[str, float], str], shape: str) -> None:
        self._clock = clock
        self._link = link
        self._shape = shape
        self._made: deque[Delivery] = deque(maxlen=REMEMBERED)
        self._due: list[tuple[float, int, int, Video]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._closing = False
        self._callers: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to call."""
        self._closing = False
        self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="hooked-sandbox-call")
        self._thread = threading.Thread(target=self._work, name="hooked-sandbox-calls", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop calling; a call under way ends first."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        if self._callers is not None:
            self._callers.shutdown(cancel_futures=True)

    def expect(self, video: Video) -> None:
        """Call when this video ends, if it has a webhook."""
        if video.webhook:
            self._put(video.ended_at, 1, video)

    def wake(self) -> None:
        """Read the clock again, because it jumped."""
        with self._changed:
            self._changed.notify()

    def made(self) -> list[Delivery]:
        """Latest 10,000 calls, in the order they ended."""
        return list(self._made.copy())

    def _put(self, due: float, attempt: int, video: Video) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._order), attempt, video))
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                left = self._due[0][0] - self._clock.now() if self._due else None
                if left is None or left > 0:
                    stands = left is None or not self._clock.time_scale
                    self._changed.wait(None if stands else self._clock.real_seconds(left or 0))
                    continue
                _, _, attempt, video = heapq.heappop(self._due)
            if self._callers is not None:
                self._callers.submit(self._call, video, attempt)

    def _call(self, video: Video, attempt: int) -> None:
        now = self._clock.now()
        outcome = _post(
            video.webhook or "", call_body(video, self._link(video.id, now), shape=self._shape)
        )
        self._made.append(Delivery(video.id, attempt, outcome))
        if not outcome.startswith("2") and attempt <= len(RETRY_SECONDS):
            self._put(self._clock.now() + RETRY_SECONDS[attempt - 1], attempt + 1, video)


def call_body(video: Video, link: str, *, shape: str) -> dict[str, object]:
    """
    What a call says about a video that has ended.

    Parameters
    ----------
    link : address of the file
    shape : ``project`` nests the video, as the API's page has it; ``video`` is the flat shape
        of the vendor's skill file

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> call_body(sample_video(), "https://a.example/v.mp4", shape="video")["event"]
    'video.completed'
    """
    completed = video.failure is None
    state = "completed" if completed else "failed"
    duration = video.duration_frames / FRAMES_PER_SECOND
    if shape == "video":
        body: dict[str, object] = {"event": f"video.{state}", "videoId": video.id, "status": state}
        return {**body, "downloadUrl": link, "duration": duration} if completed else body
    body = {
        "event": f"project.{state}",
        "projectId": video.project_id or video.id,
        "status": state,
        "createdAt": iso_time(video.created_at),
    }
    if not completed:
        return {**body, "message": video.failure}
    file = {
        "id": video.id,
        "url": link,
        "duration": duration,
        "thumbnail": None,
        "aspectRatio": RATIOS.get(video.aspect_ratio, video.aspect_ratio),
        "resolution": "1080p",
    }
    return {**body, "video": file, "completedAt": iso_time(video.ended_at)}


def _post(url: str, body: dict[str, object]) -> str:
    """Make one call; invented videos are told to this machine only."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or parts.scheme not in {"http", "https"}:
        return "not this machine"
    # not by requests, whose log would show the address, which is a secret of its owner
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
        try:
            path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body).encode(), headers)
            return str(connection.getresponse().status)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
