"""
What the loop does: the requests of a poll, the pause after it, and the webhook events meanwhile.

An event says that something may have happened. It is never an answer: whoever takes one requests
the details, and only what the API says counts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

from hooked_analytics._internal.cancel import WorkerPool, wait_for
from hooked_analytics.client import CancelToken, HookedClient
from hooked_analytics.errors import HookedError
from hooked_analytics.schema import ENDING_FAILURES, parse_record, record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hooked_analytics.client import ListPage
    from hooked_analytics.fetch.poll_scheduler import PollScheduler
    from hooked_analytics.fetch.video_state import VideoState
    from hooked_analytics.schema import Row

_log = logging.getLogger(__name__)
_WAIT_SECONDS = 0.05
# So many failures without one response, and the rest of the poll is left for the next.
GIVE_UP_AFTER = 8
# Part of the interval by which a poll may come early or late, so that pollers do not synchronise.
JITTER = 0.05
# How often a pause is left for a webhook event, or for what the limit held back [s].
_SLICE_SECONDS = 0.05
# Distinct events that wait for one listener.
MAX_WAITING = 4096


class PollExecutor:
    """Send what the schedule wants, and note the responses, until *over* says to stop."""

    def __init__(
        self, client: HookedClient, schedule: PollScheduler, *, over: Callable[[], bool]
    ) -> None:
        self.token = CancelToken(threading.Event())
        self._client = client
        self._schedule = schedule
        self._over = over
        self._pages: Iterator[ListPage] | None = None
        self._lock = threading.Lock()
        self._responses = self._failures = 0
        self._more = False  # whether the limit may hold details back

    def poll(self) -> None:
        """Send the requests of one poll."""
        self._responses = self._failures = 0
        for _ in range(2):  # the whole list after the first, where that one left too much open
            if not self._schedule.list_due(self._client.requests_left):
                break
            self._work([self._read_list])
        chosen = self._schedule.next_details(self._client.requests_left)
        self._details(chosen)
        self._more = len(chosen) > 0 or self._client.requests_left < 1
        self._schedule.end_poll(responses=self._responses, failures=self._failures)
        _log.info(
            "poll %d: %d details requested, %d responses, %d failures",
            self._schedule.poll,
            len(chosen),
            self._responses,
            self._failures,
        )

    def notified(self) -> bool:
        """Request those that webhook events name; say whether anything was answered."""
        return self._details(self._schedule.next_notified(self._client.requests_left))

    def between_polls(self) -> None:
        """Request details that the limit held back, as it frees requests."""
        left = self._client.requests_left
        if self._more and 1 <= left < float("inf"):
            chosen = self._schedule.held_back(left)
            self._more = not chosen or self._details(chosen)

    def _details(self, videos: list[VideoState]) -> bool:
        before = self._responses
        self._work([partial(self._request, video) for video in videos])
        return self._responses > before

    def _work(self, jobs: list[Callable[[], None]]) -> None:
        """Do the jobs in threads; wait until they are done, or the caller wants no more."""
        if not jobs or self._over():
            return
        threads = min(len(jobs), self._client.max_workers)
        pool = WorkerPool(jobs, self.token.stop, threads=threads, name="hooked-poll")
        while not wait_for(pool.done, _WAIT_SECONDS):
            if self._over() or pool.fault is not None:
                self.token.stop.set()
                break
        if pool.fault is not None:
            raise pool.fault

    def _read_list(self) -> None:
        """Read pages of the list, as far as that is cheaper than requesting details."""
        schedule = self._schedule
        if schedule.reading is None:
            return
        if self._pages is None:
            self._pages = self._client.list_pages(status=schedule.reading.status, cancel=self.token)
        for _ in range(schedule.page_quota(self._client.requests_left)):
            before = self.token.requests_sent
            try:
                page = next(self._pages, None)
            except HookedError as error:
                self._pages = None
                if error.kind is None:
                    raise
                self._count(answered=False)
                schedule.list_failed(error)
                return
            self._count(answered=True)
            schedule.note_list_requests(self.token.requests_sent - before)
            if page is None or not schedule.note_page(
                self._ours(page), items=len(page.records), total=page.total
            ):
                self._pages = None
                schedule.end_list()
                return

    def _ours(self, page: ListPage) -> dict[str | None, Row]:
        return {
            video_id: parse_record(record, fetched_at=page.seen_at, flags=page.flags)
            for record in page.records
            if self._schedule.is_open(video_id := record_id(record))
        }

    def _request(self, video: VideoState) -> None:
        if self._failures >= GIVE_UP_AFTER and not self._responses:
            return
        try:
            response = self._client.request_video(video.video_id or "", cancel=self.token)
        except HookedError as error:
            if error.kind is None:
                raise
            self._count(answered=error.kind in ENDING_FAILURES)
            self._schedule.failed(video, error.kind, str(error))
            return
        self._count(answered=True)
        row = parse_record(response.record, fetched_at=response.seen_at, flags=response.flags)
        self._schedule.answered(video, row)

    def _count(self, *, answered: bool) -> None:
        with self._lock:
            self._responses += answered
            self._failures += not answered


class PollTimer:
    """
    The rhythm of the loop, from the start of one poll to the start of the next.

    *stop* is set by whoever wants no more. `heard` is called during the pause; True ends it.
    """

    heard: Callable[[], bool] | None = None

    def __init__(self, interval_seconds: float, stop: threading.Event) -> None:
        self.interval_seconds = interval_seconds
        self.stop = stop

    def now(self) -> float:
        """Give the time by the loop's clock [s]."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait; return whether the loop is to stop."""
        return wait_for(self.stop, seconds)

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        """Wait for the next poll, or for an event; return whether to go on."""
        until = min(began + pause_seconds(self.interval_seconds, slower_by), deadline)
        while not (self.heard and self.heard()):
            left = max(0.0, until - self.now())
            if self.wait(min(left, _SLICE_SECONDS)):
                return False
            if self.now() >= until:
                break
        return not self.stop.is_set()


