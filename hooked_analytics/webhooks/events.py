"""From a request to an end: judge the event, request its videos, and believe the API alone."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hooked_analytics._internal.atomic import write_through
from hooked_analytics._internal.net import is_loopback, web_address
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client import plain_address
from hooked_analytics.errors import HookedError, InvalidVideoIdError
from hooked_analytics.fetch import MAX_WAITING, FalseAlarmBudget, fetch_videos
from hooked_analytics.schema import (
    ENDING_FAILURES,
    NAMES,
    decode,
    empty_videos,
    is_final,
    parse_record,
    record_id,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd
    from starlette.requests import Request

    from hooked_analytics._internal.server_thread import Receive, Scope, Send
    from hooked_analytics.client import HookedClient

_log = logging.getLogger(__name__)

MIN_TOKEN_LENGTH = 16
MAX_BODY_BYTES = 64 * 1024
# A body may take so long to arrive [s] ...
BODY_SECONDS = 5.0
# ... and so much of one that is too large is read, so that its sender hears why it was refused.
_READ_AT_MOST = 4 * MAX_BODY_BYTES
# An event about a render that goes on is no news of an end.
_GOES_ON = frozenset({"processing", "started", "draft"})
# Waits before an event is followed once more that the API did not confirm [s].
_AGAIN_SECONDS = (2.0, 5.0, 15.0, 60.0, 300.0)
# A unit of the budget comes back in such a time [s].
_REGAIN_SECONDS = 6.0
_REMEMBERED = 10_000


class WebhookApp:
    """
    Read, judge and count requests; it sends none of its own.

    *path* is that of the events, after its first slash; *check* gives an id back, or raises
    `InvalidVideoIdError`; *hand_on* takes the ids one event may mean, and tells whether it could.
    """

    def __init__(
        self, path: SecretStr, check: Callable[[object], str], hand_on: Callable[[list[str]], bool]
    ) -> None:
        self._path, self._check, self._hand_on = path, check, hand_on
        self.counts: Counter[str] = Counter()  # requests, by what became of them

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
        self.counts[why] += 1
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
    wrong = ""
    if len(cleaned) < MIN_TOKEN_LENGTH:
        wrong = f"is text of at least {MIN_TOKEN_LENGTH} characters"
    elif not re.fullmatch("[A-Za-z0-9_-]+", cleaned):
        wrong = "has characters that do not fit into a path"
    secret = SecretStr(cleaned)
    # a traceback with locals must not show a token that was refused
    del token, cleaned
    if wrong:
        raise ValueError(f"the token {wrong}; make one with secrets.token_urlsafe()")
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


@dataclass
class _Event:
    ids: tuple[str, ...]  # that it may mean, the likeliest first
    due: float
    tries: int = 0


@dataclass
class EventResolver:
    """Follow events as far as they are believed, each video to its end and no further."""

    client: HookedClient
    _waiting: dict[str, _Event] = field(default_factory=dict)
    _ended: dict[str, None] = field(default_factory=dict)
    _budget: FalseAlarmBudget = field(default_factory=FalseAlarmBudget)
    _regained: float = field(default_factory=time.monotonic)

    def waiting(self) -> set[tuple[str, ...]]:
        """Ids of the events that are not settled yet."""
        return {event.ids for event in self._waiting.values()}

    def take(self, events: Iterable[tuple[str, ...]]) -> None:
        """Note events, but those about videos whose end is known."""
        for ids in events:
            if not any(video_id in self._ended for video_id in ids):
                self._waiting.setdefault(ids[0], _Event(ids, due=time.monotonic()))
        while len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def ends(self) -> pd.DataFrame:
        """Request the videos of the events that are due; give those that have ended."""
        while (now := time.monotonic()) - self._regained >= _REGAIN_SECONDS:
            self._regained += _REGAIN_SECONDS
            self._budget.regain()
        due = [first for first, event in self._waiting.items() if event.due <= now]
        chosen = {first: self._waiting.pop(first) for first in due[: self._budget.left]}
        if not chosen:
            return empty_videos()
        try:
            videos = fetch_videos(chosen, client=self.client, progress=False)
        except BaseException:
            self._waiting |= chosen
            raise
        ended = is_final(videos)
        unknown = videos["fetch_error"].isin(ENDING_FAILURES)
        nameless = []
        for video_id, end, is_unknown in zip(videos["video_id"], ended, unknown, strict=True):
            event = chosen[video_id]
            if end:
                self._ended[video_id] = None
                continue
            self._budget.note(came_true=False)
            if not is_unknown:
                self._again(event)
            elif len(event.ids) > 1:
                event.ids = event.ids[1:]
                self._waiting[event.ids[0]] = event
            else:
                nameless.append(event)
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._find_failures(nameless)
        return videos[ended].reset_index(drop=True)

    def _find_failures(self, events: list[_Event]) -> None:
        """Find the video of a failed render: its event may name the project alone."""
        if not events:
            return
        try:
            page = next(self.client.list_pages(status="failed"), None)
        except HookedError as error:
            if error.kind is None:
                raise
            for event in events:
                self._again(event)
            return
        if page is None:
            return
        projects = {event.ids[0] for event in events}
        for record in page.records:
            row = dict(zip(NAMES, parse_record(record, fetched_at=page.seen_at), strict=True))
            if row["project_id"] in projects:
                self._budget.regain()
                self.take([(row["video_id"],)])

    def _again(self, event: _Event) -> None:
        if event.tries < len(_AGAIN_SECONDS):
            event.due = time.monotonic() + _AGAIN_SECONDS[event.tries]
            event.tries += 1
            self._waiting.setdefault(event.ids[0], event)


class EventFiles:
    """
    Events that wait, each a small hidden file in an archive's folder, which readers pass over.

    One file an event, so that threads and processes add and remove without a lock, and a process
    that is killed loses none.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._kept: set[tuple[str, ...]] = set()

    def add(self, ids: Sequence[str]) -> bool:
        """Write an event; tell whether it is there."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_through(self._path(ids), "\n".join(ids))
        except OSError:
            return False
        return True

    def keep(self, waiting: set[tuple[str, ...]], taken: Iterable[tuple[str, ...]] = ()) -> None:
        """Write what is new; remove what is settled since the last call, or was when *taken*."""
        for ids in waiting - self._kept:
            self.add(ids)
        for ids in self._kept.union(taken) - waiting:
            with suppress(OSError):
                self._path(ids).unlink()
        self._kept = waiting

    def read(self) -> list[list[str]]:
        """Read what a killed process left; a file cut short was never answered with 200."""
        found = []
        for path in self.directory.glob(".event-*.txt"):
            with suppress(OSError):
                ids = path.read_text(encoding="utf-8", errors="replace").splitlines()
                if ids and self._path(ids) == path:
                    found.append(ids)
                else:
                    path.unlink()
        return found

    def _path(self, ids: Sequence[str]) -> Path:
        name = hashlib.blake2s("\n".join(ids).encode(), digest_size=12).hexdigest()
        return self.directory / f".event-{name}.txt"
