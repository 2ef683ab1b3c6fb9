"""Things that go wrong between a client and a server, at a chosen rate."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, MutableMapping
from random import Random
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from hooked_analytics._internal.server import App, Receive, Scope, Send
from hooked_analytics.sandbox.answers import failure, too_many_requests
from hooked_analytics.sandbox.generators import seeded

__all__ = ["FILE_KINDS", "KINDS", "Faults", "fault_rates"]

# kind of fault, what the client sees
KINDS = {
    "error_500": "HTTP 500 with a JSON body",
    "html_502": "HTTP 502 with the HTML page of a gateway",
    "drop": "the connection ends without an answer",
    "truncate": "the body is shorter than its Content-Length",
    "drip": "the body arrives slowly, in slices",
    "wrong_id": "a good answer about another video",
    "rate_limit": "HTTP 429 although no limit was reached",
}
# the same for files and their links
FILE_KINDS = {
    "cut": "the connection ends in the middle of the file",
    "stall": "silence in the middle of the file",
    "drip": "the file arrives slowly, in slices",
    "expired": "HTTP 403, as for a link that has died",
    "whole": "the whole file, whichever part of it was asked for",
    "short": "a Content-Length and a body of half the file, as if that were all",
    "unsized": "no Content-Length: the end of the connection is the end of the file",
    "changed": "another ETag than before, so that nobody may go on with an old part",
    "html": "HTTP 200 with a web page instead of the file",
    "error_503": "HTTP 503, as from a store that is asked too often",
}
# Short, so that a sandbox that closes need not wait for a drip.
DRIP_PAUSE_SECONDS = 0.1

# kinds of fault that need no file: their answers
REPLACED: dict[str, Callable[[], Response]] = {
    "expired": lambda: Response(
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
        403,
        media_type="application/xml",
    ),
    "html": lambda: HTMLResponse("<html><body>Sign in to this network</body></html>"),
    "error_503": lambda: Response(
        "<Error><Code>SlowDown</Code></Error>", 503, media_type="application/xml"
    ),
}


def fault_rates(
    faults: float | Mapping[str, float] | None, kinds: Mapping[str, str] = KINDS
) -> dict[str, float]:
    """
    Read the setting *faults*.

    Parameters
    ----------
    faults : kind -> rate; or one rate, shared evenly by all kinds; or None
    kinds : those there are

    Returns
    -------
    kind -> part of all requests

    Examples
    --------
    >>> fault_rates({"drop": 0.1})
    {'drop': 0.1}
    >>> round(sum(fault_rates(0.2).values()), 6)
    0.2
    """
    if faults is None:
        return {}
    if not isinstance(faults, Mapping):
        faults = dict.fromkeys(kinds, faults / len(kinds))
    unknown = sorted(set(faults) - set(kinds))
    if unknown:
        raise ValueError(f"unknown faults {unknown}; the kinds are {', '.join(kinds)}")
    for kind, rate in faults.items():
        if not (math.isfinite(rate) and 0 <= rate <= 1):
            raise ValueError(f"the rate of {kind!r} must lie between 0 and 1, not {rate!r}")
    if sum(faults.values()) > 1 + 1e-9:
        raise ValueError("the rates of all faults together must not be above 1")
    return dict(faults)


class Faults:
    """
    Decides which requests go wrong, and makes them.

    Parameters
    ----------
    faults : as in `fault_rates`
    files : the same for files, of `FILE_KINDS`
    seed : the n-th request always meets the same fate
    drip_seconds : how long a dripping body takes, in real time [s]
    retry_after : whether a stray 429 says how long to wait

    Examples
    --------
    >>> faults = Faults({"drop": 1.0}, seed=0)
    >>> faults.draw()
    'drop'
    """

    def __init__(
        self,
        faults: float | Mapping[str, float] | None,
        *,
        files: float | Mapping[str, float] | None = None,
        seed: int,
        drip_seconds: float = 2.0,
        retry_after: bool = True,
    ) -> None:
        if not drip_seconds > 0:
            raise ValueError(f"drip_seconds must be above 0, not {drip_seconds!r}")
        self._rates = fault_rates(faults)
        self._random = seeded(seed, "faults")
        self._file_rates = fault_rates(files, FILE_KINDS)
        self._file_random = seeded(seed, "file faults")
        self._drip_seconds = drip_seconds
        self._retry_after = retry_after

    def draw(self) -> str | None:
        """
        Fate of the next request.

        Returns
        -------
        a kind of fault, or None when all goes well
        """
        return _drawn(self._rates, self._random)

    def draw_for_file(self) -> str | None:
        """Fate of the next request for a file."""
        return _drawn(self._file_rates, self._file_random)

    async def play(self, kind: str, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request in the way this kind of fault does.

        Parameters
        ----------
        app : gives the good answer, where one is needed
        """
        transport: asyncio.Transport = scope["state"]["transport"]
        if kind == "drop":
            await _hang_up(transport, receive)
        elif kind == "truncate":
            start, body = await _answer(app, scope, receive)
            transport.write(_head(start) + body[: len(body) // 2])
            await _hang_up(transport, receive, flush=True)
        elif kind == "drip":
            start, body = await _answer(app, scope, receive)
            await self._drip(start, body, transport, send)
        elif kind == "wrong_id":
            start, body = await _answer(app, scope, receive)
            await _send_whole(start, _with_another_id(body), send)
        else:
            await self._refusal(kind)(scope, receive, send)

    async def play_for_file(
        self, kind: str, app: App, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """
        Answer a request for a file in the way this kind of fault does.

        Parameters
        ----------
        app : gives the good answer, where one is needed
        """
        if kind in REPLACED:
            await REPLACED[kind]()(scope, receive, send)
            return
        transport: asyncio.Transport = scope["state"]["transport"]
        if kind == "whole":
            scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"range"]}
        start, body = await _answer(app, scope, receive)
        if kind == "drip":
            await self._drip(start, body, transport, send)
        elif kind == "changed":
            tag = b'"%016x"' % self._file_random.getrandbits(64)
            await _send_whole(_with_header(start, b"etag", tag), body, send)
        elif kind == "short":
            await _send_whole(start, body[: len(body) // 2], send)
        elif kind == "unsized":
            transport.write(_head(_with_header(start, b"content-length", None)) + body)
            await _hang_up(transport, receive, flush=True)
        elif kind in {"cut", "stall"}:
            transport.write(_head(start) + body[: len(body) // 2])
            await _hang_up(transport, receive, flush=True, silent=kind == "stall")
        else:
            await _send_whole(start, body, send)

    def _refusal(self, kind: str) -> JSONResponse | HTMLResponse:
        if kind == "html_502":
            page = "<html><body><center><h1>502 Bad Gateway</h1></center></body></html>"
            return HTMLResponse(page, status_code=502)
        if kind == "rate_limit":
            return too_many_requests(1 if self._retry_after else None)
        return failure(500, "Internal server error")

    async def _drip(
        self, start: MutableMapping[str, Any], body: bytes, transport: asyncio.Transport, send: Send
    ) -> None:
        await send(start)
        width = math.ceil(len(body) * min(1.0, DRIP_PAUSE_SECONDS / self._drip_seconds))
        pause = self._drip_seconds / math.ceil(len(body) / width)
        for position in range(0, len(body), width):
            await asyncio.sleep(pause)
            if transport.is_closing():
                return
            part = body[position : position + width]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _drawn(rates: Mapping[str, float], random: Random) -> str | None:
    if not rates:
        return None
    chance = random.random()
    for kind, rate in rates.items():
        chance -= rate
        if chance < 0:
            return kind
    return None


async def _answer(
    app: App, scope: Scope, receive: Receive
) -> tuple[MutableMapping[str, Any], bytes]:
    messages: list[MutableMapping[str, Any]] = []

    async def keep(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _hang_up(
    transport: asyncio.Transport, receive: Receive, *, flush: bool = False, silent: bool = False
) -> None:
    if silent:
        pass  # until the client has had enough
    elif flush:
        transport.close()
    else:
        transport.abort()
    # The server calls it an error when a handler ends without an answer on an open connection.
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_header(
    start: MutableMapping[str, Any], name: bytes, value: bytes | None
) -> MutableMapping[str, Any]:
    """Change a header of an answer, or take it away."""
    headers = [pair for pair in start["headers"] if pair[0] != name]
    return {**start, "headers": [*headers, *([(name, value)] if value is not None else [])]}


async def _send_whole(start: MutableMapping[str, Any], body: bytes, send: Send) -> None:
    await send(_with_header(start, b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _head(start: MutableMapping[str, Any]) -> bytes:
    lines = [b"HTTP/1.1 %d " % start["status"]]
    lines += [name + b": " + value for name, value in start["headers"]]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _with_another_id(body: bytes) -> bytes:
    answer = json.loads(body)
    video = answer.get("data", answer)
    if "id" in video:
        video["id"] = f"{video['id']}x"
    return json.dumps(answer).encode()
