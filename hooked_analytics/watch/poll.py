"""The loop itself: one videos frame per round, until every video is final."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from hooked_analytics.client import HookedClient, budget
from hooked_analytics.fetch import asked_ids
from hooked_analytics.hints import Hints
from hooked_analytics.watch.ends import interrupted, timed_out
from hooked_analytics.watch.looks import Looks
from hooked_analytics.watch.plan import Plan
from hooked_analytics.watch.rows import Watched, frame_of, news, recall

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from hooked_analytics.hints import Webhooks
    from hooked_analytics.keeper import Archive

SHORTEST_INTERVAL_SECONDS = 1.0
# Part of the interval by which a round may come early or late, so that watchers do not beat.
JITTER = 0.05
_LOOK_SECONDS = 0.05


def poll_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    webhooks: Webhooks | None = None,
    interval_seconds: float = 5,
    timeout_seconds: float = 1800,
    stop: threading.Event | None = None,
) -> Iterator[pd.DataFrame]:
    """
    Watch videos render: one videos frame per round, until all are final.

    While several render, one list page a round tells how far up to 100 of them are; a video
    that left the list is asked for once in detail, which brings its credits, and never again.
    Where the list is missing or of no use, details take turns within the client's limit. What
    the list does not tell (type, script, credits) is missing until the details came. While
    no end is near by the videos' own pace, questions come up to three rounds apart.

    Parameters
    ----------
    video_ids : ids in any iterable, or one id
    client : whose key, limit and connections to use; a new `HookedClient` when missing
    archive : something with ``.videos()`` and ``.append(frame)``, such as a video archive
        What is final there costs no request; what is seen here is kept there.
    webhooks : something that hears Hooked call, such as a `WebhookReceiver`
        A call has its video asked for at once, and rounds come up to six times more slowly,
        as long as no end is seen of which no call told. Calls about other ids cost nothing.
    interval_seconds : from the start of one round to the start of the next [s]
        At least 1, except on this machine. While Hooked does not answer, rounds come up to
        12 times more slowly.
    timeout_seconds : limit for the whole watch [s]
    stop : set it, from any thread, and the watch ends at once

    Yields
    ------
    videos frame, one row per distinct id, in the order asked
        With webhooks also one for each call that was followed. Where the last question
        failed, the row keeps its last good values and ``error`` and ``error_message`` say what
        failed; ``not_fetched`` means its turn has not come. Rows with
        ``invalid_id``, ``not_found`` or ``forbidden`` are not asked again.

    Raises
    ------
    AuthenticationError
        The key is missing or wrong.
    WaitTimeout
        Time is up; ``.videos`` is the last look. The renders go on at Hooked.
    FetchInterrupted
        The stop button; ``.videos`` has every row.
    ValueError
        An interval or a time limit out of range.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
    ...     video_id = sandbox.create_video("class", render_seconds=20, fails=False)
    ...     for videos in poll_videos([video_id], client=client, interval_seconds=0.1):
    ...         pass
    >>> videos["status"].tolist()
    ['COMPLETED']
    """
    used = client or HookedClient()
    _check(used, interval_seconds, timeout_seconds)
    videos = [
        Watched(asked.shown, failure=("invalid_id", asked.problem), done=True)
        if asked.problem
        else Watched(asked.shown)
        for asked in asked_ids(video_ids, used)
    ]
    if archive is not None:
        recall(videos, archive.videos())
    limit = used.requests_per_minute
    rounds_a_minute = budget.WINDOW_SECONDS / interval_seconds
    plan = Plan(
        videos,
        per_round=float("inf") if limit is None else limit / rounds_a_minute,
        rounds_a_minute=rounds_a_minute,
    )
    pace = _Pace(interval_seconds, timeout_seconds, stop or threading.Event())
    closing = contextlib.nullcontext() if client else used
    watch = _Watch(used, plan, archive, webhooks)
    return _rounds(watch, pace, closing)


class _Watch(NamedTuple):
    client: HookedClient
    plan: Plan
    archive: Archive | None
    webhooks: Webhooks | None

    def keep(self) -> None:
        if self.archive is not None and len(fresh := news(self.plan.videos)):
            self.archive.append(fresh)


class _Pace(NamedTuple):
    interval_seconds: float
    timeout_seconds: float
    stop: threading.Event


def _check(client: HookedClient, interval_seconds: float, timeout_seconds: float) -> None:
    if not interval_seconds > 0 or not timeout_seconds > 0:
        raise ValueError("interval_seconds and timeout_seconds are above 0")
    if interval_seconds < SHORTEST_INTERVAL_SECONDS and not client.is_local:
        raise ValueError(
            f"interval_seconds is at least {SHORTEST_INTERVAL_SECONDS:g} for Hooked, not "
            f"{interval_seconds:g}: renders take minutes, and quicker rounds would only use up "
            "the rate limit. Shorter intervals are for a server on this machine."
        )


def _rounds(
    watch: _Watch, pace: _Pace, closing: contextlib.AbstractContextManager[object]
) -> Iterator[pd.DataFrame]:
    plan, deadline = watch.plan, time.monotonic() + pace.timeout_seconds
    over = lambda: pace.stop.is_set() or time.monotonic() >= deadline  # noqa: E731
    looks = Looks(watch.client, plan, over=over)
    with closing, _listening(watch.webhooks) as hints:
        try:
            while True:
                began = time.monotonic()
                looks.round()
                watch.keep()
                yield frame_of(plan.videos)
                for _ in _calls_until_next_round(looks, plan, hints, pace, began, deadline):
                    watch.keep()
                    yield frame_of(plan.videos)
                if not plan.open or pace.stop.is_set():
                    return
                if time.monotonic() >= deadline:
                    raise timed_out(plan.videos, pace.timeout_seconds)
        except KeyboardInterrupt:
            looks.batch.stop.set()
            watch.keep()
            raise interrupted(frame_of(plan.videos)) from None
        finally:
            looks.batch.stop.set()


@contextlib.contextmanager
def _listening(webhooks: Webhooks | None) -> Iterator[Hints]:
    hints = webhooks.subscribe() if webhooks is not None else Hints(listening=False)
    try:
        yield hints
    finally:
        if webhooks is not None:
            webhooks.unsubscribe(hints)


def _calls_until_next_round(
    looks: Looks, plan: Plan, hints: Hints, pace: _Pace, began: float, deadline: float
) -> Iterator[None]:
    """Sleep until the next round is due; yield whenever a call was followed."""
    interval = _pause_seconds(pace.interval_seconds, 1)
    followed = False
    while plan.open:
        pause = interval * plan.slower_by(listening=hints.listening)
        left = min(began + pause, deadline) - time.monotonic()
        nap = min(left, _LOOK_SECONDS) if hints.listening else left
        if pace.stop.wait(max(0.0, nap)) or left <= 0:
            return
        calls = hints.take()
        plan.called(calls)
        followed = bool(calls or followed) and looks.called()
        if followed:
            yield


def _pause_seconds(interval_seconds: float, slower_by: int) -> float:
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret
    return interval_seconds * slower_by * jitter
