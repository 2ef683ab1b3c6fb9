"""
Connections for files: to checked addresses only, never silent, never slower than a minimum.

An answer of any length needs another limit than a total one: in every stretch of time enough
must arrive. Reading looks at the stop event a few times a second.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3

from hooked_analytics.client import Cancelled
from hooked_analytics.download.links import may_connect

if TYPE_CHECKING:
    import threading

# So much must arrive in every stretch of `timeout_seconds`, or the connection is given up.
MIN_BYTES = 64 * 1024
_SLICE_SECONDS = 0.2
# Carries the signature of a link past urllib3's debug log, which prints the path it is given.
QUERY_HEADER = "x-hooked-query"


class AddressRefused(Exception):  # noqa: N818
    """A name leads to an address that is not connected to."""


class _PacedReader(io.RawIOBase):
    """What arrives on a socket, until it stops or arrives too slowly."""

    def __init__(self, sock: Any, stop: threading.Event, stretch_seconds: float) -> None:
        self._sock = sock
        # keeps the socket open while the answer is read, even after its connection let go
        self._raw = sock.makefile("rb", buffering=0)
        self._stop = stop
        self._stretch_seconds = stretch_seconds
        self._until = time.monotonic() + stretch_seconds
        self._arrived = 0
        sock.settimeout(min(_SLICE_SECONDS, stretch_seconds))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stop.is_set():
                raise Cancelled
            now = time.monotonic()
            if now >= self._until:
                if self._arrived < MIN_BYTES:
                    raise TimeoutError("too little arrived")
                self._until, self._arrived = now + self._stretch_seconds, 0
            try:
                got: int = self._sock.recv_into(buffer)
            except TimeoutError:
                continue
            self._arrived += got
            return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedSocket:
    """The one thing an `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, sock: Any, stop: threading.Event, stretch_seconds: float) -> None:
        self._settings = (sock, stop, stretch_seconds)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_PacedReader(*self._settings))


def _response(
    sock: Any, *settings: Any, stop: threading.Event, stretch_seconds: float, **more: Any
) -> http.client.HTTPResponse:
    paced: Any = _PacedSocket(sock, stop, stretch_seconds)
    return http.client.HTTPResponse(paced, *settings, **more)


def for_files(
    connection_class: Any, *, stop: threading.Event, stretch_seconds: float, loopback: bool | None
) -> Any:
    """
    Make urllib3 connections fit for files.

    Parameters
    ----------
    loopback : whether the name must lead to this machine, or must not; None behind a proxy,
        which looks names up itself

    Examples
    --------
    >>> import threading
    >>> pool = urllib3.HTTPConnectionPool("127.0.0.1")
    >>> paced = for_files(
    ...     pool.ConnectionCls, stop=threading.Event(), stretch_seconds=30, loopback=True
    ... )
    >>> paced.__name__
    'FileConnection'
    """

    class FileConnection(connection_class):  # type: ignore[misc]
        host: Any  # where to connect; its setter is urllib3's

        def _new_conn(self) -> Any:
            if loopback is None:
                return super()._new_conn()
            name = self.host
            try:
                addresses = _checked_addresses(name, self.port, loopback=loopback)
            except (OSError, UnicodeError) as error:
                # its own text is made of the name alone
                raise urllib3.exceptions.NewConnectionError(self, str(error)) from None
            failed: Exception | None = None
            try:
                for self.host in addresses:
                    try:
                        return super()._new_conn()
                    except urllib3.exceptions.HTTPError as error:
                        failed = error
            finally:
                self.host = name
            raise failed or urllib3.exceptions.NewConnectionError(self, "no address")

        def request(self, method: str, url: str, *rest: Any, headers: Any, **more: Any) -> None:
            plain = dict(headers)
            url += plain.pop(QUERY_HEADER, "")
            super().request(method, url, *rest, headers=plain, **more)

        def getresponse(self) -> Any:
            self.response_class = partial(_response, stop=stop, stretch_seconds=stretch_seconds)
            return super().getresponse()

    return FileConnection


def _checked_addresses(name: str, port: int, *, loopback: bool) -> list[str]:
    """Look a name up once; what is connected to is what was checked."""
    found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not may_connect(address, loopback=loopback):
            raise AddressRefused(address)
    return addresses
