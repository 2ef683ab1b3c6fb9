"""
Calls from outside: whom they concern, and how far they are believed.

A call is a hint that something may have happened. It is never an answer: whoever takes one
asks the API, and only what the API says counts.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

# Distinct calls that wait for one listener; beyond it the oldest go, for polling repairs.
MAX_WAITING = 4096
# Hints in a row that may turn out false before the next one waits for a round.
MAX_FALSE = 50


class EventQueue:
    """
    Calls that came and were not taken yet; any thread may add, one listener takes.

    Parameters
    ----------
    most : distinct calls kept, the newest
    listening : whether calls can come at all

    Examples
    --------
    >>> hints = EventQueue(most=2)
    >>> for video_id in ("vid_1", "vid_2", "vid_2", "vid_3"):
    ...     hints.add([video_id])
    >>> hints.take(), hints.take()
    ([('vid_2',), ('vid_3',)], [])
    """

    def __init__(self, most: int = MAX_WAITING, *, listening: bool = True) -> None:
        self.listening = listening
        self._most = most
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, ...], None] = {}

    def add(self, video_ids: Sequence[str]) -> None:
        """Note the ids one call may mean, the likeliest first, unless they wait already."""
        with self._lock:
            self._calls[tuple(video_ids)] = None
            while len(self._calls) > self._most:
                del self._calls[next(iter(self._calls))]

    def take(self) -> list[tuple[str, ...]]:
        """Hand over what waits, the oldest first."""
        with self._lock:
            calls, self._calls = list(self._calls), {}
        return calls


class EventSource(Protocol):
    """What a watch needs of a receiver."""

    def subscribe(self) -> EventQueue:
        """Hints of its own for one listener."""

    def unsubscribe(self, hints: EventQueue) -> None:
        """Stop adding to them."""


class FalseAlarmBudget:
    """
    How many hints may still be followed, learned from how many came true.

    A hint that comes true costs nothing. A false one costs a unit, and time gives it back, so
    that a flood of forged calls costs few requests and a burst of true ones all it needs.

    Parameters
    ----------
    most : false hints in a row until it is used up

    Examples
    --------
    >>> trust = FalseAlarmBudget(most=2)
    >>> trust.was_false(); trust.was_false(); trust.left
    0
    >>> trust.holds
    False
    >>> trust.regain(); trust.was_true(); trust.left, trust.holds
    (1, True)
    """

    def __init__(self, most: int = MAX_FALSE) -> None:
        self.left = most
        self.holds = True  # the last that is known of the calls speaks for them
        self._most = most
        self._lock = threading.Lock()

    def was_true(self) -> None:
        """Note a hint that the API confirmed."""
        self.holds = True

    def was_false(self) -> None:
        """Note a hint that the API did not confirm."""
        with self._lock:
            self.left = max(0, self.left - 1)
        self.holds = False

    def missed(self) -> None:
        """Note an end of which no call told."""
        self.holds = False

    def regain(self) -> None:
        """Get a unit back."""
        with self._lock:
            self.left = min(self._most, self.left + 1)
