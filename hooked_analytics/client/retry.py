"""What is requested again, how often, and after how long."""

from __future__ import annotations

import random
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hooked_analytics._internal.net import http_date
from hooked_analytics.client.transport import HTTPResponse

if TYPE_CHECKING:
    from hooked_analytics.errors import HookedError

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

    Examples
    --------
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

    A retry costs 5 of 100 tokens and a response gives 2 back, so up to two requests in seven
    may fail for ever; giving back 1 would run dry at the one in five this package promises
    to survive.
    """

    _FULL, _COST, _GAIN = 100, 5, 2

    def __init__(self) -> None:
        self._tokens = self._FULL
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        with self._lock:
            if self._tokens < self._COST:
                return False
            self._tokens -= self._COST
            return True

    def give_back(self) -> None:
        """Note one response."""
        with self._lock:
            self._tokens = min(self._FULL, self._tokens + self._GAIN)


def retry_delay(
    outcome: HTTPResponse | HookedError,
    attempt: int,
    *,
    budget: RetryBudget,
    max_attempts: int,
    seconds_left: float,
) -> float | None:
    """Seconds until the next attempt; None when this outcome is the last word."""
    stated, limit = 0.0, max_attempts
    if isinstance(outcome, HTTPResponse):
        if outcome.status not in RETRIED_STATUSES:
            budget.give_back()
            return None
        stated = retry_after_seconds(outcome.headers.get("Retry-After")) or 0.0
        limit = min(limit, ATTEMPTS_BY_STATUS.get(outcome.status, limit))
    elif not outcome.retryable:
        return None
    delay = max(stated, backoff_seconds(attempt))
    too_late = delay >= min(seconds_left, MAX_RETRY_AFTER_SECONDS)
    return None if attempt >= limit or too_late or not budget.take() else delay
