"""What responses say: decoded under guard, or one error that says why not; the list in pages."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from hooked_analytics.errors import (
    AuthenticationError,
    BadResponseError,
    ForbiddenError,
    HookedError,
    NetworkError,
    ServerError,
    SubscriptionError,
    VideoNotFoundError,
)
from hooked_analytics.schema import decode, record_id, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from hooked_analytics.client.transport import HTTPResponse

PAGE_ITEMS = 100
MAX_PAGES = 10_000
MAX_COUNT = 10**9  # videos; a number beyond that is no count
# The filter has other words than the responses, and small letters.
_STATUS = {word: word for word in ("draft", "processing", "completed", "failed")}
_STATUS["started"] = "processing"

# Words in a 403 that are about the key, not about the video.
_HOST = re.compile(r"https?://([a-z0-9.-]{1,253})(?=[:/]|$)", re.ASCII | re.IGNORECASE)
_ABOUT_THE_KEY = ("not authenticated", "api key", "api_key", "apikey", "unauthorized")


def video_record(response: HTTPResponse, video_id: str) -> dict[str, Any]:
    """Take the record of one video out of a response, or raise what fits its status and body."""
    record = unwrap(_accepted(response, video_id=video_id))
    answered = record_id(record)
    if answered is None:
        raise _bad(response, video_id, "the response holds no video")
    if answered != video_id:
        raise _bad(response, video_id, "Hooked answered with another video, which was not used")
    return dict(record)


def list_items(response: HTTPResponse, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """
    Take the items of a list and what it says of itself.

    They are known inside ``data``, at the top, and as a bare list.
    """
    body = _accepted(response, video_id=None, allow_list=True)
    about = {name: body} if isinstance(body, list) else unwrap(body)
    inner = body.get("data") if isinstance(body, dict) else None
    items = inner if isinstance(inner, list) else about.get(name)
    if not isinstance(items, list):
        raise _bad(response, None, f"the response holds no {name}")
    return [item for item in items if isinstance(item, dict)], dict(about)


def _accepted(response: HTTPResponse, *, video_id: str | None, allow_list: bool = False) -> Any:
    body: Any = None
    broken: str | None = None
    try:
        body = decode(response.body)
    except ValueError as problem:
        broken = str(problem)
    if not 200 <= response.status < 300:
        raise _error_of(response, body, video_id=video_id)
    if broken is None and not isinstance(body, dict | list if allow_list else dict):
        broken = "JSON that is not an object"
    if broken is not None:
        raise _bad(response, video_id, f"Hooked answered {response.status} with {broken}")
    if isinstance(body, dict) and body.get("success") is False:
        failed = f"Hooked answered {response.status} but says it failed{_said(body)}"
        raise _bad(response, video_id, failed)
    return body


def _bad(response: HTTPResponse, video_id: str | None, what: str) -> BadResponseError:
    return BadResponseError(
        f"{video_id or 'the list'}: {what}", video_id=video_id, status_code=response.status
    )


# status, or its hundred -> error, and what it says
_ERRORS: dict[int, tuple[type[HookedError], str]] = {
    300: (
        BadResponseError,
        "{who}: Hooked points to {host}, which was not followed because the key belongs to one "
        "host only",
    ),
    400: (BadResponseError, "{who}: Hooked answered {status}{said}"),
    401: (
        AuthenticationError,
        "Hooked refused the API key{said}. Check HOOKED_API_KEY, or make a new key.",
    ),
    402: (
        SubscriptionError,
        "Hooked refused: the team has no subscription that includes the API{said}. Take one in "
        "Hooked's settings, or use another team's key.",
    ),
    403: (ForbiddenError, "{who}: access denied{said}. The video may belong to another team."),
    404: (VideoNotFoundError, "{who}: not found{said}; or it is not yours"),
    408: (NetworkError, "{who}: Hooked gave up waiting ({status}); try again"),
    500: (ServerError, "{who}: Hooked failed with {status}; try again later"),
}


def _error_of(response: HTTPResponse, body: Any, *, video_id: str | None) -> HookedError:
    status = kind = response.status
    said = _said(body)
    if status == 403 and "subscription_required" in said.lower():
        kind = 402
    elif status == 403 and any(word in said.lower() for word in _ABOUT_THE_KEY):
        kind = 401
    hundred = 500 if status >= 500 else 300 if 300 <= status < 400 else 400
    error, text = _ERRORS.get(kind, _ERRORS[hundred])
    host = _HOST.match(response.headers.get("Location", ""))
    message = text.format(
        who=video_id or "the list", status=status, said=said, host=host[1] if host else "elsewhere"
    )
    return error(message, video_id=video_id, status_code=status)


def _said(body: Any) -> str:
    """Quote what the body says, from any of the three error shapes, shortly."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    said = [body.get("message"), body.get("code"), error.get("message"), error.get("code")]
    details = body.get("details")
    if isinstance(details, dict) and isinstance(allowed := details.get("allowed"), list):
        said.append(f"allowed: {', '.join(map(str, allowed))}")
    texts = [" ".join(text.split())[:120] for text in said if isinstance(text, str)]
    return f" ({', '.join(texts)})" if texts else ""


