"""The endpoints of the sandbox and the paths they answer to."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hooked_analytics.sandbox.answers import failure
from hooked_analytics.sandbox.clock import Clock
from hooked_analytics.sandbox.constants import TYPES
from hooked_analytics.sandbox.files import Files
from hooked_analytics.sandbox.signed_links import Links
from hooked_analytics.sandbox.store import STATUS_FILTERS, VideoStore
from hooked_analytics.sandbox.video import details, list_item

__all__ = ["build_routes"]

LIMIT_DEFAULT, LIMIT_MAX = 50, 100
OFFSET_MAX = 2_147_483_647


class _Api:
    """The two endpoints."""

    def __init__(self, store: VideoStore, clock: Clock, links: Links, *, flat_body: bool) -> None:
        self._store = store
        self._clock = clock
        self._links = links
        self._flat_body = flat_body

    async def details(self, request: Request) -> Response:
        video_id = request.path_params["video_id"]
        video = self._store.find(video_id)
        if video is None:
            return failure(404, "Video not found")
        if not self._store.owns(video_id):
            return failure(403, "Video does not belong to the user")
        now = self._clock.now()
        body = details(
            video, now, lambda each: self._links.download(each, now), self._links.thumbnail
        )
        if self._flat_body:
            return JSONResponse(body)
        return JSONResponse(
            {"success": True, "message": "Video details fetched successfully", "data": body}
        )

    async def list(self, request: Request) -> Response:
        query = request.query_params
        type_name, status = query.get("type"), query.get("status")
        limit = _whole_number(query.get("limit", str(LIMIT_DEFAULT)), 1, LIMIT_MAX)
        offset = _whole_number(query.get("offset", "0"), 0, OFFSET_MAX)
        types = [kind.name for kind in TYPES]
        if type_name is not None and type_name not in types:
            return _invalid("type", type_name, types)
        if status is not None and status not in STATUS_FILTERS:
            return _invalid("status", status, list(STATUS_FILTERS))
        if limit is None:
            return _invalid("limit", query["limit"], [f"1 to {LIMIT_MAX}"])
        if offset is None:
            return _invalid("offset", query["offset"], [f"0 to {OFFSET_MAX}"])
        now = self._clock.now()
        found = self._store.select(now, type_name=type_name, status=status)
        page = [
            list_item(
                video, now, lambda each: self._links.download(each, now), self._links.thumbnail
            )
            for video in found[offset : offset + limit]
        ]
        data = {"videos": page, "total": len(found), "limit": limit, "offset": offset}
        return JSONResponse({"success": True, "data": data})


def _whole_number(text: str, lowest: int, highest: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    value = int(text)
    return value if lowest <= value <= highest else None


def _invalid(field: str, value: str, allowed: list[str]) -> JSONResponse:
    return failure(
        400,
        f"Invalid value for {field}",
        code="INVALID_VALUE",
        details={"field": field, "value": value, "allowed": allowed},
    )


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return failure(500, "Internal server error")
    return failure(error.status_code, error.detail, headers=error.headers)


def build_routes(store: VideoStore, clock: Clock, links: Links, *, flat_body: bool) -> Starlette:
    """
    Put the endpoints and the files behind their paths.

    Parameters
    ----------
    flat_body : whether details come without their envelope, as the OpenAPI block has them

    Returns
    -------
    an ASGI application that asks for no key; the middleware before it does

    Examples
    --------
    >>> app = build_routes(VideoStore([], []), Clock(0, 0), Links("", seed=0), flat_body=False)
    >>> [route.path for route in app.routes][0]
    '/v1/video/list'
    """
    api, files = _Api(store, clock, links, flat_body=flat_body), Files(store, clock, links)

    async def video(request: Request) -> Response:
        return files.video(request)

    async def thumbnail(request: Request) -> Response:
        return files.thumbnail(request)

    app = Starlette(
        routes=[
            Route("/v1/video/list", api.list),
            # An id with an encoded slash is still one id, so the rest of the path is taken whole.
            Route("/v1/video/{video_id:path}", api.details),
            Route("/hooked-videos/{video_id:path}.mp4", video),
            Route("/thumbnails/{video_id:path}.png", thumbnail),
        ],
        exception_handlers={HTTPException: _http_error, 500: _http_error},
    )
    app.router.redirect_slashes = False
    return app
