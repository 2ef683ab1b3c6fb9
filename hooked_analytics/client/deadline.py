"""
An answer within its time, from the first byte of its headers to the last of its body.

A socket's timeout starts anew with every byte, so a server that drips can hold a request for
ever. Here every read gets only what is left of the whole.
"""

from __future__ import annotations

import http.client
import io
import time
from functools import partial
from typing import Any


class _BoundedReader(io.RawIOBase):
    """What arrives on a socket until the deadline; then a timeout."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock = sock
        # keeps the socket open while the answer is read, even after its connection let go
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took longer than its limit")
        self._sock.settimeout(left)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """The one thing an `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline))


def _response(sock: Any, *settings: Any, deadline: float, **more: Any) -> http.client.HTTPResponse:
    return http.client.HTTPResponse(_BoundedSocket(sock, deadline), *settings, **more)  # type: ignore[arg-type]


def with_deadline(connection_class: Any) -> Any:
    """
    Make urllib3 connections whose read timeout is the limit of the whole answer.

    Examples
    --------
    >>> import urllib3
    >>> pool = urllib3.HTTPConnectionPool("127.0.0.1")
    >>> with_deadline(pool.ConnectionCls).__name__
    'ConnectionWithDeadline'
    """

    class ConnectionWithDeadline(connection_class):  # type: ignore[misc]
        def request(self, *arguments: Any, **settings: Any) -> None:
            if self.sock is not None:
                # the last answer may have left it a moment only
                self.sock.settimeout(self.timeout)
            super().request(*arguments, **settings)

        def getresponse(self) -> Any:
            deadline = time.monotonic() + self.timeout
            self.response_class = partial(_response, deadline=deadline)
            return super().getresponse()

    return ConnectionWithDeadline
