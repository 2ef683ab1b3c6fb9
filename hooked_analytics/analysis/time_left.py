"""When a batch will be over, by the pace at which its own renders end."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hooked_analytics.analysis.past_renders import (
    LOST_SECONDS,
    NEEDED,
    SECOND,
    batch_numbers,
    read_renders,
)
from hooked_analytics.analysis.survival import ROUNDING
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats, Renders

MIN_COMPARED = 10
MAX_COMPARED = 100  # the latest past batches
SIZE_RATIO = 3  # past batches up to three times smaller or larger are compared with
COVERAGE = 0.8
_GOLDEN = (math.sqrt(5) - 1) / 2


class TimeLeft(NamedTuple):
    """Seconds until a batch is over; the range is missing (NaN) where none is known to hold."""

    low_seconds: float
    seconds: float
    high_seconds: float
    remaining: int  # renders under way
    compared: int  # past batches behind the range, 0 without one

    def after(self, seconds: float) -> TimeLeft:
        """Give what is left some seconds later, a second at least."""
        low, middle, high = (max(end - seconds, 1.0) for end in self[:3])
        return self._replace(low_seconds=low, seconds=middle, high_seconds=high)


def batch_time_left(
    videos: pd.DataFrame, *, history: pd.DataFrame | None = None
) -> TimeLeft | None:
    """
    Estimate when all renders under way are over, by the pace of their own batch.

    A batch is videos created less than five minutes apart. Where it has renders that ended, the
    rest is expected at the same pace; until one has, the progress of those under way counts.
    The errors that this rule made on ten or more past batches in *history* give the 80 % range.
    None where nothing is under way, or one of the batches shows no pace yet.

    >>> import pandas as pd
    >>> at = pd.to_datetime(["2024-01-15T10:00Z"] * 4)
    >>> videos = pd.DataFrame({
    ...     "type": "class", "status": ["COMPLETED", "STARTED", "STARTED", "STARTED"],
    ...     "created_at": at, "updated_at": at + pd.to_timedelta(60, unit="s"),
    ...     "fetched_at": at + pd.to_timedelta(80, unit="s")})
    >>> time_left_text(batch_time_left(videos))
    'about 4 min'
    """
    caller = "batch_time_left"
    history = videos if history is None else history
    needed = [*NEEDED, *(["progress"] if "progress" in videos.columns else [])]
    videos = usable_frame(videos, needed, what=caller)
    progress = np.zeros(len(videos))
    if "progress" in needed:
        progress = videos["progress"].to_numpy(dtype=float, na_value=0.0)
    past = read_renders(usable_frame(history, NEEDED, what=caller))
    return left_of_renders(read_renders(videos), progress, past)


def left_of_renders(renders: Renders, progress: Floats, history: Renders) -> TimeLeft | None:
    """Do what `batch_time_left` does, with plain arrays."""
    under_way = renders.rendering & (renders.seconds <= LOST_SECONDS)
    if not under_way.any():
        return None
    numbers = batch_numbers(renders.created)
    paces = []
    for number in np.unique(numbers[under_way]):
        rows = (numbers == number) & renders.usable
        paces.append(_pace(renders, rows, float(progress[rows & under_way].sum()) / 100))
    if not all(paces):
        return None
    past = _past_batches(history)
    parts = [_with_range(pace, past) for pace in paces if pace]
    # a batch without a range leaves all without one
    low, middle, high = np.max([part[:3] for part in parts], axis=0).tolist()
    compared = 0 if math.isnan(low) else min(part.compared for part in parts)
    return TimeLeft(low, middle, high, int(under_way.sum()), compared)


class _Pace(NamedTuple):
    """Time left at the pace so far [s]; *finished* is 0 where it comes of progress."""

    seconds: float
    finished: int
    running: int


def _pace(renders: Renders, rows: NDArray[np.bool_], progress: float) -> _Pace | None:
    """Pace of one batch, of its renders that ended or else of the progress of those under way."""
    running = renders.rendering[rows]
    created = renders.created[rows]
    at = (created - created.min()) / SECOND + renders.seconds[rows]
    elapsed, count = float(at[running].max(initial=0.0)), int(running.sum())
    finished = len(at) - count
    done, left = (finished, count) if finished else (min(progress, count), count - progress)
    if not done or not elapsed:
        return None
    return _Pace(elapsed * max(left, 0.0) / done, finished, count)


def _past_batches(renders: Renders) -> list[Floats]:
    """When the renders of each batch that is over ended, ascending [s]; the newest batch first."""
    known = np.flatnonzero(~np.isnat(renders.created))
    known = known[np.argsort(renders.created[known], kind="stable")]
    numbers = batch_numbers(renders.created[known])
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    batches = []
    for start, stop in reversed(list(pairwise([*starts, len(known)]))):
        rows = known[start:stop]
        if renders.over[rows].all():
            offset = (renders.created[rows] - renders.created[rows[0]]) / SECOND
            batches.append(np.sort(offset + renders.seconds[rows]))
    return batches


def _with_range(pace: _Pace, past: list[Floats]) -> TimeLeft:
    """Correct the pace by the errors it had on past batches when as much of them was finished."""
    size = pace.finished + pace.running
    alike = [b for b in past if len(b) > 1 and size / SIZE_RATIO <= len(b) <= size * SIZE_RATIO]
    errors = np.sort(
        [
            error
            for number, ends in enumerate(alike[:MAX_COMPARED])
            if pace.finished and (error := _past_error(ends, pace.finished / size, number))
        ]
    )
    count = len(errors)
    if count < MIN_COMPARED:
        return TimeLeft(math.nan, pace.seconds, math.nan, pace.running, 0)
    outside = (1 - COVERAGE) / 2
    first = math.floor(outside * (count + 1) + ROUNDING)
    last = min(math.ceil((1 - outside) * (count + 1) - ROUNDING), count)
    low, high = (pace.seconds * math.exp(errors[at - 1]) for at in (first, last))
    return TimeLeft(low, min(max(pace.seconds, low), high), high, pace.running, count)


def _past_error(ends: Floats, share: float, number: int) -> float | None:
    """Compare the time that was left with the pace, at a moment between two ends, as log ratio."""
    size = len(ends)
    finished = min(max(round(share * size), 1), size - 1)
    # moments spread evenly between one end and the next, without drawing any at random
    part = number * _GOLDEN % 1
    now = ends[finished - 1] + part * (ends[finished] - ends[finished - 1])
    if now <= 0 or ends[-1] <= now:
        return None
    return math.log((ends[-1] - now) * finished / (now * (size - finished)))


def time_left_text(left: TimeLeft | None) -> str:
    """
    Write the time left of a batch; nothing where there is none.

    >>> nan = float("nan")
    >>> time_left_text(TimeLeft(100, 200, 290, 5, 12)), time_left_text(TimeLeft(nan, 99, nan, 5, 0))
    ('2–5 min', 'about 2 min')
    """
    if left is None:
        return ""
    if not math.isnan(left.low_seconds):
        return seconds_range_text(left.low_seconds, left.high_seconds)
    unit, name = _unit(left.seconds if left.seconds < 90 else max(left.seconds, 120))
    return f"about {max(round(left.seconds / unit), 1)} {name}"


def seconds_range_text(low: float, high: float) -> str:
    """
    Write a range of time left; "+" where its far end is missing, nothing where both are.

    >>> nan = float("nan")
    >>> [seconds_range_text(*ends) for ends in ((100, 290), (20, 45), (130, nan), (9, 400))]
    ['2–5 min', '20–45 s', '2+ min', '≤ 7 min']
    """
    if math.isnan(low) and math.isnan(high):
        return ""
    low = 0.0 if math.isnan(low) else max(low, 0.0)
    top = low if math.isnan(high) else max(high, low)
    unit, name = _unit(top)
    first = math.floor(low / unit + 0.5)
    if math.isnan(high):
        return f"{first}+ {name}" if first else ""
    last = math.ceil(round(high / unit, 3))
    if not first:
        return f"≤ {last} {name}"
    return f"{first}–{last} {name}" if last > first else f"{last} {name}"


def _unit(seconds: float) -> tuple[int, str]:
    units = ((1, "s"), (60, "min"), (3600, "h"))
    return next((u, n) for u, n in units if seconds < 120 * u or u == 3600)
