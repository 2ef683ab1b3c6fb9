"""The bodies in which the sandbox says no."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

__all__ = ["failure", "too_many_requests"]


def failure(
    status_code: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """
    Make the answer to a request that cannot be served.

    Parameters
    ----------
    message : as the API words it
    more : further fields of the body

    Returns
    -------
    JSON that says ``success: false``

    Examples
    --------
    >>> failure(404, "Video not found").body
    b'{"success":false,"message":"Video not found"}'
    """
    body = {"success": False, "message": message, **more}
    return JSONResponse(body, status_code=status_code, headers=headers)


def too_many_requests(retry_after_seconds: int | None) -> JSONResponse:
    """
    Make the answer to a request above the limit.

    Parameters
    ----------
    retry_after_seconds : goes into the header; None leaves it out [s]

    Returns
    -------
    HTTP 429

    Examples
    --------
    >>> too_many_requests(7).headers["retry-after"]
    '7'
    """
    headers = None if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    return failure(429, "Too many requests", headers=headers, code="RATE_LIMITED")
