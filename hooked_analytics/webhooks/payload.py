"""What a completion call says: whom it may mean, in either shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hooked_analytics.client.responses import decode
from hooked_analytics.errors import InvalidVideoIdError
from hooked_analytics.schema import record_id, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A call about a render that goes on is no news of an end.
_GOES_ON = frozenset({"processing", "started", "draft"})


def called_ids(body: bytes, check: Callable[[object], str]) -> list[str]:
    """
    Read whom a call may mean, the likeliest first.

    One shape nests the video (``video.id``) and has a ``projectId`` that may be an id of
    either kind, or stands alone when a render failed; the other is flat (``videoId``).

    Parameters
    ----------
    check : gives an id back, or raises `InvalidVideoIdError`

    Returns
    -------
    ids; none when the call tells of no end

    Raises
    ------
    ValueError
        It is no call; says why without quoting it.

    Examples
    --------
    >>> called_ids(b'{"event": "project.completed", "projectId": "proj_1",'
    ...            b' "video": {"id": "video_1"}}', check=str)
    ['video_1', 'proj_1']
    >>> called_ids(b'{"videoId": "vid_1", "status": "processing"}', check=str)
    []
    """
    call = decode(body)
    if not isinstance(call, dict):
        raise ValueError("JSON that is not an object")
    said = unwrap(call)
    ids = [video_id for given in _given(said) if (video_id := _checked(given, check))]
    if not ids:
        raise ValueError("a call without the id of a video")
    status = said.get("status")
    goes_on = isinstance(status, str) and status.strip().lower() in _GOES_ON
    return [] if goes_on else list(dict.fromkeys(ids))


def _given(said: Mapping[str, Any]) -> list[object]:
    video = said.get("video")
    nested = record_id(video) if isinstance(video, dict) else None
    return [nested, record_id(said), said.get("projectId")]


def _checked(given: object, check: Callable[[object], str]) -> str | None:
    try:
        return check(given) if given is not None else None
    except InvalidVideoIdError:
        return None
