"""
A bench server that costs as little as Python allows: raw asyncio, one process of its own.

It answers ``GET /v1/video/{id}`` with a details body of about 1.2 kB after a fixed latency,
keeps a rate limit if told to, and prints one JSON line about itself when its stdin closes:
requests, refusals, CPU seconds. No framework, so the clients measured against it are the
brake; ``bench_fetch.py`` checks that with a raw socket load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import resource
import sys
import time
from collections.abc import Callable
from email.utils import formatdate

from tests.documented import SAMPLE

RECORD = {
    **SAMPLE,
    "id": "ID",
    "type": "ugc_ads",
    "url": "https://s3.amazonaws.com/hooked-videos/ID.mp4?X-Amz-Date=20240115T100500Z"
    "&X-Amz-Expires=86400&X-Amz-Signature=" + "0" * 64,
    "thumbnail": "https://cdn.hooked.so/thumbnails/ID.jpg",
    "script": "Three things nobody tells you about a standing desk. " * 6,
}
BEFORE, BETWEEN, BETWEEN_2, AFTER = (
    json.dumps({"success": True, "message": "Video details fetched successfully", "data": RECORD})
    .encode()
    .split(b"ID")
)


class Window:
    """So many requests in each minute, counted from the first request on."""

    def __init__(self, most: int, seconds: float = 60.0) -> None:
        self.most, self.seconds = most, seconds
        self.start, self.used = -math.inf, 0

    def refuse(self, now: float) -> float | None:
        if now >= self.start + self.seconds:
            periods = 0 if self.start == -math.inf else (now - self.start) // self.seconds
            self.start = now if self.start == -math.inf else self.start + periods * self.seconds
            self.used = 0
        self.used += 1
        return None if self.used <= self.most else self.start + self.seconds - now


class Bucket:
    """Refilled evenly, holding a few tokens at most."""

    def __init__(self, per_second: float, holds: float) -> None:
        self.rate, self.holds = per_second, holds
        self.tokens, self.at = holds, time.monotonic()

    def refuse(self, now: float) -> float | None:
        self.tokens = min(self.holds, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return None
        return (1 - self.tokens) / self.rate


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.server.connections += 1

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            path = self.rest[: self.rest.find(b"\r\n")].split(b" ")[1]
            self.rest = self.rest[end + 4 :]
            self.server.answer(self, path.rsplit(b"/", 1)[-1])

    def send(self, status: bytes, body: bytes, more: bytes = b"") -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %b\r\nDate: %b\r\nContent-Type: application/json\r\n%b"
                b"Content-Length: %d\r\n\r\n%b"
                % (status, self.server.date(), more, len(body), body)
            )


class Server:
    def __init__(self, settings: argparse.Namespace) -> None:
        self.latency = settings.latency
        self.limit = (
            Window(settings.window)
            if settings.window
            else Bucket(*settings.bucket)
            if settings.bucket
            else None
        )
        self.requests = self.refused = self.connections = 0
        self.dated = (0, b"")
        self.late = self.waited = 0.0
        self.answered = 0

    def date(self) -> bytes:
        second = int(time.time())
        if self.dated[0] != second:
            self.dated = (second, formatdate(second, usegmt=True).encode())
        return self.dated[1]

    def answer(self, connection: Connection, video_id: bytes) -> None:
        self.requests += 1
        wait = self.limit.refuse(time.monotonic()) if self.limit else None
        if wait is not None:
            self.refused += 1
            after = b"Retry-After: %d\r\n" % max(1, math.ceil(wait))
            self.later(connection.send, b"429 Too Many Requests", b'{"success":false}', after)
        else:
            body = b"".join((BEFORE, video_id, BETWEEN, video_id, BETWEEN_2, video_id, AFTER))
            self.later(connection.send, b"200 OK", body)

    def later(self, call: Callable[..., object], *arguments: object) -> None:
        if not self.latency:
            call(*arguments)
            return
        # a loop's timers ring up to 2 ms late: ring earlier by what they were late on average
        asyncio.get_running_loop().call_later(
            self.latency - self.late, self.ring, time.monotonic(), call, *arguments
        )

    def ring(self, asked: float, call: Callable[..., object], *arguments: object) -> None:
        waited = time.monotonic() - asked
        self.late += 0.01 * (waited - self.latency)
        self.waited += waited
        self.answered += 1
        call(*arguments)


async def main(settings: argparse.Namespace) -> None:
    server = Server(settings)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=512)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "requests": server.requests,
                "refused": server.refused,
                "connections": server.connections,
                "latency": server.waited / max(server.answered, 1),
                "cpu": used.ru_utime + used.ru_stime,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--window", type=int)
    parser.add_argument("--bucket", type=float, nargs=2)
    asyncio.run(main(parser.parse_args()))
