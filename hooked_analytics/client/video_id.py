"""What can be a video id, decided before any request."""

from __future__ import annotations

import re

from hooked_analytics.errors import InvalidVideoIdError

# Hooked states no grammar for ids; this takes every form seen and nothing that changes a path.
VIDEO_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_ENDPOINTS = frozenset({"list"})


def check_video_id(value: object, *, pattern: str = VIDEO_ID_PATTERN) -> str:
    r"""
    Return the id without surrounding white space, or refuse it before any request.

    Examples
    --------
    >>> check_video_id(" vid_abc123\n")
    'vid_abc123'
    """
    if not isinstance(value, str):
        raise InvalidVideoIdError(f"{value!r:.40} is no video id: it is not text")
    video_id = value.strip()
    if len(video_id) > 128:
        raise InvalidVideoIdError(f"a text of {len(video_id):,} characters is no video id")
    if video_id in _ENDPOINTS:
        raise InvalidVideoIdError(f"{video_id!r} is an address of the API, not a video id")
    if not re.fullmatch(pattern, video_id, re.ASCII) or ".." in video_id:
        raise InvalidVideoIdError(
            f"{video_id!r} is no video id: letters, digits, '_', '-' and single '.' only, "
            "at most 128, beginning with a letter or digit"
        )
    return video_id
