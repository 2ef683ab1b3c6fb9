"""
The Hooked API on localhost: a real HTTP server with invented videos that render by a clock.

Needs the extra ``sandbox`` (starlette and uvicorn), and no key of Hooked's.

>>> with Sandbox(videos=20) as sandbox:
...     len(sandbox.video_ids)
20
"""

from hooked_analytics.sandbox.foreground import serve
from hooked_analytics.sandbox.sandbox import Sandbox

__all__ = ["Sandbox", "serve"]
