"""The client: one key, one limit, one request at a time."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Self
from urllib.parse import quote, urlsplit

from hooked_analytics._internal.cancel import CancelToken
from hooked_analytics._internal.net import is_loopback
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client import rate_limiter, settings
from hooked_analytics.client.responses import ListPage, list_items, list_pages, video_record
from hooked_analytics.client.retry import Sender
from hooked_analytics.client.transport import Transport
from hooked_analytics.errors import HookedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class Response(NamedTuple):
    """One video as the API gave it, and when."""

    record: dict[str, Any]
    seen_at: datetime
    flags: tuple[str, ...]  # what is odd about the response itself


class HookedClient:
    """
    The Hooked API: one key, one connection pool, one rate limit.

    Safe to share between threads, which share its limit, and after a fork.

    Parameters
    ----------
    api_key : str, optional
        The key; read from ``HOOKED_API_KEY`` when missing.
    profile : str, optional
        Read the key from ``HOOKED_API_KEY_<PROFILE>`` instead.
    base_url : str, optional
        Read from ``HOOKED_API_URL`` when missing, else ``https://api.hooked.so``. Plain http is
        for this machine only.
    requests_per_minute : float or None, default 60
        Most requests in any 60 s, burst allowed; None lifts the limit. When not given,
        ``HOOKED_REQUESTS_PER_MINUTE`` is read. A client refused below it learns a slower pace.
    shared_limit : bool, default False
        Share the limit, by a locked file in the user's own cache folder, with all processes of
        this user and key that say so. Processes of other users are not counted.
    max_workers : int, default 16
        Most requests of one call at the same time, and connections that are kept.
    timeout_seconds : float, default 30
        Limit for one response, all attempts together, half of it for each [s]. Waiting for the
        rate limit is not counted.
    max_attempts : int, default 3
        Attempts for one response, without refusals for the rate limit.
    video_id_pattern : str, optional
        Regular expression of an acceptable video id.

    Raises
    ------
    AuthenticationError
        No key, or one that no header can carry.
    HookedError
        This Python runs in a browser, without threads and sockets.
    ValueError
        A setting out of range, a base URL the key must not go to, or an unusable proxy.

    Examples
    --------
    >>> client = HookedClient("my-key")
    >>> client
    HookedClient('https://api.hooked.so', requests_per_minute=60)
    >>> client.close()
    """

    # so that a client whose making failed can still be shown in a traceback
    base_url: str = settings.DEFAULT_URL
    requests_per_minute: float | None = None

    def __init__(
        self,
        api_key: str | None = None,
        *,
        profile: str | None = None,
        base_url: str | None = None,
        requests_per_minute: float | None = settings.LIMIT_NOT_GIVEN,
        shared_limit: bool = False,
        max_workers: int = 16,
        timeout_seconds: float = 30,
        max_attempts: int = 3,
        video_id_pattern: str = settings.VIDEO_ID_PATTERN,
    ) -> None:
        # a traceback with locals must not show a key that is refused
        given = None if api_key is None else SecretStr(api_key if type(api_key) is str else "\n\0")
        del api_key
        if sys.platform == "emscripten":
            raise HookedError(
                "Python in a browser has no threads and sockets to fetch with: fetch the videos "
                "elsewhere, export them, and open the file here with read_videos"
            )
        self._key = settings.checked_key(given, profile=profile)
        settings.check_whole(1, settings.MAX_WORKERS, max_workers=max_workers)
        settings.check_whole(1, settings.MAX_ATTEMPTS, max_attempts=max_attempts)
        settings.check_seconds(timeout_seconds=timeout_seconds)
        self.base_url = settings.checked_base_url(base_url)
        self.requests_per_minute = settings.checked_limit(requests_per_minute)
        self.shared_limit = shared_limit
        self.max_workers = max_workers
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.video_id_pattern = settings.checked_pattern(video_id_pattern)
        self._by_process: dict[int, Sender] = {}
        self._sender()

    def __repr__(self) -> str:
        return f"HookedClient({self.base_url!r}, requests_per_minute={self.requests_per_minute})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a HookedClient holds a key and is not pickled; make one in the other process"
        )

    def _sender(self) -> Sender:
        """Give the sender of this process: a fork shares neither sockets nor locks."""
        process = os.getpid()
        if process not in self._by_process:
            shared, limit = None, self.requests_per_minute
            if self.shared_limit and limit is not None:
                path = settings.limit_file(self._key, self.base_url)
                window_seconds = rate_limiter.WINDOW_SECONDS
                shared = rate_limiter.SharedWindow(
                    path, int(limit), window_seconds, self.timeout_seconds
                )
            sender = Sender(
                rate_limiter.RateLimiter(limit, shared=shared),
                Transport(self.base_url, self._key, connections=self.max_workers),
                timeout_seconds=self.timeout_seconds,
                max_attempts=self.max_attempts,
            )
            # one of several threads wins, without a lock that a fork could have copied locked
            self._by_process.setdefault(process, sender)
        return self._by_process[process]

    @property
    def requests_sent(self) -> int:
        """Requests sent since the client was made, retries included."""
        return self._sender().limiter.requests_sent

    @property
    def requests_last_minute(self) -> int:
        """Requests that count against the limit now: under way, or ended within 60 s."""
        return self._sender().limiter.sent_in_window()

    @property
    def requests_left(self) -> float:
        """Requests that may be sent now without waiting; infinite without a limit."""
        if self.requests_per_minute is None:
            return math.inf
        return max(0, int(self.requests_per_minute) - self.requests_last_minute)

    @property
    def is_local(self) -> bool:
        """Whether it talks to a server on this machine, such as the sandbox."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def close(self) -> None:
        """Close the idle connections; the client opens new ones if it is used again."""
        self._sender().transport.close()

    def get_video(self, video_id: str) -> dict[str, Any]:
        """
        Request the details of one video.

        Parameters
        ----------
        video_id : str
            Surrounding white space is taken off.

        Returns
        -------
        dict
            The API's own fields, under its own names.

        Raises
        ------
        HookedError
            Below it, the class that says why there are no details.

        Examples
        --------
        >>> from hooked_analytics import Sandbox
        >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
        ...     client.get_video("vid_abc123")["status"]
        'COMPLETED'
        """
        return self.request_video(video_id).record

    def request_video(self, video_id: str, *, cancel: CancelToken | None = None) -> Response:
        """
        Request the details of one video, as `get_video`, in a batch that can be stopped.

        Parameters
        ----------
        video_id : str
            As for `get_video`.
        cancel : CancelToken, optional
            Stops the waiting, which raises `Cancelled`.

        Returns
        -------
        Response
            The record, and when it was seen.
        """
        checked = self.check_video_id(video_id)
        path = f"/v1/video/{quote(checked, safe='')}"
        response = self._sender().request(path, checked, cancel)
        return Response(video_record(response, checked), response.seen_at, response.flags)

    def list_videos(
        self, *, type: str | None = None, status: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """
        List the team's videos, page after page, each video once.

        Parameters
        ----------
        type : str, optional
            Only videos of this type.
        status : str, optional
            Only videos in this state: draft, processing, completed or failed.

        Yields
        ------
        dict
            List items, which have fewer fields than details: no credits, no script.

        Raises
        ------
        BadResponseError
            The list repeats itself or does not end; the items before it were given.

        Examples
        --------
        >>> from hooked_analytics import Sandbox
        >>> with Sandbox(videos=5) as sandbox, sandbox.client() as client:
        ...     len(list(client.list_videos()))
        5
        """
        for page in self.list_pages(type=type, status=status):
            yield from page.records

    def list_pages(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[ListPage]:
        """
        List the team's videos in pages of 100, one request each.

        Parameters
        ----------
        type, status : str, optional
            As for `list_videos`, and so are the errors.
        cancel : CancelToken, optional
            Stops the waiting.

        Returns
        -------
        iterator of ListPage
            The videos of each that no page before had.
        """
        return list_pages(
            lambda path: self._sender().request(path, None, cancel), type=type, status=status
        )

    def list_avatars(
        self, *, type: Literal["library", "custom", "all"] | None = None
    ) -> list[dict[str, Any]]:
        """
        List the avatars, in one request.

        Parameters
        ----------
        type : {"library", "custom", "all"}, optional
            Hooked's own avatars, the team's, or both, as when missing.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id`` and ``name``.
        """
        if type not in {None, "library", "custom", "all"}:
            raise ValueError(f"type is 'library', 'custom' or 'all', not {type!r:.40}")
        return self._list("avatar", "avatars", f"?type={type}" if type else "")

    def list_voices(self) -> list[dict[str, Any]]:
        """
        List the voices, in one request.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id``, ``name`` and ``language``.
        """
        return self._list("voice", "voices")

    def list_music(self) -> list[dict[str, Any]]:
        """
        List the music, in one request.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id``, ``name`` and ``mood``.
        """
        return self._list("music", "music")

    def _list(self, kind: str, name: str, query: str = "") -> list[dict[str, Any]]:
        response = self._sender().request(f"/v1/{kind}/list{query}", None)
        return list_items(response, name)[0]

    def check_video_id(self, video_id: object) -> str:
        """
        Return the id without surrounding white space, or raise `InvalidVideoIdError`.

        Parameters
        ----------
        video_id : object
            What should be an id.

        Returns
        -------
        str
            The id.
        """
        return settings.check_video_id(video_id, pattern=self.video_id_pattern)
