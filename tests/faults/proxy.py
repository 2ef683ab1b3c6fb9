"""
A proxy that spoils answers: it stands between a client and a good server, on real sockets.

What it can do is the table `FAULTS`. Which request meets which fault is drawn from a seed, or
told one by one through ``FaultProxy.fates``.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

import urllib3

from tests.scripted import Request, Reset, ScriptedServer, answer

ELSEWHERE = "https://elsewhere.example/v1/video/vid_1?X-Amz-Signature=abc"
BOMB_BYTES = 200 * 2**20
JSON = "application/json"
BURST = (2, 5)  # requests in a row that meet the same status
DRIP_PIECES = 8
_SPACES = b" " * 2**16
# They belong to one connection, or are written anew.
_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding"}


class Good(NamedTuple):
    """The answer of the good server, to be spoilt."""

    status: int
    headers: dict[str, str]
    body: bytes
    draw: random.Random  # this request's own
    elsewhere: str  # where a redirect leads

    def raw(self, **changed: str) -> bytes:
        """The answer as it goes over the wire."""
        return answer(self.body, self.status, **{**self.headers, **changed})

    def head_and_body(self) -> tuple[bytes, bytes]:
        head, _, body = self.raw().partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body


def latency(good: Good) -> bytes:
    time.sleep(good.draw.uniform(0.02, 0.2))
    return good.raw()


def drip(good: Good) -> Iterator[bytes]:
    head, body = good.head_and_body()
    yield head
    width = max(1, math.ceil(len(body) / DRIP_PIECES))
    for at in range(0, len(body), width):
        time.sleep(0.03)
        yield body[at : at + width]


def cut(good: Good) -> Iterator[bytes]:
    head, body = good.head_and_body()
    yield head + body[: good.draw.randrange(len(body) or 1)]


def reset(good: Good) -> Iterator[bytes]:
    yield from cut(good)
    raise Reset


def drop(good: Good) -> bytes:
    raise Reset


def too_long(good: Good) -> Iterator[bytes]:
    yield good.raw(**{"Content-Length": str(len(good.body) + 100)})


def redirect(good: Good) -> bytes:
    return answer(b"", good.draw.choice((301, 302, 303, 307, 308)), Location=good.elsewhere)


@cache
def bomb(size_bytes: int = BOMB_BYTES) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(b'{"data": "')]
    pieces += [packer.compress(b"a" * 2**20) for _ in range(size_bytes // 2**20)]
    return b"".join([*pieces, packer.compress(b'"}'), packer.flush()])


def endless(good: Good) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield _SPACES


def endless_chunks(good: Good) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + _SPACES + b"\r\n"


def endless_headers(good: Good) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-More: " + b"a" * 1000 + b"\r\n"


def many_fields(good: Good) -> bytes:
    if not good.body.startswith(b"{"):
        return good.raw()
    body = json.loads(good.body)
    body.get("data", body).update({f"field_{number}": number for number in range(10_000)})
    return good._replace(body=json.dumps(body).encode()).raw()


# name -> what becomes of a good answer: bytes, pieces of them, silence, or a reset
FAULTS: dict[str, Callable[[Good], object]] = {
    **{f.__name__: f for f in (latency, drip, cut, reset, drop, too_long, redirect, many_fields)},
    **{f.__name__: f for f in (endless, endless_chunks, endless_headers)},
    "silence": lambda good: None,
    **{f"status_{s}": lambda good, s=s: answer({"success": False}, s) for s in (408, 500, 503)},
    "gateway": lambda good: answer(b"<html>Bad Gateway</html>", 502, Content_Type="text/html"),
    "stray_429": lambda good: answer({"success": False}, 429, Retry_After="0.05"),
    "too_short": lambda good: good.raw(**{"Content-Length": str(len(good.body) // 2)}),
    "no_json": lambda good: answer(b"<html>Sign in to the hotel's wireless network</html>"),
    "another_video": lambda g: g._replace(body=g.body.replace(b'"id":"', b'"id":"x')).raw(),
    "gzip_bomb": lambda good: answer(bomb(), Content_Encoding="gzip", Content_Type=JSON),
}
IN_BURSTS = ("status_500", "status_503", "gateway")


def evenly(share: float, *, without: tuple[str, ...] = ()) -> dict[str, float]:
    """Share a rate among all faults but some."""
    kinds = [kind for kind in FAULTS if kind not in without]
    return dict.fromkeys(kinds, share / len(kinds))


class FaultProxy(ScriptedServer):
    """
    Forwards each request to *upstream* and spoils some of the responses, by *rates* of faults.

    `fates` are what the next requests meet, before anything is drawn; None spares one. `dealt`
    counts the faults; `before` is called with each request. Redirects lead *elsewhere*.
    """

    def __init__(
        self,
        upstream: str,
        *,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        elsewhere: str = ELSEWHERE,
    ) -> None:
        self.fates: deque[str | None] = deque()
        self.dealt: Counter[str] = Counter()
        self.before: Callable[[Request], object] = lambda _: None
        self._upstream = upstream
        self._elsewhere = elsewhere
        self._rates = dict(rates or {})
        self._draw = random.Random(seed)
        self._drawing = threading.Lock()
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)
        super().__init__(self._spoilt)

    def close(self) -> None:
        super().close()
        self._pool.clear()

    def _spoilt(self, request: Request) -> object:
        self.before(request)
        with self._drawing:
            fate = self._next_fate()
            draw = random.Random(self._draw.random())
            if fate is not None:
                self.dealt[fate] += 1
        good = self._good(request, draw)
        return good.raw() if fate is None else FAULTS[fate](good)

    def _next_fate(self) -> str | None:
        if self.fates:
            return self.fates.popleft()
        chance = self._draw.random()
        for fate, rate in self._rates.items():
            chance -= rate if fate not in IN_BURSTS else rate / (sum(BURST) / 2)
            if chance < 0:
                if fate in IN_BURSTS:
                    self.fates.extend([fate] * (self._draw.randint(*BURST) - 1))
                return fate
        return None

    def _good(self, request: Request, draw: random.Random) -> Good:
        sent = {k: v for k, v in request.headers.items() if k not in _NOT_FORWARDED}
        url = self._upstream + request.path
        reply = self._pool.request("GET", url, headers=sent, redirect=False, decode_content=False)
        kept = {k: v for k, v in reply.headers.items() if k.lower() not in _NOT_FORWARDED}
        body = reply.data
        if "json" in kept.get("content-type", kept.get("Content-Type", "")):
            # links lead through here as well
            body = body.replace(self._upstream.encode(), self.url.encode())
        return Good(reply.status, kept, body, draw, self._elsewhere)


@contextlib.contextmanager
def spoiling(upstream: str, **settings: object) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream, **settings)
    try:
        yield proxy
    finally:
        proxy.close()
