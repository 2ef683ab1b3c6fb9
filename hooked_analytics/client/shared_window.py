"""
One limit for several processes: the requests of the last minute in a locked file.

Every request is entered before it is sent and counts until a minute after it ended, as in
`RateLimiter`. An entry of a process that was killed counts until its request had to end.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hooked_analytics.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_SECONDS = 30.0
# No entry can lie further ahead; one that does is of a clock that was set back.
MAX_AHEAD_SECONDS = 3_600.0


class SharedWindow:
    """
    Count the requests of all processes that use one file; its folder is made.

    A request takes at most *request_seconds* and counts *window_seconds* after it ended. Every
    method raises StorageError where the file cannot be written.
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
            if _count(entries) >= self._limit:
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
            return _count(entries)

    @contextmanager
    def _entries(self) -> Iterator[tuple[dict[str, Any], float]]:
        """Hold the file, give what counts in it and the time, and write it back."""
        from filelock import FileLock, Timeout

        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=LOCK_SECONDS).acquire(poll_interval=0.005):
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
        latest = now + self._window_seconds + MAX_AHEAD_SECONDS

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


def _count(entries: dict[str, Any]) -> int:
    return len(entries["ended"]) + sum(map(len, entries["running"].values()))
