"""A scripted server on a real socket: bytes, silence, drips and resets exactly as told."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    number: int  # 1 for the first request this server saw
    at: float = field(default_factory=time.monotonic)
    body: bytes = b""


def answer(body: object, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "Content-Length": str(len(raw)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw


def video(video_id: str = "vid_1", **fields: object) -> dict[str, object]:
    return {"success": True, "message": "", "data": {"id": video_id, **fields}}


def echo(request: Request) -> bytes:
    """Answer every id with a finished video of that id."""
    return answer(video(request.path.rsplit("/", 1)[-1], status="COMPLETED"))


class Reset(Exception):
    """Raised by a handler, or by an iterator of pieces: drop the connection with a reset."""


class ScriptedServer:
    """
    Calls ``handler(request)`` for each request; bytes are sent, an iterator is sent piece by
    piece, `Reset` drops the connection, None leaves the client in silence.
    """

    def __init__(
        self, handler: Callable[[Request], object], tls: ssl.SSLContext | None = None
    ) -> None:
        self.handler = handler
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []
        self.closing = threading.Event()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with self._lock:
                    self.connections += 1
                    self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, self._secured(connection) as connection:
            reader = connection.makefile("rb")
            while line := reader.readline():
                headers = {}
                while (header := reader.readline().strip()) != b"":
                    name, _, value = header.decode().partition(": ")
                    headers[name.lower()] = value
                body = reader.read(int(headers.get("content-length", 0)))
                with self._lock:
                    number = len(self.requests) + 1
                    request = Request(line.decode().split(" ")[1], headers, number, body=body)
                    self.requests.append(request)
                if not self._reply(connection, request):
                    return

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    def _reply(self, connection: socket.socket, request: Request) -> bool:
        try:
            said = self.handler(request)
            if said is None:
                self.closing.wait(60)
                return False
            for piece in [said] if isinstance(said, bytes) else said:
                connection.sendall(piece)
        except Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return isinstance(said, bytes)


@contextlib.contextmanager
def serving(
    handler: Callable[[Request], object], tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    server = ScriptedServer(handler, tls)
    try:
        yield server
    finally:
        server.close()
