"""
When renders under way will be over, and which of them are stuck.

``renders`` reads frames into plain arrays, ``by_elapsed`` estimates from how long a render has
been running, ``looks`` reads what an archive has seen, ``by_progress`` estimates from how far
a render is, ``batch`` for a whole list, ``stuck`` finds those that run or stand still for too
long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics.analysis.by_elapsed import MIN_COMPARABLE, ranges_by_elapsed
from hooked_analytics.analysis.by_progress import one_look_each, ranges_by_progress
from hooked_analytics.analysis.past_renders import (
    LOST_SECONDS,
    Ranges,
    Renders,
    ends_of,
    read_renders,
    status_in,
    type_codes,
)
from hooked_analytics.analysis.progress_history import LOOK_COLUMNS, read_looks
from hooked_analytics.analysis.stuck import (
    longest_stalls,
    stalls,
    stands_still,
    standstill,
    tail_limit,
)
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats

_NEEDED = ["type", "status", "created_at", "updated_at", "fetched_at"]


def estimate_completion(
    videos: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    observations: pd.DataFrame | None = None,
    coverage: float = 0.8,
) -> pd.DataFrame:
    """
    When each render under way will be over, given how long it has run and how far it is.

    From renders of the same type: among those still running after the same time, when were
    they over? An end is COMPLETED or FAILED. Where an archive has seen renders on their way,
    the question is: among those as far as this one, how wrong was the straight line through
    their progress?

    Parameters
    ----------
    videos : one row per video
        Needs ``video_id``, ``type``, ``status``, ``created_at``, ``updated_at`` and
        ``fetched_at``, and ``progress`` with *observations*.
    history : renders to learn from, *videos* itself when missing
        Running ones count as "longer than so far", except past 24 h.
    observations : any number of rows per video, as of `VideoArchive.observations`
        Those of the last 90 days teach progress and stalls.
    coverage : share of intervals that shall hold the true time

    Returns
    -------
    one row per video with status STARTED, in the order of *videos*
        ``video_id, type, elapsed_seconds`` [s]; ``eta_low, eta, eta_high`` (UTC), missing
        with fewer than 10 comparable renders or where none ran so long (a missing high end:
        not bounded); ``time_source`` in words; ``stuck``: has it run longer than 99 of 100 do, or
        longer than 24 h, or stood still for longer than 99 of 100 ever do? Missing where
        fewer than 20 renders of the type are finished.

    Raises
    ------
    ValueError
        A needed column is not there, or *coverage* is not between 0 and 1.

    Notes
    -----
    *By time elapsed*: Kaplan-Meier S, the smallest t > e with S(t) <= (1 - p) S(e), at ranks
    corrected for the number still running after e.

    *By progress*: conformal ranks of log(total / straight line) about a local line in log
    progress; one look per completed render, the 20 or the quarter nearest in progress; of the
    same type, or of any where both ways have too few. Not where progress is missing, 0, or
    never moved.

    *Stuck*: from 20 finished renders the 99th percentile of a lognormal law fitted with
    censoring; from 100 that of S, at a corrected rank, if it is lower; from 1,000 S alone.
    Standing still is measured against the mean of the same tenth of progress, from 99
    finished renders of the type that were seen on their way.

    See Also
    --------
    VideoArchive.observations : What was seen on the way.

    Examples
    --------
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 21)
    >>> took = pd.to_timedelta([*range(10, 210, 10), 0], unit="s")
    >>> videos = pd.DataFrame({
    ...     "video_id": [f"vid_{n}" for n in range(21)], "type": "class",
    ...     "status": ["COMPLETED"] * 20 + ["STARTED"], "created_at": at,
    ...     "updated_at": at + took, "fetched_at": at + pd.to_timedelta(50, unit="s"),
    ... })
    >>> estimate = estimate_completion(videos).iloc[0]
    >>> [str(estimate[name].time()) for name in ("eta_low", "eta", "eta_high")]
    ['10:01:00', '10:02:10', '10:03:20']
    >>> estimate["time_source"], bool(estimate["stuck"])
    ('Kaplan-Meier of 15 comparable renders; stuck: lognormal', False)
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is between 0 and 1, for example 0.8, not {coverage!r}")
    history = videos if history is None else history
    extra = [] if observations is None else ["progress"]
    needed = ["video_id", *_NEEDED, *extra]
    caller = "estimate_completion"
    videos, history = (
        usable_frame(frame, columns, what=caller)
        for frame, columns in ((videos, needed), (history, _NEEDED))
    )
    if observations is not None:
        observations = usable_frame(observations, LOOK_COLUMNS, what=caller, once=False)
    (started,) = status_in(videos["status"], ["STARTED"])
    under_way = videos.loc[started, needed]
    running = read_renders(under_way)
    ranges, stuck, tests = _from_history(running, read_renders(history), coverage)
    if observations is not None and len(under_way):
        too_long = _from_looks(under_way, running, observations, coverage, ranges)
        stuck = np.fmax(stuck, too_long)
        tests = np.where(np.isnan(too_long), tests, tests + ", standstill")
    return pd.DataFrame(
        {
            "video_id": under_way["video_id"].array,
            "type": under_way["type"].array,
            "elapsed_seconds": running.seconds,
            "eta_low": _moment(running, ranges.low),
            "eta": _moment(running, ranges.middle),
            "eta_high": _moment(running, ranges.high),
            "time_source": pd.array(_basis(running, ranges, tests), dtype="string"),
            "stuck": pd.Series(stuck).astype("boolean"),
        }
    )


