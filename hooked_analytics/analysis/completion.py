"""When each render under way will be over, and whether it is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.past_renders import (
    LOST_SECONDS,
    MIN_FINISHED,
    NEEDED,
    OBSERVED_COLUMNS,
    Renders,
    batch_numbers,
    read_progress,
    read_renders,
    recency_weights,
    stalls,
    stands_still,
    status_in,
    type_codes,
)
from hooked_analytics.analysis.survival import (
    ROUNDING,
    conditional_quantile,
    count_ends,
    kaplan_meier,
    quantile,
)
from hooked_analytics.schema.checks import as_number
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.past_renders import Floats
    from hooked_analytics.analysis.survival import Curve, Ends

    Marked = NDArray[np.bool_]

MIN_COMPARED = 10
# Finished renders of a batch from which it is compared with itself.
MIN_OF_BATCH = 10
# A batch this many standard deviations off the past is not like the past.
MAX_DEVIATION = 2.0
# Nearest in progress: a quarter of those observed, twenty at least.
MIN_NEAR, SHARE_NEAR = 20, 4
# Times drift, machines get busy: only half as much again as 99 of 100 take is out of the ordinary.
TAIL, MARGIN = 0.99, 1.5


def estimate_completion(
    videos: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    observations: pd.DataFrame | None = None,
    coverage: float = 0.8,
) -> pd.DataFrame:
    """
    Estimate when each render under way will be over, given how long it has run and how far it is.

    Each is compared with past renders of its type that ran for as long; recent ones count more.
    Once ten renders of its own batch have ended, the past is stretched to the pace of that batch.
    With *observations* of an archive, progress counts before time.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs ``video_id``, ``type``, ``status``, ``created_at``,
        ``updated_at`` and ``fetched_at``, and ``progress`` with *observations*.
    history : DataFrame, optional
        Past renders; *videos* itself when missing.
    observations : DataFrame, optional
        Any number of rows per video, as of `VideoArchive.observations`. The last 90 days are used.
    coverage : float, default 0.8
        Share of ranges that shall hold the true time.

    Returns
    -------
    DataFrame
        One row per video with status STARTED, in the order of *videos*: ``video_id``, ``type``,
        ``elapsed_seconds`` [s]; ``eta_low``, ``eta``, ``eta_high`` (UTC), all missing with fewer
        than 10 comparable renders, or while the batch is unlike them and fewer than 10 of it have
        ended (only a high end missing: not bounded); ``time_source`` in words; ``stuck``, missing
        with fewer than 50 finished renders of the type.

    Raises
    ------
    ValueError
        A needed column is not there, or *coverage* is not between 0 and 1.

    Notes
    -----
    *By time*: Kaplan-Meier S, weights halved per seven days; the smallest t > e with
    S(t) <= (1 - p) S(e), at ranks corrected for the effective number still running after e.

    *By progress*: conformal ranks (Vovk et al., 2005) of log(total / straight line) about a local
    line in log progress, one observation per completed render of the type. Not where progress is
    missing, 0, or never moved.

    *Stuck*: half as long again as 99 of 100 renders of the type, and as the slowest render of its
    batch that ended, once half of the batch has. Or progress stands still for longer than in 99 of
    100 past renders, and half again, at the spacing of their observations. Or 24 h.

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
    >>> estimate["time_source"]
    'elapsed, 20 past renders'
    """
    if not 0 < as_number(coverage) < 1:
        raise ValueError(f"coverage is between 0 and 1, for example 0.8, not {coverage!r}")
    history = videos if history is None else history
    needed = ["video_id", *NEEDED, *([] if observations is None else ["progress"])]
    caller = "estimate_completion"
    videos = usable_frame(videos, needed, what=caller)
    history = usable_frame(history, NEEDED, what=caller)
    renders = read_renders(videos)
    found = ends_by_elapsed(renders, read_renders(history), coverage)
    under_way = videos.loc[renders.rendering, needed]
    if observations is not None and len(under_way):
        observations = usable_frame(observations, OBSERVED_COLUMNS, what=caller, once=False)
        ends_by_progress(found, under_way, observations, coverage)
    low, middle, high = (_moment(renders.created[renders.rendering], each) for each in found.total)
    return pd.DataFrame(
        {
            "video_id": under_way["video_id"].array,
            "type": under_way["type"].array,
            "elapsed_seconds": found.seconds,
            "eta_low": low,
            "eta": middle,
            "eta_high": high,
            "time_source": pd.array(found.source, dtype="string"),
            "stuck": pd.Series(found.stuck).astype("boolean"),
        }
    )


class Estimates(NamedTuple):
    """Of each render under way; NaN where unknown."""

    seconds: Floats  # so far
    total: Floats  # three rows: low, middle, high [s]
    source: NDArray[np.object_]
    stuck: Floats


class _Past(NamedTuple):
    """Past renders of one type, weighed by recency."""

    ends: Ends
    squares: Ends  # all of them with squared weights, as if they were running
    curve: Curve
    finished: int

    @classmethod
    def of(cls, renders: Renders, rows: Marked) -> _Past:
        weights, seconds = recency_weights(renders.created[rows]), renders.seconds[rows]
        over = renders.over[rows]
        ends = count_ends(seconds, completed=weights * over, running=weights * ~over)
        squares = count_ends(seconds, running=weights**2)
        return cls(ends, squares, kaplan_meier(ends), int(over.sum()))

    def comparable(self, elapsed: Floats) -> Floats:
        """Effective number of renders that ran for longer: (sum of weights)² / sum of squares."""
        at = np.searchsorted(self.ends.seconds, elapsed, side="right")
        weights, squares = (np.r_[each.at_risk, 0.0][at] for each in (self.ends, self.squares))
        return np.asarray(np.floor(weights**2 / np.maximum(squares, 1e-300) + ROUNDING))


def ends_by_elapsed(videos: Renders, history: Renders, coverage: float = 0.8) -> Estimates:
    """Compare each render with past ones of its type, its own batch first."""
    place = np.flatnonzero(videos.rendering)
    elapsed = videos.seconds[place]
    total, stuck = np.full((3, len(place)), np.nan), np.full(len(place), np.nan)
    source = np.full(len(place), "no usable time", dtype=object)
    here, there = type_codes(videos.types, history.types)
    batches, usable, past_usable = batch_numbers(videos.created), videos.usable, history.usable
    apart = past_usable & ~_created_within(history, videos, batches)
    ended_apart = apart & history.over
    for code in np.unique(here[place]):
        everyone = _Past.of(history, past_usable & (there == code))
        enough = (ended_apart & (there == code)).sum() >= MIN_COMPARED
        others = _Past.of(history, apart & (there == code)) if enough else None
        limit = MARGIN * quantile(everyone.curve, TAIL).seconds
        limit = limit if everyone.finished >= MIN_FINISHED else np.nan
        for batch in np.unique(batches[place[here[place] == code]]):
            of_batch = (batches == batch) & (here == code) & usable
            rows = np.flatnonzero((here[place] == code) & (batches[place] == batch))
            past, factor, pace = everyone, 1.0, ""
            if others is not None:
                past, factor = others, _factor(videos, of_batch, others)
                pace = " at the pace of its batch" if factor != 1 else ""
            total[:, rows] = _conditional(past, elapsed[rows], factor, coverage)
            said = f"elapsed, {past.finished:,} past renders{pace}"
            source[rows] = np.where(np.isnan(total[1, rows]), "too few comparable renders", said)
            if np.isnan(factor):
                source[rows] = "none: its batch is unlike past renders"
            stuck[rows] = _too_long(videos, of_batch, elapsed[rows], limit)
    lost, unknown = elapsed > LOST_SECONDS, np.isnan(elapsed)
    total[:, lost], source[lost], stuck[lost] = np.nan, "lost: over 24 h", 1.0
    source[unknown], stuck[unknown] = "no usable time", np.nan
    return Estimates(elapsed, total, source, stuck)


def _created_within(history: Renders, videos: Renders, batches: NDArray[np.intp]) -> Marked:
    """Which past renders belong to a batch that is under way."""
    within = np.zeros(len(history.created), bool)
    for batch in np.unique(batches[videos.rendering & (batches >= 0)]):
        created = videos.created[batches == batch]
        within |= (history.created >= created.min()) & (history.created <= created.max())
    return within


def _factor(videos: Renders, rows: Marked, past: _Past) -> float:
    """How much slower a batch is than the past; NaN where it differs and too few have ended."""
    seconds, over = videos.seconds[rows], videos.over[rows]
    if over.sum() >= MIN_OF_BATCH:
        own = kaplan_meier(count_ends(seconds, completed=over, running=~over))
        last = np.searchsorted(own.seconds, seconds[over].max(), side="right") - 1
        usual = quantile(past.curve, 1 - own.share[last]).seconds
        return float(own.seconds[last]) / usual if usual > 0 else np.nan
    at = np.searchsorted(past.curve.seconds, seconds, side="right")
    left = np.maximum(np.r_[1.0, past.curve.share][at], 1 / (past.finished + 1))
    expected = float(-np.log(left).sum())
    off = (over.sum() - expected) / np.sqrt(max(expected, ROUNDING))
    return 1.0 if abs(off) <= MAX_DEVIATION else np.nan


def _conditional(past: _Past, elapsed: Floats, factor: float, coverage: float) -> Floats:
    """Total times at the low, middle and high level, given the time elapsed [s]."""
    scaled = elapsed / factor
    comparable = past.comparable(scaled)
    enough = (comparable >= MIN_COMPARED) & (elapsed <= LOST_SECONDS)
    outside, m = (1 - coverage) / 2, np.maximum(comparable, 1)
    low = np.floor(outside * (m + 1) + ROUNDING) / m
    high = np.ceil((1 - outside) * (m + 1) - ROUNDING) / m
    total = conditional_quantile(past.curve, scaled, np.stack([low, np.full(len(m), 0.5), high]))
    return np.where(enough, factor * total, np.nan)


def _too_long(videos: Renders, rows: Marked, elapsed: Floats, limit: float) -> Floats:
    """Whether each ran beyond the limit while most of its batch has ended well before."""
    stuck = np.where(np.isnan(limit), np.nan, elapsed > limit)
    over = videos.over & rows
    if rows.sum() >= 3:  # a batch; of one or two renders the others tell nothing
        most = over.sum() >= (rows.sum() - 1) / 2
        slowest = videos.seconds[over].max(initial=0.0)
        stuck = np.where(stuck == 1, most & (elapsed > MARGIN * slowest), stuck)
    return stuck


def ends_by_progress(
    found: Estimates, under_way: pd.DataFrame, observations: pd.DataFrame, coverage: float = 0.8
) -> None:
    """Put ranges by progress over those by time, and renders that stand still to the stuck ones."""
    now = under_way.assign(observed_at=under_way["fetched_at"])[OBSERVED_COLUMNS]
    both = pd.concat([now, observations[OBSERVED_COLUMNS]], ignore_index=True)
    seen = read_progress(both, under_way["fetched_at"].max())
    stood = stalls(seen)
    past = _one_each(seen[seen["total"].gt(0)], both)
    of_row = type_codes(both["type"])[0]
    current = stood[stood["row"] < len(now)]
    for code in np.unique(of_row[: len(now)]):
        rows = current[of_row[current["row"]] == code]
        alike = stood[(of_row[stood["row"]] == code) & stood["total"].notna()]
        place = rows["row"].to_numpy()
        too_long = stands_still(rows, alike)
        found.stuck[place] = np.fmax(found.stuck[place], too_long)
        told = (rows["run"] > 0) | (rows["at_least"] == 0)
        told &= (too_long != 1) & (rows["progress"] > 0) & (found.seconds[place] <= LOST_SECONDS)
        place, progress = place[told], rows["progress"].to_numpy()[told]
        known = past[of_row[past["row"]] == code]
        if len(known) >= MIN_COMPARED:
            elapsed = found.seconds[place]
            found.total[:, place] = _ranges_by_progress(elapsed, progress, known, coverage)
            found.source[place] = f"progress, {len(known):,} past renders"


def _one_each(seen: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """
    Draw one observation of each completed render; which one depends on its id alone.

    Two observations of one render are alike, so that more would make ranges too narrow.
    """
    ended = seen.loc[seen["over"], ["video", "row"]]
    (completed,) = status_in(observations["status"].iloc[ended["row"]], ["COMPLETED"])
    usable = seen[
        seen["video"].isin(ended["video"][completed])
        & seen["progress"].between(0, 100, inclusive="right")
        & seen["seconds"].gt(0)
    ]
    ids = observations["video_id"].iloc[usable["row"]].to_numpy(dtype=object)
    draw = pd.Series(pd.util.hash_array(ids), usable.index)
    of_video = usable.groupby("video")
    number, count = of_video.cumcount(), of_video["row"].transform("size")
    drawn = usable[number == (draw % count.astype("uint64")).astype("int64")]
    straight = drawn["seconds"] / (drawn["progress"] / 100)
    # nearest in progress are chosen among equals, and not by when they were created
    order = np.argsort(draw[drawn.index].to_numpy(), kind="stable")
    return drawn.assign(error=np.log(drawn["total"] / straight)).iloc[order]


def _ranges_by_progress(
    elapsed: Floats, progress: Floats, past: pd.DataFrame, coverage: float
) -> Floats:
    """Correct the straight line through progress by how wrong it was at such progress."""
    near = min(max(MIN_NEAR, len(past) // SHARE_NEAR), len(past))
    outside = (1 - coverage) / 2
    first = int(np.floor(outside * (near + 1) + ROUNDING))
    last = min(int(np.ceil((1 - outside) * (near + 1) - ROUNDING)), near + 1)
    at, error = past["progress"].to_numpy(), past["error"].to_numpy()
    factors = np.empty((3, len(progress)))
    for value in np.unique(progress):
        nearest = np.argsort(np.abs(at - value), kind="stable")[:near]
        ranked = np.r_[-np.inf, np.sort(_errors_at(value, at[nearest], error[nearest])), np.inf]
        chosen = np.exp([ranked[first], np.median(ranked[1:-1]), ranked[last]])
        factors[:, progress == value] = chosen[:, None]
    total = np.maximum(elapsed, elapsed / (progress / 100) * factors)
    return np.where(np.isinf(total), np.nan, total)


def _errors_at(value: float, at: Floats, error: Floats) -> Floats:
    """Errors that renders near a progress [%] would have had there, by a line through them."""
    log = np.log(at)
    off = log - log.mean()
    square = float(off @ off)
    slope = float(off @ error) / square if square > 1e-6 else 0.0
    return np.asarray(error - slope * (log - np.log(value)))


def _moment(created: NDArray[np.datetime64], total: Floats) -> pd.Series[pd.Timestamp]:
    """Point in time so many seconds after the start, in UTC."""
    known = ~np.isnan(total)
    took = np.round(np.where(known, total, 0.0) * 1e6).astype("timedelta64[us]")
    moment = np.where(known, created + took, np.datetime64("NaT", "us"))
    return pd.Series(pd.DatetimeIndex(moment).tz_localize("UTC"))
