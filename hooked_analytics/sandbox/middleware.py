"""What every request to the sandbox passes first: the log, planned faults, the key, the limit."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
from collections import deque
from collections.abc import Mapping, MutableMapping
from email.utils import formatdate
from random import Random
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from hooked_analytics._internal.server_thread import App, Receive, Scope, Send
from hooked_analytics.sandbox.seed_data import seeded
from hooked_analytics.sandbox.signed_files import s3_error
from hooked_analytics.sandbox.video_store import Clock

_log = logging.getLogger(__name__)

# kind of fault, what the client sees
FAULTS = {
    "error_500": "HTTP 500 with a JSON body",
    "html_502": "HTTP 502 with the HTML page of a gateway",
    "rate_limit": "HTTP 429 although no limit was reached",
    "drop": "the connection ends without a response",
    "truncate": "the body is shorter than its Content-Length",
    "drip": "the body arrives slowly, in slices",
    "slow": "the response comes late",
    "wrong_id": "a good response about another video",
    "flat": "the body without its envelope, as in the API's OpenAPI block",
}
# the same for files and their links
FILE_FAULTS = {
    "file_cut": "the connection ends in the middle of the file",
    "file_drip": "the file arrives slowly, in slices",
    "file_expired": "HTTP 403, as for a link that has ended",
    "file_whole": "the whole file, whichever part was requested",
}
DRIP_SECONDS = 0.5
SLICE_SECONDS = 0.1  # short, so that closing a sandbox need not wait for a drip
SLOW_SECONDS = 0.1
MINUTE_SECONDS = 60.0
MAX_LOGGED_REQUESTS = 10_000

API_PREFIX = "/v1/"
KIND_BY_PREFIX = {
    "/v1/video/list": "list",
    "/v1/video/": "details",
    "/hooked-videos/": "download",
    "/thumbnails/": "thumbnail",
}

Start = MutableMapping[str, Any]


def fault_rates(faults: float | Mapping[str, float] | None) -> dict[str, float]:
    """
    Read the setting *faults*: a rate by kind, or one rate shared evenly by those of the API.

    >>> fault_rates({"drop": 0.1}), round(fault_rates(0.18)["drop"], 3)
    ({'drop': 0.1}, 0.02)
    """
    if faults is None:
        return {}
    if not isinstance(faults, Mapping):
        faults = dict.fromkeys(FAULTS, faults / len(FAULTS))
    kinds = {**FAULTS, **FILE_FAULTS}
    if unknown := sorted(set(faults) - set(kinds)):
        raise ValueError(f"unknown faults {unknown}; the kinds are {', '.join(kinds)}")
    for kind, rate in faults.items():
        if not (math.isfinite(rate) and 0 <= rate <= 1):
            raise ValueError(f"the rate of {kind!r} must lie between 0 and 1, not {rate!r}")
    for table in (FAULTS, FILE_FAULTS):
        if sum(faults.get(kind, 0) for kind in table) > 1 + 1e-9:
            raise ValueError("the rates of all faults together must not be above 1")
    return dict(faults)


class FixedWindow:
    """
    So many requests in each minute; the first minute starts with the first request.

    >>> limit = FixedWindow(2)
    >>> [limit.take(now) for now in (100.0, 110.0, 115.0, 160.0)]
    [None, None, 45.0, None]
    """

    def __init__(self, requests_per_minute: int) -> None:
        if requests_per_minute < 1:
            raise ValueError(
                f"requests_per_minute must be 1 or more, not {requests_per_minute!r}; "
                "None lifts the limit"
            )
        self._limit = requests_per_minute
        self._opened = -math.inf
        self._taken = 0

    def take(self, now: float) -> float | None:
        """Count a request: None lets it pass, else the seconds until the next window."""
        if now >= self._opened + MINUTE_SECONDS:
            self._opened, self._taken = now, 0
        if self._taken >= self._limit:
            return self._opened + MINUTE_SECONDS - now
        self._taken += 1
        return None


class Middleware:
    """Logs a request, plays its fault, checks key and limit, then hands it to `app`."""

    def __init__(
        self,
        clock: Clock,
        faults: float | Mapping[str, float] | None,
        seed: int,
        requests_per_minute: int | None,
        api_key: str,
    ) -> None:
        self.app: App | None = None
        # method and path with query, as received; and how many by kind
        self.requests: deque[tuple[str, str]] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.counts = dict.fromkeys([*KIND_BY_PREFIX.values(), "other"], 0)
        self._clock = clock
        rates = fault_rates(faults)
        self._rates = {kind: rate for kind, rate in rates.items() if kind in FAULTS}
        self._random = seeded(seed, "faults")
        self._file_rates = {kind: rate for kind, rate in rates.items() if kind in FILE_FAULTS}
        self._file_random = seeded(seed, "file faults")
        self._limit = None if requests_per_minute is None else FixedWindow(requests_per_minute)
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, as ASGI has it."""
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        self.requests.append((scope["method"], f"{path}?{query}" if query else path))
        kinds = (kind for prefix, kind in KIND_BY_PREFIX.items() if path.startswith(prefix))
        kind = next(kinds, "other")
        self.counts[kind] += 1
        app, fault = self._pass_on, None
        if path.startswith(API_PREFIX):
            app, fault = self._admit, _draw(self._rates, self._random)
        elif kind != "other":
            fault = _draw(self._file_rates, self._file_random)

        async def dated(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, self._with_date(send))

        if fault is None:
            await dated(scope, receive, send)
        else:
            _log.debug("fault %s", fault)
            await _play(fault, dated, scope, receive, self._with_date(send))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "set before the server starts"  # noqa: S101
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        if not hmac.compare_digest(given, self._api_key):
            await failure(403, "Not authenticated")(scope, receive, send)
            return
        wait = None if self._limit is None else self._limit.take(self._clock.now())
        if wait is None:
            await self._pass_on(scope, receive, send)
        else:
            seconds = max(1, math.ceil(self._clock.real_seconds(wait)))
            await too_many_requests(seconds)(scope, receive, send)

    def _with_date(self, send: Send) -> Send:
        async def send_dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._clock.now(), usegmt=True).encode()
                message = _with_header(message, b"date", date)
            await send(message)

        return send_dated


