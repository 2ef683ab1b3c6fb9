"""The two usual ways to count requests against a limit."""

from __future__ import annotations

from typing import Protocol

__all__ = ["FixedWindow", "Limit", "TokenBucket", "limit_for"]

MINUTE_SECONDS = 60.0


class Limit(Protocol):
    """Anything that decides whether one more request may pass."""

    def take(self, now: float) -> float | None:
        """Count a request: None lets it pass, else the seconds to wait."""


class FixedWindow:
    """
    So many requests in each minute; the first minute starts with the first request.

    Parameters
    ----------
    requests_per_minute : allowed in one window

    Examples
    --------
    >>> limit = FixedWindow(2)
    >>> [limit.take(now) for now in (100.0, 110.0, 115.0, 160.0)]
    [None, None, 45.0, None]
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._opened: float | None = None
        self._taken = 0

    def take(self, now: float) -> float | None:
        """
        Count a request.

        Parameters
        ----------
        now : on any clock, never going back [s]

        Returns
        -------
        None when it may pass, else how long until the next window [s]
        """
        if self._opened is None or now >= self._opened + MINUTE_SECONDS:
            self._opened, self._taken = now, 0
        if self._taken >= self.requests_per_minute:
            return self._opened + MINUTE_SECONDS - now
        self._taken += 1
        return None


class TokenBucket:
    """
    A steady rate with room for a burst.

    Parameters
    ----------
    requests_per_minute : the steady rate
    burst : how many may pass at once after a pause

    Examples
    --------
    >>> limit = TokenBucket(60, burst=2)
    >>> [limit.take(now) for now in (0.0, 0.0, 0.25, 1.0)]
    [None, None, 0.75, None]
    """

    def __init__(self, requests_per_minute: int, *, burst: int) -> None:
        self.per_second = requests_per_minute / MINUTE_SECONDS
        self.burst = burst
        self._tokens = float(burst)
        self._filled_at: float | None = None

    def take(self, now: float) -> float | None:
        """Count a request, as `FixedWindow.take` does."""
        passed = 0.0 if self._filled_at is None else now - self._filled_at
        self._filled_at = now
        self._tokens = min(self.burst, self._tokens + passed * self.per_second)
        if self._tokens < 1:
            return (1 - self._tokens) / self.per_second
        self._tokens -= 1
        return None


def limit_for(requests_per_minute: int | None, burst: int | None) -> Limit | None:
    """
    Choose the limit that the settings describe.

    Parameters
    ----------
    requests_per_minute : None for no limit
    burst : None for a fixed window, else the size of a token bucket

    Returns
    -------
    a fresh limit, or None

    Examples
    --------
    >>> type(limit_for(60, None)).__name__, limit_for(None, None)
    ('FixedWindow', None)
    """
    if requests_per_minute is None:
        if burst is not None:
            raise ValueError("burst needs requests_per_minute: give both, or neither")
        return None
    for name, value in (("requests_per_minute", requests_per_minute), ("burst", burst)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value!r}; None lifts the limit")
    if burst is None:
        return FixedWindow(requests_per_minute)
    return TokenBucket(requests_per_minute, burst=burst)