class ListPage(NamedTuple):
    """One page of the list, and when it was seen."""

    records: list[dict[str, Any]]
    seen_at: datetime
    flags: tuple[str, ...]
    total: int | None = None  # videos on all pages, where the API says


def list_pages(
    request: Callable[[str], HTTPResponse], *, type: str | None, status: str | None
) -> Iterator[ListPage]:
    """
    Request page after page; each video comes once.

    A short page is no end: the API may give fewer than requested. The list ends at an empty
    page, at the stated total or, where none is stated or it does not hold, at a page that brings
    nothing new. Where the total of a list of every status falls, videos were deleted and others
    moved up: they are read again. A list that ignores the offset, or never ends, is a
    BadResponseError.
    """
    given = _filters(type=type, status=status)
    seen: set[str] = set()
    offset, before, again = 0, None, False
    for _ in range(MAX_PAGES):
        query = urlencode({**given, "limit": PAGE_ITEMS, "offset": offset})
        response = request(f"/v1/video/list?{query}")
        records, about = list_items(response, "videos")
        fresh = _fresh(records, seen)
        limit = min(_count(about.get("limit")) or PAGE_ITEMS, PAGE_ITEMS)
        full = len(records) >= limit
        total, items = _count(about.get("total")), len(records)
        if total is not None and (total < items or (total == items > 0 and (full or offset))):
            total = None  # it counts this page alone, or nothing
        # behind what came, or rising with the pages: no end while they are full
        rises = full and total is not None and (len(seen) > total or total > (before or total))
        if fresh:
            yield ListPage(fresh, response.seen_at, response.flags, total)
        elif records and not again and (full or (total or 0) > len(seen)):
            raise BadResponseError(
                f"the list repeats videos instead of going on after {len(seen):,}, as if it "
                "ignored the offset; the others cannot be listed"
            )
        # never past what came, whichever unit the offset counts
        came = len({record_id(record) for record in records} - {None})
        here = offset
        offset += came if came > PAGE_ITEMS else max(1, min(items, limit))
        if not records or (not fresh if total is None or rises else offset >= total):
            if total is not None and len(seen) < total:
                warnings.warn(
                    f"the list ended after {len(seen):,} of the {total:,} videos it states",
                    stacklevel=3,
                )
            return
        counted = total is not None and before is not None and not status
        fell = max(0, (before or 0) - (total or 0)) if counted else 0
        again, before = fell > 0, total
        if again:
            offset = max(0, here - fell)
    raise BadResponseError(
        f"the list had not ended after {MAX_PAGES:,} pages with {len(seen):,} videos; list fewer, "
        "by type or status"
    )


def _filters(**given: str | None) -> dict[str, str]:
    """Spell the filters as the API does, and leave out those that were not given."""
    for name, word in given.items():
        if word is not None and not isinstance(word, str):
            raise TypeError(f"{name} is one word, such as 'completed', not {word!r:.40}")
    words = {name: word.strip() for name, word in given.items() if word}
    return {name: _STATUS.get(word.lower(), word) for name, word in words.items()}


def _fresh(records: list[dict[str, Any]], seen: set[str]) -> list[dict[str, Any]]:
    """Give the items of videos not met before, and note them."""
    by_id = {record_id(record): record for record in reversed(records)}
    if by_id.pop(None, None) is not None:
        warnings.warn("list items without an id are left out", stacklevel=4)
    fresh = [video_id for video_id in reversed(by_id) if video_id not in seen]
    seen.update(video_id for video_id in fresh if video_id)
    return [by_id[video_id] for video_id in fresh]


def _count(stated: Any) -> int | None:
    """Take what can be a number of videos."""
    whole = isinstance(stated, int) and not isinstance(stated, bool)
    return stated if whole and 0 <= stated <= MAX_COUNT else None
