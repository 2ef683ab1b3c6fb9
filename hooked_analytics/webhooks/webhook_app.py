"""The ASGI application of the receiver, its address, and whom a webhook event names."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from hooked_analytics._internal.net import is_loopback, web_address
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client import plain_address
from hooked_analytics.errors import InvalidVideoIdError
from hooked_analytics.schema import decode, record_id, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hooked_analytics._internal.server_thread import Receive, Scope, Send

_log = logging.getLogger(__name__)

MIN_TOKEN_LENGTH = 16
MAX_BODY_BYTES = 64 * 1024
# A body may take so long to arrive [s] ...
BODY_SECONDS = 5.0
# ... and so much of one that is too large is read, so that its sender hears why it was refused.
_READ_AT_MOST = 4 * MAX_BODY_BYTES
# An event about a render that goes on is no news of an end.
_GOES_ON = frozenset({"processing", "started", "draft"})


class WebhookApp:
    """
    Read, judge and count requests; it sends none of its own.

    *path* is that of the events, after its first slash; *check* gives an id back, or raises
    `InvalidVideoIdError`; *hand_on* takes the ids one event may mean, and tells whether it could.
    """

    def __init__(
        self,
        path: SecretStr,
        check: Callable[[object], str],
        hand_on: Callable[[list[str]], bool],
    ) -> None:
        self._path = path
        self._check = check
        self._hand_on = hand_on
        # how many requests came, by what became of them
        self.counts: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, as ASGI has it."""
        from starlette.requests import ClientDisconnect, Request
        from starlette.responses import JSONResponse

        try:
            async with asyncio.timeout(BODY_SECONDS):
                status, why = await self._judge(Request(scope, receive))
        except TimeoutError:
            status, why = 408, "too slow"
        except ClientDisconnect:
            return
        self.counts[why] = self.counts.get(why, 0) + 1
        # one request a connection, so that nobody holds one open
        headers = {"Connection": "close", **({"Allow": "POST"} if status == 405 else {})}
        fine = status == 200
        body = {"success": fine, **({} if fine else {"message": why})}
        await JSONResponse(body, status, headers)(scope, receive, send)

    async def _judge(self, request: Request) -> tuple[int, str]:
        raw = request.scope.get("raw_path") or b""
        if not self._path.is_same(raw.removeprefix(b"/")):
            return 404, "wrong path"
        if request.method != "POST":
            return 405, "not POST"
        body = b""
        async for piece in request.stream():  # whatever the headers say of its length
            body += piece
            if len(body) > _READ_AT_MOST:
                break
        if len(body) > MAX_BODY_BYTES:
            return 413, "too large"
        try:
            ids = event_ids(body, self._check)
        except ValueError:
            return 400, "no event"
        if not ids:
            return 200, "not an end"
        _log.info("webhook event: %s", ids[0])
        return (200, "taken") if self._hand_on(ids) else (503, "not kept")


def event_ids(body: bytes, check: Callable[[object], str]) -> list[str]:
    """
    Read the ids that an event may mean, the likeliest first; none where it tells of no end.

    One shape nests the video (``video.id``) and has a ``projectId`` that may be an id of
    either kind, or stands alone when a render failed; the other is flat (``videoId``).
    A body that is no event is a ValueError that says why without quoting it.

    >>> event_ids(b'{"event": "project.completed", "projectId": "proj_1",'
    ...            b' "video": {"id": "video_1"}}', check=str)
    ['video_1', 'proj_1']
    >>> event_ids(b'{"videoId": "vid_1", "status": "processing"}', check=str)
    []
    """
    event = decode(body)
    if not isinstance(event, dict):
        raise ValueError("JSON that is not an object")
    said = unwrap(event)
    video, ids = said.get("video"), []
    nested = record_id(video) if isinstance(video, dict) else None
    for given in (nested, record_id(said), said.get("projectId")):
        try:
            ids += [check(given)] if given is not None else []
        except InvalidVideoIdError:
            continue
    if not ids:
        raise ValueError("an event without the id of a video")
    status = said.get("status")
    goes_on = isinstance(status, str) and status.strip().lower() in _GOES_ON
    return [] if goes_on else list(dict.fromkeys(ids))


def checked_token(token: str | None) -> SecretStr | None:
    """Take a token from the user; an error never repeats it."""
    if token is None:
        return None
    cleaned = token.strip() if isinstance(token, str) else ""
    long = len(cleaned) >= MIN_TOKEN_LENGTH
    secret = SecretStr(cleaned) if re.fullmatch("[A-Za-z0-9_-]+", cleaned) else None
    # a traceback with locals must not show a token that was refused
    del token, cleaned
    if not long:
        raise ValueError(
            f"the token is text of at least {MIN_TOKEN_LENGTH} characters; make one with "
            "secrets.token_urlsafe()"
        )
    if secret is None:
        raise ValueError("the token has characters that do not fit into a path")
    return secret


def checked_public_url(public_url: str | None) -> str | None:
    """Take the address of a tunnel: https, or this machine, and nothing behind the path."""
    if public_url is None:
        return None
    plain = plain_address(public_url)
    address = web_address(plain)
    if address is not None and (address.scheme == "https" or is_loopback(address.host)):
        return plain
    raise ValueError("public_url is an address such as https://hooks.example.org, and no more")
