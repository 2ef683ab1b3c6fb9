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
# The filter has other words than the responses.
_STATUS = {"started": "processing", "completed": "completed", "failed": "failed"}


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
    page, at the stated total or, where none is stated, at a page that brings nothing new. Where
    the total of a list of every status falls, videos were deleted and others moved up: they are
    read again. A list that ignores the offset, or never ends, is a BadResponseError.
    """
    spelled = _STATUS.get(status.lower(), status) if status else None
    given = {k: v for k, v in {"type": type, "status": spelled}.items() if v}
    seen: set[str] = set()
    offset, before, again = 0, None, False
    for _ in range(MAX_PAGES):
        query = urlencode({**given, "limit": PAGE_ITEMS, "offset": offset})
        response = request(f"/v1/video/list?{query}")
        records, about = list_items(response, "videos")
        fresh = [record for record in records if _unseen(record, seen)]
        limit = min(_count(about.get("limit")) or PAGE_ITEMS, PAGE_ITEMS)
        full = len(records) >= limit
        total, items = _count(about.get("total")), len(records)
        if total is not None and (total < items or (total == items > 0 and (full or offset))):
            total = None  # it counts this page alone, or nothing
        if fresh:
            yield ListPage(fresh, response.seen_at, response.flags, total)
        elif records and not again and (full or (total or 0) > len(seen)):
            raise BadResponseError(
                f"the list repeats videos instead of going on after {len(seen):,}, as if it "
                "ignored the offset; the others cannot be listed"
            )
        # never past what came, whichever unit the offset counts
        here, offset = offset, offset + max(1, min(items, limit))
        if not records or (not fresh if total is None else offset >= total):
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


def _count(stated: Any) -> int | None:
    """Take what can be a number of videos."""
    whole = isinstance(stated, int) and not isinstance(stated, bool)
    return stated if whole and 0 <= stated <= MAX_COUNT else None


def _unseen(record: dict[str, Any], seen: set[str]) -> bool:
    """Whether this list item is a video not met before; notes it."""
    video_id = record_id(record)
    if video_id is None:
        warnings.warn("a list item without an id was left out", stacklevel=5)
        return False
    fresh = video_id not in seen
    seen.add(video_id)
    return fresh
