"""The loop: one videos frame per poll, until every video is final; and the wait for its end."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

from hooked_analytics._internal.cancel import despite_interrupts, stopped_at_exit
from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics.client import HookedClient, check_parts, check_seconds, rate_limiter
from hooked_analytics.errors import FetchError, FetchInterrupted, HookedError, WaitTimeoutError
from hooked_analytics.fetch.fetch_job import validate_ids
from hooked_analytics.fetch.poll_executor import PollExecutor, PollTimer, WebhookListener
from hooked_analytics.fetch.poll_scheduler import PollScheduler
from hooked_analytics.fetch.video_state import (
    Archive,
    VideoState,
    known_videos,
    load_known,
    require_room,
    summary,
    to_frame,
    unsaved_rows,
)
from hooked_analytics.schema import ENDING_FAILURES, frame_from_rows, is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from hooked_analytics.fetch.poll_executor import EventSource

MIN_INTERVAL_SECONDS = 1.0
# Time for renders, beside that in which the limit lets every id be requested [s].
RENDERS_SECONDS = 1800.0
_KNOWN = frozenset({"STARTED", "COMPLETED", "FAILED", "DRAFT"})


def poll_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    webhooks: EventSource | None = None,
    interval_seconds: float = 5,
    timeout_seconds: float | None = None,
    stop: threading.Event | None = None,
) -> Iterator[pd.DataFrame]:
    """
    Poll videos while they render: one videos frame per poll, until all are final.

    While several render, a list page tells how far up to 100 of them are; a video that has ended
    is requested once in detail, which brings type, script and credits. Where the list is missing
    or of no use, details take turns within the client's limit. The list is read less often while,
    by the videos' own pace, few have ended since the last time.

    Parameters
    ----------
    video_ids : str or Iterable[str]
        Ids in any iterable, one id, or a table with a column ``video_id``.
    client : HookedClient, optional
        Whose key, limit and connections to use. A new one when missing.
    archive : VideoArchive, optional
        What is settled there costs no request; what is seen here is kept there.
    webhooks : WebhookReceiver, optional
        A video named by an event is requested at once, and polls come up to six times less often,
        as long as no video ends without an event.
    interval_seconds : float, default 5
        From the start of one poll to the start of the next [s]. At least 1, except on this
        machine; up to 12 times as long while Hooked does not answer.
    timeout_seconds : float, optional
        Limit for the whole loop [s]. When missing, half an hour and the time in which the client's
        limit lets every id be requested once.
    stop : threading.Event, optional
        Ends the loop at once when set, by any thread.

    Returns
    -------
    Iterator[DataFrame]
        One row per distinct id, in the order given. With webhooks also one frame for each event
        that was followed. Where the last request failed, the row keeps its last good values, and
        ``fetch_error`` says why; ``not_fetched`` means its turn has not come. Rows with
        ``invalid_id``, ``not_found`` or ``forbidden`` are not requested again.

    Raises
    ------
    AuthenticationError, SubscriptionError
        The key or the subscription is refused; ``.videos`` has what is known.
    WaitTimeoutError
        Time is up; ``.videos`` is the last observation. The renders go on at Hooked.
    FetchError
        The archive could not be written; ``.videos`` has every row.
    FetchInterrupted
        The stop button; ``.videos`` has every row.
    StorageError
        The archive's folder cannot be written, or its disk is full. Nothing was requested.
    TypeError, ValueError
        No ids, or an interval or a time limit out of range. Nothing was requested.

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
    check_parts(client=client, archive=archive, webhooks=webhooks, stop=stop)
    used = client or HookedClient()
    check_interval(used, interval_seconds, timeout_seconds)
    closing = contextlib.nullcontext() if client else used
    timer = PollTimer(interval_seconds, stop or threading.Event())
    schedule = build_schedule(video_ids, used, archive, timer)
    return poll_loop(used, schedule, archive, timer, timeout_seconds, closing, webhooks=webhooks)


