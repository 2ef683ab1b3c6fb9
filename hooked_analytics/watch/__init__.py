"""
The polling loop, without any UI: one videos frame per round until every video is final.

``plan`` decides what to ask next, ``looks`` asks it, ``rows`` keeps what is known.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hooked_analytics.client import HookedClient, budget
from hooked_analytics.errors import FetchInterrupted, WaitTimeout
from hooked_analytics.fetch import asked_ids
from hooked_analytics.progress import ProgressBar
from hooked_analytics.videos import is_final
from hooked_analytics.watch.looks import Looks
from hooked_analytics.watch.plan import Plan
from hooked_analytics.watch.rows import Watched, frame_of, news, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

__all__ = ["last_frame", "poll_videos", "wait_for_videos"]

SHORTEST_INTERVAL_SECONDS = 1.0
# Part of the interval by which a round may come early or late, so that watchers do not beat.
JITTER = 0.05


class Archive(Protocol):
    """What the loop wants of an archive."""

    def videos(self) -> pd.DataFrame:
        """Give the latest row of every known video."""

    def append(self, videos: pd.DataFrame, /) -> object:
        """Keep these observations."""


def poll_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    interval_seconds: float = 5,
    timeout_seconds: float = 1800,
    stop: threading.Event | None = None,
) -> Iterator[pd.DataFrame]:
    """
    Watch videos render: one videos frame per round, until all are final.

    While several render, one list page a round tells how far up to 100 of them are; a video
    that left the list is asked for once in detail, which brings its credits, and never again.
    Where the list is missing or of no use, details take turns within the client's limit. What
    the list does not tell (type, script, credits) is missing until the details came.

    Parameters
    ----------
    video_ids : ids in any iterable, or one id
    client : whose key, limit and connections to use; a new `HookedClient` when missing
    archive : something with ``.videos()`` and ``.append(frame)``, such as a video archive
        What is final there costs no request; what is seen here is kept there.
    interval_seconds : from the start of one round to the start of the next [s]
        At least 1, except on this machine. While Hooked does not answer, rounds come up to
        12 times more slowly.
    timeout_seconds : limit for the whole watch [s]
    stop : set it, from any thread, and the watch ends at once

    Yields
    ------
    videos frame, one row per distinct id, in the order asked
        Where the last question failed, the row keeps its last good values and ``error`` and
        ``error_message`` say what failed; ``not_fetched`` means its turn has not come.
        Rows with ``invalid_id``, ``not_found`` or ``forbidden`` are not asked again.

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
    return _rounds(used, plan, archive, pace, closing)


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
    video_ids : ids in any iterable, or one id
    client : whose key, limit and connections to use; a new `HookedClient` when missing
    progress : whether to show a bar; when missing, only where somebody watches
    poll : further settings of `poll_videos`

    Returns
    -------
    the last videos frame, one row per distinct id, in the order asked

    Raises
    ------
    WaitTimeout
        Time is up; ``.videos`` is the last look. The renders go on at Hooked.
    FetchInterrupted
        The stop button; ``.videos`` has every row.
    AuthenticationError, ValueError
        As from `poll_videos`.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=20) as sandbox, sandbox.client() as client:
    ...     videos = wait_for_videos(["vid_abc123"], client=client)
    >>> videos["used_credits"].tolist()
    [5.0]
    """
    rounds = poll_videos(video_ids, client=client, **poll)
    with contextlib.ExitStack() as shown:
        bars: list[ProgressBar] = []

        def show(videos: pd.DataFrame) -> None:
            if not bars:
                bars.append(shown.enter_context(ProgressBar(len(videos), shown=progress)))
            bars[0].show(int(is_final(videos).sum()))

        videos = last_frame(rounds, show)
        bars[0].close(summary(videos))
    return videos


def last_frame(
    rounds: Iterator[pd.DataFrame], each: Callable[[pd.DataFrame], object]
) -> pd.DataFrame:
    """
    Go through all rounds and return the last; an interrupt anywhere carries what is known.

    Examples
    --------
    >>> import pandas as pd
    >>> frames = [pd.DataFrame({"progress": [done]}) for done in (50, 100)]
    >>> last_frame(iter(frames), each=print)
       progress
    0        50
       progress
    0       100
       progress
    0       100
    """
    videos: pd.DataFrame | None = None
    try:
        for videos in rounds:
            each(videos)
    except FetchInterrupted:
        raise
    except KeyboardInterrupt:
        if videos is None:
            raise
        raise _interrupted(videos) from None
    if videos is None:
        raise ValueError("there was no round to return the last of")
    return videos


def summary(videos: pd.DataFrame) -> str:
    """
    Say in a line how many videos are in which state, and what they cost so far.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> print(summary(videos_from_records([
    ...     {"id": "vid_1", "status": "COMPLETED", "usedCredits": 5},
    ...     {"id": "vid_2", "status": "STARTED"},
    ... ])))
    2 videos: 1 completed, 1 rendering · 5 credits so far, 1 unknown
    """
    states = videos["status"].replace({"STARTED": "rendering"}).str.lower()
    states = states.fillna(videos["error"]).fillna("unknown")
    counts = ", ".join(
        f"{count:,} {state}" for state, count in sorted(states.value_counts().items())
    )
    credits = videos["used_credits"]
    told = f"{credits.sum():,.4g}" if credits.notna().any() else "no"
    unknown = f", {credits.isna().sum():,} unknown" if credits.isna().any() else ""
    return f"{len(videos):,} videos: {counts or 'none'} · {told} credits so far{unknown}"


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
    client: HookedClient,
    plan: Plan,
    archive: Archive | None,
    pace: _Pace,
    closing: contextlib.AbstractContextManager[object],
) -> Iterator[pd.DataFrame]:
    deadline = time.monotonic() + pace.timeout_seconds
    looks = Looks(client, plan, over=lambda: pace.stop.is_set() or time.monotonic() >= deadline)
    with closing:
        try:
            while True:
                began = time.monotonic()
                looks.round()
                _keep(archive, plan)
                yield frame_of(plan.videos)
                if not plan.open:
                    return
                pause = _pause_seconds(pace.interval_seconds, plan.slower_by())
                until = min(began + pause, deadline)
                if pace.stop.wait(max(0.0, until - time.monotonic())):
                    return
                if time.monotonic() >= deadline:
                    raise _timeout(plan, pace.timeout_seconds)
        except KeyboardInterrupt:
            looks.batch.stop.set()
            _keep(archive, plan)
            raise _interrupted(frame_of(plan.videos)) from None
        finally:
            looks.batch.stop.set()


def _pause_seconds(interval_seconds: float, slower_by: int) -> float:
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret
    return interval_seconds * slower_by * jitter


def _keep(archive: Archive | None, plan: Plan) -> None:
    if archive is not None and len(fresh := news(plan.videos)):
        archive.append(fresh)


def _timeout(plan: Plan, seconds: float) -> WaitTimeout:
    left = len(plan.open)
    return WaitTimeout(
        f"{left:,} of {len(plan.videos):,} videos had not ended after {seconds:,.5g} s. Their "
        "renders go on at Hooked: ask again later with the same ids. What is known is in "
        ".videos of this error.",
        videos=frame_of(plan.videos),
    )


def _interrupted(videos: pd.DataFrame) -> FetchInterrupted:
    left = len(videos) - int(is_final(videos).sum())
    return FetchInterrupted(
        f"Stopped with {left:,} of {len(videos):,} videos not ended. Their renders go on at "
        "Hooked: ask again with the same ids. What is known is in .videos of this error.",
        videos=videos,
    )
