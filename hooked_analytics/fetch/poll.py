"""The loop itself: one videos frame per round, until every video is final."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from hooked_analytics.client import HookedClient, rate_limiter
from hooked_analytics.fetch.fetch import asked_ids
from hooked_analytics.fetch.poll_errors import interrupted, timed_out
from hooked_analytics.fetch.poll_executor import PollExecutor
from hooked_analytics.fetch.poll_scheduler import PollScheduler
from hooked_analytics.fetch.poll_timer import PollTimer, check_pace
from hooked_analytics.fetch.video_state import VideoState, frame_of, news, recall
from hooked_analytics.fetch.webhook_listener import WebhookListener
from hooked_analytics.schema import frame_from_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from hooked_analytics.fetch.background_writer import Archive
    from hooked_analytics.fetch.webhook_events import EventSource


def poll_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    webhooks: EventSource | None = None,
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
        failed, the row keeps its last good values, and ``fetch_error`` and
        ``fetch_error_message`` say what failed; ``not_fetched`` means its turn has not
        come. Rows with ``invalid_id``, ``not_found`` or ``forbidden`` are not asked again.

    Raises
    ------
    AuthenticationError
        The key is missing or wrong.
    WaitTimeoutError
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
    check_pace(used, interval_seconds, timeout_seconds)
    closing = contextlib.nullcontext() if client else used
    pace = PollTimer(interval_seconds, stop or threading.Event())
    plan = planned(video_ids, used, archive, pace)
    return rounds(used, plan, archive, pace, timeout_seconds, closing, webhooks=webhooks)


def planned(
    video_ids: str | Iterable[object],
    client: HookedClient,
    archive: Archive | None,
    pace: PollTimer,
) -> PollScheduler:
    """Lay out a watch: every id checked, and what an archive knows of it."""
    videos = [
        VideoState(asked.shown, failure=("invalid_id", asked.problem), done=True)
        if asked.problem
        else VideoState(asked.shown)
        for asked in asked_ids(video_ids, client)
    ]
    if archive is not None:
        recall(videos, archive.videos())
    limit = client.requests_per_minute
    rounds_a_minute = rate_limiter.WINDOW_SECONDS / pace.interval_seconds
    return PollScheduler(
        videos,
        per_round=float("inf") if limit is None else limit / rounds_a_minute,
        rounds_a_minute=rounds_a_minute,
    )


def rounds(
    client: HookedClient,
    plan: PollScheduler,
    archive: Archive | None,
    pace: PollTimer,
    timeout_seconds: float,
    closing: contextlib.AbstractContextManager[object],
    *,
    webhooks: EventSource | None = None,
) -> Iterator[pd.DataFrame]:
    """Go round until all is final; *closing* is closed at the end."""
    deadline = time.monotonic() + timeout_seconds
    looks = PollExecutor(
        client, plan, over=lambda: pace.stop.is_set() or time.monotonic() >= deadline
    )
    with closing, WebhookListener(webhooks, plan, client) as ear:
        pace.heard = ear.heard if webhooks is not None else None
        try:
            while True:
                if ear.called:
                    ear.followed(looks.called())
                else:
                    began = time.monotonic()
                    looks.round()
                yield _kept_frame(archive, plan)
                slower_by = plan.slower_by(listening=ear.listening)
                if not plan.open or not pace.rest(began, slower_by, deadline):
                    return
                if time.monotonic() >= deadline:
                    videos = _kept_frame(archive, plan)
                    raise timed_out(videos, left=len(plan.open), seconds=timeout_seconds)
        except KeyboardInterrupt:
            looks.batch.stop.set()
            raise interrupted(_kept_frame(archive, plan)) from None
        finally:
            looks.batch.stop.set()


def _kept_frame(archive: Archive | None, plan: PollScheduler) -> pd.DataFrame:
    """Make the frame of this moment; what it shows is kept before anybody sees it."""
    # in this order: answers that come while an archive writes are in neither
    videos = frame_of(plan.videos)
    if archive is not None and (fresh := news(plan.videos)):
        archive.append(frame_from_rows([row for _, row in fresh]))
        # last: an interrupt that ends the writing early leaves them to be kept
        for video, row in fresh:
            video.kept = row
    return videos
