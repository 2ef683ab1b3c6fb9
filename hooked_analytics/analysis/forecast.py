"""What will be spent in the coming days, and when a balance runs out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics.analysis.over_time import credits_over_time
from hooked_analytics.analysis.quasi_poisson import (
    fit,
    predict_days,
    predict_total,
    simulate_sums,
)
from hooked_analytics.schema import require_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis.quasi_poisson import Fit, Floats

COVERAGE = 0.8
MIN_DAYS, MAX_DAYS = 28, 365
ORIGIN_STEP, MIN_ORIGINS = 3, 5
PATHS = 2000
_EPOCH = pd.Timestamp("1970-01-01", tz="UTC")
_NOT_CALIBRATED = f"not calibrated: under {MIN_DAYS} complete days there is no range"


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """
    Credits of the coming days with an 80 % range; printed, it reads as sentences.

    Attributes
    ----------
    daily : ``day`` (UTC), ``credits, low, high`` [credits], one row per coming day
    total, total_low, total_high : sum over these days [credits]
    run_out, run_out_low, run_out_high : day on which *balance* is spent, half of the
        simulated paths and the shortest span with 80 % of them; missing where it is not
        within the horizon
    run_out_chance : share of paths that spend *balance* within the horizon
    backtest_coverage : share of past ranges that held the true total; missing without any
    backtest_origins : how many past ranges that was
    history_days, credits_unknown : complete days learnt from, and their videos without a figure
    balance : credits left after the last of these days

    Without a range (under 28 days of history) the ends are missing.
    """

    daily: pd.DataFrame
    total: float
    total_low: float
    total_high: float
    run_out: pd.Timestamp
    run_out_low: pd.Timestamp
    run_out_high: pd.Timestamp
    run_out_chance: float
    backtest_coverage: float
    backtest_origins: int
    history_days: int
    credits_unknown: int
    balance: float | None

    def __repr__(self) -> str:
        """Write the range, the run-out and the back-test in sentences."""
        first, last = (f"{day:%Y-%m-%d}" for day in self.daily["day"].iloc[[0, -1]])
        lines = [f"{first} to {last}: {self.total:,.0f} credits expected, {self._range()}"]
        if self.balance is not None:
            lines.append(f"A balance of {self.balance:,.6g} {self._run_out()}")
        held = f"{self.backtest_coverage:.0%} of {self.backtest_origins} past ranges held"
        lines.append(held if self.backtest_origins else "No past range to test it by")
        lines.append(
            f"Learnt from {self.history_days} complete days, "
            f"{self.credits_unknown:,} of their videos without a figure"
        )
        return "\n".join(lines)

    def _range(self) -> str:
        if np.isnan(self.total_low):
            return _NOT_CALIBRATED
        return f"{self.total_low:,.0f} to {self.total_high:,.0f} in 80 % of cases"

    def _run_out(self) -> str:
        if np.isnan(self.run_out_chance):
            return f"has no run-out date, {_NOT_CALIBRATED}"
        if pd.isna(self.run_out_low):
            never = 1 - self.run_out_chance
            return f"does not run out within {len(self.daily)} days in {never:.0%} of cases"
        late = self.run_out_high
        until = f"later than {len(self.daily)} days" if pd.isna(late) else f"{late:%Y-%m-%d}"
        return (
            f"runs out between {self.run_out_low:%Y-%m-%d} and {until} "
            f"({self.run_out_chance:.0%} within {len(self.daily)} days)"
        )


class _Backtest(NamedTuple):
    coverage: float
    origins: int
    widening: float


def forecast_credits(
    videos: pd.DataFrame, *, horizon_days: int = 30, balance: float | None = None
) -> Forecast:
    """
    Credits of the coming days with an 80 % range, and when a balance runs out.

    Learnt from the credits of each complete day (UTC), days without videos included, up to
    the last day with a video before the day of the last look, at most 365 days. Day-to-day
    dependence is under-covered with less than eight weeks of history.

    Parameters
    ----------
    videos : one row per video
        Needs ``created_at``, ``fetched_at`` and ``used_credits``. Videos without a figure
        are counted and add nothing; days without any figure are not learnt from.
    horizon_days : days to look ahead, at most half of the history
    balance : credits left after the last complete day

    Returns
    -------
    a `Forecast`; without a range under 28 complete days

    Raises
    ------
    ValueError
        A column is missing, no day has credits, *horizon_days* is below 1 or beyond half of
        the history, or *balance* is below 0.

    Notes
    -----
    Quasi-Poisson with weekday effects and a linear trend on the log scale. The variance is
    inflated by the long-run variance of the residuals; the range is widened to what past
    ranges, made by the same rule from rolling origins, should have had.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=57, unit="us")
    >>> videos = pd.DataFrame({
    ...     "created_at": days, "fetched_at": days[-1],
    ...     "used_credits": [10.0 + n % 3 for n in range(57)],
    ... })
    >>> forecast_credits(videos, horizon_days=7, balance=40)
    2024-02-26 to 2024-03-03: 77 credits expected, 73 to 81 in 80 % of cases
    A balance of 40 runs out between 2024-02-29 and 2024-02-29 (100% within 7 days)
    100% of 8 past ranges held
    Learnt from 56 complete days, 0 of their videos without a figure
    """
    require_columns(
        videos.columns, ["created_at", "fetched_at", "used_credits"], what="forecast_credits"
    )
    table = _history(videos)
    _check(len(table), horizon_days, balance)
    known = table.dropna(subset=["credits"])
    days, credits = known["day"].to_numpy(dtype=np.int64), known["credits"].to_numpy(dtype=float)
    if not credits.sum() > 0:
        raise ValueError("no complete day has a credit figure above 0, so there is no forecast")
    ahead = int(table["day"].iloc[-1]) + 1 + np.arange(horizon_days)
    law = fit(days, credits) if len(days) >= MIN_DAYS else None
    tested = _backtest(days, credits, horizon_days) if law else _Backtest(np.nan, 0, 1.0)
    daily, total = _expected(law, credits, days, ahead, tested.widening)
    return Forecast(
        daily=daily,
        total=total[0],
        total_low=total[1],
        total_high=total[2],
        **_run_out(law, days, ahead, balance, tested.widening),
        backtest_coverage=tested.coverage,
        backtest_origins=tested.origins,
        history_days=len(table),
        credits_unknown=int(table["credits_unknown"].sum()),
        balance=balance,
    )


def _history(videos: pd.DataFrame) -> pd.DataFrame:
    """Credits of the complete days, ``day`` counted from 1970-01-01."""
    today = videos["fetched_at"].max().floor("D") if len(videos) else pd.NaT
    before = videos["created_at"].lt(today) & videos["created_at"].notna()
    return (
        credits_over_time(videos[before])
        .assign(day=lambda table: (table["period"] - _EPOCH).dt.days.astype("int64"))
        .tail(MAX_DAYS)
        .pipe(lambda table: table[table["videos"].gt(0).cummax()])
    )


def _check(history_days: int, horizon_days: int, balance: float | None) -> None:
    if horizon_days < 1:
        raise ValueError(f"horizon_days is 1 or more, not {horizon_days!r}")
    if horizon_days > history_days / 2:
        raise ValueError(
            f"{horizon_days} days ahead need {2 * horizon_days} complete days of history, and "
            f"there are {history_days}; at most horizon_days={history_days // 2} can be asked for"
        )
    if balance is not None and not 0 <= balance < np.inf:
        raise ValueError(f"balance is the credits left, 0 or more, not {balance!r}")


def _expected(
    law: Fit | None, credits: Floats, days: NDArray[np.int64], ahead: NDArray[np.int64], wide: float
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Days to come, and their total with its two ends."""
    day = _EPOCH + pd.to_timedelta(pd.Series(ahead), unit="D").astype("timedelta64[us]")
    if law is None:
        mean = float(credits.mean())
        nothing = {"low": np.nan, "high": np.nan}
        daily = pd.DataFrame({"day": day, "credits": mean}).assign(**nothing)
        return daily, (mean * len(ahead), np.nan, np.nan)
    origin, z = int(days[-1]), wide * _z(law)
    each, total = (predict(law, ahead, origin, z) for predict in (predict_days, predict_total))
    low, high = np.maximum(each.mean - each.half, 0), each.mean + each.half
    daily = pd.DataFrame({"day": day, "credits": each.mean, "low": low, "high": high})
    least = max(float(total.mean - total.half), 0.0)
    return daily, (float(total.mean), least, float(total.mean + total.half))


