"""
One tree of errors: what happened, to which video, and what to do next.

Every error below `HookedError` carries plain values only, so it pickles, crosses process
borders, and can never hold a request, a header or a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
    "VideoNotFoundError",
    "WaitTimeoutError",
]


class HookedError(Exception):
    """
    The root of everything this package raises about the Hooked API.

    Parameters
    ----------
    message : what happened and what to do next
    video_id : the video it happened to, where there is one
    status_code : the HTTP status, where an answer came
    retryable : whether asking again later can help; each class has its own default

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
    ) -> None:
        super().__init__(message)
        self.video_id = video_id
        self.status_code = status_code
        if retryable is not None:
            self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way calls the class with args alone and would lose the keywords.
        return (type(self), self.args, self.__dict__)


class AuthenticationError(HookedError):
    """The API key is missing, malformed or refused. It stops a whole batch."""


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
    """No answer arrived: `kind` is ``timeout`` when time ran out, else ``network``."""

    kind = "network"
    retryable = True

    @classmethod
    def timeout(cls, message: str, *, video_id: str | None = None) -> NetworkError:
        """
        Build the error of a wait that ended without an answer.

        Examples
        --------
        >>> NetworkError.timeout("no answer within 30 s", video_id="vid_abc123").kind
        'timeout'
        """
        error = cls(message, video_id=video_id)
        error.__dict__["kind"] = "timeout"
        return error


class BadResponseError(HookedError):
    """An answer came that cannot be a Hooked answer; nothing of it was used."""

    kind = "bad_response"


class _WithVideos(BaseException):
    """What a batch had in hand when it ended early."""

    def __init__(self, message: str, *, videos: pd.DataFrame) -> None:
        super().__init__(message)
        self.videos = videos

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args[0], self.videos))


def _rebuild(cls: type, message: str, videos: pd.DataFrame) -> object:
    return cls(message, videos=videos)


class FetchError(_WithVideos, HookedError):
    """Some ids of a batch failed and ``errors="raise"`` was asked; `videos` has every row."""


class WaitTimeoutError(_WithVideos, HookedError):
    """The wait ended before the renders did, which go on at Hooked; `videos` is the last look."""


class FetchInterrupted(_WithVideos, KeyboardInterrupt):
    """The stop button was pressed; `videos` has every row, the unasked as ``not_fetched``."""
