"""The endpoints of the sandbox, those of the videos and those of the vendor's own client."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hooked_analytics.sandbox.middleware import failure, s3_error
from hooked_analytics.sandbox.seed_data import (
    ASPECT_RATIOS,
    AVATARS,
    MOODS,
    MUSIC_TRACKS,
    TYPES,
    VOICES,
)
from hooked_analytics.sandbox.video import (
    FIELDS,
    LIST_FIELDS,
    SignedLinks,
    details,
    mp4_file,
    png_file,
    state_at,
)
from hooked_analytics.sandbox.video_store import VideoStore

# query of the list -> what is allowed
FILTERS = {
    "type": tuple(kind.name for kind in TYPES),
    "status": ("draft", "processing", "completed", "failed"),
}
MAX_OFFSET = 2_147_483_647
MAX_BODY_BYTES = 5_000_000
MAX_METADATA_BYTES = 5_000
MAX_ITEMS = 50
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)

# platform, niche, title, views
TRENDS = (
    ("tiktok", "beauty", "Three products, one minute", 2_400_000),
    ("youtube", "fitness", "The morning routine that sticks", 1_900_000),
    ("tiktok", "food", "Sourdough on the bus", 1_200_000),
    ("youtube", "tech", "Five tools I deleted", 800_000),
    ("tiktok", "fitness", "Stretch like nobody watches", 650_000),
)

_SPOKEN = ("script", "avatarId")
# path -> type of the video, and sets of fields of which one must be there: the docs and the
# vendor's own client disagree, and both are served
CREATIONS: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "script-to-video": ("script_to_video", (("script", "voiceId", "mediaType"), _SPOKEN)),
    "prompt-to-video": ("prompt_to_video", (("prompt",),)),
    "ugc-ads": ("ugc_ads", (_SPOKEN,)),
    "talking-avatar": ("ugc_video", (("script", "avatarId", "voiceId"),)),
    "product-ads": ("product_ads", (("script", "productAdSettings"),)),
    "hook-demo": ("hook_demo", (("avatarId", "text"),)),
    "tiktok-slideshow": ("tiktok_slideshow", (("slides",),)),
    "scenes": ("scenes", (("scenes",),)),
    "add-captions": ("add_captions", (("media",),)),
    "remove-background": ("remove_background", (("media",),)),
    "extend-video": ("extend_video", (("media", "prompt"),)),
}
# field -> most characters, wherever it is given
TEXTS = {"script": 10_000, "prompt": 4_000, "text": 5_000, "name": 100, "title": 100} | (
    dict.fromkeys(("avatarId", "voiceId", "musicId", "mediaType", "lipsyncModel"), 500)
    | dict.fromkeys(("aspectRatio", "captionStyle", "productUrl", "hook", "cta", "webhook"), 500)
)
CHOICES = {
    "mediaType": ("ai-images", "ai-videos", "media", "gameplay"),
    "lipsyncModel": ("base", "pro"),
    "aspectRatio": tuple(ASPECT_RATIOS),
}
OBJECTS = ("caption", "metadata", "productAdSettings")
LISTS = ("media", "slides", "scenes")


class Refusal(HTTPException):
    """Ends an endpoint early, with *more* fields in the body of the response."""

    def __init__(self, status_code: int, message: str, **more: object) -> None:
        super().__init__(status_code, message)
        self.more = more


class Api:
    """What each path responds."""

    def __init__(self, store: VideoStore, links: SignedLinks) -> None:
        self._store = store
        self._links = links

    async def details(self, request: Request) -> Response:
        """One video of the team."""
        video_id = request.path_params["video_id"]
        video = self._store.find(video_id)
        if video is None:
            raise Refusal(404, "Video not found")
        if video_id in self._store.other_team:
            raise Refusal(403, "Video does not belong to the user")
        data = details(video, self._store.clock.now(), self._links)
        return _data(data, message="Video details fetched successfully")

    async def list(self, request: Request) -> Response:
        """One page of the team's videos, newest first."""
        query = request.query_params
        for field, allowed in FILTERS.items():
            if query.get(field, allowed[0]) not in allowed:
                raise _invalid(field, value=query[field], allowed=allowed)
        limit = _number(query, "limit", 50, 1, 100)
        offset = _number(query, "offset", 0, 0, MAX_OFFSET)
        type_name, status = query.get("type"), query.get("status", "").upper()
        status = "STARTED" if status == "PROCESSING" else status
        now = self._store.clock.now()
        found = [
            video
            for video in reversed(self._store.own)
            if type_name in {None, video.type}
            and (not status or state_at(video, now).status == status)
        ]
        bodies = (details(each, now, self._links) for each in found[offset : offset + limit])
        page = [{field: body.get(field) for field in LIST_FIELDS} for body in bodies]
        return _data({"videos": page, "total": len(found), "limit": limit, "offset": offset})

    async def video(self, request: Request) -> Response:
        """File behind a download link, or the part of it that the request's headers name."""
        video_id = request.path_params["video_id"]
        now = self._store.clock.now()
        if refusal := self._links.refusal(video_id, request.query_params, now):
            return s3_error(403, *refusal)
        video = self._store.find(video_id)
        if video is None or video.failure is not None or now < video.ended_at:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        content = mp4_file(video.id, video.duration_frames)
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        modified = formatdate(video.ended_at, usegmt=True)
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": modified}
        part = byte_range(request.headers.get("range", ""), len(content))
        if part is None or request.headers.get("if-range", etag) not in (etag, modified):
            return Response(content, 200, headers, "video/mp4")
        first, end = part
        status, shown = (206, f"{first}-{end - 1}") if first < end else (416, "*")
        headers["Content-Range"] = f"bytes {shown}/{len(content)}"
        return Response(content[first:end], status, headers, "video/mp4")

    async def thumbnail(self, request: Request) -> Response:
        """Picture of a video."""
        video = self._store.find(request.path_params["video_id"])
        if video is None:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        return Response(png_file(video.id), media_type="image/png")

    async def avatars(self, request: Request) -> Response:
        """Avatars of the library, the team's own, or all."""
        wanted = request.query_params.get("type", "all")
        if wanted not in {"all", "library", "custom"}:
            raise _invalid("type", "must be one of all, library, custom")
        thumbnail = self._links.thumbnail("vid_abc123")
        rows = [
            {**row, "isCustom": row["type"] == "custom", "isPro": False, "isHD": True}
            for row in _rows("id name gender age type", AVATARS)
            if wanted in {"all", row["type"]}
        ]
        return _data({"avatars": [{**row, "thumbnail": thumbnail} for row in rows]})

    async def voices(self, _: Request) -> Response:
        """All voices."""
        return _data({"voices": _rows("id name language accent style", VOICES)})

    async def music(self, _: Request) -> Response:
        """All pieces of music."""
        moods = [(n, MOODS[(n - 1) % len(MOODS)]) for n in range(1, MUSIC_TRACKS + 1)]
        facts = [(str(n), f"{mood.title()} {n}", mood, 60 + 15 * n) for n, mood in moods]
        return _data({"music": _rows("id name mood duration", facts)})

    async def trends(self, request: Request) -> Response:
        """Videos of others that do well, best first."""
        query = request.query_params
        limit = _number(query, "limit", 20, 1, MAX_ITEMS)
        facts = [(f"trend_{n}", *row, 100 - 7 * n) for n, row in enumerate(TRENDS)]
        rows = [
            row
            for row in _rows("id platform niche title views viralScore", facts)
            if all(query.get(field, row[field]) == row[field] for field in ("platform", "niche"))
        ]
        return _data({"videos": rows[:limit]})

    async def create(self, request: Request) -> Response:
        """Start a render as `Sandbox.create_video` does."""
        path = request.path_params["type"]
        if path not in CREATIONS:
            raise _invalid("type", f"must be one of {', '.join(CREATIONS)}")
        type_name, needs = CREATIONS[path]
        body = await _body(request)
        _check(body, needs)
        video = self._store.create(type_name, **_video_values(body))
        status = state_at(video, self._store.clock.now()).status
        return _data({"videoId": video.id, "projectId": video.project_id, "status": status})