def build_schedule(
    video_ids: object, client: HookedClient, archive: Archive | None, timer: PollTimer
) -> PollScheduler:
    """Lay out the loop: every id checked, and what an archive knows of it."""
    videos = [
        VideoState(task.shown, failure=("invalid_id", task.problem), done=True)
        if task.problem
        else VideoState(task.shown)
        for task in validate_ids(video_ids, client)
    ]
    if archive is not None:
        load_known(videos, known_videos(archive))
        require_room(archive, sum(not video.done for video in videos))
    polls_a_minute = rate_limiter.WINDOW_SECONDS / timer.interval_seconds
    per_poll = (client.requests_per_minute or math.inf) / polls_a_minute
    return PollScheduler(videos, per_poll=per_poll, polls_a_minute=polls_a_minute)


def poll_loop(
    client: HookedClient,
    schedule: PollScheduler,
    archive: Archive | None,
    timer: PollTimer,
    timeout_seconds: float | None,
    closing: contextlib.AbstractContextManager[object],
    *,
    webhooks: EventSource | None = None,
) -> Iterator[pd.DataFrame]:
    """Poll until all is final; *closing* is closed at the end."""
    limit = client.requests_per_minute or math.inf
    # the renders' time, and that in which every id can be requested once
    requesting = len(schedule.open) * rate_limiter.WINDOW_SECONDS / limit
    seconds = timeout_seconds or RENDERS_SECONDS + requesting
    deadline = timer.now() + seconds
    executor = PollExecutor(
        client, schedule, over=lambda: timer.stop.is_set() or timer.now() >= deadline
    )
    listener = WebhookListener(webhooks, schedule, client)

    def heard() -> bool:
        executor.between_polls()
        return webhooks is not None and listener.heard()

    timer.heard = heard
    with closing, stopped_at_exit(timer.stop), listener:
        try:
            while True:
                if listener.pending:
                    listener.followed(executor.notified())
                else:
                    began = timer.now()
                    executor.poll()
                yield _kept_frame(archive, schedule)
                slower_by = schedule.slower_by(listening=listener.listening)
                if not schedule.open or not timer.rest(began, slower_by, deadline):
                    return
                if timer.now() >= deadline:
                    raise timed_out(_kept_frame(archive, schedule), schedule, seconds)
        except KeyboardInterrupt:
            executor.token.stop.set()
            raise despite_interrupts(lambda: interrupted(_kept_frame(archive, schedule))) from None
        except HookedError as error:
            executor.token.stop.set()
            if error.videos is None:
                error.videos = despite_interrupts(lambda: to_frame(schedule.videos))
            raise
        finally:
            executor.token.stop.set()


def _kept_frame(archive: Archive | None, schedule: PollScheduler) -> pd.DataFrame:
    """Make the frame of this moment; what it shows is kept before anybody sees it."""
    # in this order: responses that come while an archive writes are in neither
    videos = to_frame(schedule.videos)
    if archive is not None and (fresh := unsaved_rows(schedule.videos)):
        try:
            archive.append(frame_from_rows([row for _, row in fresh]))
        except OSError as fault:
            raise FetchError(
                f"What was seen could not be kept in the archive: {str(fault).rstrip('.')}. Every "
                "row is in .videos of this error.",
                videos=videos,
            ) from fault
        # last: an interrupt that ends the writing early leaves them to be kept
        for video, row in fresh:
            video.kept = row
    return videos


def check_interval(
    client: HookedClient, interval_seconds: float, timeout_seconds: float | None
) -> None:
    """Refuse an interval that would only use up the rate limit, and what is no time."""
    check_seconds(interval_seconds=interval_seconds)
    if timeout_seconds is not None:
        check_seconds(timeout_seconds=timeout_seconds)
    if interval_seconds < MIN_INTERVAL_SECONDS and not client.is_local:
        raise ValueError(
            f"interval_seconds is at least {MIN_INTERVAL_SECONDS:g} for Hooked, not "
            f"{interval_seconds:g}: renders take minutes, and more frequent polls would only use "
            "up the rate limit. Shorter intervals are for a server on this machine."
        )


