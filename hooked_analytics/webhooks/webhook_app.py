"""The ASGI application of the receiver: what a webhook event has to pass, and whom it names."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from hooked_analytics.errors import InvalidVideoIdError
from hooked_analytics.schema import decode, record_id, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from hooked_analytics._internal.secret import SecretStr
    from hooked_analytics._internal.server_thread import Receive, Scope, Send

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
# A body may take so long to arrive [s] ...
BODY_SECONDS = 5.0
# ... and so much of one that is too large is read, so that its sender hears why it was refused.
_READ_AT_MOST = 4 * MAX_BODY_BYTES


class _Verdict(NamedTuple):
    status: int
    why: str  # as counted; a refusal also says it


TAKEN = _Verdict(200, "taken")
NOT_AN_END = _Verdict(200, "not an end")
WRONG_PATH = _Verdict(404, "wrong path")
WRONG_METHOD = _Verdict(405, "not POST")
TOO_LARGE = _Verdict(413, "too large")
TOO_SLOW = _Verdict(408, "too slow")
NO_EVENT = _Verdict(400, "no event")
FULL = _Verdict(503, "too many events wait")


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
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """How many requests came, by what became of them."""
        with self._lock:
            return dict(self._counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, as ASGI has it."""
        from starlette.requests import ClientDisconnect, Request
        from starlette.responses import JSONResponse

        try:
            async with asyncio.timeout(BODY_SECONDS):
                verdict = await self._judge(Request(scope, receive))
        except TimeoutError:
            verdict = TOO_SLOW
        except ClientDisconnect:
            return
        with self._lock:
            self._counts[verdict.why] += 1
        fine = verdict.status == 200
        # one request a connection, so that nobody holds one open
        headers = {"Connection": "close", **({"Allow": "POST"} if verdict == WRONG_METHOD else {})}
        body = {"success": True} if fine else {"success": False, "message": verdict.why}
        await JSONResponse(body, verdict.status, headers)(scope, receive, send)

    async def _judge(self, request: Request) -> _Verdict:
        raw = request.scope.get("raw_path") or b""
        if not self._path.is_same(raw.removeprefix(b"/")):
            return WRONG_PATH
        if request.method != "POST":
            return WRONG_METHOD
        body = await _read(request)
        if body is None:
            return TOO_LARGE
        try:
            ids = event_ids(body, self._check)
        except ValueError:
            return NO_EVENT
        if not ids:
            return NOT_AN_END
        _log.info("webhook event: %s", ids[0])
        return TAKEN if self._hand_on(ids) else FULL


async def _read(request: Request) -> bytes | None:
    """Read a body as it comes; None when it is too large, whatever its headers said."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > _READ_AT_MOST:
            break
        if size <= MAX_BODY_BYTES:
            pieces.append(piece)
    return b"".join(pieces) if size <= MAX_BODY_BYTES else None


# An event about a render that goes on is no news of an end.
_GOES_ON = frozenset({"processing", "started", "draft"})


def event_ids(body: bytes, check: Callable[[object], str]) -> list[str]:
    """
    Read the ids that an event may mean, the likeliest first.

    One shape nests the video (``video.id``) and has a ``projectId`` that may be an id of
    either kind, or stands alone when a render failed; the other is flat (``videoId``).

    None when the event tells of no end. *check* gives an id back, or raises `InvalidVideoIdError`;
    a body that is no event is a ValueError that says why without quoting it.

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
    ids = [video_id for given in _given(said) if (video_id := _checked(given, check))]
    if not ids:
        raise ValueError("an event without the id of a video")
    status = said.get("status")
    goes_on = isinstance(status, str) and status.strip().lower() in _GOES_ON
    return [] if goes_on else list(dict.fromkeys(ids))


def _given(said: Mapping[str, Any]) -> list[object]:
    video = said.get("video")
    nested = record_id(video) if isinstance(video, dict) else None
    return [nested, record_id(said), said.get("projectId")]


def _checked(given: object, check: Callable[[object], str]) -> str | None:
    try:
        return check(given) if given is not None else None
    except InvalidVideoIdError:
        return None
