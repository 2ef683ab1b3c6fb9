"""One request until a response comes, the attempts are used up, or the time is."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hooked_analytics._internal.cancel import Cancelled, CancelToken, wait_for
from hooked_analytics._internal.net import http_date
from hooked_analytics.client.transport import HTTPResponse
from hooked_analytics.errors import HookedError, RateLimitError

if TYPE_CHECKING:
    from hooked_analytics.client.rate_limiter import RateLimiter
    from hooked_analytics.client.transport import Transport

_log = logging.getLogger(__name__)

# status -> attempts in all, where that differs from the client's own number
ATTEMPTS_BY_STATUS = {500: 2}
RETRIED_STATUSES = frozenset({408, 425, 500, 502, 503, 504})
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 8.0
MAX_RETRY_AFTER_SECONDS = 60.0

_YEAR_SECONDS = 366 * 86_400.0
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def retry_after_seconds(header: str | None, *, now: datetime | None = None) -> float | None:
    """
    Read ``Retry-After``: seconds, a fraction of them, or a date; None when it says nothing.

    >>> retry_after_seconds("2"), retry_after_seconds("0.5"), retry_after_seconds("soon")
    (2.0, 0.5, None)
    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> retry_after_seconds("Mon, 15 Jan 2024 12:00:30 GMT", now=noon)
    30.0
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _YEAR_SECONDS)
    moment = http_date(text)
    if moment is None:
        return None
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), _YEAR_SECONDS)


def backoff_seconds(attempt: int) -> float:
    """Full jitter: anything from nothing to a doubling bound, 8 s at most."""
    bound = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempt - 1))
    return random.uniform(0, bound)  # noqa: S311 - jitter, not a secret


class RetryBudget:
    """
    Keep a struggling server from getting ever more requests.

    A retry costs 5 of 100 tokens and a response gives 2 back, so up to two requests in seven may
    fail for ever; giving back 1 would run dry at the one in five this package promises to survive.
    """

    _FULL, _COST, _GAIN = 100, 5, 2

    def __init__(self) -> None:
        self._tokens = self._FULL
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        with self._lock:
            enough = self._tokens >= self._COST
            self._tokens -= self._COST if enough else 0
            return enough

    def give_back(self) -> None:
        """Note one response."""
        with self._lock:
            self._tokens = min(self._FULL, self._tokens + self._GAIN)


class Sender:
    """Send the requests of one process, in the turns of its limiter."""

    def __init__(
        self,
        limiter: RateLimiter,
        transport: Transport,
        *,
        timeout_seconds: float,
        max_attempts: int,
    ) -> None:
        self.limiter = limiter
        self.transport = transport
        self._budget = RetryBudget()
        self._timeout_seconds = timeout_seconds
        self._max_attempts = max_attempts

    def request(
        self, path: str, video_id: str | None, cancel: CancelToken | None = None
    ) -> HTTPResponse:
        """Give the response, whatever its status; without one the error of the last attempt."""
        token = cancel or CancelToken()
        who = video_id or path.partition("?")[0]
        left, attempt = self._timeout_seconds, 0
        while True:
            outcome, seconds = self._send(path, video_id, token, left)
            status = outcome.status if isinstance(outcome, HTTPResponse) else outcome.kind
            _log.debug("GET %s: %s after %.3f s", who, status, seconds)
            if status == 429:
                continue  # the limiter has noted it; waiting for the limit is no failed attempt
            attempt += 1
            left -= seconds
            delay = self._delay(outcome, attempt, left)
            if delay is None:
                if isinstance(outcome, HTTPResponse):
                    return outcome
                raise outcome
            _log.info("%s: %s, attempt %d follows in %.2f s", who, status, attempt + 1, delay)
            if wait_for(token.stop, delay):
                raise Cancelled
            left -= delay

    def _delay(
        self, outcome: HTTPResponse | HookedError, attempt: int, left: float
    ) -> float | None:
        """Seconds until the next attempt; None when this outcome is the last word."""
        stated, limit = 0.0, self._max_attempts
        if isinstance(outcome, HTTPResponse):
            if outcome.status not in RETRIED_STATUSES:
                self._budget.give_back()
                return None
            stated = retry_after_seconds(outcome.headers.get("Retry-After")) or 0.0
            limit = min(limit, ATTEMPTS_BY_STATUS.get(outcome.status, limit))
        elif not outcome.retryable:
            return None
        delay = max(stated, backoff_seconds(attempt))
        too_late = delay >= min(left, MAX_RETRY_AFTER_SECONDS)
        return None if attempt >= limit or too_late or not self._budget.take() else delay

    def _send(
        self, path: str, video_id: str | None, cancel: CancelToken, left: float
    ) -> tuple[HTTPResponse | HookedError, float]:
        """Take a turn and send one request; a failed one comes back as its error."""
        try:
            self.limiter.acquire(cancel)
        except RateLimitError as refused:
            who = video_id or "the list"
            raise RateLimitError(f"{who}: {refused}", video_id=video_id, status_code=429) from None
        sent_at = time.monotonic()
        refusal: HTTPResponse | None = None
        outcome: HTTPResponse | HookedError
        try:
            seconds = min(left, self._timeout_seconds / 2)
            outcome = self.transport.get(path, video_id=video_id, seconds=seconds)
            refusal = outcome if outcome.status == 429 else None
        except HookedError as failure:
            outcome = failure
        finally:
            self.limiter.release(accepted=refusal is None)
        if refusal is not None:
            wait = retry_after_seconds(refusal.headers.get("Retry-After"))
            self.limiter.refused(sent_at=sent_at, retry_after=wait)
        return outcome, time.monotonic() - sent_at
