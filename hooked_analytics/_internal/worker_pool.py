"""
Some threads that share some jobs, and stop when told.

Not ``concurrent.futures``: its threads are joined when the process ends, however long an answer
takes, and an interrupt leaves queued jobs running.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from hooked_analytics._internal.cancel import BackgroundThread, Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class WorkerPool:
    """
    Daemon threads that work through jobs; `done` is set when the last of them ends.

    A job that raises ends the pool: `fault` holds what it raised, for the caller's thread to
    raise on. `Cancelled` ends it too, without a fault.

    >>> done = []
    >>> pool = WorkerPool([lambda: done.append("a")], threading.Event(), threads=1, name="example")
    >>> pool.done.wait(10), done, pool.fault
    (True, ['a'], None)
    """

    def __init__(
        self, jobs: Iterable[Callable[[], None]], stop: threading.Event, *, threads: int, name: str
    ) -> None:
        self.done = threading.Event()
        self.fault: BaseException | None = None
        self._jobs = deque(jobs)
        self._stop = stop
        self._lock = threading.Lock()
        self._running = threads
        for number in range(threads):
            BackgroundThread(self._run, stop, name=f"{name}-{number}").start()
        if not threads:
            self.done.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    job = self._jobs.popleft()
                except IndexError:
                    break
                job()
        except Cancelled:
            pass
        except BaseException as fault:  # noqa: BLE001 - raised on in the caller's thread
            self.fault = self.fault or fault
            self._stop.set()
        with self._lock:
            self._running -= 1
            if not self._running:
                self.done.set()
