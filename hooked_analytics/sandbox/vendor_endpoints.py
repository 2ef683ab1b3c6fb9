"""Endpoints beside the videos: avatars, voices, music, trends, and creating a video."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hooked_analytics.sandbox.middleware import failure
from hooked_analytics.sandbox.seed_data import AVATARS, MUSIC_TRACKS, VOICES
from hooked_analytics.sandbox.video import state_at
from hooked_analytics.sandbox.video_store import VideoStore
from hooked_analytics.sandbox.webhook_sender import WebhookSender

MAX_BODY_BYTES = 5_000_000
MAX_METADATA_BYTES = 5_000
MAX_ITEMS = 50

# name, gender, age, kind
AVATAR_FACTS = (
    ("Sarah", "female", "young", "library"),
    ("Marco", "male", "adult", "library"),
    ("Aiko", "female", "adult", "library"),
    ("Lena", "female", "senior", "custom"),
)
# name, language, accent, style
VOICE_FACTS = (
    ("Confident Kate", "English", "American", "confident"),
    ("Warm Jonas", "German", "Neutral", "warm"),
    ("Lively Inés", "Spanish", "Castilian", "lively"),
)
MOODS = ("upbeat", "calm", "dramatic", "playful")
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
    "aspectRatio": ("ratio_9_16", "ratio_16_9", "ratio_1_1"),
}
OBJECTS = ("caption", "metadata", "productAdSettings")
LISTS = ("media", "slides", "scenes")


class VendorApi:
    """What the paths of the vendor's client respond, beside those of the videos."""

    def __init__(self, store: VideoStore, sender: WebhookSender, base_url: str) -> None:
        self._store = store
        self._sender = sender
        self._avatars = [
            {
                "id": avatar_id,
                "name": name,
                "type": kind,
                "gender": gender,
                "age": age,
                "thumbnail": f"{base_url}/thumbnails/vid_abc123.png",
                "isCustom": kind == "custom",
                "isPro": False,
                "isHD": True,
            }
            for avatar_id, (name, gender, age, kind) in zip(AVATARS, AVATAR_FACTS, strict=True)
        ]

    async def avatars(self, request: Request) -> Response:
        """Avatars of the library, the team's own, or all."""
        kind = request.query_params.get("type", "all")
        if kind not in {"all", "library", "custom"}:
            return _wrong("type", "must be one of all, library, custom")
        return _data(avatars=[row for row in self._avatars if kind in {"all", row["type"]}])

    async def voices(self, _: Request) -> Response:
        """All voices."""
        keys = ("id", "name", "language", "accent", "style")
        rows = ((i, *facts) for i, facts in zip(VOICES, VOICE_FACTS, strict=True))
        return _data(voices=[dict(zip(keys, row, strict=True)) for row in rows])

    async def music(self, _: Request) -> Response:
        """All pieces of music."""
        moods = [MOODS[n % len(MOODS)] for n in range(MUSIC_TRACKS)]
        tracks = [
            {"id": str(n), "name": f"{mood.title()} {n}", "mood": mood, "duration": 60 + 15 * n}
            for n, mood in enumerate(moods, 1)
        ]
        return _data(music=tracks)

    async def trends(self, request: Request) -> Response:
        """Videos of others that do well, best first."""
        query = request.query_params
        limit = query.get("limit", "20")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_ITEMS):
            return _wrong("limit", f"must be 1 to {MAX_ITEMS}")
        keys = ("platform", "niche", "title", "views")
        rows = [
            {"id": f"trend_{n}", **dict(zip(keys, facts, strict=True)), "viralScore": 100 - 7 * n}
            for n, facts in enumerate(TRENDS)
            if (query.get("platform", facts[0]), query.get("niche", facts[1])) == facts[:2]
        ]
        return _data(videos=rows[: int(limit)])

    async def create(self, request: Request) -> Response:
        """Start a render as `Sandbox.create_video` does."""
        path = request.path_params["type"]
        if path not in CREATIONS:
            return _wrong("type", f"must be one of {', '.join(CREATIONS)}")
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > MAX_BODY_BYTES:
                return failure(413, f"The body must be at most {MAX_BODY_BYTES:,} bytes")
        try:
            body = json.loads(content)
            # neither NaN nor half a character: no response could repeat them
            json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            return failure(400, "The body is no JSON", code="VALIDATION_ERROR")
        if not isinstance(body, dict):
            return failure(400, "The body must be a JSON object", code="VALIDATION_ERROR")
        body = {field: value for field, value in body.items() if value is not None}
        type_name, needs = CREATIONS[path]
        if (refusal := _refusal(body, needs)) is not None:
            return refusal
        video = self._store.create(type_name, **_video_values(body))
        self._sender.expect(video)
        status = state_at(video, self._store.clock.now()).status
        data = {"videoId": video.id, "projectId": video.project_id, "status": status}
        return JSONResponse({"success": True, "data": data})


def _data(**data: object) -> Response:
    return JSONResponse({"success": True, "data": data})


def _wrong(field: str, reason: str) -> Response:
    message = f"Invalid value for {field}: it {reason}"
    return failure(400, message, code="INVALID_VALUE", details={"field": field})


def _refusal(body: Mapping[str, Any], needs: Iterable[tuple[str, ...]]) -> Response | None:
    missing = min(([f for f in fields if f not in body] for fields in needs), key=len)
    if missing:
        message = f"Missing {', '.join(missing)}"
        return failure(400, message, code="VALIDATION_ERROR", details={"missing": missing})
    reasons = ((field, _reason(field, value)) for field, value in body.items())
    return next((_wrong(field, reason) for field, reason in reasons if reason), None)


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
    caption = body.get("caption", {})
    preset, disabled = caption.get("preset"), caption.get("disabled")
    return {
        "name": body.get("name", body.get("title")),
        "script": body.get("script", body.get("text")),
        "avatar_id": body.get("avatarId"),
        "voice_id": body.get("voiceId"),
        "music_id": body.get("musicId"),
        "aspect_ratio": body.get("aspectRatio"),
        "caption_preset": preset if isinstance(preset, str) else body.get("captionStyle"),
        "caption_disabled": disabled if isinstance(disabled, bool) else None,
        "webhook": body.get("webhook"),
        "metadata": body.get("metadata"),
    }
