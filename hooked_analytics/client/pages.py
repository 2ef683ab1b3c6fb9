"""The team's videos in pages of 100, one request each."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from hooked_analytics.client.responses import list_items
from hooked_analytics.schema import record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from hooked_analytics.client.transport import HTTPResponse

PAGE_ITEMS = 100
MAX_PAGES = 10_000
# The filter has other words than the responses.
_STATUS = {"started": "processing", "completed": "completed", "failed": "failed"}

_MAX_TOTAL = 10**9  # videos; a number beyond that is no count


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
    page, at the stated total or, where none is stated, at a page that brings nothing new.
    """
    spelled = _STATUS.get(status.lower(), status) if status else None
    given = {k: v for k, v in {"type": type, "status": spelled}.items() if v}
    seen: set[str] = set()
    offset = 0
    for _ in range(MAX_PAGES):
        query = urlencode({**given, "limit": PAGE_ITEMS, "offset": offset})
        response = request(f"/v1/video/list?{query}")
        records, about = list_items(response, "videos")
        fresh = [record for record in records if _unseen(record, seen)]
        stated, echoed = about.get("total"), about.get("limit")
        count = stated if isinstance(stated, int) and not isinstance(stated, bool) else -1
        total = count if 0 <= count <= _MAX_TOTAL else None
        if fresh:
            yield ListPage(fresh, response.seen_at, response.flags, total)
        # never past what came, whichever unit the offset counts
        sizes = [len(records), PAGE_ITEMS]
        sizes += [echoed] if isinstance(echoed, int) and echoed > 0 else []
        offset += max(1, min(sizes))
        more = bool(fresh) if total is None else offset < total
        if not records or not more:
            return


def _unseen(record: dict[str, Any], seen: set[str]) -> bool:
    """Whether this list item is a video not met before; notes it."""
    video_id = record_id(record)
    if video_id is None:
        warnings.warn("a list item without an id was left out", stacklevel=5)
        return False
    fresh = video_id not in seen
    seen.add(video_id)
    return fresh
