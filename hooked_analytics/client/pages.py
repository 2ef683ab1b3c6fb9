"""The team's videos in pages of 100, one request each."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from hooked_analytics.client.responses import list_items
from hooked_analytics.errors import BadResponseError
from hooked_analytics.schema import record_id

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
