"""One request until a response comes, the attempts are used up, or the time is."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.retry import RetryBudget, retry_after_seconds, retry_delay
from hooked_analytics.client.transport import HTTPResponse
from hooked_analytics.errors import HookedError, RateLimitError

if TYPE_CHECKING:
    from hooked_analytics.client.rate_limiter import RateLimiter
    from hooked_analytics.client.transport import Transport

logger = logging.getLogger(__name__)


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
        self._retries = RetryBudget()
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
            logger.debug("GET %s: %s after %.3f s", who, status, seconds)
            if status == 429:
                continue  # the limiter has noted it; waiting for the limit is no failed attempt
            attempt += 1
            left -= seconds
            delay = retry_delay(
                outcome,
                attempt,
                budget=self._retries,
                max_attempts=self._max_attempts,
                seconds_left=left,
            )
            if delay is None:
                if isinstance(outcome, HTTPResponse):
                    return outcome
                raise outcome
            logger.info("%s: %s, attempt %d follows in %.2f s", who, status, attempt + 1, delay)
            if token.stop.wait(delay):
                raise Cancelled
            left -= delay

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
            outcome = self.transport.get(
                path, video_id=video_id, seconds=min(left, self._timeout_seconds / 2)
            )
            refusal = outcome if outcome.status == 429 else None
        except HookedError as failure:
            outcome = failure
        finally:
            self.limiter.release(accepted=refusal is None)
        if refusal is not None:
            wait = retry_after_seconds(refusal.headers.get("Retry-After"))
            self.limiter.refused(sent_at=sent_at, retry_after=wait)
        return outcome, time.monotonic() - sent_at
