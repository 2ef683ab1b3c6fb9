"""An ASGI application behind a port of this machine, in a thread of this process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["App", "Receive", "Scope", "Send", "ServerThread", "listen"]

PATIENCE_SECONDS = 10.0
MAX_HEAD_BYTES = 16 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ServerThread:
    """
    Serves an ASGI application by uvicorn until it is closed.

    Parameters
    ----------
    app : App
        What answers.
    sock : socket.socket
        Bound already; closed together with the server.
    what : str
        Its name in errors and of its thread, such as ``sandbox``.
    keep_alive_seconds : int, default 5
        How long an idle connection stays open [s].
    most_connections : int, optional
        Further ones are cut at once; None for no limit.
    connection_seconds : float, optional
        A connection older than this is cut; None for no limit [s]. With either limit the head of a
        request is bounded as well, at 16 KiB.

    Examples
    --------
    >>> server = ServerThread(app=None, sock=listen(0), what="sandbox")
    >>> server.close()
    """

    def __init__(
        self,
        app: App,
        sock: socket.socket,
        *,
        what: str,
        keep_alive_seconds: int = 5,
        most_connections: int | None = None,
        connection_seconds: float | None = None,
    ) -> None:
        import uvicorn

        self._what = what
        self._sock = sock
        self._transports: set[asyncio.Transport] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        config = uvicorn.Config(
            app,
            http=_protocol(self._transports, most_connections, connection_seconds),
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

    def start(self) -> None:
        """
        Start the thread and wait until the server answers.

        Examples
        --------
        >>> server = ServerThread(app=None, sock=listen(0), what="sandbox")
        >>> server.start()
        >>> server.close()
        """
        name = f"hooked-{self._what.replace(' ', '-')}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"the {self._what} did not start; see the cause") from (
                    self._error
                )
            time.sleep(0.002)

    def close(self) -> None:
        """
        End the thread, cut the connections that are left, free the port.

        Examples
        --------
        >>> ServerThread(app=None, sock=listen(0), what="sandbox").close()
        """
        self._server.should_exit = True
        if self._thread is not None:
            if self._loop is not None and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._cut)
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                raise RuntimeError(f"the {self._what} did not stop; restart the Python process")
        self._sock.close()

    def _cut(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            raise

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._sock])


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """
    Take a port of this machine, out of reach for others unless *host* says otherwise.

    Parameters
    ----------
    port : int
        0 for any free one.
    host : str, default "127.0.0.1"
        Address to listen at.

    Returns
    -------
    a socket that accepts connections

    Examples
    --------
    >>> with listen(0) as sock:
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
            f"port {port} cannot be used at {host} ({error.strerror}); choose another, or 0",
        ) from None
    return sock


def _protocol(
    transports: set[asyncio.Transport], most: int | None, seconds: float | None
) -> type[asyncio.Protocol]:
    """Let requests reach their connection, which some must cut, and bound connections."""
    base = _http(bounded=most is not None or seconds is not None)

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        base.connection_made(self, transport)
        if most is not None and len(transports) >= most:
            transport.abort()
            return
        self.app_state = {**self.app_state, "transport": transport}
        transports.add(transport)
        if seconds is not None:
            self.cut_off = self.loop.call_later(seconds, transport.abort)

    def connection_lost(self: Any, error: Exception | None) -> None:
        transports.discard(self.transport)
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