def _data(data: Mapping[str, object], **more: object) -> Response:
    return JSONResponse({"success": True, **more, "data": data})


def _rows(names: str, rows: Iterable[Sequence[object]]) -> list[dict[str, Any]]:
    return [dict(zip(names.split(), row, strict=True)) for row in rows]


def _invalid(field: str, reason: str = "", **more: object) -> Refusal:
    message = f"Invalid value for {field}{reason and ': it '}{reason}"
    return Refusal(400, message, code="INVALID_VALUE", details={"field": field, **more})


def _number(query: Mapping[str, str], field: str, default: int, least: int, most: int) -> int:
    text = query.get(field, str(default))
    if text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most:
        return int(text)
    raise _invalid(field, value=text, allowed=[f"{least} to {most}"])


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """
    Read a Range header: the first byte and the one after the last, equal if out of reach.

    None where the header means nothing and the whole file is sent.
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


async def _body(request: Request) -> dict[str, Any]:
    """Read a JSON object, without the fields that are null."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise Refusal(413, f"The body must be at most {MAX_BODY_BYTES:,} bytes")
    try:
        body = json.loads(content)
        # neither NaN nor half a character: no response could repeat them
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is no JSON", code="VALIDATION_ERROR") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object", code="VALIDATION_ERROR")
    return {field: value for field, value in body.items() if value is not None}


