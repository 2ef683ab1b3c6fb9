"""The types of renders under way, which a list tells only by being filtered by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooked_analytics.errors import HookedError
from hooked_analytics.schema import record_id

if TYPE_CHECKING:
    from hooked_analytics.client import CancelToken, HookedClient

TYPES = (
    "class", "ugc_ads", "ugc_video", "script_to_video", "prompt_to_video", "hook_demo",
    "product_ads", "scenes", "add_captions", "extend_video", "remove_background",
    "tiktok_slideshow",
)  # fmt: skip


def find_types(client: HookedClient, wanted: set[str], token: CancelToken) -> dict[str, str]:
    """Find the types of these videos, as far as the first page of a list per type has them."""
    found: dict[str, str] = {}
    try:
        for kind in TYPES if wanted else ():
            page = next(client.list_pages(status="processing", type=kind, cancel=token), None)
            ours = wanted.intersection(filter(None, map(record_id, page.records if page else [])))
            if ours & found.keys():  # a video has one type: the filter is not heeded
                return {}
            found.update(dict.fromkeys(ours, kind))
            if len(found) == len(wanted):
                break
    except HookedError:  # the types stay unknown; what ails Hooked shows in the next poll
        return {}
    return found
