"""Threads that share work, and how it is stopped: by a caller, an interrupt, or the exit."""

from __future__ import annotations

import atexit
import contextlib
import functools
import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Made = TypeVar("_Made")
# How long the end of the process waits for a thread that was told to stop [s].
_EXIT_SECONDS = 2.0


class Cancelled(Exception):  # noqa: N818 - it is a request, not a fault
    """The caller asked to stop while waiting for its turn; nothing was sent."""


class CancelToken:
    """One caller's part in a client: how to stop it, and how many requests it sent."""

    __slots__ = ("requests_sent", "stop")

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.requests_sent = 0


class BackgroundThread(threading.Thread):
    """
    A daemon thread that is told to stop, and waited for a moment, when the process ends.

    A daemon thread that is inside a C++ library while the interpreter is torn down can hang the
    process for ever; one that has ended cannot.
    """

    def __init__(self, target: Callable[[], None], stop: threading.Event, *, name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self.stop = stop
        _register_exit()


@functools.cache
def _register_exit() -> None:
    atexit.register(_end_threads)


def _end_threads() -> None:
    ours = [each for each in threading.enumerate() if isinstance(each, BackgroundThread)]
    for thread in ours:
        thread.stop.set()
    until = time.monotonic() + _EXIT_SECONDS
    for thread in filter(threading.Thread.is_alive, ours):  # one may be just about to start
        thread.join(max(0.0, until - time.monotonic()))


@contextlib.contextmanager
def stopped_at_exit(stop: threading.Event) -> Iterator[None]:
    """Set *stop* when the process ends; where this is a caller's daemon thread, wait for it."""
    thread = threading.current_thread()

    def end() -> None:
        stop.set()
        if thread.daemon:
            thread.join(_EXIT_SECONDS)

    atexit.register(end)
    try:
        yield
    finally:
        atexit.unregister(end)


def wait_for(event: threading.Event, seconds: float) -> bool:
    """
    Wait like ``event.wait``, where an interrupt comes out as itself.

    Python's own wait can tell it as "release unlocked lock", for the interrupt meets its lock.

    >>> wait_for(threading.Event(), 0.001)
    False
    """
    try:
        return event.wait(seconds)
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def despite_interrupts(make: Callable[[], _Made]) -> _Made:
    """
    Finish *make* although the stop button is pressed again meanwhile; it may run twice.

    >>> despite_interrupts(lambda: 1)
    1
    """
    while True:
        try:
            with _deaf():
                return make()
        except KeyboardInterrupt:
            continue


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ignore further interrupts, where this thread is the one that gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class WorkerPool:
    """
    Daemon threads that work through jobs; `done` is set when the last of them ends.

    Not ``concurrent.futures``: its threads are joined when the process ends, however long an answer
    takes, and an interrupt leaves queued jobs running.

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
