"""What no single response holds: when a render was seen to end, stalls, speed, changes."""

from __future__ import annotations

import pandas as pd

from hooked_analytics.schema import FINAL_STATUSES
from hooked_analytics.schema.frames import usable_frame
from hooked_analytics.schema.outcomes import has_status

_NEEDED = [
    "video_id", "observed_at", "status", "progress", "updated_at", "used_credits", "fetch_error",
]  # fmt: skip


def observed_renders(observations: pd.DataFrame) -> pd.DataFrame:
    """
    Tell from the history of each video how its render went.

    The end of a render lies somewhere between *last_seen_started* and *first_seen_final*: all of
    it is as fine as the polls were frequent.

    Parameters
    ----------
    observations : DataFrame
        Any number of rows per video, as of `VideoArchive.observations`. Needs the columns
        ``video_id``, ``observed_at``, ``status``, ``progress``, ``updated_at``, ``used_credits``
        and ``fetch_error``.

    Returns
    -------
    DataFrame
        One row per video that was fetched without an error, in the order first observed:

        * ``video_id``, ``observations`` (those without an error), ``first_seen, last_seen``
        * ``last_seen_started``: last observation as STARTED before the end was seen
        * ``first_seen_final``: first observation of the end
        * ``stall_seconds``: longest time [s] between two observations with the same progress
        * ``progress_per_minute``: speed [% per minute] from the first to the last progress
        * ``credits_first, credits_last``: first and last known credits
        * ``credits_changed_after_failed``: needs two figures from the first FAILED on
        * ``updated_after_completion``: whether ``updated_at`` moved from the first COMPLETED on;
          needs two observations of it

        A value that was not seen, or needs more observations, is missing.

    Examples
    --------
    >>> from hooked_analytics.schema import videos_from_records
    >>> def seen_at(minute, **fields):
    ...     at = pd.Timestamp("2024-01-15T10:00Z") + pd.Timedelta(minutes=minute)
    ...     seen = videos_from_records([{"id": "vid_1", **fields}], fetched_at=at)
    ...     return seen.assign(observed_at=at)
    >>> renders = observed_renders(pd.concat([
    ...     seen_at(0, status="STARTED", progress=10),
    ...     seen_at(1, status="STARTED", progress=10),
    ...     seen_at(2, status="STARTED", progress=50),
    ...     seen_at(3, status="COMPLETED", progress=100),
    ... ]))
    >>> renders[["stall_seconds", "progress_per_minute"]].to_dict("records")
    [{'stall_seconds': 60.0, 'progress_per_minute': 20.0}]
    >>> renders["first_seen_final"].dt.minute.tolist()
    [3]
    """
    seen = _seen_well(usable_frame(observations, _NEEDED, what="observed_renders", once=False))
    videos = seen.groupby("video_id", sort=False)
    renders: pd.DataFrame = (
        videos["observed_at"]
        .agg(observations="size", first_seen="min", last_seen="max")
        .join(_finish(seen))
        .join(_stall_seconds(seen))
        .join(_progress_per_minute(seen))
        .join(videos["used_credits"].agg(credits_first="first", credits_last="last"))
        .join(_changed(seen, "used_credits", "FAILED", "credits_changed_after_failed"))
        .join(_changed(seen, "updated_at", "COMPLETED", "updated_after_completion"))
        .reset_index()
    )
    return renders


def _seen_well(observations: pd.DataFrame) -> pd.DataFrame:
    """Order the observations without an error, and tell the end from the way there."""
    well = observations["fetch_error"].isna() & observations["video_id"].notna()
    seen = observations.loc[well, _NEEDED].sort_values(
        "observed_at", kind="stable", ignore_index=True
    )
    final = seen["status"].isin(FINAL_STATUSES).astype(bool)
    end = _first_time(seen, final)
    # an observation of STARTED after the end was seen is an old response that came late
    rendering = has_status(seen, "STARTED") & (end.isna() | seen["observed_at"].le(end))
    return seen.assign(final=final, end=end, rendering=rendering)


def _first_time(seen: pd.DataFrame, shown: pd.Series[bool]) -> pd.Series[pd.Timestamp]:
    """First observation of its video that shows something, beside every observation."""
    moments = seen["observed_at"].where(shown)
    return moments.groupby(seen["video_id"], sort=False).transform("min")


def _finish(seen: pd.DataFrame) -> pd.DataFrame:
    """Bracket the end: the last observation before it, and the first one that shows it."""
    observed = seen.assign(started=seen["observed_at"].where(seen["rendering"]))
    return observed.groupby("video_id", sort=False).agg(
        last_seen_started=("started", "max"), first_seen_final=("end", "min")
    )


def _on_the_way(seen: pd.DataFrame) -> pd.DataFrame:
    return seen[seen["rendering"] & seen["progress"].notna()]


def _stall_seconds(seen: pd.DataFrame) -> pd.Series[float]:
    """Longest run of observations at one and the same progress."""
    observed = _on_the_way(seen)
    videos = observed.groupby("video_id", sort=False)
    moved = observed["progress"].ne(videos["progress"].shift()).fillna(True)
    run = moved.groupby(observed["video_id"], sort=False).cumsum()
    runs = observed.groupby(["video_id", run.rename("run")], sort=False)["observed_at"]
    longest = (runs.max() - runs.min()).dt.total_seconds().groupby("video_id", sort=False).max()
    return longest.where(videos.size() > 1).astype("Float64").rename("stall_seconds")


def _progress_per_minute(seen: pd.DataFrame) -> pd.Series[float]:
    videos = _on_the_way(seen).groupby("video_id", sort=False)
    minutes = (videos["observed_at"].max() - videos["observed_at"].min()).dt.total_seconds() / 60
    gained = videos["progress"].last() - videos["progress"].first()
    speed = gained / minutes.astype("Float64").where(minutes > 0)
    return speed.rename("progress_per_minute")


def _changed(seen: pd.DataFrame, column: str, status: str, name: str) -> pd.Series[bool]:
    """Whether a known value took another one from the first observation of *status* on."""
    since = seen["observed_at"] >= _first_time(seen, has_status(seen, status))
    known = seen["final"] & since & seen[column].notna()
    values = seen[known].groupby("video_id", sort=False)[column]
    return (values.nunique() > 1).astype("boolean").where(values.size() > 1).rename(name)
