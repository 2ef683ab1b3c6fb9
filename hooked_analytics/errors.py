"""
One tree of errors: what happened, to which video, and what to do next.

Every error below `HookedError` carries plain values only, so it pickles, crosses process
borders, and can never hold a request, a header or a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AuthenticationError",
    "BadResponseError",
    "FetchError",
    "FetchInterrupted",
    "ForbiddenError",
    "HookedError",
    "InvalidVideoIdError",
    "NetworkError",
    "RateLimitError",
    "ServerError",
    "StorageError",
    "SubscriptionError",
    "VideoNotFoundError",
    "WaitTimeoutError",
]


class WithVideos(BaseException):
    """What ends a batch: it can carry the rows that arrived before."""

    videos: pd.DataFrame | None = None

    def with_videos(self, videos: pd.DataFrame) -> Self:
        """Carry these rows, unless it carries some already."""
        if self.videos is None:
            self.videos = videos
        return self

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way calls the class with args alone and would lose the attributes.
        return (type(self), self.args, self.__dict__)


class HookedError(WithVideos, Exception):
    """
    The root of everything this package raises about the Hooked API.

    Parameters
    ----------
    message : str, default ""
        What happened and what to do next.
    video_id : str, optional
        The video it happened to.
    status_code : int, optional
        The HTTP status, where a response came.
    retryable : bool, optional
        Whether trying again later can help; each class has its own default.
    videos : DataFrame, optional
        A videos frame of what arrived, where the error ended a batch.

    Examples
    --------
    >>> error = ServerError("Hooked answered 500", video_id="vid_abc123", status_code=500)
    >>> error.kind, error.video_id, error.status_code, error.retryable
    ('server', 'vid_abc123', 500, True)
    """

    kind: ClassVar[str | None] = None
    retryable: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        video_id: str | None = None,
        status_code: int | None = None,
        retryable: bool | None = None,
        videos: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(message)
        self.video_id = video_id
        self.status_code = status_code
        if retryable is not None:
            self.retryable = retryable
        if videos is not None:
            self.videos = videos


class AuthenticationError(HookedError):
    """The API key is missing, malformed or refused. It stops a whole batch."""


class SubscriptionError(HookedError):
    """The team has no subscription that includes the API. It stops a whole batch."""


class ForbiddenError(HookedError):
    """The video belongs to another team."""

    kind = "forbidden"


class VideoNotFoundError(HookedError):
    """Hooked knows no such video, or it is not yours."""

    kind = "not_found"


class InvalidVideoIdError(HookedError, ValueError):
    """The text cannot be a video id; no request was sent."""

    kind = "invalid_id"


class RateLimitError(HookedError):
    """Hooked kept refusing because too many requests were sent."""

    kind = "rate_limited"
    retryable = True


class ServerError(HookedError):
    """Hooked failed to answer (HTTP 5xx)."""

    kind = "server"
    retryable = True


class NetworkError(HookedError):
    """No response arrived: `kind` is ``timeout`` when time ran out, else ``network``."""

    kind = "network"
    retryable = True

    @classmethod
    def timeout(cls, message: str, *, video_id: str | None = None) -> NetworkError:
        """
        Build the error of a wait that ended without a response.

        Parameters
        ----------
        message : str
            What happened and what to do next.
        video_id : str, optional
            The video it happened to.

        Returns
        -------
        NetworkError
            Its `kind` is ``timeout``.

        Examples
        --------
        >>> NetworkError.timeout("no response within 30 s", video_id="vid_abc123").kind
        'timeout'
        """
        error = cls(message, video_id=video_id)
        error.__dict__["kind"] = "timeout"
        return error


class BadResponseError(HookedError):
    """A response came that cannot be Hooked's; nothing of it was used."""

    kind = "bad_response"


class StorageError(HookedError, OSError):
    """A file of the archive, an export or a report could not be written or read."""


class FetchError(HookedError):
    """Some ids of a batch failed and ``errors="raise"`` was given; `videos` has every row."""

    videos: pd.DataFrame


class WaitTimeoutError(HookedError):
    """The wait ended before the renders did, which go on at Hooked; `videos` is the last poll."""

    videos: pd.DataFrame


class FetchInterrupted(WithVideos, KeyboardInterrupt):
    """
    The stop button was pressed; `videos` has every row, the rest as ``not_fetched``.

    Parameters
    ----------
    message : str, default ""
        How far it came and what to do next.
    videos : DataFrame, optional
        The videos frame.
    """

    videos: pd.DataFrame

    def __init__(self, message: str = "", *, videos: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        if videos is not None:
            self.videos = videos
