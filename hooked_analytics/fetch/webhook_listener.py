"""Hearing, between two rounds, whether Hooked called about a video under watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from hooked_analytics.fetch.webhook_events import EventQueue

if TYPE_CHECKING:
    from hooked_analytics.client import HookedClient
    from hooked_analytics.fetch.poll_scheduler import PollScheduler
    from hooked_analytics.fetch.webhook_events import EventSource


class WebhookListener:
    """
    The calls of one watch, handed to its plan as they come.

    Parameters
    ----------
    webhooks : where calls arrive; None where nobody calls
    plan : knows whose calls matter, and how far they are believed
    client : whose limit says how many may be followed at once
    """

    def __init__(
        self, webhooks: EventSource | None, plan: PollScheduler, client: HookedClient
    ) -> None:
        self.called = False  # whether there is somebody to ask about, before the next round
        self._webhooks = webhooks
        self._plan = plan
        self._client = client
        self._hints = EventQueue(listening=False)
        self._more = False  # whether some that were called about may still be unasked

    def __enter__(self) -> Self:
        if self._webhooks is not None:
            self._hints = self._webhooks.subscribe()
        return self

    def __exit__(self, *_: object) -> None:
        if self._webhooks is not None:
            self._webhooks.unsubscribe(self._hints)

    @property
    def listening(self) -> bool:
        """Whether calls can come."""
        return self._hints.listening

    def heard(self) -> bool:
        """Whether there is now somebody to ask about; takes the calls that came."""
        calls = self._hints.take()
        if calls or self._more:
            self._plan.called(calls)
            self.called = bool(self._plan.next_called(self._client.requests_left))
            self._more = self.called
        return self.called

    def followed(self, answered: bool) -> None:
        """Note a look at those called about; without an answer the next round comes first."""
        self.called, self._more = False, answered