def failure(
    status_code: int, message: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Response to a request that cannot be served, with further fields of its body."""
    body = {"success": False, "message": message, **more}
    return JSONResponse(body, status_code=status_code, headers=headers)


def too_many_requests(seconds: int) -> JSONResponse:
    """Response to a request above the limit."""
    headers = {"Retry-After": str(seconds)}
    return failure(429, "Too many requests", headers, code="RATE_LIMITED")


async def _play(kind: str, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Respond as this kind of fault does; *app* gives the good response where one is needed."""
    if (instead := _response_instead(kind)) is not None:
        await instead(scope, receive, send)
        return
    transport: asyncio.Transport = scope["state"]["transport"]
    if kind == "drop":
        transport.abort()
        await _until_disconnected(receive)
        return
    if kind == "slow":
        await asyncio.sleep(SLOW_SECONDS)
    if kind == "file_whole":
        scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"range"]}
    start, body = await _collected(app, scope, receive)
    if kind in {"truncate", "file_cut"}:
        transport.write(_head(start) + body[: len(body) // 2])
        transport.close()
        await _until_disconnected(receive)
    elif kind in {"drip", "file_drip"}:
        await _drip(start, body, transport, send)
    else:
        body = _spoiled(kind, body)
        await send(_with_header(start, b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _response_instead(kind: str) -> Response | None:
    if kind == "error_500":
        return failure(500, "Internal server error")
    if kind == "html_502":
        page = "<html><body><center><h1>502 Bad Gateway</h1></center></body></html>"
        return HTMLResponse(page, status_code=502)
    if kind == "rate_limit":
        return too_many_requests(1)
    if kind == "file_expired":
        file = s3_error(403, "AccessDenied", "Request has expired")
        return Response(file.content, file.status_code, file.headers)
    return None


def _draw(rates: Mapping[str, float], random: Random) -> str | None:
    """Fault of the next request: the n-th of a seed always meets the same."""
    chance = random.random() if rates else math.inf
    for kind, rate in rates.items():
        chance -= rate
        if chance < 0:
            return kind
    return None


async def _collected(app: App, scope: Scope, receive: Receive) -> tuple[Start, bytes]:
    messages: list[MutableMapping[str, Any]] = []

    async def keep(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _drip(start: Start, body: bytes, transport: asyncio.Transport, send: Send) -> None:
    await send(start)
    width = math.ceil(len(body) * min(1.0, SLICE_SECONDS / DRIP_SECONDS)) or 1
    pause = DRIP_SECONDS / max(1, math.ceil(len(body) / width))
    for position in range(0, len(body), width):
        await asyncio.sleep(pause)
        if transport.is_closing():
            return
        part = body[position : position + width]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnected(receive: Receive) -> None:
    # The server calls it an error when a handler ends without a response on an open connection.
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_header(start: Start, name: bytes, value: bytes) -> Start:
    headers = [pair for pair in start["headers"] if pair[0] != name]
    return {**start, "headers": [*headers, (name, value)]}


def _head(start: Start) -> bytes:
    lines = [b"HTTP/1.1 %d " % start["status"]]
    lines += [name + b": " + value for name, value in start["headers"]]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _spoiled(kind: str, body: bytes) -> bytes:
    if kind not in {"wrong_id", "flat"}:
        return body
    content = json.loads(body)
    data = content.get("data", content)
    if kind == "wrong_id" and "id" in data:
        data["id"] = f"{data['id']}x"
    return json.dumps(data if kind == "flat" else content).encode()
