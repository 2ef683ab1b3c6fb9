"""Things that go wrong between a client and a server, at a chosen rate."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse

from hooked_analytics.sandbox.answers import failure, too_many_requests
from hooked_analytics.sandbox.draws import seeded
from hooked_analytics.serving import App, Receive, Scope, Send

__all__ = ["KINDS", "Faults", "fault_rates"]

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
# Short, so that a sandbox that closes need not wait for a drip.
DRIP_PAUSE_SECONDS = 0.1


def fault_rates(faults: float | Mapping[str, float] | None) -> dict[str, float]:
    """
    Read the setting *faults*.

    Parameters
    ----------
    faults : kind -> rate; or one rate, shared evenly by all kinds; or None

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
        faults = dict.fromkeys(KINDS, faults / len(KINDS))
    unknown = sorted(set(faults) - set(KINDS))
    if unknown:
        raise ValueError(f"unknown faults {unknown}; the kinds are {', '.join(KINDS)}")
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
        seed: int,
        drip_seconds: float = 2.0,
        retry_after: bool = True,
    ) -> None:
        if not drip_seconds > 0:
            raise ValueError(f"drip_seconds must be above 0, not {drip_seconds!r}")
        self._rates = fault_rates(faults)
        self._random = seeded(seed, "faults")
        self._drip_seconds = drip_seconds
        self._retry_after = retry_after

    def draw(self) -> str | None:
        """
        Fate of the next request.

        Returns
        -------
        a kind of fault, or None when all goes well

        Examples
        --------
        >>> Faults({}, seed=0).draw() is None
        True
        """
        if not self._rates:
            return None
        chance = self._random.random()
        for kind, rate in self._rates.items():
            chance -= rate
            if chance < 0:
                return kind
        return None

    async def play(self, kind: str, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request in the way this kind of fault does.

        Parameters
        ----------
        app : gives the good answer, where one is needed

        Examples
        --------
        >>> import requests
        >>> from hooked_analytics.sandbox import Sandbox
        >>> with Sandbox(videos=1, faults={"html_502": 1.0}) as sandbox:
        ...     requests.get(f"{sandbox.url}/v1/video/vid_abc123").status_code
        502
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


async def _answer(
    app: App, scope: Scope, receive: Receive
) -> tuple[MutableMapping[str, Any], bytes]:
    messages: list[MutableMapping[str, Any]] = []

    async def keep(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _hang_up(transport: asyncio.Transport, receive: Receive, *, flush: bool = False) -> None:
    if flush:
        transport.close()
    else:
        transport.abort()
    # The server calls it an error when a handler ends without an answer on an open connection.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_whole(start: MutableMapping[str, Any], body: bytes, send: Send) -> None:
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({**start, "headers": headers})
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
