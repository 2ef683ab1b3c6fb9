"""
The client: one key, one limit, one request at a time.

``key`` checks the key, ``transport`` sends and reads bytes, ``responses`` makes sense of them,
``retry`` and ``rate_limiter`` decide what is sent again and when, ``video_id`` what may be sent.
"""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Self
from urllib.parse import quote, urlencode, urlsplit

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics._internal.net import is_loopback
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client import rate_limiter
from hooked_analytics.client.key import checked_key, limit_file
from hooked_analytics.client.rate_limiter import RateLimiter
from hooked_analytics.client.responses import list_items, video_record
from hooked_analytics.client.retry import RetryBudget, retry_after_seconds, retry_delay
from hooked_analytics.client.shared_window import SharedWindow
from hooked_analytics.client.transport import HTTPResponse, Transport
from hooked_analytics.client.video_id import VIDEO_ID_PATTERN, check_video_id
from hooked_analytics.errors import HookedError, RateLimitError
from hooked_analytics.schema import record_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = ["CancelToken", "Cancelled", "HookedClient", "ListPage", "Response"]

logger = logging.getLogger(__name__)

DEFAULT_URL = "https://api.hooked.so"
URL_VARIABLE = "HOOKED_API_URL"
LIMIT_VARIABLE = "HOOKED_REQUESTS_PER_MINUTE"
PAGE_ITEMS = 100
MAX_PAGES = 10_000
# The filter has other words than the responses.
_LIST_STATUS = {"started": "processing", "completed": "completed", "failed": "failed"}


class Response(NamedTuple):
    """One video as the API gave it, and when."""

    record: dict[str, Any]
    seen_at: datetime
    flags: tuple[str, ...]  # what is odd about the response itself


class ListPage(NamedTuple):
    """One page of the list, and when it was seen."""

    records: list[dict[str, Any]]
    seen_at: datetime
    flags: tuple[str, ...]
    total: int | None = None  # videos on all pages, where the API says


class _NotGiven(float):
    """The limit of a caller who named none."""

    def __repr__(self) -> str:
        return "60"


_DEFAULT_LIMIT = _NotGiven(60)


class _Parts(NamedTuple):
    """What belongs to one process: a fork shares neither sockets nor locks with its parent."""

    limiter: RateLimiter
    retries: RetryBudget
    transport: Transport


