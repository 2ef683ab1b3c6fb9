"""
The Hooked API on localhost: a real HTTP server with invented videos that render by a clock.

Needs the extra ``sandbox`` (starlette and uvicorn), and no key.
"""

from hooked_analytics.sandbox.sandbox import Sandbox, serve
from hooked_analytics.sandbox.video import FRAMES_PER_SECOND, LINK_LIFE_SECONDS, mp4_file
from hooked_analytics.sandbox.video_store import RETRY_SECONDS

__all__ = [
    "FRAMES_PER_SECOND",
    "LINK_LIFE_SECONDS",
    "RETRY_SECONDS",
    "Sandbox",
    "mp4_file",
    "serve",
]
