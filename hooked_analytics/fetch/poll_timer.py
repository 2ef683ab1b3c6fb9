"""When the next round begins."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from hooked_analytics.client import HookedClient

MIN_INTERVAL_SECONDS = 1.0
# Part of the interval by which a round may come early or late, so that watchers do not beat.
JITTER = 0.05
# How often a watch that may be called looks whether it was [s].
_LOOK_SECONDS = 0.05

if TYPE_CHECKING:
    from collections.abc import Callable


class PollTimer:
    """
    The rhythm of a watch: from the start of one round to the start of the next.

    Parameters
    ----------
    interval_seconds : between rounds while Hooked answers [s]
    stop : set by whoever wants no more

    Attributes
    ----------
    heard : whether a call came that ends the rest at once; None where nobody calls
    """

    heard: Callable[[], bool] | None = None

    def __init__(self, interval_seconds: float, stop: threading.Event) -> None:
        self.interval_seconds = interval_seconds
        self.stop = stop

    def rest(self, began: float, slower_by: int, deadline: float) -> bool:
        """
        Wait for the next round, or for a call.

        Parameters
        ----------
        began : start of the last round, by the monotonic clock [s]
        slower_by : how many intervals to wait
        deadline : end of the watch, by the same clock [s]

        Returns
        -------
        whether to go on
        """
        until = min(began + pause_seconds(self.interval_seconds, slower_by), deadline)
        while not (self.heard and self.heard()):
            left = max(0.0, until - time.monotonic())
            if self.stop.wait(min(left, _LOOK_SECONDS) if self.heard else left):
                return False
            if time.monotonic() >= until:
                break
        return not self.stop.is_set()


def pause_seconds(interval_seconds: float, slower_by: int) -> float:
    """Give the time from the start of a round to the next, a little early or late [s]."""
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret
    return interval_seconds * slower_by * jitter


def check_pace(client: HookedClient, interval_seconds: float, timeout_seconds: float) -> None:
    """Refuse an interval that would only use up the rate limit."""
    if not interval_seconds > 0 or not timeout_seconds > 0:
        raise ValueError("interval_seconds and timeout_seconds are above 0")
    if interval_seconds < MIN_INTERVAL_SECONDS and not client.is_local:
        raise ValueError(
            f"interval_seconds is at least {MIN_INTERVAL_SECONDS:g} for Hooked, not "
            f"{interval_seconds:g}: renders take minutes, and quicker rounds would only use up "
            "the rate limit. Shorter intervals are for a server on this machine."
        )
