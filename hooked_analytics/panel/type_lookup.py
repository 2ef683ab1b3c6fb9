"""The types of renders under way, which the list does not tell: it can be asked for one type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooked_analytics.errors import HookedError
from hooked_analytics.fetch import AT
from hooked_analytics.schema import parse_record, record_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from hooked_analytics.client import CancelToken, HookedClient

TYPES = (
    "class", "ugc_ads", "ugc_video", "script_to_video", "prompt_to_video", "hook_demo",
    "product_ads", "scenes", "add_captions", "extend_video", "remove_background",
    "tiktok_slideshow",
)  # fmt: skip


def find_types(
    client: HookedClient, video_ids: Collection[str], batch: CancelToken
) -> dict[str, str]:
    """
    Find the types of renders under way, in at most one request per known type.

    Parameters
    ----------
    client : whom to ask
    video_ids : renders whose type is not known
    batch : how to stop

    Returns
    -------
    type by id; what could not be found is left out

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> from hooked_analytics.client import CancelToken
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     video_id = sandbox.create_video("ugc_ads")
    ...     list(find_types(client, [video_id], CancelToken()).values())
    ['ugc_ads']
    """
    try:
        if len(video_ids) < len(TYPES):
            return _by_details(client, video_ids, batch)
        return _by_lists(client, set(video_ids), batch)
    except HookedError:  # the types stay unknown; what ails Hooked shows in the next round
        return {}


def _by_details(
    client: HookedClient, video_ids: Collection[str], batch: CancelToken
) -> dict[str, str]:
    answers = (client.request_video(video_id, cancel=batch) for video_id in video_ids)
    rows = (parse_record(each.record, fetched_at=each.seen_at) for each in answers)
    return {row[AT["video_id"]]: row[AT["type"]] for row in rows if row[AT["type"]]}


def _by_lists(client: HookedClient, wanted: set[str], batch: CancelToken) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in TYPES:
        page = next(client.list_pages(status="processing", type=kind, cancel=batch), None)
        ours = wanted.intersection(map(record_id, page.records if page else []))
        if ours & found.keys():  # a video has one type, so the filter is not heeded
            return {}
        found.update(dict.fromkeys(ours, kind))
        if len(found) == len(wanted):
            break
    return found
