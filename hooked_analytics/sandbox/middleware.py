"""What every request to the sandbox passes first: the log, planned faults, the key, the limit."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from email.utils import formatdate
from functools import partial
from random import Random
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from hooked_analytics._internal.server_thread import App, Receive, Scope, Send
from hooked_analytics.sandbox.seed_data import seeded
from hooked_analytics.sandbox.video_store import Clock

_log = logging.getLogger(__name__)

# kinds of fault
FAULTS = (
    "error_500",  # HTTP 500 with a JSON body
    "html_502",  # HTTP 502 with the HTML page of a gateway
    "rate_limit",  # HTTP 429 although no limit was reached
    "drop",  # the connection ends without a response
    "truncate",  # the body is shorter than its Content-Length
    "drip",  # the body arrives slowly, in slices
    "slow",  # the response comes late
    "wrong_id",  # a good response about another video
    "flat",  # the body without its envelope, as in the API's OpenAPI block
)
# the same for files and their links
FILE_FAULTS = (
    "file_cut",  # the connection ends in the middle of the file
    "file_drip",  # the file arrives slowly, in slices
    "file_expired",  # HTTP 403, as for a link that has ended
    "file_whole",  # the whole file, whichever part was requested
)
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

Message = MutableMapping[str, Any]


def fault_rates(faults: float | Mapping[str, float] | None) -> dict[str, float]:
    """
    Read the setting *faults*: a rate by kind, or one rate shared evenly by those of the API.

    >>> fault_rates({"drop": 0.1}), round(fault_rates(0.18)["drop"], 3)
    ({'drop': 0.1}, 0.02)
    """
    if not isinstance(faults, Mapping):
        faults = dict.fromkeys(FAULTS, faults / len(FAULTS)) if faults is not None else {}
    kinds = FAULTS + FILE_FAULTS
    if unknown := sorted(set(faults) - set(kinds)):
        raise ValueError(f"unknown faults {unknown}; the kinds are {', '.join(kinds)}")
    for kind, rate in faults.items():
        if not (math.isfinite(rate) and 0 <= rate <= 1):
            raise ValueError(f"the rate of {kind!r} must lie between 0 and 1, not {rate!r}")
    for table in (FAULTS, FILE_FAULTS):
        if sum(faults.get(kind, 0) for kind in table) > 1 + 1e-9:
            raise ValueError("the rates of all faults together must not be above 1")
    return dict(faults)


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
        if requests_per_minute is not None and requests_per_minute < 1:
            raise ValueError(
                f"requests_per_minute must be 1 or more, not {requests_per_minute!r}; "
                "None lifts the limit"
            )
        self.app: App | None = None
        # method and path with query, as received; and how many by kind
        self.requests: deque[tuple[str, str]] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.counts = dict.fromkeys([*KIND_BY_PREFIX.values(), "other"], 0)
        self._clock = clock
        rates = fault_rates(faults)
        self._faults, self._file_faults = (
            ({k: r for k, r in rates.items() if k in table}, seeded(seed, purpose))
            for table, purpose in ((FAULTS, "faults"), (FILE_FAULTS, "file faults"))
        )
        self._limit = requests_per_minute or math.inf
        self._window_start, self._taken = -math.inf, 0
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, as ASGI has it."""
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        self.requests.append((scope["method"], f"{path}?{query}" if query else path))
        kinds = (kind for prefix, kind in KIND_BY_PREFIX.items() if path.startswith(prefix))
        kind = next(kinds, "other")
        self.counts[kind] += 1
        is_api, fault = path.startswith(API_PREFIX), None
        if is_api or kind != "other":
            fault = _draw(*(self._faults if is_api else self._file_faults))
        if fault is not None:
            _log.debug("fault %s", fault)
        if fault == "drop":
            scope["state"]["transport"].abort()
            await _until_disconnected(receive)
            return
        if fault == "file_whole":
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"range"]
        if fault in INSTEAD:
            app: App | None = INSTEAD[fault]()
        else:
            app = (self._refusal(scope) if is_api else None) or self.app
        assert app is not None, "set before the server starts"  # noqa: S101
        start: Message = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal start, body
            start = start or message
            body += message.get("body", b"")

        await app(scope, receive, keep)
        start["headers"].append((b"date", formatdate(self._clock.now(), usegmt=True).encode()))
        await _send(fault, start, body, scope["state"]["transport"], receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        """Response to a request of the API with a wrong key, or above the limit."""
        given = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        if not hmac.compare_digest(given, self._api_key):
            return failure(403, "Not authenticated")
        now = self._clock.now()
        # the first minute starts with the first request
        if now >= self._window_start + MINUTE_SECONDS:
            self._window_start, self._taken = now, 0
        if self._taken < self._limit:
            self._taken += 1
            return None
        wait = self._clock.real_seconds(self._window_start + MINUTE_SECONDS - now)
        return too_many_requests(max(1, math.ceil(wait)))


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


def s3_error(status_code: int, code: str, message: str, more: str = "") -> Response:
    """Error in the XML of S3."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    )
    return Response(body, status_code, {"Content-Type": "application/xml"})


# fault -> the response that is sent in place of the good one
INSTEAD: Mapping[str | None, Callable[[], Response]] = {
    "error_500": partial(failure, 500, "Internal server error"),
    "html_502": partial(HTMLResponse, "<html><h1>502 Bad Gateway</h1></html>", 502),
    "rate_limit": partial(too_many_requests, 1),
    "file_expired": partial(s3_error, 403, "AccessDenied", "Request has expired"),
}


def _draw(rates: Mapping[str, float], random: Random) -> str | None:
    """Fault of the next request: the n-th of a seed always meets the same."""
    chance = random.random() if rates else math.inf
    for kind, rate in rates.items():
        chance -= rate
        if chance < 0:
            return kind
    return None


async def _send(
    fault: str | None,
    start: Message,
    body: bytes,
    transport: asyncio.Transport,
    receive: Receive,
    send: Send,
) -> None:
    """Send a response, spoiled as its fault does."""
    if fault in {"truncate", "file_cut"}:
        lines = [b"HTTP/1.1 %d " % start["status"], *map(b": ".join, start["headers"])]
        transport.write(b"\r\n".join([*lines, b"", body[: len(body) // 2]]))
        transport.close()
        await _until_disconnected(receive)
        return
    if fault in {"wrong_id", "flat"}:
        content = json.loads(body)
        data = content.get("data", content)
        if fault == "wrong_id" and "id" in data:
            data["id"] = f"{data['id']}x"
        body = json.dumps(data if fault == "flat" else content).encode()
        headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    size = max(1, len(body))
    drips = fault in {"drip", "file_drip"}
    width = math.ceil(size * SLICE_SECONDS / DRIP_SECONDS) if drips else size
    if fault == "slow":
        await asyncio.sleep(SLOW_SECONDS)
    await send(start)
    for end in range(width, size + width, width):
        if drips:
            await asyncio.sleep(SLICE_SECONDS)
        if transport.is_closing():
            return
        part, more = body[end - width : end], end < size
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def _until_disconnected(receive: Receive) -> None:
    # The server calls it an error when a handler ends without a response on an open connection.
    while (await receive())["type"] != "http.disconnect":
        pass
