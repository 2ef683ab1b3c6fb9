"""Download links answered with bytes, whole or in part."""

from __future__ import annotations

import hashlib
import re
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response

from hooked_analytics.sandbox.clock import Clock
from hooked_analytics.sandbox.media import mp4_file, png_file
from hooked_analytics.sandbox.signed_links import Links
from hooked_analytics.sandbox.store import VideoStore

__all__ = ["Files", "byte_range"]

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
NO_SUCH_KEY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """
    Read a Range header.

    Parameters
    ----------
    header : as the client sent it
    size : of the whole file [B]

    Returns
    -------
    first byte and the one after the last; None where the header means nothing and the whole
    file is the answer. An empty range cannot be satisfied.

    Examples
    --------
    >>> byte_range("bytes=0-9", 100), byte_range("bytes=-10", 100), byte_range("bytes=90-", 100)
    ((0, 10), (90, 100), (90, 100))
    >>> byte_range("lines=1-2", 100), byte_range("bytes=100-", 100)
    (None, (100, 100))
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return min(int(first), size), min(int(last) + 1, size) if last else size


class Files:
    """
    Serves videos and thumbnails.

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> store = VideoStore([sample_video()], [])
    >>> files = Files(store, Clock(1.8e9, 0), Links("http://127.0.0.1:1", seed=0))
    >>> files.thumbnail(Request({"type": "http", "path_params": {"video_id": "no"}})).status_code
    404
    """

    def __init__(self, store: VideoStore, clock: Clock, links: Links) -> None:
        self._store = store
        self._clock = clock
        self._links = links

    def video(self, request: Request) -> Response:
        """Answer a download link."""
        video_id = request.path_params["video_id"]
        now = self._clock.now()
        refusal = self._links.refusal(video_id, request.query_params, now)
        if refusal is not None:
            return Response(refusal, 403, media_type="application/xml")
        video = self._store.find(video_id)
        if video is None or video.failure is not None or now < video.ended_at:
            return Response(NO_SUCH_KEY, 404, media_type="application/xml")
        content = mp4_file(video.id, video.duration_frames)
        return _ranged(request, content, formatdate(video.ended_at, usegmt=True))

    def thumbnail(self, request: Request) -> Response:
        """Answer the address of a thumbnail."""
        video = self._store.find(request.path_params["video_id"])
        if video is None:
            return Response(NO_SUCH_KEY, 404, media_type="application/xml")
        return Response(png_file(video.id), media_type="image/png")


def _ranged(request: Request, content: bytes, last_modified: str) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": last_modified}
    wanted = byte_range(request.headers.get("range", ""), len(content))
    if request.headers.get("if-range", etag) not in (etag, last_modified):
        wanted = None
    if wanted is None:
        return Response(content, media_type="video/mp4", headers=headers)
    first, end = wanted
    if first >= end:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return Response(b"", 416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
    return Response(content[first:end], 206, media_type="video/mp4", headers=headers)
