"""Why one file could not be had: a short kind for the row, a sentence, what may help."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from hooked_analytics.errors import HookedError

if TYPE_CHECKING:
    from collections.abc import Mapping

# kind -> what it means, for the column `error`
KINDS: Mapping[str, str] = {
    "invalid_id": "the text is no video id",
    "no_link": "there is no link to a file",
    "not_ready": "the video is not COMPLETED",
    "link_refused": "the link leads where this package does not go",
    "forbidden": "the server refuses even a fresh link",
    "not_found": "there is no such file, or no such video any more",
    "rate_limited": "too many requests",
    "timeout": "too little arrived for too long",
    "network": "the connection broke, or was never made",
    "server": "the server failed (HTTP 5xx)",
    "bad_response": "what came is not the whole file",
    "disk": "the file could not be written",
    "in_use": "somebody else is downloading it into the same folder",
    "not_fetched": "stopped first",
}


class DownloadFailed(HookedError):  # noqa: N818 - said of a row, not of the package
    """
    One file could not be had; it becomes a row.

    Parameters
    ----------
    retry_after_seconds : when to ask again, where the server said so [s]

    Examples
    --------
    >>> failed = DownloadFailed("server", "HTTP 503", retryable=True)
    >>> failed.why, failed.retryable
    ('server', True)
    """

    def __init__(
        self,
        why: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.why = why
        self.retry_after_seconds = retry_after_seconds


class LinkDied(DownloadFailed):
    """The server no longer accepts the link; a fresh one may do."""


def fail(why: str, message: str, *, retryable: bool = False) -> NoReturn:
    """Raise the failure, from no other error: those may quote a whole link."""
    raise DownloadFailed(why, message, retryable=retryable) from None