def pause_seconds(interval_seconds: float, slower_by: int) -> float:
    """Give the time from the start of a poll to the next, a little early or late [s]."""
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret
    return interval_seconds * slower_by * jitter


class EventQueue:
    """
    Events that came and were not taken yet; any thread may add, one listener takes.

    Of distinct events the newest are kept, *capacity* of them: what is dropped, polling repairs.

    >>> events = EventQueue(2)
    >>> for video_id in ("vid_1", "vid_2", "vid_2", "vid_3"):
    ...     events.add([video_id])
    >>> events.take(), events.take()
    ([('vid_2',), ('vid_3',)], [])
    """

    def __init__(self, capacity: int = MAX_WAITING, *, listening: bool = True) -> None:
        self.listening = listening
        self._capacity = capacity
        self._lock = threading.Lock()
        self._events: dict[tuple[str, ...], None] = {}

    @property
    def full(self) -> bool:
        """Whether another distinct event would push one out."""
        return len(self._events) >= self._capacity

    def add(self, video_ids: Sequence[str]) -> None:
        """Note the ids one event may mean, the likeliest first, unless they wait already."""
        with self._lock:
            self._events[tuple(video_ids)] = None
            while len(self._events) > self._capacity:
                del self._events[next(iter(self._events))]

    def take(self) -> list[tuple[str, ...]]:
        """Hand over what waits, the oldest first."""
        with self._lock:
            events, self._events = list(self._events), {}
        return events


class EventSource(Protocol):
    """What a poll needs of a receiver."""

    def subscribe(self) -> EventQueue:
        """Give one listener a queue of its own."""

    def unsubscribe(self, events: EventQueue) -> None:
        """Stop adding to it."""


class WebhookListener:
    """The events of one loop, handed to its schedule as they come."""

    def __init__(
        self, webhooks: EventSource | None, schedule: PollScheduler, client: HookedClient
    ) -> None:
        self.pending = False  # whether there is a video to request before the next poll
        self._webhooks = webhooks
        self._schedule = schedule
        self._client = client
        self._events = EventQueue(listening=False)
        self._more = False  # whether some that events named may still be waiting

    def __enter__(self) -> Self:
        if self._webhooks is not None:
            self._events = self._webhooks.subscribe()
        return self

    def __exit__(self, *_: object) -> None:
        if self._webhooks is not None:
            self._webhooks.unsubscribe(self._events)

    @property
    def listening(self) -> bool:
        """Whether events can come."""
        return self._events.listening

    def heard(self) -> bool:
        """Take the events that came; tell whether there is now a video to request."""
        events: Iterable[Sequence[str]] = self._events.take()
        if events or self._more:
            self._schedule.note_events(events)
            self.pending = bool(self._schedule.next_notified(self._client.requests_left))
            self._more = self.pending
        return self.pending

    def followed(self, answered: bool) -> None:
        """Note that these were requested; without a response the next poll comes first."""
        self.pending, self._more = False, answered
