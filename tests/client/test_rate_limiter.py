"""The request budget, in the small: what it counts, when it waits, what it learns."""

from __future__ import annotations

import threading
import time

import pytest

from hooked_analytics import RateLimitError
from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client import rate_limiter as module
from hooked_analytics.client.rate_limiter import RateLimiter


class Clock:
    """Monotonic time that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class WaitingBatch(CancelToken):
    """A batch whose waits pass at once, on the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.stop = self  # type: ignore[assignment]
        self._clock = clock

    __slots__ = ("_clock", "waits")

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 3))
        self._clock.now += seconds
        return False


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def send(budget: RateLimiter, batch: CancelToken, clock: Clock, seconds: float = 0.1) -> float:
    budget.acquire(batch)
    sent_at = clock.now
    clock.now += seconds
    budget.release()
    return sent_at


def refuse(
    budget: RateLimiter, batch: CancelToken, clock: Clock, retry_after: float | None
) -> None:
    budget.acquire(batch)
    sent_at = clock.now
    clock.now += 0.01
    budget.release(accepted=False)
    budget.refused(sent_at=sent_at, retry_after=retry_after)


def test_a_burst_goes_at_once_and_the_rest_waits_a_minute(clock):
    budget, batch = RateLimiter(3), WaitingBatch(clock)
    sent = [send(budget, batch, clock) for _ in range(4)]
    assert [round(at - sent[0], 1) for at in sent] == [0, 0.1, 0.2, 60.1]


def test_never_more_than_the_limit_in_any_minute(clock):
    budget, batch = RateLimiter(5), WaitingBatch(clock)
    sent = [send(budget, batch, clock, seconds=0.7) for _ in range(40)]
    for at in sent:
        assert sum(at <= other < at + 60 for other in sent) <= 5


def test_one_refusal_pauses_everybody_for_the_time_asked(clock):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    refuse(budget, batch, clock, 7.0)
    send(budget, WaitingBatch(clock), clock)
    assert clock.now == pytest.approx(1007.11)


def test_refusals_of_one_burst_are_one_episode(clock):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    for _ in range(5):
        budget.acquire(batch)
    sent_at = clock.now
    clock.now += 0.05
    for _ in range(5):
        budget.release(accepted=False)
        budget.refused(sent_at=sent_at, retry_after=None)
    budget.acquire(batch)
    assert batch.waits == [1.0]


@pytest.mark.parametrize("stated", [None, 0.0])
def test_refusals_without_a_stated_time_double_the_pause(clock, stated):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    for _ in range(4):
        refuse(budget, batch, clock, stated)
    assert batch.waits == [1.0, 2.0, 4.0]


def test_learns_what_a_bucket_refills(clock):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    tokens, refilled_at, refused, sent = 20.0, clock.now, 0, 0
    began = clock.now
    while sent < 300:
        budget.acquire(batch)
        sent_at = clock.now
        tokens = min(20.0, tokens + (clock.now - refilled_at) * 10)
        refilled_at = clock.now
        clock.now += 0.005
        if tokens >= 1:
            tokens -= 1
            sent += 1
            budget.release()
        else:
            refused += 1
            budget.release(accepted=False)
            budget.refused(sent_at=sent_at, retry_after=1.0)
    assert refused <= 15
    assert clock.now - began < 28 * 1.1


def test_stray_refusals_do_not_slow_a_client_down_for_ever(clock):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    began = clock.now
    for number in range(1, 3000):
        if number % 30:
            send(budget, batch, clock, seconds=0.001)
        else:
            refuse(budget, batch, clock, 1.0)
    pauses = 100
    assert clock.now - began < 3 * pauses


@pytest.mark.parametrize("stated", [5.0, 0.01, 0.0])
def test_endless_refusal_ends(clock, stated):
    budget, batch = RateLimiter(None), WaitingBatch(clock)
    began = clock.now
    with pytest.raises(RateLimitError):
        for _ in range(50):
            refuse(budget, batch, clock, stated)
    assert clock.now - began < 250


def test_stop_ends_a_wait_at_once():
    budget, batch = RateLimiter(1), CancelToken(threading.Event())
    budget.acquire(batch)
    budget.release()
    threading.Timer(0.1, batch.stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        budget.acquire(batch)
    assert time.monotonic() - began < 1
    assert batch.requests_sent == 1