def timed_out(
    videos: pd.DataFrame, schedule: PollScheduler, timeout_seconds: float
) -> WaitTimeoutError:
    """Make the error of a loop whose time is up: what renders, and what only lacks its details."""
    open_ids = {video.video_id for video in schedule.open}
    left = videos[videos["video_id"].isin(list(open_ids))]
    ended = int(is_final(left).sum())
    unseen = int(left["status"].isna().sum())
    rendering = len(left) - ended - unseen
    strange = sorted(set(left["status"].dropna()) - _KNOWN)
    parts = {
        "still rendering (their renders go on at Hooked)": rendering,
        "ended, but their details were not requested yet": ended,
        "not seen yet": unseen,
    }
    told = "; ".join(f"{count:,} {what}" for what, count in parts.items() if count)
    unknown = f" Unknown status, taken as rendering: {', '.join(strange)[:200]}." if strange else ""
    return WaitTimeoutError(
        f"{len(left):,} of {len(videos):,} videos were not finished after {timeout_seconds:,.5g} "
        f"s: {told}.{unknown} Wait again later with the same ids. What is known is in .videos of "
        "this error.",
        videos=videos,
    )


def interrupted(videos: pd.DataFrame) -> FetchInterrupted:
    """Make the error of a loop that was interrupted."""
    ended = is_final(videos) | videos["fetch_error"].isin(ENDING_FAILURES).astype(bool)
    left = len(videos) - int(ended.sum())
    if left:
        unseen = int((videos["status"].isna() & ~ended).sum())
        told = f"with {left:,} of {len(videos):,} videos not ended"
        told += f", {unseen:,} of them not seen yet" if unseen else ""
        told += ". Their renders go on at Hooked"
    else:
        told = f"after all {len(videos):,} videos had ended, before all their details were there"
    return FetchInterrupted(
        f"Stopped {told}: poll again with the same ids. What is known is in .videos of this error.",
        videos=videos,
    )


def wait_for_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    progress: bool | None = None,
    **poll: Any,
) -> pd.DataFrame:
    """
    Wait until every video is final.

    Parameters
    ----------
    video_ids : str or Iterable[str]
        Ids in any iterable, one id, or a table with a column ``video_id``.
    client : HookedClient, optional
        Whose key, limit and connections to use. A new one when missing.
    progress : bool, optional
        Whether to show a bar. When missing, only in a notebook and on a terminal.
    **poll : Any
        Further settings of `poll_videos`.

    Returns
    -------
    DataFrame
        The last videos frame, one row per distinct id, in the order given.

    Raises
    ------
    HookedError, FetchInterrupted, TypeError, ValueError
        As from `poll_videos`.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=20) as sandbox, sandbox.client() as client:
    ...     videos = wait_for_videos(["vid_abc123"], client=client)
    >>> videos["used_credits"].tolist()
    [5.0]
    """
    frames = poll_videos(video_ids, client=client, **poll)
    with contextlib.ExitStack() as shown:
        bars: list[ProgressBar] = []

        def show(videos: pd.DataFrame) -> None:
            if not bars:
                bars.append(shown.enter_context(ProgressBar(len(videos), shown=progress)))
            bars[0].show(int(is_final(videos).sum()))

        videos = last_frame(frames, show)
        bars[0].close(summary(videos), failed=bool(videos["fetch_error"].notna().any()))
    return videos


def last_frame(
    frames: Iterator[pd.DataFrame], each: Callable[[pd.DataFrame], object]
) -> pd.DataFrame:
    """
    Go through all frames and return the last; an interrupt anywhere carries what is known.

    >>> import pandas as pd
    >>> last_frame(iter([pd.DataFrame({"progress": [100]})]), each=len)
       progress
    0       100
    """
    videos: pd.DataFrame | None = None
    try:
        for videos in frames:
            each(videos)
    except KeyboardInterrupt as stop:
        if videos is None or isinstance(stop, FetchInterrupted):
            raise
        known = videos
        raise despite_interrupts(lambda: interrupted(known)) from None
    if videos is None:
        raise ValueError("there was no poll to return the last frame of")
    return videos
