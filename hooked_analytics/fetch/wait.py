"""Skins over the loop that need no more than text: a bar, a line, the last frame."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics.errors import FetchInterrupted
from hooked_analytics.fetch.poll import poll_videos
from hooked_analytics.fetch.poll_errors import interrupted
from hooked_analytics.schema import is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from hooked_analytics.client import HookedClient


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
    WaitTimeoutError
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
        raise interrupted(videos) from None
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
    states = states.fillna(videos["fetch_error"]).fillna("unknown")
    counts = ", ".join(
        f"{count:,} {state}" for state, count in sorted(states.value_counts().items())
    )
    credits = videos["used_credits"]
    told = f"{credits.sum():,.4g}" if credits.notna().any() else "no"
    unknown = f", {credits.isna().sum():,} unknown" if credits.isna().any() else ""
    return f"{len(videos):,} videos: {counts or 'none'} · {told} credits so far{unknown}"
