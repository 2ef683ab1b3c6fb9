"""
Ids to a videos frame: once (`fetch_videos`, `list_videos`), or until all are final.

``fetch`` makes one pass. ``poll`` is the loop: ``poll_scheduler`` decides what to request,
``poll_executor`` requests it, ``video_state`` keeps what is known.
"""

from hooked_analytics.fetch.fetch import add_details, fetch_videos, join_details, list_videos
from hooked_analytics.fetch.fetch_job import Archive
from hooked_analytics.fetch.names import add_names
from hooked_analytics.fetch.poll import (
    PollTimer,
    build_schedule,
    check_interval,
    interrupted,
    last_frame,
    pause_seconds,
    poll_loop,
    poll_videos,
    summary,
    wait_for_videos,
)
from hooked_analytics.fetch.poll_scheduler import PollScheduler
from hooked_analytics.fetch.requested_ids import RequestedId, validate_ids
from hooked_analytics.fetch.video_state import (
    AT,
    NOT_YET,
    FalseAlarmBudget,
    VideoState,
    load_known,
    to_frame,
)
from hooked_analytics.fetch.webhook_events import EventQueue, EventSource

__all__ = [
    "AT",
    "NOT_YET",
    "Archive",
    "EventQueue",
    "EventSource",
    "FalseAlarmBudget",
    "PollScheduler",
    "PollTimer",
    "RequestedId",
    "VideoState",
    "add_details",
    "add_names",
    "build_schedule",
    "check_interval",
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
