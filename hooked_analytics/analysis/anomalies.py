"""What is unusual: costly periods, renders that got slower, and prices far from their type's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import collected, column_names
from hooked_analytics.analysis.over_time import period_code, period_table
from hooked_analytics.analysis.survival import count_ends, kaplan_meier, quantile
from hooked_analytics.schema.checks import group_keys
from hooked_analytics.schema.engines import like
from hooked_analytics.schema.frames import grouped
from hooked_analytics.schema.outcomes import END_COLUMNS, has_status, seconds_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hooked_analytics.schema.engines import FrameT

    Floats = NDArray[np.float64]

# A period is compared with the median of the last eight of its kind, its score with the last 90.
USUAL, MIN_USUAL, SCORES, MIN_SCORES = 8, 4, 90, 20
MAX_CHANCE, MIN_RATIO = 1 / (SCORES + 1), 1.2
SMOOTHED = 0.5  # of the mean, added on both sides: finds four times as many fourfold days as 0.05
# Days that are compared with the days before them, and the chance of a false alarm in each run.
DAYS_NOW, DAYS_BEFORE, MIN_RENDERS, DRIFT_CHANCE = 7, 28, 10, 0.005
# Outliers: how many are compared at least, how far one may be, which share makes a price flat.
MIN_PRICED, MAX_Z, FLAT_SHARE = 20, 3.5, 0.9
# The median absolute deviation of a normal law is this share of its standard deviation.
MAD_OF_NORMAL = 0.6744897501960817
_SAME = 1e-12
_SPIKES = ["period", "videos", "credits", "usual", "ratio", "p_value"]
_DRIFT = ["videos_before", "videos_now", "median_before", "median_now", "p_value"]
_SHOWN = ["video_id", "name", "type", "used_credits"]


def spend_anomalies(
    videos: FrameT,
    *,
    freq: str = "D",
    by: str | Sequence[str] | None = None,
    timezone: str = "UTC",
) -> FrameT:
    """
    Periods that cost far more than is usual; most lists have none.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine. Needs ``created_at``, ``used_credits``, those of *by*.
    freq : str, default "D"
        As in `credits_over_time`. A day is compared with the same weekday, a longer period with
        those before it.
    by : str or list of str, optional
        One column or several, each group with its own history and its own chance of an alarm.
    timezone : str, default "UTC"
        Whose midnight begins a day.

    Returns
    -------
    one row per unusual period, the latest first; the kind of frame that was given
        ``period`` (its first moment), the keys, ``credits``, ``usual`` [credits], ``ratio`` of
        the two (missing where nothing is usual), and ``p_value``: how often a period of this list
        comes out as high by chance. A period whose credits are all unknown is not judged, nor is
        one with fewer than 24 (days: 48) before it since the first credits, or since the last
        break of four periods (days: four weeks) without any.

    Raises
    ------
    ValueError
        A needed column is not there, or *freq* is no frequency.

    Notes
    -----
    Score: log of the credits over the median of the last eight same weekdays, half of the mean
    added to both. A period is unusual when its score is above all of the last 90, and its credits
    are a fifth above the usual.
    With fewer scores their upper quarter is continued as an exponential tail.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=200, unit="us")
    >>> videos = pd.DataFrame({
    ...     "created_at": days, "used_credits": [10.0 + n % 3 for n in range(199)] + [40.0],
    ... })
    >>> spend_anomalies(videos)[["credits", "usual"]].to_dict("records")
    [{'credits': 40.0, 'usual': 11.0}]
    """
    keys = [] if by is None else group_keys(by, _SPIKES)
    season = 7 if period_code(freq) == "D" else 1
    table = period_table(videos, freq=freq, keys=keys, timezone=timezone, what="spend_anomalies")
    judged = table.loc[table["period"].notna(), ["period", *keys, "credits"]]
    numbers = grouped(judged, keys).ngroup() if keys else pd.Series(0, judged.index)
    judged = judged.assign(usual=np.nan, p_value=np.nan)
    histories = judged["credits"].groupby(numbers).transform(_histories, season)
    for at in judged.groupby([numbers, histories]).groups.values():
        judged.loc[at, ["usual", "p_value"]] = _judged(judged.loc[at, "credits"], season)
    found: pd.DataFrame = (
        judged.assign(ratio=judged["credits"] / judged["usual"].where(judged["usual"] > 0))
        .loc[lambda each: (each["p_value"] <= MAX_CHANCE) & ~each["ratio"].lt(MIN_RATIO)]
        .sort_values("period", ascending=False, kind="stable", ignore_index=True)
    )
    return like(found[["period", *keys, "credits", "usual", "ratio", "p_value"]], videos)


def _histories(credits: pd.Series[float], season: int) -> pd.Series[int]:
    """Number the histories: a break of four weeks, or periods, has nothing to compare with."""
    spent = ~credits.le(0)  # unknown ones were spent too
    lately = spent.shift(fill_value=False).rolling(MIN_USUAL * season, min_periods=1).max()
    return (spent & lately.eq(0)).astype("int64").cumsum()


def _judged(credits: pd.Series[float], season: int) -> Floats:
    """Give what is usual for each period, and how often one comes out as high by chance."""
    usual = credits.groupby(np.arange(len(credits)) % season).transform(
        lambda each: each.shift().rolling(USUAL, min_periods=MIN_USUAL).median()
    )
    # a quiet day is no infinite score, and in a list of few videos hides no costly one
    some = SMOOTHED * float(np.nan_to_num(credits.clip(lower=0).mean())) or 1.0
    ratio = (credits.clip(lower=0) + some) / (usual.clip(lower=0) + some)
    scores = np.log(ratio.to_numpy(dtype=float))
    chances = np.full(len(scores), np.nan)
    for at in np.flatnonzero(np.isfinite(scores)):
        past = scores[:at][np.isfinite(scores[:at])][-SCORES:]
        if len(past) >= MIN_SCORES:
            chances[at] = _chance(scores[at], past)
    return np.column_stack([usual, chances])


def _chance(score: float, past: Floats) -> float:
    beyond = int((past >= score - 1e-9).sum())
    if len(past) == SCORES or beyond:
        return (beyond + 1) / (len(past) + 1)
    start = np.quantile(past, 0.75)
    excess = float((past[past >= start] - start).mean())
    return 0.25 * float(np.exp(-(score - start) / excess)) if excess > 1e-9 else 0.0


def render_drift(videos: FrameT, *, by: str | Sequence[str] = "type") -> FrameT:
    """
    Whether renders of the last seven days take longer than those of the 28 days before.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine (collected: at most 5 million rows). Needs ``status``,
        ``created_at``, ``updated_at``, ``fetched_at`` and the columns of *by*. The days count back
        from the last observation.
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.

    Returns
    -------
    one row per group, the smallest p-value first; the kind of frame that was given
        The keys, ``videos_before``, ``videos_now`` with a time, ``median_before``, ``median_now``
        [s] to the end, renders under way counted as "longer than"; ``p_value`` of a log-rank test,
        and ``drifting``: slower, by more than chance has it in one of 200 lists. Missing where
        fewer than ten renders ended on either side.

    Raises
    ------
    ValueError
        A needed column is not there.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=35, unit="us").repeat(4)
    >>> took = [100.0 + n % 7 for n in range(112)] + [150.0 + n % 7 for n in range(28)]
    >>> videos = pd.DataFrame({
    ...     "type": "class", "status": "COMPLETED", "created_at": days,
    ...     "updated_at": days + pd.to_timedelta(took, unit="s"), "fetched_at": days[-1],
    ... })
    >>> render_drift(videos)[["median_before", "median_now", "drifting"]].to_dict("records")
    [{'median_before': 103.0, 'median_now': 153.0, 'drifting': True}]
    """
    keys = group_keys(by, [*_DRIFT, "drifting"])
    rows = collected(videos, END_COLUMNS, keys, what="render_drift")
    last = rows[["created_at", "fetched_at"]].max().max()
    numbers = rows.assign(
        _ago=(last - rows["created_at"]) / pd.Timedelta(1, "D"),
        _seconds=seconds_to_end(rows),
        _over=~has_status(rows, "STARTED"),
    ).pipe(grouped, keys)
    figures = [_drift(each[each["_seconds"].notna()]) for _, each in numbers]
    table = (
        numbers.size()
        .reset_index(name="_all")[keys]
        .join(pd.DataFrame(figures, columns=_DRIFT, dtype="float64"))
        .astype({"videos_before": "int64", "videos_now": "int64"})
    )
    slower = table["median_now"].gt(table["median_before"]) | table["median_now"].isna()
    drifting = (table["p_value"].lt(DRIFT_CHANCE) & slower).astype("boolean")
    table = table.assign(drifting=drifting.mask(table["p_value"].isna()))
    return like(table.sort_values("p_value", kind="stable", ignore_index=True), videos)


def _drift(rows: pd.DataFrame) -> list[Any]:
    """Figures of one group, in the order of the columns."""
    now = rows[rows["_ago"].between(0, DAYS_NOW, inclusive="left")]
    before = rows[rows["_ago"].between(DAYS_NOW, DAYS_NOW + DAYS_BEFORE, inclusive="left")]
    sides = [(each["_seconds"].to_numpy(), each["_over"].to_numpy(bool)) for each in (before, now)]
    medians = [
        quantile(kaplan_meier(count_ends(at, completed=over, running=~over)), 0.5).seconds
        for at, over in sides
    ]
    chance = np.nan
    if min(over.sum() for _, over in sides) >= MIN_RENDERS:
        from scipy.stats import CensoredData, logrank

        censored = (CensoredData.right_censored(at, ~over) for at, over in sides)
        with np.errstate(all="ignore"):  # times that are all the same leave nothing to compare
            chance = float(logrank(*censored).pvalue)
    return [len(before), len(now), *medians, chance]


def credit_outliers(videos: FrameT) -> FrameT:
    """
    Finished videos that cost far more or far less than others of their type.

    COMPLETED videos with a figure are compared: by credits per minute where durations of the type
    are mostly known, else by credits. A type with fewer than 20 such videos has no outliers. Where
    nine in ten have one and the same price, every other price is an outlier.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine (collected: at most 5 million rows). Needs ``video_id,
        name, type, status, updated_at, used_credits``, and takes ``duration_seconds``.

    Returns
    -------
    one row per outlier, the farthest first; the kind of frame that was given
        ``video_id, name, type, used_credits`` [credits], ``median_credits``: what it would cost at
        the median price of its type, for its length where lengths are compared; ``robust_z``,
        beyond 3.5 either way; missing, and last, where the price is flat.

    Raises
    ------
    ValueError
        A needed column is not there.

    Notes
    -----
    Modified z-score of Iglewicz and Hoaglin (1993) on log(1 + credits), mirrored below 0: distance
    from the median over the median absolute deviation, times 0.6745.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": f"vid_{n}", "type": "class", "status": "COMPLETED", "usedCredits": credits}
    ...     for n, credits in enumerate([4, 5, 6] * 10 + [60])])
    >>> credit_outliers(videos)[["video_id", "used_credits", "median_credits"]].values.tolist()
    [['vid_30', 60.0, 5.0]]
    """
    length = ["duration_seconds"] if "duration_seconds" in column_names(videos) else []
    rows = collected(videos, [*_SHOWN, "status", "updated_at", *length], what="credit_outliers")
    compared = (
        rows[has_status(rows, "COMPLETED")]
        .reindex(columns=[*_SHOWN, "duration_seconds"])
        .astype({"used_credits": "float64", "duration_seconds": "float64"})
        .dropna(subset=["used_credits"])
        .assign(_size=_size, _price=lambda each: each["used_credits"] / each["_size"])
        .assign(figure=lambda each: np.sign(each["_price"]) * np.log1p(each["_price"].abs()))
        .dropna(subset=["figure"])
    )
    types = compared.groupby("type", dropna=False)
    middle = types["figure"].transform("median")
    off = compared["figure"] - middle
    deviation = off.abs().groupby(compared["type"], dropna=False).transform("median")
    differs = off.abs() > 1e-9 * middle.abs() + _SAME
    flat = (1 - differs.groupby(compared["type"], dropna=False).transform("mean")) >= FLAT_SHARE
    enough, spread = types["figure"].transform("size") >= MIN_PRICED, deviation > _SAME
    found = (
        compared[_SHOWN]
        .assign(
            median_credits=types["_price"].transform("median") * compared["_size"],
            robust_z=(MAD_OF_NORMAL * off / deviation.where(enough & spread)).astype("float64"),
        )
        .loc[lambda each: (each["robust_z"].abs() > MAX_Z) | (enough & flat & differs & ~spread)]
        .sort_values("robust_z", key=lambda z: -z.abs(), kind="stable", ignore_index=True)
    )
    return like(found, videos)


def _size(rows: pd.DataFrame) -> pd.Series[float]:
    """Minutes of each video where most of its type have a duration, else 1."""
    minutes = rows["duration_seconds"].where(rows["duration_seconds"] > 0) / 60
    measured = minutes.notna().groupby(rows["type"], dropna=False).transform("mean") >= 0.5
    return minutes.where(measured, 1.0)
