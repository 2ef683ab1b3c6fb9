"""
One API, one request at a time: key, transport, retry, limit.

``key`` holds the key, ``transport`` sends and reads bytes, ``reply`` makes sense of them,
``retry`` and ``budget`` decide what is asked again and when, ``video_id`` what may be asked.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self
from urllib.parse import quote, urlencode, urlsplit

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics._internal.net import is_loopback
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client.key import checked_key
from hooked_analytics.client.rate_limiter import RateLimiter
from hooked_analytics.client.responses import list_page, video_record
from hooked_analytics.client.retry import (
    ATTEMPTS_BY_STATUS,
    MAX_RETRY_AFTER_SECONDS,
    RETRIED_STATUSES,
    RetryBudget,
    backoff_seconds,
    retry_after_seconds,
)
from hooked_analytics.client.transport import HTTPResponse, Transport
from hooked_analytics.client.video_id import VIDEO_ID_PATTERN, check_video_id
from hooked_analytics.errors import HookedError, RateLimitError
from hooked_analytics.schema import record_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = ["CancelToken", "Cancelled", "HookedClient", "ListPage", "Response"]

DEFAULT_URL = "https://api.hooked.so"
URL_VARIABLE = "HOOKED_API_URL"
PAGE_ITEMS = 100
MAX_PAGES = 10_000


class Response(NamedTuple):
    """One video as the API gave it, and when."""

    record: dict[str, Any]
    seen_at: datetime
    flags: tuple[str, ...]  # what is odd about the answer itself


class ListPage(NamedTuple):
    """One page of the list, and when it was seen."""

    records: list[dict[str, Any]]
    seen_at: datetime
    flags: tuple[str, ...]
    total: int | None = None  # videos on all pages, where the API says


class HookedClient:
    """
    The Hooked API: one key, one connection pool, one request budget.

    Safe to share between threads; everyone who shares it shares its limit. Proxies and
    certificates are read from the environment once, when the client is made.

    Parameters
    ----------
    api_key : the key; from ``HOOKED_API_KEY`` when missing
    base_url : from ``HOOKED_API_URL`` when missing, else https://api.hooked.so
        Plain http is accepted for this machine only.
    requests_per_minute : most requests in any 60 s, burst allowed; None lifts the limit
        60 is the only figure Hooked has published. A client that is refused below its own
        limit learns a slower pace by itself.
    max_workers : most requests at the same time
    timeout_seconds : limit for one answer, all its attempts and waits between them [s]
        Half of it is the limit of one attempt. Waiting for the rate limit is not counted.
    max_attempts : tries for one answer; a refusal for the rate limit is not a try
    video_id_pattern : regular expression of an acceptable video id

    Raises
    ------
    AuthenticationError
        No key, or one that no header can carry.
    ValueError
        A setting out of range, or a base URL the key must not go to.

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
        base_url: str | None = None,
        requests_per_minute: float | None = 60,
        max_workers: int = 16,
        timeout_seconds: float = 30,
        max_attempts: int = 3,
        video_id_pattern: str = VIDEO_ID_PATTERN,
    ) -> None:
        # a traceback with locals must not show a key that is refused
        given = None if api_key is None else SecretStr(api_key if type(api_key) is str else "\n\0")
        del api_key
        key = checked_key(given)
        if max_workers < 1 or max_attempts < 1 or not timeout_seconds > 0:
            raise ValueError(
                "max_workers and max_attempts are at least 1, timeout_seconds is above 0"
            )
        self.base_url = _checked_base_url(base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        self.requests_per_minute = requests_per_minute
        self.max_workers = max_workers
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.video_id_pattern = video_id_pattern
        self._budget = RateLimiter(requests_per_minute)
        self._quota = RetryBudget()
        self._transport = Transport(self.base_url, key, connections=max_workers)

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

    @property
    def requests_sent(self) -> int:
        """Requests sent since the client was made, retries included."""
        return self._budget.requests_sent

    @property
    def requests_last_minute(self) -> int:
        """Requests that count against the limit now: under way, or ended within 60 s."""
        return self._budget.sent_in_window()

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
        self._transport.close()

    def get_video(self, video_id: str) -> dict[str, Any]:
        """
        Ask for the details of one video.

        Parameters
        ----------
        video_id : surrounding white space is taken off

        Returns
        -------
        the API's own fields, its own names

        Raises
        ------
        HookedError
            Below it, the class that says why there is no answer.

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
        Ask for the details of one video, as part of a batch that can be stopped.

        Raises
        ------
        Cancelled
            The batch was stopped before an answer came.
        HookedError
            As from `get_video`.
        """
        checked = self.check_video_id(video_id)
        reply = self._ask(f"/v1/video/{quote(checked, safe='')}", checked, cancel or CancelToken())
        return Response(video_record(reply, checked), reply.seen_at, _flags(reply))

    def list_videos(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """
        Walk the team's videos, page after page, each video once.

        Parameters
        ----------
        type : only videos of this type
        status : only videos in this state: draft, processing, completed or failed
            STARTED and other spellings of the details answer are understood.

        Yields
        ------
        list items, which carry fewer fields than details: no credits, no script

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
        Walk the pages of the list, 100 videos a request.

        A short page is no end: the API may give fewer than asked. The walk ends at an empty
        page, at the stated total or, where none is stated, at a page that brings nothing new.
        """
        spelled = _LIST_STATUS.get(status.lower(), status) if status else None
        given = {k: v for k, v in {"type": type, "status": spelled}.items() if v}
        seen: set[str] = set()
        offset = 0
        for _ in range(MAX_PAGES):
            asked = urlencode({**given, "limit": PAGE_ITEMS, "offset": offset})
            reply = self._ask(f"/v1/video/list?{asked}", None, cancel or CancelToken())
            records, about = list_page(reply)
            fresh = [record for record in records if _unseen(record, seen)]
            stated = about.get("total")
            total = stated if isinstance(stated, int) else None
            if fresh:
                yield ListPage(fresh, reply.seen_at, _flags(reply), total)
            offset += _step(len(records), about)
            more = bool(fresh) if total is None else offset < total
            if not records or not more:
                return

    def check_video_id(self, video_id: object) -> str:
        """
        Return the id without surrounding white space, or refuse it before any request.

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

    def _ask(self, path: str, video_id: str | None, cancel: CancelToken) -> HTTPResponse:
        """Ask until an answer comes, the attempts are used up, or the time is."""
        spent, attempt = 0.0, 0
        while True:
            left = self.timeout_seconds - spent
            outcome, seconds = self._send(path, video_id, cancel, left)
            if isinstance(outcome, HTTPResponse) and outcome.status == 429:
                continue  # the budget has noted it; waiting for the limit is no failed attempt
            attempt += 1
            spent += seconds
            delay = self._retry_delay(outcome, attempt, spent)
            if delay is None:
                if isinstance(outcome, HTTPResponse):
                    return outcome
                raise outcome
            if cancel.stop.wait(delay):
                raise Cancelled
            spent += delay

    def _send(
        self, path: str, video_id: str | None, cancel: CancelToken, left: float
    ) -> tuple[HTTPResponse | HookedError, float]:
        """Take a turn and send one request; a failed one comes back as its error."""
        try:
            self._budget.acquire(cancel)
        except RateLimitError as refused:
            who = video_id or "the list"
            raise RateLimitError(f"{who}: {refused}", video_id=video_id, status_code=429) from None
        sent_at = time.monotonic()
        refusal: HTTPResponse | None = None
        outcome: HTTPResponse | HookedError
        try:
            outcome = self._transport.get(
                path, video_id=video_id, seconds=min(left, self.timeout_seconds / 2)
            )
            refusal = outcome if outcome.status == 429 else None
        except HookedError as failure:
            outcome = failure
        finally:
            self._budget.release(accepted=refusal is None)
        if refusal is not None:
            wait = retry_after_seconds(refusal.headers.get("Retry-After"))
            self._budget.refused(sent_at=sent_at, retry_after=wait)
        return outcome, time.monotonic() - sent_at

    def _retry_delay(
        self, outcome: HTTPResponse | HookedError, attempt: int, spent: float
    ) -> float | None:
        """Seconds until the next attempt; None when this outcome is the last word."""
        asked, most = 0.0, self.max_attempts
        if isinstance(outcome, HTTPResponse):
            if outcome.status not in RETRIED_STATUSES:
                self._quota.give_back()
                return None
            asked = retry_after_seconds(outcome.headers.get("Retry-After")) or 0.0
            most = min(most, ATTEMPTS_BY_STATUS.get(outcome.status, most))
        elif not outcome.retryable:
            return None
        delay = max(asked, backoff_seconds(attempt))
        left = min(self.timeout_seconds - spent, MAX_RETRY_AFTER_SECONDS)
        if attempt >= most or delay >= left or not self._quota.take():
            return None
        return delay


# The filter speaks another language than the answers.
_LIST_STATUS = {"started": "processing", "completed": "completed", "failed": "failed"}


def _checked_base_url(base_url: str) -> str:
    """Accept https anywhere and http on this machine; the key goes nowhere else."""
    parts = urlsplit(base_url.strip().rstrip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"base_url is a full address such as {DEFAULT_URL}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("base_url holds a host and perhaps a path, no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"base_url {parts.hostname!r} is not this machine, so it needs https: "
            "over http the API key would be readable on the way"
        )
    return parts.geturl()


def _flags(reply: HTTPResponse) -> tuple[str, ...]:
    return ("local_clock",) if reply.clock == "local" else ()


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
