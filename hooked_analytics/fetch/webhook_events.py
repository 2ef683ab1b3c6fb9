"""
Webhook events: where they wait, and how far they are believed.

An event says that something may have happened. It is never an answer: whoever takes one requests
the details, and only what the API says counts.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch.poll_scheduler import PollScheduler

# Distinct events that wait for one listener.
MAX_WAITING = 4096


class EventQueue:
    """
    Events that came and were not taken yet; any thread may add, one listener takes.

    Parameters
    ----------
    capacity : int
        Distinct events kept, the newest: what is dropped, polling repairs.
    listening : bool
        Whether events can come at all.

    Examples
    --------
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
