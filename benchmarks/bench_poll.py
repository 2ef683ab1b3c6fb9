"""
What it costs to poll many renders to their end, by a virtual clock: no socket, no sleep.

The real loop, schedule and threads run against a Hooked that is a table of end times; time passes
only when a request is sent or the loop waits, so that three hours take seconds. All videos are
created at once, the hardest case. Render times are those of the sandbox's types.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.figures import Figure, spread
from hooked_analytics.client import CancelToken, ListPage, Response
from hooked_analytics.fetch import PollTimer, build_schedule, poll_executor, poll_loop

PER_MINUTE = 60
LATENCY_SECONDS = 0.1
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
# share, median [s] and sigma of the render times, as in the sandbox
RENDERS = (
    (26, 210, 0.45), (18, 150, 0.40), (12, 170, 0.40), (8, 240, 0.35), (8, 200, 0.50),
    (8, 220, 0.50), (4, 320, 0.45), (4, 60, 0.35), (2, 45, 0.30),
)  # fmt: skip
# videos, interval [s], most requests per finished video, runs. The scheduler's constants were
# tuned on the seeds from 100 on; the figures are of the seeds from 0 on.
CASES = ((200, 5.0, 1.5, 15), (1_000, 5.0, 1.2, 3), (10_000, 30.0, 1.1, 1))


class Clock:
    """Seconds since the start."""

    def __init__(self) -> None:
        self.now = 0.0


class VirtualTimer(PollTimer):
    """The loop's rhythm by that clock."""

    def __init__(self, clock: Clock, interval_seconds: float) -> None:
        super().__init__(interval_seconds, threading.Event())
        self.clock = clock

    def now(self) -> float:
        return self.clock.now

    def wait(self, seconds: float) -> bool:
        self.clock.now += max(seconds, 0.001)
        return self.stop.is_set()


class VirtualClient:
    """A client of a Hooked that is a table: a sliding window of requests, pages and details."""

    max_workers = 1
    is_local = True
    requests_per_minute = PER_MINUTE

    def __init__(self, clock: Clock, renders: dict[str, tuple[float, bool]]) -> None:
        self.clock = clock
        self.renders = renders
        self.requests_sent = self.list_requests = 0
        self._ended: deque[float] = deque()

    def check_video_id(self, value: object) -> str:
        return str(value)

    @property
    def requests_left(self) -> float:
        while self._ended and self._ended[0] <= self.clock.now - 60:
            self._ended.popleft()
        return PER_MINUTE - len(self._ended)

    def _send(self, token: CancelToken) -> datetime:
        while self.requests_left < 1:
            self.clock.now = self._ended[0] + 60 + 1e-6  # else rounding may never let it pass
        self.clock.now += LATENCY_SECONDS
        self._ended.append(self.clock.now)
        self.requests_sent += 1
        token.requests_sent += 1
        return START + timedelta(seconds=self.clock.now)

    def _record(self, video_id: str) -> dict[str, Any]:
        seconds, fails = self.renders[video_id]
        status = "STARTED"
        if self.clock.now >= seconds:
            status = "FAILED" if fails else "COMPLETED"
        share = min(1.0, self.clock.now / max(seconds, 1e-9))
        return {"id": video_id, "status": status, "progress": int(100 * share**0.7)}

    def request_video(self, video_id: str, *, cancel: CancelToken) -> Response:
        seen_at = self._send(cancel)
        return Response({**self._record(video_id), "usedCredits": 5}, seen_at, ())

    def list_pages(self, *, status: str | None, cancel: CancelToken) -> Iterator[ListPage]:
        offset = 0
        while True:
            seen_at = self._send(cancel)
            self.list_requests += 1
            fitting = [
                video_id
                for video_id, (seconds, fails) in self.renders.items()
                if status is None or (status == "processing" and self.clock.now < seconds)
            ]
            page = [self._record(video_id) for video_id in fitting[offset : offset + 100]]
            offset += 100
            if page:
                yield ListPage(page, seen_at, (), len(fitting))
            if offset >= len(fitting):
                return


class Polled(NamedTuple):
    per_video: float
    delay_units: float  # p50
    delay_intervals: float  # p95
    finish_ratio: float
    lists: int


class Inline:
    """A pool that does its jobs at once: threads would only wait for each other here."""

    fault = None

    def __init__(self, jobs: Iterable[Callable[[], None]], *_: object, **__: object) -> None:
        self.done = threading.Event()
        for job in jobs:
            job()
        self.done.set()


def polled(videos: int, interval_seconds: float, seed: int = 0) -> Polled:
    random, clock = Random(seed), Clock()
    renders = {}
    shares = [share for share, _, _ in RENDERS]
    for number in range(videos):
        _, median, sigma = random.choices(RENDERS, shares)[0]
        seconds = median * random.lognormvariate(0, sigma)
        renders[f"vid_{number}"] = (seconds, random.random() < 0.05)
    client: Any = VirtualClient(clock, renders)
    timer = VirtualTimer(clock, interval_seconds)
    schedule = build_schedule(list(renders), client, None, timer)
    noticed: dict[str, float] = {}
    finished = 0.0
    with patch.object(poll_executor, "WorkerPool", Inline):
        frames = poll_loop(client, schedule, None, timer, 1e6, contextlib.nullcontext())
        for _ in frames:
            finished = clock.now
            for video in schedule.videos:
                if video.is_final:
                    noticed.setdefault(video.video_id or "", clock.now)
    late = np.array([noticed[video_id] - renders[video_id][0] for video_id in renders])
    unit = videos / 100 * 60 / PER_MINUTE
    last_end = max(seconds for seconds, _ in renders.values())
    least = max(client.requests_sent * 60 / PER_MINUTE, last_end)
    return Polled(
        client.requests_sent / videos,
        float(np.median(late)) / unit,
        float(np.quantile(late, 0.95)) / interval_seconds,
        finished / least,
        client.list_requests,
    )


def bench_poll(rounds: int = 1) -> list[Figure]:
    figures = []
    for videos, interval_seconds, most, seeds in CASES:
        runs = np.array([polled(videos, interval_seconds, seed) for seed in range(rounds * seeds)])
        per_video, units, late, ratio, _ = np.median(runs, axis=0)
        # with 1,000 videos one reading of the list takes two intervals of its share of the limit
        quick = videos > 200 or late <= 2
        figures.append(
            Figure(
                f"poll {videos:,} videos, every {interval_seconds:g} s, by a virtual clock",
                "requests per video; p50 delay in readings of the whole list; p95 in intervals; "
                "time ÷ least time",
                f"≤ {most:g}; ≤ 2; {'–' if videos > 200 else '≤ 2'}; ≤ 1.08",
                f"{per_video:.2f}; {units:.2f}; {late:.2f}; {ratio:.3f}",
                "1; –; –; 1",
                spread([float(run[0]) for run in runs]),
                bool(per_video <= most and units <= 2 and quick and ratio <= 1.08),
            )
        )
    return figures