def _from_history(
    running: Renders, learnt: Renders, coverage: float
) -> tuple[Ranges, Floats, NDArray[np.object_]]:
    """Ranges by time elapsed; whether each ran beyond the tail, and how the tail was found."""
    count = len(running.seconds)
    ranges, limits = Ranges.nothing(count), np.full(count, np.nan)
    tests = np.full(count, "", object)
    here, there = type_codes(running.types, learnt.types)
    for code in np.unique(here):
        rows, ends = here == code, ends_of(learnt, there == code)
        ranges.put(rows, ranges_by_elapsed(ends, running.seconds[rows], coverage))
        limits[rows], tests[rows] = tail_limit(ends)
    limits = np.where(running.seconds > LOST_SECONDS, LOST_SECONDS, limits)
    unknown = np.isnan(limits) | np.isnan(running.seconds)
    return ranges, np.where(unknown, np.nan, running.seconds > limits), tests


def _from_looks(
    under_way: pd.DataFrame,
    running: Renders,
    observations: pd.DataFrame,
    coverage: float,
    ranges: Ranges,
) -> Floats:
    """Put ranges by progress over those by time; whether each has stood still for too long."""
    last = under_way.assign(observed_at=under_way["fetched_at"])[LOOK_COLUMNS]
    both = pd.concat([last, observations[LOOK_COLUMNS]], ignore_index=True)
    looks = read_looks(both, under_way["fetched_at"].max())
    past, stood = one_look_each(looks), stalls(looks)
    longest = longest_stalls(stood, len(looks.ids))
    here, there, of_videos = type_codes(running.types, past.types, looks.types)
    now = stood.at(looks.place[: len(last)])
    too_long = np.full(len(here), np.nan)
    for code in np.unique(here):
        rows, alike = here == code, looks.over & (of_videos == code)
        too_long[rows] = stands_still(now.at(np.flatnonzero(rows)), standstill(longest[alike]))
    moves = ((now.looks == 1) | (now.figures > 1)) & ~(too_long == 1)
    progress = under_way["progress"].to_numpy(dtype=float, na_value=np.nan)
    progress = np.where(moves & (running.seconds <= LOST_SECONDS), progress, np.nan)
    for code in np.unique(here):
        rows, alike = here == code, past.of(there == code)
        found = ranges_by_progress(running.seconds[rows], progress[rows], alike, coverage)
        ranges.put_known(rows, found)
    without = np.isnan(ranges.middle)
    anyone = ranges_by_progress(running.seconds[without], progress[without], past, coverage)
    anyone.how[:] = "progress in any type"
    ranges.put_known(without, anyone)
    return too_long


def _basis(running: Renders, ranges: Ranges, tests: NDArray[np.object_]) -> list[str]:
    return [
        _in_words(*row)
        for row in zip(running.seconds, ranges.how, ranges.comparable, tests, strict=True)
    ]


def _in_words(elapsed: float, how: str, comparable: int, tests: str) -> str:
    if np.isnan(elapsed):
        return "no usable time"
    if elapsed > LOST_SECONDS:
        return "lost: under way for more than 24 h"
    basis = "too few:" if comparable < MIN_COMPARABLE else f"{how} of"
    return f"{basis} {comparable} comparable renders; stuck: {tests}"


def _moment(running: Renders, total: Floats) -> pd.Series[pd.Timestamp]:
    """Point in time so many seconds after the start, in UTC."""
    known = ~np.isnan(total)
    took = np.round(np.where(known, total, 0.0) * 1e6).astype("timedelta64[us]")
    moment = np.where(known, running.created + took, np.datetime64("NaT", "us"))
    return pd.Series(pd.DatetimeIndex(moment).tz_localize("UTC"))
