"""How a watch ends early: what the two errors say and carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooked_analytics.errors import FetchInterrupted, WaitTimeoutError
from hooked_analytics.fetch.poll_scheduler import ENDING_FAILURES
from hooked_analytics.schema import is_final

if TYPE_CHECKING:
    import pandas as pd


def timed_out(videos: pd.DataFrame, *, left: int, seconds: float) -> WaitTimeoutError:
    """Make the error of a watch whose time is up, with so many videos *left*."""
    return WaitTimeoutError(
        f"{left:,} of {len(videos):,} videos had not ended after {seconds:,.5g} s. Their "
        "renders go on at Hooked: ask again later with the same ids. What is known is in "
        ".videos of this error.",
        videos=videos,
    )


def interrupted(videos: pd.DataFrame) -> FetchInterrupted:
    """Make the error of a watch that was interrupted."""
    ended = is_final(videos) | videos["fetch_error"].isin(ENDING_FAILURES).astype(bool)
    left = len(videos) - int(ended.sum())
    return FetchInterrupted(
        f"Stopped with {left:,} of {len(videos):,} videos not ended. Their renders go on at "
        "Hooked: ask again with the same ids. What is known is in .videos of this error.",
        videos=videos,
    )