class HookedClient:
    """
    The Hooked API: one key, one connection pool, one rate limit.

    Safe to share between threads, and after a fork; every thread that shares it shares its
    limit. Proxies and certificates are read from the environment once, when the client is made.
    A server on this machine is never reached by a proxy.

    Parameters
    ----------
    api_key : str, optional
        The key; read from ``HOOKED_API_KEY`` when missing.
    profile : str, optional
        Read the key from ``HOOKED_API_KEY_<PROFILE>`` instead, for those with several teams.
    base_url : str, optional
        Read from ``HOOKED_API_URL`` when missing, else ``https://api.hooked.so``. Plain http is
        accepted for this machine only.
    requests_per_minute : float or None, default 60
        Most requests in any 60 s, burst allowed; None lifts the limit. When not given,
        ``HOOKED_REQUESTS_PER_MINUTE`` is read. 60 is the only figure Hooked has published. A
        client that is refused below its own limit learns a slower pace by itself.
    shared_limit : bool, default False
        Share the limit with every client of this key, in all processes of this user on this
        machine that say so too, through a locked file.
    max_workers : int, default 16
        Most requests at the same time.
    timeout_seconds : float, default 30
        Limit for one response, all its attempts and waits between them [s]. Half of it is the
        limit of one attempt. Waiting for the rate limit is not counted.
    max_attempts : int, default 3
        Attempts for one response; a refusal for the rate limit is not an attempt.
    video_id_pattern : str, optional
        Regular expression of an acceptable video id.

    Raises
    ------
    AuthenticationError
        No key, or one that no header can carry.
    ValueError
        A setting out of range, a base URL the key must not go to, or a proxy or certificates
        in the environment that cannot be used.

    Examples
    --------
    >>> client = HookedClient("my-key")
    >>> client
    HookedClient('https://api.hooked.so', requests_per_minute=60)
    >>> client.close()
    """

    # so that a client whose making failed can still be shown in a traceback
    base_url: str = DEFAULT_URL
    requests_per_minute: float | None = None

    def __init__(
        self,
        api_key: str | None = None,
        *,
        profile: str | None = None,
        base_url: str | None = None,
        requests_per_minute: float | None = _DEFAULT_LIMIT,
        shared_limit: bool = False,
        max_workers: int = 16,
        timeout_seconds: float = 30,
        max_attempts: int = 3,
        video_id_pattern: str = VIDEO_ID_PATTERN,
    ) -> None:
        # a traceback with locals must not show a key that is refused
        given = None if api_key is None else SecretStr(api_key if type(api_key) is str else "\n\0")
        del api_key
        self._key = checked_key(given, profile=profile)
        if max_workers < 1 or max_attempts < 1 or not 0 < timeout_seconds < math.inf:
            raise ValueError(
                "max_workers and max_attempts are at least 1, timeout_seconds is above 0 and finite"
            )
        self.base_url = _checked_base_url(base_url or os.getenv(URL_VARIABLE) or DEFAULT_URL)
        self.requests_per_minute = _checked_limit(requests_per_minute)
        self.shared_limit = shared_limit
        self.max_workers = max_workers
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.video_id_pattern = video_id_pattern
        self._by_process: dict[int, _Parts] = {}
        self._parts()

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

    def _parts(self) -> _Parts:
        """Give this process's limiter and connections; a forked child makes its own."""
        process = os.getpid()
        if process not in self._by_process:
            limiter = RateLimiter(self.requests_per_minute, shared=self._shared_window())
            transport = Transport(self.base_url, self._key, connections=self.max_workers)
            # one of several threads wins, without a lock that a fork could have copied locked
            self._by_process.setdefault(process, _Parts(limiter, RetryBudget(), transport))
        return self._by_process[process]

    def _shared_window(self) -> SharedWindow | None:
        if not self.shared_limit or self.requests_per_minute is None:
            return None
        path, limit = limit_file(self._key, self.base_url), int(self.requests_per_minute)
        return SharedWindow(path, limit, rate_limiter.WINDOW_SECONDS, self.timeout_seconds)

    @property
    def requests_sent(self) -> int:
        """Requests sent since the client was made, retries included."""
        return self._parts().limiter.requests_sent

    @property
    def requests_last_minute(self) -> int:
        """Requests that count against the limit now: under way, or ended within 60 s."""
        return self._parts().limiter.sent_in_window()

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
        self._parts().transport.close()

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
        Request the details of one video, as part of a batch that can be stopped.

        Parameters
        ----------
        video_id : str
            Surrounding white space is taken off.
        cancel : CancelToken, optional
            Stops the waiting.

        Returns
        -------
        Response
            The record, and when it was seen.

        Raises
        ------
        Cancelled
            The batch was stopped before a response came.
        HookedError
            As from `get_video`.
        """
        checked = self.check_video_id(video_id)
        response = self._request(f"/v1/video/{quote(checked, safe='')}", checked, cancel)
        return Response(video_record(response, checked), response.seen_at, _flags(response))

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
            Only videos in this state: draft, processing, completed or failed. STARTED and other
            spellings of the details are understood.

        Yields
        ------
        dict
            List items, which have fewer fields than details: no credits, no script.

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

        A short page is no end: the API may give fewer than requested. The list ends at an empty
        page, at the stated total or, where none is stated, at a page that brings nothing new.

        Parameters
        ----------
        type : str, optional
            Only videos of this type.
        status : str, optional
            As for `list_videos`.
        cancel : CancelToken, optional
            Stops the waiting.

        Yields
        ------
        ListPage
            Its videos that no page before had.
        """
        spelled = _LIST_STATUS.get(status.lower(), status) if status else None
        given = {k: v for k, v in {"type": type, "status": spelled}.items() if v}
        seen: set[str] = set()
        offset = 0
        for _ in range(MAX_PAGES):
            query = urlencode({**given, "limit": PAGE_ITEMS, "offset": offset})
            response = self._request(f"/v1/video/list?{query}", None, cancel)
            records, about = list_items(response, "videos")
            fresh = [record for record in records if _unseen(record, seen)]
            stated = about.get("total")
            total = stated if isinstance(stated, int) else None
            if fresh:
                yield ListPage(fresh, response.seen_at, _flags(response), total)
            offset += _step(len(records), about)
            more = bool(fresh) if total is None else offset < total
            if not records or not more:
                return

    def list_avatars(
        self, *, type: Literal["library", "custom", "all"] | None = None
    ) -> list[dict[str, Any]]:
        """
        List the avatars, in one request.

        Parameters
        ----------
        type : {"library", "custom", "all"}, optional
            Hooked's own avatars, the team's, or both. Missing: what the API gives by itself, both.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id``, ``name`` and ``thumbnail``.

        Raises
        ------
        HookedError
            As from `get_video`; `VideoNotFoundError` where the API has no such list.
        """
        if type not in {None, "library", "custom", "all"}:
            raise ValueError(f"type is 'library', 'custom' or 'all', not {type!r:.40}")
        return self._list("avatar", f"?type={type}" if type else "")

    def list_voices(self) -> list[dict[str, Any]]:
        """
        List the voices, in one request.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id``, ``name`` and ``language``.

        Raises
        ------
        HookedError
            As from `list_avatars`.
        """
        return self._list("voice")

    def list_music(self) -> list[dict[str, Any]]:
        """
        List the music, in one request.

        Returns
        -------
        list of dict
            The API's own fields, such as ``id``, ``name`` and ``mood``.

        Raises
        ------
        HookedError
            As from `list_avatars`.
        """
        return self._list("music")

    def check_video_id(self, video_id: object) -> str:
        """
        Return the id without surrounding white space, or refuse it before any request.

        Parameters
        ----------
        video_id : object
            What should be an id.

        Returns
        -------
        str
            The id.

        Raises
        ------
        InvalidVideoIdError
            Says what is wrong with it.

        Examples
        --------
        >>> HookedClient("my-key").check_video_id(" vid_abc123 ")
        'vid_abc123'
        """
        return check_video_id(video_id, pattern=self.video_id_pattern)

    def _list(self, kind: str, query: str = "") -> list[dict[str, Any]]:
        response = self._request(f"/v1/{kind}/list{query}", None, None)
        names = {"avatar": "avatars", "voice": "voices", "music": "music"}
        return list_items(response, names[kind])[0]

    def _request(self, path: str, video_id: str | None, cancel: CancelToken | None) -> HTTPResponse:
        """Send until a response comes, the attempts are used up, or the time is."""
        parts, token = self._parts(), cancel or CancelToken()
        who = video_id or path.partition("?")[0]
        spent, attempt = 0.0, 0
        while True:
            outcome, seconds = self._send(
                parts, path, video_id, token, self.timeout_seconds - spent
            )
            status = outcome.status if isinstance(outcome, HTTPResponse) else outcome.kind
            logger.debug("GET %s: %s after %.3f s", who, status, seconds)
            if status == 429:
                continue  # the limiter has noted it; waiting for the limit is no failed attempt
            attempt += 1
            spent += seconds
            delay = retry_delay(
                outcome,
                attempt,
                budget=parts.retries,
                max_attempts=self.max_attempts,
                seconds_left=self.timeout_seconds - spent,
            )
            if delay is None:
                if isinstance(outcome, HTTPResponse):
                    return outcome
                raise outcome
            logger.info("%s: %s, attempt %d follows in %.2f s", who, status, attempt + 1, delay)
            if token.stop.wait(delay):
                raise Cancelled
            spent += delay

    def _send(
        self, parts: _Parts, path: str, video_id: str | None, cancel: CancelToken, left: float
    ) -> tuple[HTTPResponse | HookedError, float]:
        """Take a turn and send one request; a failed one comes back as its error."""
        try:
            parts.limiter.acquire(cancel)
        except RateLimitError as refused:
            who = video_id or "the list"
            raise RateLimitError(f"{who}: {refused}", video_id=video_id, status_code=429) from None
        sent_at = time.monotonic()
        refusal: HTTPResponse | None = None
        outcome: HTTPResponse | HookedError
        try:
            outcome = parts.transport.get(
                path, video_id=video_id, seconds=min(left, self.timeout_seconds / 2)
            )
            refusal = outcome if outcome.status == 429 else None
        except HookedError as failure:
            outcome = failure
        finally:
            parts.limiter.release(accepted=refusal is None)
        if refusal is not None:
            wait = retry_after_seconds(refusal.headers.get("Retry-After"))
            parts.limiter.refused(sent_at=sent_at, retry_after=wait)
        return outcome, time.monotonic() - sent_at


