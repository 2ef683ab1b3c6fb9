"""How a caller stops the work that is done for it."""

from __future__ import annotations

import threading


class Cancelled(Exception):  # noqa: N818 - it is a request, not a fault
    """The caller asked to stop while waiting for its turn; nothing was sent."""


class CancelToken:
    """One caller's part in a client: how to stop it, and how many requests it sent."""

    __slots__ = ("requests_sent", "stop")

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.requests_sent = 0
