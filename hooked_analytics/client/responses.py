"""What a response says: decoded under guard, or one error that says why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hooked_analytics.errors import (
    AuthenticationError,
    BadResponseError,
    ForbiddenError,
    HookedError,
    NetworkError,
    ServerError,
    SubscriptionError,
    VideoNotFoundError,
)
from hooked_analytics.schema import decode, record_id, unwrap

if TYPE_CHECKING:
    from hooked_analytics.client.transport import HTTPResponse

# Words in a 403 that are about the key, not about the video.
_HOST = re.compile(r"https?://([a-z0-9.-]{1,253})(?=[:/]|$)", re.ASCII | re.IGNORECASE)
_ABOUT_THE_KEY = ("not authenticated", "api key", "api_key", "apikey", "unauthorized")


def video_record(response: HTTPResponse, video_id: str) -> dict[str, Any]:
    """Take the record of one video out of a response, or raise what fits its status and body."""
    record = unwrap(_accepted(response, video_id=video_id))
    answered = record_id(record)
    if answered is None:
        raise _bad(response, video_id, "the response holds no video")
    if answered != video_id:
        raise _bad(response, video_id, "Hooked answered with another video, which was not used")
    return dict(record)


def list_items(response: HTTPResponse, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """
    Take the items of a list and what it says of itself.

    They are known inside ``data``, at the top, and as a bare list.
    """
    body = _accepted(response, video_id=None, allow_list=True)
    about = {name: body} if isinstance(body, list) else unwrap(body)
    inner = body.get("data") if isinstance(body, dict) else None
    items = inner if isinstance(inner, list) else about.get(name)
    if not isinstance(items, list):
        raise _bad(response, None, f"the response holds no {name}")
    return [item for item in items if isinstance(item, dict)], dict(about)


def _accepted(response: HTTPResponse, *, video_id: str | None, allow_list: bool = False) -> Any:
    body: Any = None
    broken: str | None = None
    try:
        body = decode(response.body)
    except ValueError as problem:
        broken = str(problem)
    if not 200 <= response.status < 300:
        raise _error_of(response, body, video_id=video_id)
    if broken is None and not isinstance(body, dict | list if allow_list else dict):
        broken = "JSON that is not an object"
    if broken is not None:
        raise _bad(response, video_id, f"Hooked answered {response.status} with {broken}")
    if isinstance(body, dict) and body.get("success") is False:
        failed = f"Hooked answered {response.status} but says it failed{_said(body)}"
        raise _bad(response, video_id, failed)
    return body


def _bad(response: HTTPResponse, video_id: str | None, what: str) -> BadResponseError:
    return BadResponseError(
        f"{video_id or 'the list'}: {what}", video_id=video_id, status_code=response.status
    )


# status, or its hundred -> error, and what it says
_ERRORS: dict[int, tuple[type[HookedError], str]] = {
    300: (
        BadResponseError,
        "{who}: Hooked points to {host}, which was not followed because the key belongs to one "
        "host only",
    ),
    400: (BadResponseError, "{who}: Hooked answered {status}{said}"),
    401: (
        AuthenticationError,
        "Hooked refused the API key{said}. Check HOOKED_API_KEY, or make a new key.",
    ),
    402: (
        SubscriptionError,
        "Hooked refused: the team has no subscription that includes the API{said}. Take one in "
        "Hooked's settings, or use another team's key.",
    ),
    403: (ForbiddenError, "{who}: access denied{said}. The video may belong to another team."),
    404: (VideoNotFoundError, "{who}: not found{said}; or it is not yours"),
    408: (NetworkError, "{who}: Hooked gave up waiting ({status}); try again"),
    500: (ServerError, "{who}: Hooked failed with {status}; try again later"),
}


def _error_of(response: HTTPResponse, body: Any, *, video_id: str | None) -> HookedError:
    status = kind = response.status
    said = _said(body)
    if status == 403 and "subscription_required" in said.lower():
        kind = 402
    elif status == 403 and any(word in said.lower() for word in _ABOUT_THE_KEY):
        kind = 401
    hundred = 500 if status >= 500 else 300 if 300 <= status < 400 else 400
    error, text = _ERRORS.get(kind, _ERRORS[hundred])
    host = _HOST.match(response.headers.get("Location", ""))
    message = text.format(
        who=video_id or "the list", status=status, said=said, host=host[1] if host else "elsewhere"
    )
    return error(message, video_id=video_id, status_code=status)


def _said(body: Any) -> str:
    """Quote what the body says, from any of the three error shapes, shortly."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    said = [body.get("message"), body.get("code"), error.get("message"), error.get("code")]
    texts = [" ".join(text.split())[:120] for text in said if isinstance(text, str)]
    return f" ({', '.join(texts)})" if texts else ""