def _z(law: Fit) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(law.freedom, 0.5 + COVERAGE / 2))


def _backtest(days: NDArray[np.int64], credits: Floats, horizon_days: int) -> _Backtest:
    """
    Make the same range at past origins and see what happened.

    Each past range is widened by the ranges that were known by then, as the coming one is
    by all of them; so the coverage is that of the rule, not of hindsight.
    """
    span = min(horizon_days, max((len(days) - MIN_DAYS) // 2, 7))
    origins = np.arange(MIN_DAYS, len(days) - span + 1, ORIGIN_STEP)
    ratios = np.array([_ratio(days, credits, int(at), span) for at in origins])
    if not len(ratios):
        return _Backtest(np.nan, 0, 1.0)
    known = [_widening(ratios[origins + span <= at]) for at in origins]
    return _Backtest(float((ratios <= known).mean()), len(ratios), _widening(ratios))


def _ratio(days: NDArray[np.int64], credits: Floats, at: int, span: int) -> float:
    """Error of a past range over half its width; endless where it was sure and wrong."""
    if not credits[:at].sum() > 0:
        return np.inf
    law = fit(days[:at], credits[:at])
    made = predict_total(law, days[at : at + span], int(days[at - 1]), _z(law))
    error = abs(float(credits[at : at + span].sum() - made.mean))
    return error / float(made.half) if made.half > 0 else (np.inf if error > 1e-9 else 0.0)


def _widening(ratios: Floats) -> float:
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) < MIN_ORIGINS:
        return 1.0
    return max(float(np.quantile(ratios, COVERAGE)), 1.0)


def _run_out(
    law: Fit | None,
    days: NDArray[np.int64],
    ahead: NDArray[np.int64],
    balance: float | None,
    widening: float,
) -> dict[str, Any]:
    names = ("run_out_low", "run_out", "run_out_high")
    if law is None or balance is None:
        return {**dict.fromkeys(names, pd.NaT), "run_out_chance": np.nan}
    sums = simulate_sums(law, ahead, int(days[-1]), paths=PATHS, widening=widening)
    within = sums >= balance
    first = np.sort(np.where(within.any(axis=1), within.argmax(axis=1), len(ahead)))
    low, high = _shortest_span(first)
    at = (low, int(first[(PATHS - 1) // 2]), high)
    dates = [_EPOCH + pd.Timedelta(int(ahead[n]), "D") if n < len(ahead) else pd.NaT for n in at]
    return {
        **dict(zip(names, dates, strict=True)),
        "run_out_chance": float(within[:, -1].mean()),
    }


def _shortest_span(ordered: NDArray[np.intp]) -> tuple[int, int]:
    """
    Days from which to which 80 % of the paths run out.

    The 10th and the 90th of 100 paths lie within whole days, which hold more than the 80.
    """
    held = int(np.ceil(COVERAGE * len(ordered)))
    low, high = ordered[: len(ordered) - held + 1], ordered[held - 1 :]
    days = np.searchsorted(ordered, high, "right") - np.searchsorted(ordered, low, "left")
    # of two as short, the one with more paths
    best = np.lexsort((-days, high - low))[0]
    return int(low[best]), int(high[best])
