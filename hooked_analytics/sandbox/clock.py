"""The sandbox's own time."""

from __future__ import annotations

import math
import time
from datetime import datetime

__all__ = ["Clock", "unix_seconds"]


class Clock:
    """
    A clock that starts where it is told and may run faster than the real one.

    Parameters
    ----------
    started_at : where it begins, Unix time [s]
    time_scale : its seconds per real second; 0 makes it stand still

    Examples
    --------
    >>> clock = Clock(1_700_000_000.0, time_scale=0)
    >>> clock.advance(60)
    >>> clock.now()
    1700000060.0
    """

    def __init__(self, started_at: float, time_scale: float) -> None:
        if not (math.isfinite(time_scale) and time_scale >= 0):
            raise ValueError(f"time_scale must be 0 or more, not {time_scale!r}")
        self.time_scale = time_scale
        self._origin = started_at
        self._real_start: float | None = None

    def start(self) -> None:
        """Set it going; a clock that goes already is left alone."""
        if self._real_start is None:
            self._real_start = time.monotonic()

    def now(self) -> float:
        """Unix time in the sandbox [s]."""
        if self._real_start is None:
            return self._origin
        return self._origin + (time.monotonic() - self._real_start) * self.time_scale

    def advance(self, seconds: float) -> None:
        """
        Jump ahead.

        Parameters
        ----------
        seconds : how far, in sandbox time [s]
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"the clock only goes ahead: seconds must be >= 0, not {seconds!r}")
        self._origin += seconds

    def real_seconds(self, seconds: float) -> float:
        """
        How long a stretch of sandbox time takes in the real world [s].

        Parameters
        ----------
        seconds : the stretch, in sandbox time [s]

        Returns
        -------
        the same number where the clock stands still and no answer is right [s]
        """
        return seconds / self.time_scale if self.time_scale else seconds


def unix_seconds(moment: datetime | None) -> float:
    """
    Read a moment given by the user.

    Parameters
    ----------
    moment : with a time zone; now, if missing

    Returns
    -------
    Unix time [s]

    Examples
    --------
    >>> from datetime import UTC
    >>> unix_seconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400.0
    """
    if moment is None:
        return time.time()
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone is ambiguous; add tzinfo=datetime.UTC")
    return moment.timestamp()
