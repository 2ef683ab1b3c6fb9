"""A uvicorn server in a thread of this process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from typing import Any

import uvicorn

from hooked_analytics.sandbox.faults import App

__all__ = ["ServerThread"]

PATIENCE_SECONDS = 10.0
# Longer than anybody's polling interval, so that no request meets a closing connection.
KEEP_ALIVE_SECONDS = 75


class ServerThread:
    """
    Serves an ASGI application until it is closed.

    Parameters
    ----------
    app : what answers
    sock : bound already; closed together with the server

    Examples
    --------
    >>> server = ServerThread(app=None, sock=listen(0))
    >>> server.close()
    """

    def __init__(self, app: App, sock: socket.socket) -> None:
        self._sock = sock
        self._transports: set[asyncio.Transport] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        config = uvicorn.Config(
            app,
            http=_protocol(self._transports),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            date_header=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)

    def start(self) -> None:
        """
        Start the thread and wait until the server answers.

        Examples
        --------
        >>> server = ServerThread(app=None, sock=listen(0))
        >>> server.start()
        >>> server.close()
        """
        self._thread = threading.Thread(target=self._run, name="hooked-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("the sandbox did not start; see the cause") from self._error
            time.sleep(0.002)

    def close(self) -> None:
        """
        End the thread, cut the connections that are left, free the port.

        Examples
        --------
        >>> ServerThread(app=None, sock=listen(0)).close()
        """
        self._server.should_exit = True
        if self._thread is not None:
            if self._loop is not None and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._cut)
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                raise RuntimeError("the sandbox did not stop; restart the Python process")
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


def listen(port: int) -> socket.socket:
    """
    Take a port of this machine, out of reach for others.

    Parameters
    ----------
    port : 0 for any free one

    Returns
    -------
    a socket that accepts connections

    Examples
    --------
    >>> with listen(0) as sock:
    ...     sock.getsockname()[0]
    '127.0.0.1'
    """
    # asyncio switches Nagle's delay of 40 ms off only where it sees that the protocol is TCP.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"port {port} cannot be used ({error.strerror}); choose another, or 0"
        ) from None
    return sock


def _protocol(transports: set[asyncio.Transport]) -> type[asyncio.Protocol]:
    """Let requests reach their connection, which some faults must cut."""
    base: Any
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as base  # noqa: N813
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol as base  # noqa: N813

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        transports.add(transport)
        base.connection_made(self, transport)

    def connection_lost(self: Any, error: Exception | None) -> None:
        transports.discard(self.transport)
        base.connection_lost(self, error)

    members = {"connection_made": connection_made, "connection_lost": connection_lost}
    return type("SandboxProtocol", (base,), members)
