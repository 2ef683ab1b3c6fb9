"""An ASGI application behind a port of this machine, in a thread of this process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from weakref import WeakSet

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # else Python prints warnings where no logging is set up

START_SECONDS = STOP_SECONDS = 10.0
MAX_HEAD_BYTES = 16 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ServerThread:
    """
    Serves an ASGI application by uvicorn until it is closed.

    A forked child inherits none of its sockets. The process may end while it runs.

    >>> server = ServerThread(app=None, sock=bind_socket(0), name="sandbox")
    >>> server.close()
    """

    def __init__(
        self,
        app: App,
        sock: socket.socket,
        *,
        name: str,
        keep_alive_seconds: int = 5,
        max_connections: int | None = None,
        connection_seconds: float | None = None,
    ) -> None:
        import uvicorn

        self._name = name
        self._sock = sock
        self._pid = os.getpid()
        # oldest first
        self._transports: dict[asyncio.Transport, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        config = uvicorn.Config(
            app,
            http=_protocol(self._transports, max_connections, connection_seconds),
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            date_header=False,
            server_header=False,
            timeout_keep_alive=keep_alive_seconds,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        _servers.add(self)

    def start(self) -> None:
        """Start the thread and wait until the server responds."""
        name = f"hooked-{self._name.replace(' ', '-')}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"the {self._name} did not start; see the cause") from (
                    self._error
                )
            time.sleep(0.002)
        _log.info("%s listens at port %d", self._name, self._sock.getsockname()[1])

    def is_ours(self) -> bool:
        """Whether it runs in this process, and not in the one that was forked."""
        return os.getpid() == self._pid

    def stop(self) -> None:
        """Let the server end soon: no wait, so a finalizer may call it in any thread."""
        if not self.is_ours():
            return
        self._server.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._cut)
            except RuntimeError:
                return  # closed meanwhile

    def close(self) -> None:
        """End the thread, cut the connections that are left, free the port."""
        self.stop()
        if self._thread is not None and self.is_ours():
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                raise RuntimeError(f"the {self._name} did not stop; restart the Python process")
            _log.info("%s has ended", self._name)
        self._sock.close()

    def drop_sockets(self) -> None:
        """Close what a forked child inherited: the parent alone serves them."""
        self._sock.close()
        null = os.open(os.devnull, os.O_RDWR)
        for transport in self._transports:
            # The child's copy of the event loop still names the number: keep it, to nowhere.
            if (number := transport.get_extra_info("socket").fileno()) >= 0:
                os.dup2(null, number, inheritable=False)
        os.close(null)

    def _cut(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._sock.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._sock])


# Only the process knows which sockets a fork copies.
_servers: WeakSet[ServerThread] = WeakSet()


def _drop_sockets_in_child() -> None:
    for server in list(_servers):
        server.drop_sockets()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_drop_sockets_in_child)


def bind_socket(port: int, host: str = "127.0.0.1") -> socket.socket:
    """
    Take a port, of this machine alone unless *host* says otherwise; 0 is any free one.

    >>> with bind_socket(0) as sock:
    ...     sock.getsockname()[0]
    '127.0.0.1'
    """
    if not 0 <= port <= 65_535:
        raise ValueError(f"a port is 0 to 65,535, not {port}")
    # asyncio switches Nagle's delay of 40 ms off only where it sees that the protocol is TCP.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno,
            f"port {port} cannot be used at {host} ({error.strerror}); choose another port, 0 for "
            "any, or another address of this machine",
        ) from None
    return sock


def _protocol(
    transports: dict[asyncio.Transport, None], most: int | None, seconds: float | None
) -> type[asyncio.Protocol]:
    """Let requests reach their connection, which some must cut, and bound connections."""
    base = _http(bounded=most is not None or seconds is not None)

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        base.connection_made(self, transport)
        if most is not None and len(transports) >= most:
            oldest = next(iter(transports))
            del transports[oldest]
            oldest.abort()
        self.logger = _log  # what strangers send is told to nobody who does not log
        self.app_state = {**self.app_state, "transport": transport}
        transports[transport] = None
        if seconds is not None:
            self.cut_off = self.loop.call_later(seconds, transport.abort)

    def connection_lost(self: Any, error: Exception | None) -> None:
        transports.pop(self.transport, None)
        if cut_off := getattr(self, "cut_off", None):
            cut_off.cancel()
        base.connection_lost(self, error)

    members = {"connection_made": connection_made, "connection_lost": connection_lost}
    return type("BoundedProtocol", (base,), members)


def _http(*, bounded: bool) -> Any:
    from uvicorn.protocols.http.h11_impl import H11Protocol

    if bounded:  # httptools takes headers without end
        return H11Protocol
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return H11Protocol
    return HttpToolsProtocol
