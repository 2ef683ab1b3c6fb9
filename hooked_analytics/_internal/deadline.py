"""
Answers read against a clock: a whole answer in time, or enough of it in every stretch of time.

A socket's timeout starts anew with every byte, so a server that drips can hold a request for
ever. Here every read gets only what its clock has left.
"""

from __future__ import annotations

import http.client
import io
import time
from functools import partial
from typing import Any, Protocol


class Clock(Protocol):
    """What decides how long a read may wait."""

    def seconds_left(self) -> float:
        """Time for the next read, more than zero; raises `TimeoutError` when there is none."""

    def arrived(self, size: int) -> None:
        """Take note of bytes that came."""


class Deadline:
    """One limit for the whole answer."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Time until the limit."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took longer than its limit")
        return left

    def arrived(self, size: int) -> None:
        """Bytes change nothing."""


class _TimedReader(io.RawIOBase):
    """What arrives on a socket, as long as the clock allows."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._sock, self._clock = sock, clock
        # keeps the socket open while the answer is read, even after its connection let go
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._clock.seconds_left())
            try:
                size: int = self._sock.recv_into(buffer)
            except TimeoutError:
                continue  # the clock says whether that was the end
            self._clock.arrived(size)
            return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """The one thing an `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._settings = sock, clock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_TimedReader(*self._settings))


def _response(sock: Any, *settings: Any, clock: Clock, **more: Any) -> http.client.HTTPResponse:
    timed: Any = _TimedSocket(sock, clock)
    return http.client.HTTPResponse(timed, *settings, **more)


def timed_response(clock: Clock) -> Any:
    """Make the `response_class` of an `http.client` connection whose answer keeps to a clock."""
    return partial(_response, clock=clock)


def with_deadline(connection_class: Any) -> Any:
    """
    Make urllib3 connections whose read timeout is the limit of the whole answer.

    >>> import urllib3
    >>> pool = urllib3.HTTPConnectionPool("127.0.0.1")
    >>> with_deadline(pool.ConnectionCls).__name__
    'ConnectionWithDeadline'
    """

    class ConnectionWithDeadline(connection_class):  # type: ignore[misc]
        def connect(self) -> None:
            # a proxy answers before the server does, and may drip as well
            self.response_class = timed_response(Deadline(self.timeout))
            super().connect()

        def request(self, *arguments: Any, **settings: Any) -> None:
            if self.sock is not None:
                # the last answer may have left it a moment only
                self.sock.settimeout(self.timeout)
            super().request(*arguments, **settings)

        def getresponse(self) -> Any:
            self.response_class = timed_response(Deadline(self.timeout))
            return super().getresponse()

    return ConnectionWithDeadline