def _checked_base_url(base_url: str) -> str:
    """Accept https anywhere and http on this machine; the key goes nowhere else."""
    try:
        parts = urlsplit(base_url.strip().rstrip("/"))
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError(f"base_url is a full address such as {DEFAULT_URL}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("base_url holds a host and perhaps a path, no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"base_url {host!r} is not this machine, so it needs https: "
            "over http the API key would be readable on the way"
        )
    return parts.geturl()


def _checked_limit(given: float | None) -> float | None:
    """Take the limit that was given, else the one of the environment, else 60."""
    if not isinstance(given, _NotGiven):
        return given
    try:
        limit = float(os.getenv(LIMIT_VARIABLE) or 60)
    except ValueError:
        limit = math.nan
    if not 1 <= limit < math.inf:
        raise ValueError(f"{LIMIT_VARIABLE} in the environment is a number of at least 1")
    return int(limit) if limit.is_integer() else limit


def _flags(response: HTTPResponse) -> tuple[str, ...]:
    return ("local_clock",) if response.clock == "local" else ()


def _unseen(record: dict[str, Any], seen: set[str]) -> bool:
    """Whether this list item is a video not met before; notes it."""
    video_id = record_id(record)
    if video_id is None:
        warnings.warn("a list item without an id was left out", stacklevel=4)
        return False
    fresh = video_id not in seen
    seen.add(video_id)
    return fresh


def _step(items: int, about: dict[str, Any]) -> int:
    """How far to move on: never past what came, whichever unit the offset counts."""
    echoed = about.get("limit")
    sizes = [items, PAGE_ITEMS, *([echoed] if isinstance(echoed, int) and echoed > 0 else [])]
    return max(1, min(sizes))
