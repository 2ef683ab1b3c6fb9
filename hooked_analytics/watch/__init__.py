"""
Watching renders, without any UI: ask no more than needed, until every video is final.

``poll`` is the loop, ``plan`` decides what to ask next, ``looks`` asks it, ``rows`` keeps what
is known, ``ends`` says why a watch ended early, ``wait`` holds the skins made of text.
"""

from hooked_analytics.watch.poll import poll_videos
from hooked_analytics.watch.wait import last_frame, summary, wait_for_videos

__all__ = ["last_frame", "poll_videos", "summary", "wait_for_videos"]
