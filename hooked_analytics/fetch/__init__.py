"""
Ids to a videos frame: once (`fetch_videos`, `list_videos`), or until all are final.

``fetch`` makes one pass. ``poll`` is the loop: ``poll_scheduler`` decides what to request,
``poll_executor`` requests it, ``video_state`` keeps what is known, ``wait`` shows it as text.
"""

from hooked_analytics.fetch.fetch import asked_ids, fetch_videos, list_videos
from hooked_analytics.fetch.poll import poll_videos
from hooked_analytics.fetch.wait import last_frame, summary, wait_for_videos

__all__ = [
    "asked_ids",
    "fetch_videos",
    "last_frame",
    "list_videos",
    "poll_videos",
    "summary",
    "wait_for_videos",
]
