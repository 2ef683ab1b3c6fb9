"""What every request to the sandbox passes first: the log, faults, the key, the limit."""

from __future__ import annotations

import asyncio
import hmac
import math
from collections import Counter, deque
from collections.abc import MutableMapping
from email.utils import formatdate
from typing import Any

from hooked_analytics._internal.server import App, Receive, Scope, Send
from hooked_analytics.sandbox.answers import failure, too_many_requests
from hooked_analytics.sandbox.clock import Clock
from hooked_analytics.sandbox.faults import Faults
from hooked_analytics.sandbox.limit import Limit

__all__ = ["Middleware", "RequestLog"]

API_PREFIX = "/v1/"
FILE_PREFIXES = ("/hooked-videos/", "/thumbnails/")


class RequestLog:
    """
    What was asked of the sandbox.

    Parameters
    ----------
    keep : how many of the latest requests to remember one by one

    Examples
    --------
    >>> log = RequestLog()
    >>> log.add("GET", "/v1/video/list", b"limit=5")
    >>> log.latest(), log.counts["list"]
    ([('GET', '/v1/video/list?limit=5')], 1)
    """

    def __init__(self, keep: int = 10_000) -> None:
        self.counts: Counter[str] = Counter()
        self._seen: deque[tuple[str, str]] = deque(maxlen=keep)

    def add(self, method: str, path: str, query: bytes) -> None:
        """
        Note one request.

        Parameters
        ----------
        path, query : as they came, still percent-encoded
        """
        self._seen.append((method, f"{path}?{query.decode('latin-1')}" if query else path))
        self.counts[_kind(path)] += 1

    def latest(self) -> list[tuple[str, str]]:
        """Method and path of the latest requests, in the order they came."""
        # copy() is one step; a plain list() could meet the server's thread adding to it.
        return list(self._seen.copy())


def _kind(path: str) -> str:
    if path == "/v1/video/list":
        return "list"
    prefixes = {
        "/v1/video/": "details",
        "/hooked-videos/": "download",
        "/thumbnails/": "thumbnail",
    }
    return next((kind for prefix, kind in prefixes.items() if path.startswith(prefix)), "other")


class Middleware:
    """
    What every request passes first: the log, faults, the key, the limit.

    Parameters
    ----------
    app : answers those that may pass; set before the first request
    api_key : what the header ``x-api-key`` must say
    latency_seconds : added to every API answer, in real time [s]
    retry_after : whether a 429 says how long to wait

    Examples
    --------
    >>> middleware = Middleware(Clock(0, 0), Faults({}, seed=0), None, api_key="key")
    >>> middleware.log.counts["details"]
    0
    """

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        limit: Limit | None,
        *,
        api_key: str,
        latency_seconds: float = 0.0,
        retry_after: bool = True,
    ) -> None:
        self.log = RequestLog()
        self.app: App | None = None
        self._clock = clock
        self._faults = faults
        self._limit = limit
        self._api_key = api_key.encode()
        self._latency_seconds = latency_seconds
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, as ASGI has it."""
        path = scope["raw_path"].decode("latin-1")
        self.log.add(scope["method"], path, scope["query_string"])
        dated = self._dated(send)
        if not path.startswith(API_PREFIX):
            kind = self._faults.draw_for_file() if path.startswith(FILE_PREFIXES) else None
            if kind is None:
                await self._answer(scope, receive, dated)
            else:
                await self._faults.play_for_file(kind, self._answer_dated, scope, receive, dated)
            return
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        fault = self._faults.draw()
        if fault is None:
            await self._admit(scope, receive, dated)
        else:
            await self._faults.play(fault, self._admit_dated, scope, receive, dated)

    async def _answer_dated(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, self._dated(send))

    async def _admit_dated(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._admit(scope, receive, self._dated(send))

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        if not hmac.compare_digest(given, self._api_key):
            await failure(403, "Not authenticated")(scope, receive, send)
            return
        wait = None if self._limit is None else self._limit.take(self._clock.now())
        if wait is not None:
            seconds = max(1, math.ceil(self._clock.real_seconds(wait)))
            refusal = too_many_requests(seconds if self._retry_after else None)
            await refusal(scope, receive, send)
            return
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            raise RuntimeError("the middleware leads nowhere: set its app before serving")
        await self.app(scope, receive, send)

    def _dated(self, send: Send) -> Send:
        async def send_dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0] != b"date"]
                date = formatdate(self._clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*headers, (b"date", date)]}
            await send(message)

        return send_dated
