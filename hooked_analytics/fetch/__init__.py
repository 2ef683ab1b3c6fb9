"""
Ids to a videos frame: once (`fetch_videos`, `list_videos`), or until all are final.

``fetch`` makes one pass, by a ``fetch_job``. ``poll`` is the loop: ``poll_scheduler`` decides
what to request, ``poll_executor`` requests it, ``video_state`` keeps what is known.
"""

from hooked_analytics.fetch.fetch import fetch_videos, list_videos
from hooked_analytics.fetch.fetch_job import checked_id, validate_ids
from hooked_analytics.fetch.joins import add_details, add_names, join_details
from hooked_analytics.fetch.poll import (
    build_schedule,
    check_interval,
    interrupted,
    last_frame,
    poll_loop,
    poll_videos,
    wait_for_videos,
)
from hooked_analytics.fetch.poll_executor import (
    MAX_WAITING,
    EventQueue,
    EventSource,
    PollTimer,
    pause_seconds,
)
from hooked_analytics.fetch.poll_scheduler import PollScheduler
from hooked_analytics.fetch.video_state import (
    AT,
    NOT_YET,
    Archive,
    FalseAlarmBudget,
    VideoState,
    load_known,
    summary,
    to_frame,
)

__all__ = [
    "AT",
    "MAX_WAITING",
    "NOT_YET",
    "Archive",
    "EventQueue",
    "EventSource",
    "FalseAlarmBudget",
    "PollScheduler",
    "PollTimer",
    "VideoState",
    "add_details",
    "add_names",
    "build_schedule",
    "check_interval",
    "checked_id",
    "fetch_videos",
    "interrupted",
    "join_details",
    "last_frame",
    "list_videos",
    "load_known",
    "pause_seconds",
    "poll_loop",
    "poll_videos",
    "summary",
    "to_frame",
    "validate_ids",
    "wait_for_videos",
]
