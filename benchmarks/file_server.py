"""
A bench server for files: sendfile from one process, so that the clients are the brake.

``GET /v1/video/{id}`` answers with details as ``server.py`` does; every other path is the one
file it was started with, whole or from the byte a Range header asks for. It prints its port
and ends when its stdin does.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path


def serve(connection: socket.socket, path: Path) -> None:
    size = path.stat().st_size
    with connection, path.open("rb") as file:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        while reader.readline():
            first = 0
            while (line := reader.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"range: bytes="):
                    first = int(line[13:].split(b"-")[0])
            status = "206 Partial Content" if first else "200 OK"
            part = f"Content-Range: bytes {first}-{size - 1}/{size}\r\n" if first else ""
            head = (
                f'HTTP/1.1 {status}\r\nETag: "{size:x}"\r\nContent-Type: video/mp4\r\n'
                f"{part}Content-Length: {size - first}\r\n\r\n"
            )
            connection.sendall(head.encode())
            while first < size:
                first += os.sendfile(connection.fileno(), file.fileno(), first, size - first)


def main() -> None:
    path = Path(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)

        def accept() -> None:
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection, path), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