def _check(body: Mapping[str, Any], needs: Iterable[tuple[str, ...]]) -> None:
    missing = min(([f for f in fields if f not in body] for fields in needs), key=len)
    if missing:
        said = {"code": "VALIDATION_ERROR", "details": {"missing": missing}}
        raise Refusal(400, f"Missing {', '.join(missing)}", **said)
    for field, value in body.items():
        if reason := _reason(field, value):
            raise _invalid(field, reason)


def _reason(field: str, value: Any) -> str | None:
    """What a value must be and is not; a field without a rule is taken as it is."""
    if field == "media" and isinstance(value, str):
        return None if value else "must not be empty"
    if field in TEXTS and not (isinstance(value, str) and 1 <= len(value) <= TEXTS[field]):
        return f"must be text of 1 to {TEXTS[field]:,} characters"
    if field in CHOICES and value not in CHOICES[field]:
        return f"must be one of {', '.join(CHOICES[field])}"
    if field == "webhook" and not value.startswith(("https://", "http://")):
        return "must be an https URL"
    if field in LISTS and not (
        isinstance(value, list)
        and 1 <= len(value) <= MAX_ITEMS
        and all(item and isinstance(item, str | dict) for item in value)
    ):
        return f"must be a list of 1 to {MAX_ITEMS}"
    if field in OBJECTS and not isinstance(value, dict):
        return "must be an object"
    if field == "metadata" and len(json.dumps(value).encode()) > MAX_METADATA_BYTES:
        return f"must be at most {MAX_METADATA_BYTES:,} bytes"
    return None


def _video_values(body: Mapping[str, Any]) -> dict[str, Any]:
    body = {"name": body.get("title"), "script": body.get("text"), **body}
    caption = body.get("caption", {})
    preset, disabled = caption.get("preset"), caption.get("disabled")
    return {ours: body.get(theirs) for theirs, ours in FIELDS.items() if theirs in TEXTS} | {
        "aspect_ratio": body.get("aspectRatio"),
        "metadata": body.get("metadata"),
        "caption_preset": preset if isinstance(preset, str) else body.get("captionStyle"),
        "caption_disabled": disabled if isinstance(disabled, bool) else None,
    }


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    more = error.more if isinstance(error, Refusal) else {}
    return failure(error.status_code, error.detail, error.headers, **more)


def build_app(store: VideoStore, links: SignedLinks) -> Starlette:
    """ASGI application of all paths; it checks no key, the middleware does."""
    api = Api(store, links)
    app = Starlette(
        routes=[
            Route("/v1/avatar/list", api.avatars),
            Route("/v1/voice/list", api.voices),
            Route("/v1/music/list", api.music),
            Route("/v1/trends/videos", api.trends),
            Route("/v1/project/create/{type}", api.create, methods=["POST"]),
            Route("/v1/video/list", api.list),
            # An id with an encoded slash is still one id, so the rest of the path is taken whole.
            Route("/v1/video/{video_id:path}", api.details),
            Route("/hooked-videos/{video_id:path}.mp4", api.video),
            Route("/thumbnails/{video_id:path}.png", api.thumbnail),
        ],
        exception_handlers={HTTPException: _failed},
    )
    app.router.redirect_slashes = False
    return app
