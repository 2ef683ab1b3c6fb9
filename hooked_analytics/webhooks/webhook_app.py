"""What a call has to pass before it counts as a hint."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from hooked_analytics.webhooks.payload import called_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hooked_analytics._internal.secret import SecretStr
    from hooked_analytics._internal.server_thread import Receive, Scope, Send

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
WRONG_TYPE = _Verdict(415, "not JSON")
TOO_LARGE = _Verdict(413, "too large")
TOO_SLOW = _Verdict(408, "too slow")
NO_CALL = _Verdict(400, "no call")


class WebhookApp:
    """
    The ASGI application behind the receiver's port: it reads, judges, counts, and asks nobody.

    Parameters
    ----------
    path : of the calls, after its first slash
    check : gives an id back, or raises `InvalidVideoIdError`
    hand_on : takes the ids one call may mean
    """

    def __init__(
        self,
        path: SecretStr,
        check: Callable[[object], str],
        hand_on: Callable[[list[str]], None],
    ) -> None:
        self._path = path
        self._check = check
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """How many calls came, by what became of them."""
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
        # one call a connection, so that nobody holds one open
        headers = {"Connection": "close", **({"Allow": "POST"} if verdict == WRONG_METHOD else {})}
        body = {"success": True} if fine else {"success": False, "message": verdict.why}
        await JSONResponse(body, verdict.status, headers)(scope, receive, send)

    async def _judge(self, request: Request) -> _Verdict:
        raw = request.scope.get("raw_path") or b""
        if not self._path.is_same(raw.removeprefix(b"/")):
            return WRONG_PATH
        if request.method != "POST":
            return WRONG_METHOD
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return WRONG_TYPE
        body = await _read(request)
        if body is None:
            return TOO_LARGE
        try:
            ids = called_ids(body, self._check)
        except ValueError:
            return NO_CALL
        if not ids:
            return NOT_AN_END
        self._hand_on(ids)
        return TAKEN


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
