"""When renders under way will be over, and which of them are stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics.survival import (
    conditional_quantile,
    count_ends,
    kaplan_meier,
    lognormal_quantile,
    quantile,
)
from hooked_analytics.videos import require_columns
from hooked_analytics.videos.ends import by_group, with_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.survival import Ends

FEWEST_COMPARABLE = 10
# Finished renders from which a far tail is read as it is, and from which it is fitted.
FEWEST_FOR_TAIL, FEWEST_FOR_FIT = 100, 20
TAIL = 0.99
# Beyond a day a render says nothing about the others any more: it is lost, not slow.
LOST_SECONDS = 86_400.0


def estimate_completion(
    videos: pd.DataFrame, *, history: pd.DataFrame | None = None, coverage: float = 0.8
) -> pd.DataFrame:
    """
    When each render under way will be over, given how long it has been running.

    From renders of the same type: among those still running after the same time, when were
    they over? An end is COMPLETED or FAILED. Progress in per cent is not used: a straight
    line through it is too early nearly always.

    Parameters
    ----------
    videos : one row per video
        Needs ``video_id``, ``type``, ``status``, ``created_at``, ``updated_at`` and
        ``fetched_at``.
    history : renders to learn from, *videos* itself when missing
        Running ones count as "longer than so far", except past 24 h.
    coverage : share of intervals that shall hold the true time

    Returns
    -------
    one row per video with status STARTED, in the order of *videos*
        ``video_id, type, elapsed_seconds`` [s]; ``eta_low, eta, eta_high`` (UTC), missing
        with fewer than 10 comparable renders or where none ran so long (a missing high end:
        not bounded); ``basis`` in words; ``stuck``: has it run longer than 99 of 100 do, or
        longer than 24 h? Missing where fewer than 20 renders of the type are finished.

    Raises
    ------
    ValueError
        A needed column is not there, or *coverage* is not between 0 and 1.

    Notes
    -----
    Kaplan-Meier S: the smallest t > e with S(t) <= (1 - p) S(e), at ranks corrected for the
    number still running after e. The tail is S from 100 finished renders, a lognormal law
    fitted with censoring from 20.

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
    >>> estimate["basis"], bool(estimate["stuck"])
    ('Kaplan-Meier of 15 comparable renders; stuck: lognormal', False)
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is between 0 and 1, for example 0.8, not {coverage!r}")
    require_columns(videos.columns, ["video_id"], what="estimate_completion")
    running = with_ends(videos, ["video_id", "type", "created_at"], what="estimate_completion")
    running = running[running["rendering"].eq(1)].reset_index(drop=True)
    learnt = with_ends(videos if history is None else history, ["type"], what="estimate_completion")
    learnt = learnt[~(learnt["rendering"].eq(1) & learnt["seconds"].gt(LOST_SECONDS))]
    parts = [
        _estimates(part, _ends(learnt, part["type"].iloc[0]), coverage)
        for part in by_group(running, ["type"])
    ]
    found = pd.concat(parts) if parts else _estimates(running, _ends(learnt, None), coverage)
    return found.sort_index()


def _ends(learnt: pd.DataFrame, wanted: str | None) -> Ends:
    types = learnt["type"]
    same = types.isna() if wanted is None or pd.isna(wanted) else types.eq(wanted).fillna(False)
    of_type = learnt[same.astype(bool)]
    return count_ends(
        of_type["seconds"].to_numpy(dtype=float),
        completed=of_type["completed"],
        failed=of_type["failed"],
        running=of_type["rendering"],
    )


def _estimates(running: pd.DataFrame, ends: Ends, coverage: float) -> pd.DataFrame:
    """Estimates of one type's renders under way."""
    curve = kaplan_meier(ends)
    elapsed = running["seconds"].to_numpy(dtype=float)
    comparable = np.r_[ends.at_risk, 0][np.searchsorted(ends.seconds, elapsed, side="right")]
    enough = (comparable >= FEWEST_COMPARABLE) & (elapsed <= LOST_SECONDS)
    outside, m = (1 - coverage) / 2, np.maximum(comparable, 1)
    # the small amount keeps a rank that is whole from being rounded past itself
    levels = {
        "eta_low": np.floor(outside * (m + 1) + 1e-9) / m,
        "eta": np.full(len(m), 0.5),
        "eta_high": np.ceil((1 - outside) * (m + 1) - 1e-9) / m,
    }
    totals = {
        name: np.where(enough, conditional_quantile(curve, elapsed, p), np.nan)
        for name, p in levels.items()
    }
    stuck, tail = _stuck(ends, elapsed)
    return running[["video_id", "type"]].assign(
        elapsed_seconds=elapsed,
        **{name: _moment(running["created_at"], total) for name, total in totals.items()},
        basis=pd.array(
            [_basis(e, int(n), tail) for e, n in zip(elapsed, comparable, strict=True)],
            dtype="string",
        ),
        stuck=stuck.array,
    )


def _stuck(ends: Ends, elapsed: NDArray[np.float64]) -> tuple[pd.Series[bool], str]:
    """Whether each has run beyond the tail, and how the tail was found."""
    finished = ends.over.sum()
    limit, tail = float("nan"), "too few finished"
    if finished >= FEWEST_FOR_TAIL:
        limit, tail = quantile(kaplan_meier(ends), TAIL).seconds, "Kaplan-Meier"
    elif finished >= FEWEST_FOR_FIT:
        limit, tail = lognormal_quantile(ends, TAIL), "lognormal"
    if np.isnan(limit) and finished >= FEWEST_FOR_FIT:
        tail = "tail not reached"
    beyond = np.where(np.isnan(limit), np.nan, elapsed > limit)
    beyond = np.where(elapsed > LOST_SECONDS, 1.0, beyond)
    return pd.Series(np.where(np.isnan(elapsed), np.nan, beyond)).astype("boolean"), tail


def _basis(elapsed: float, comparable: int, tail: str) -> str:
    if np.isnan(elapsed):
        return "no usable time"
    if elapsed > LOST_SECONDS:
        return "lost: under way for more than 24 h"
    few = comparable < FEWEST_COMPARABLE
    how = "too few:" if few else "Kaplan-Meier of"
    return f"{how} {comparable} comparable renders; stuck: {tail}"


def _moment(created_at: pd.Series[pd.Timestamp], total: NDArray[np.float64]) -> pd.Series:
    took = pd.Series(pd.to_timedelta(total, unit="s"), index=created_at.index).dt.round("us")
    return (created_at + took).astype("datetime64[us, UTC]")
