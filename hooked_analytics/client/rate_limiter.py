"""
The rate limiter: one limit shared by every user of a client.

Three rules decide when the next request may go. A *window*: never more requests than allowed
in any 60 seconds, burst allowed. A *pause*: one refusal (HTTP 429) stops everyone until the
server's own time has passed. A *pace*: a client that is refused below its own limit learns
what the server really gives and spaces its requests a little under that.

A request counts in the window from when it is sent until 60 s after it *ended*: the server
saw it somewhere between, so its own count can never be higher than ours.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hooked_analytics._internal.cancel import Cancelled, CancelToken, wait_for
from hooked_analytics.errors import RateLimitError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
MAX_PAUSE_SECONDS = 60.0
# Refused this long without one response in between: more waiting does not help.
MAX_REFUSED_SECONDS = 180.0
# A learned pace starts a little low and grows with every response, so that a stray refusal is
# soon forgotten; against a true limit this costs one refusal in about fifty requests.
_BELOW_LEARNED = 0.97
_FASTER_BY = 1.01
_SLOWER_BY_AT_MOST = 1.25
_LOCK_SECONDS = 30.0
# No entry of a shared window can lie further ahead; one that does is of a clock that was set back.
_MAX_AHEAD_SECONDS = 3_600.0


class RateLimiter:
    """Decide when each request may be sent, for all threads of a client together."""

    def __init__(
        self, requests_per_minute: float | None, *, shared: SharedWindow | None = None
    ) -> None:
        self._shared = shared
        self._max = None if requests_per_minute is None else int(requests_per_minute)
        self._lock = threading.Lock()
        self._ended: deque[float] = deque()
        self._in_flight = 0
        self.requests_sent = 0
        self._paused_from = self._paused_until = 0.0
        self._closed = False
        self._refused_since: float | None = None
        self._fruitless = 0
        self._interval = self._next_turn = self._learned_at = 0.0  # of the learned pace
        self._accepted = 0
        self._busy = _BusyClock()
        self._logged_until = 0.0

    def acquire(self, cancel: CancelToken) -> None:
        """Wait for a turn, then count the request as sent; Cancelled, or RateLimitError."""
        entered = False
        try:
            while not cancel.stop.is_set():
                with self._lock:
                    now = time.monotonic()
                    if not entered:
                        self._busy.enter(now)
                        entered = True
                    wait = self._seconds_to_wait(now)
                    if wait >= 0.5 and now + wait > self._logged_until + 0.5:  # for all threads
                        self._logged_until = now + wait
                        _log.info("requests wait %.1f s for the limit", wait)
                    if wait <= 0:
                        self._in_flight += 1
                        self.requests_sent += 1
                        cancel.requests_sent += 1
                        return
                wait_for(cancel.stop, wait)
            raise Cancelled
        except BaseException:
            if entered:
                with self._lock:
                    self._busy.leave(time.monotonic())
            raise

    def release(self, *, accepted: bool = True) -> None:
        """Say that a request ended; *accepted* unless it was refused for the limit."""
        now = time.monotonic()
        with self._lock:
            self._in_flight -= 1
            self._ended.append(now)
            self._busy.leave(now)
            self._forget_before(now - WINDOW_SECONDS)
            if self._shared is not None:
                self._shared.end()
            if accepted:
                self._accepted += 1
                self._fruitless = 0
                self._refused_since = None
                self._interval /= _FASTER_BY

    def refused(self, *, sent_at: float, retry_after: float | None) -> None:
        """Pause everyone after an HTTP 429 for *retry_after* [s], and learn the pace from it."""
        now = time.monotonic()
        with self._lock:
            same_episode = sent_at <= self._paused_from
            if not same_episode:
                self._fruitless += 1
                self._refused_since = self._refused_since or now
            # 0, or a date in the past, says nothing; what is said in vain is believed ever less
            doubled = 2.0 ** min(self._fruitless - 1, 10)
            backoff = (doubled - 1) / 10 if retry_after else doubled
            wait = max(retry_after or 0.0, min(backoff, 60.0))
            impatient = now - (self._refused_since or now) > MAX_REFUSED_SECONDS
            self._closed = wait > MAX_PAUSE_SECONDS or impatient
            self._paused_until = max(self._paused_until, now + wait)
            if not same_episode:
                self._paused_from = now
                self._learn(now, wait)
                _log.info("HTTP 429: every request waits %.2f s", wait)
            if self._shared is not None:
                self._shared.pause(min(wait, MAX_PAUSE_SECONDS))

    def sent_in_window(self) -> int:
        """Count the requests of the last 60 s, those under way included."""
        with self._lock:
            if self._shared is not None:
                return self._shared.count()
            self._forget_before(time.monotonic() - WINDOW_SECONDS)
            return self._in_flight + len(self._ended)

    def _seconds_to_wait(self, now: float) -> float:
        if now < self._paused_until:
            if self._closed:
                until = datetime.now(UTC) + timedelta(seconds=self._paused_until - now)
                raise RateLimitError(
                    "Hooked refuses requests for now (HTTP 429). Try again with the same ids "
                    f"after {until:%Y-%m-%d %H:%M:%S} UTC."
                )
            return self._paused_until - now
        if self._max is not None and self._shared is None:
            self._forget_before(now - WINDOW_SECONDS)
            if self._in_flight + len(self._ended) >= self._max:
                # all under way: a slot frees 60 s after the first of them ends
                return self._ended[0] + WINDOW_SECONDS - now if self._ended else 0.05
        if self._interval and now < self._next_turn:
            return self._next_turn - now
        if self._shared is not None and (wait := self._shared.take()) > 0:
            return wait
        if self._interval:
            self._next_turn = max(self._next_turn, now - self._interval) + self._interval
        return 0.0

    def _learn(self, now: float, wait: float) -> None:
        """
        Take the pace from one exhaustion to the next.

        Between two moments at which the server's budget was empty, it accepted what it refills; at
        first the pause stands in. Later steps are bounded, for a refusal may be a stray.
        """
        if not self._accepted:
            return
        busy = self._busy.seconds(now)
        elapsed = busy - self._learned_at + (0.0 if self._learned_at else wait)
        learned = max(elapsed, 1e-3) / self._accepted / _BELOW_LEARNED
        bound = self._interval * _SLOWER_BY_AT_MOST or learned
        self._interval = min(learned, bound)
        self._learned_at, self._accepted = busy, 0
        _log.info("learned a pace of %.1f requests a minute", 60 / self._interval)

    def _forget_before(self, moment: float) -> None:
        while self._ended and self._ended[0] <= moment:
            self._ended.popleft()


class _BusyClock:
    """Seconds during which somebody sent or waited; idle time says nothing about a limit."""

    def __init__(self) -> None:
        self._users, self._since, self._total = 0, 0.0, 0.0

    def enter(self, now: float) -> None:
        if not self._users:
            self._since = now
        self._users += 1

    def leave(self, now: float) -> None:
        self._users -= 1
        if not self._users:
            self._total += now - self._since

    def seconds(self, now: float) -> float:
        return self._total + (now - self._since if self._users else 0.0)


class SharedWindow:
    """
    One window for several processes: the requests of the last minute in a locked file.

    Every request is entered before it is sent and counts until *window_seconds* after it ended; one
    of a process that was killed counts until *request_seconds* are over, too. Every method raises
    StorageError where the file cannot be written.
    """

    def __init__(
        self, path: Path, limit: int, window_seconds: float, request_seconds: float
    ) -> None:
        self._path, self._limit = path, limit
        self._window_seconds, self._request_seconds = window_seconds, request_seconds
        self._full_until = 0.0  # so that only one read is made for each place that frees
        self.count()

    def take(self) -> float:
        """Enter a request and return 0, or return how long to wait [s]."""
        if (wait := self._full_until - time.time()) > 0:
            return min(wait, self._window_seconds)
        with self._entries() as (entries, now):
            free_at = float(entries["paused_until"])
            if _entered(entries) >= self._limit:
                # whatever is under way now frees its place a whole window after its end
                free_at = max(free_at, min([*entries["ended"], now + self._window_seconds]))
            if free_at <= now:
                running = entries["running"].setdefault(str(os.getpid()), [])
                running.append(now + self._request_seconds + self._window_seconds)
                return 0.0
        self._full_until = free_at
        return free_at - now

    def end(self) -> None:
        """Note that a request of this process ended."""
        with self._entries() as (entries, now):
            running = entries["running"].get(str(os.getpid()))
            if running:  # else it took so long that it was taken for lost
                running.pop()
                entries["ended"].append(now + self._window_seconds)

    def pause(self, seconds: float) -> None:
        """Have every process wait."""
        with self._entries() as (entries, now):
            entries["paused_until"] = max(entries["paused_until"], now + seconds)

    def count(self) -> int:
        """Count what counts now."""
        with self._entries() as (entries, _):
            return _entered(entries)

    @contextmanager
    def _entries(self) -> Iterator[tuple[dict[str, Any], float]]:
        """Hold the file, give what counts in it and the time, and write it back."""
        from filelock import FileLock, Timeout

        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS).acquire(poll_interval=0.005):
                now = time.time()
                entries = self._read(now)
                yield entries, now
                written = self._path.with_suffix(".new")
                written.write_text(json.dumps(entries))
                written.replace(self._path)
        except (OSError, Timeout) as error:
            raise StorageError(
                f"shared_limit=True keeps the limit in {self._path}, which could not be written "
                f"({type(error).__name__}). Free the path, or leave shared_limit out."
            ) from None

    def _read(self, now: float) -> dict[str, Any]:
        """Read the entries that still count; a damaged file counts as empty."""
        latest = now + self._window_seconds + _MAX_AHEAD_SECONDS

        def counting(moments: list[float]) -> list[float]:
            return [at for at in moments if now < at <= latest]

        try:
            found = json.loads(self._path.read_text())
            running = {process: counting(ends) for process, ends in found["running"].items()}
            paused = float(found["paused_until"])
            return {
                "ended": counting(found["ended"]),
                "running": {process: ends for process, ends in running.items() if ends},
                "paused_until": paused if paused <= latest else 0.0,
            }
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            return {"ended": [], "running": {}, "paused_until": 0.0}


def _entered(entries: dict[str, Any]) -> int:
    return len(entries["ended"]) + sum(map(len, entries["running"].values()))
