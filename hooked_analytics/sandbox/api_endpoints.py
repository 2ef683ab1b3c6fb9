"""The endpoints of the sandbox and the paths they are at."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hooked_analytics.sandbox.middleware import failure
from hooked_analytics.sandbox.seed_data import TYPES
from hooked_analytics.sandbox.signed_files import (
    File,
    SignedLinks,
    png_file,
    s3_error,
    video_file,
)
from hooked_analytics.sandbox.vendor_endpoints import VendorApi
from hooked_analytics.sandbox.video import details, list_item
from hooked_analytics.sandbox.video_store import STATUS_FILTERS, VideoStore
from hooked_analytics.sandbox.webhook_sender import WebhookSender

# query of the list -> what is allowed; and default, minimum, maximum
FILTERS = {"type": tuple(kind.name for kind in TYPES), "status": tuple(STATUS_FILTERS)}
NUMBERS = {"limit": (50, 1, 100), "offset": (0, 0, 2_147_483_647)}
NO_SUCH_KEY = s3_error(404, "NoSuchKey", "The specified key does not exist.")


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
            return failure(404, "Video not found")
        if not self._store.owns(video_id):
            return failure(403, "Video does not belong to the user")
        data = details(video, self._store.clock.now(), self._links)
        message = "Video details fetched successfully"
        return JSONResponse({"success": True, "message": message, "data": data})

    async def list(self, request: Request) -> Response:
        """One page of the team's videos."""
        query = request.query_params
        for field, allowed in FILTERS.items():
            if query.get(field, allowed[0]) not in allowed:
                return _invalid_value(field, query[field], allowed)
        numbers = {}
        for field, (default, minimum, maximum) in NUMBERS.items():
            text = query.get(field, str(default))
            digits = text.isascii() and text.isdigit() and len(text) <= 10
            if not (digits and minimum <= int(text) <= maximum):
                return _invalid_value(field, text, [f"{minimum} to {maximum}"])
            numbers[field] = int(text)
        limit, offset = numbers["limit"], numbers["offset"]
        now = self._store.clock.now()
        filters = {"type_name": query.get("type"), "status": query.get("status")}
        found = self._store.select(now, **filters)
        page = [list_item(video, now, self._links) for video in found[offset : offset + limit]]
        data = {"videos": page, "total": len(found), "limit": limit, "offset": offset}
        return JSONResponse({"success": True, "data": data})

    async def video(self, request: Request) -> Response:
        """File behind a download link."""
        video_id = request.path_params["video_id"]
        now = self._store.clock.now()
        refusal = self._links.refusal(video_id, request.query_params, now)
        if refusal is not None:
            return _sent(refusal)
        video = self._store.find(video_id)
        if video is None or video.failure is not None or now < video.ended_at:
            return _sent(NO_SUCH_KEY)
        return _sent(video_file(video, request.headers))

    async def thumbnail(self, request: Request) -> Response:
        """Picture of a video."""
        video = self._store.find(request.path_params["video_id"])
        if video is None:
            return _sent(NO_SUCH_KEY)
        return Response(png_file(video.id), media_type="image/png")


def _invalid_value(field: str, value: str, allowed: Sequence[str]) -> JSONResponse:
    found = {"field": field, "value": value, "allowed": list(allowed)}
    return failure(400, f"Invalid value for {field}", code="INVALID_VALUE", details=found)


def _sent(file: File) -> Response:
    return Response(file.content, file.status_code, file.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return failure(500, "Internal server error")
    return failure(error.status_code, error.detail, error.headers)


def build_app(store: VideoStore, sender: WebhookSender, links: SignedLinks) -> Starlette:
    """ASGI application of all paths; it checks no key, the middleware does."""
    api, vendor = Api(store, links), VendorApi(store, sender, links.base_url)
    app = Starlette(
        routes=[
            Route("/v1/avatar/list", vendor.avatars),
            Route("/v1/voice/list", vendor.voices),
            Route("/v1/music/list", vendor.music),
            Route("/v1/trends/videos", vendor.trends),
            Route("/v1/project/create/{type}", vendor.create, methods=["POST"]),
            Route("/v1/video/list", api.list),
            # An id with an encoded slash is still one id, so the rest of the path is taken whole.
            Route("/v1/video/{video_id:path}", api.details),
            Route("/hooked-videos/{video_id:path}.mp4", api.video),
            Route("/thumbnails/{video_id:path}.png", api.thumbnail),
        ],
        exception_handlers={HTTPException: _http_error, 500: _http_error},
    )
    app.router.redirect_slashes = False
    return app
