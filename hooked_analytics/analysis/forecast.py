"""What will be spent in the coming days, and when a balance or a budget is used up."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import column_names
from hooked_analytics.analysis.over_time import midnights, per_step
from hooked_analytics.schema.checks import require_amount, require_zone
from hooked_analytics.schema.engines import open_frame, small_frame
from hooked_analytics.schema.epoch import with_microseconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COVERAGE = 0.8
MIN_DAYS, MAX_DAYS, MAX_FILLED_SHARE, MAX_AGE_DAYS = 28, 365, 0.25, 2
ALPHA, SHAPE_DAYS, MIN_ORIGIN, PATHS = 0.5, 56, 14, 2000
# Error of a total over that of past seven-day totals, pooled over public daily series.
_HISTORIES, _AHEAD = np.log([35, 90, 270]), np.log([7, 14, 28])
_FACTORS = np.log([[1.54, 3.51, 7.63], [0.93, 2.03, 4.78], [1.03, 2.19, 4.86]])
_NOT_CALIBRATED = f"not calibrated: under {MIN_DAYS} complete days there is no range"
_DAY = pd.Timedelta(1, "D")


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """
    Credits of the coming days with an 80 % range; printed, it reads as sentences.

    Attributes
    ----------
    daily : ``day``, ``credits, low, high`` [credits], one row per coming day
    total, total_low, total_high : sum over these days [credits]
    run_out, run_out_low, run_out_high : day on which half of the simulated paths have spent
        *balance*, and the shortest span with 80 % of them; missing beyond the horizon
    run_out_chance : share of paths that spend *balance* within the horizon
    backtest_error : median of absolute error / truth of past forecasts of as many days
    backtest_origins : how many those are; spans in which nothing was spent are left out
    history_days, credits_unknown : complete days learnt from, and their videos without a figure
    filled_share : share of the videos whose credits were filled in
    list_age_days : from the last observation to the forecast [d]
    balance, budget : as given [credits]
    month_to_date, month_total, month_low, month_high : credits of the month of the first coming
        day, up to that day and as expected at its end
    over_budget_chance, budget_date : share of paths above *budget* at the end of the month, and
        the day on which half of them are
    """

    daily: pd.DataFrame
    total: float
    total_low: float
    total_high: float
    run_out: pd.Timestamp
    run_out_low: pd.Timestamp
    run_out_high: pd.Timestamp
    run_out_chance: float
    backtest_error: float
    backtest_origins: int
    history_days: int
    credits_unknown: int
    filled_share: float
    list_age_days: float
    balance: float | None = None
    budget: float | None = None
    month_to_date: float = np.nan
    month_total: float = np.nan
    month_low: float = np.nan
    month_high: float = np.nan
    over_budget_chance: float = np.nan
    budget_date: pd.Timestamp = pd.NaT  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Write the range, the run-out, the budget and the back-test in sentences."""
        first, last = self.daily["day"].iloc[[0, -1]]
        ahead = _range(self.total, self.total_low, self.total_high)
        lines = [f"{first:%Y-%m-%d} to {last:%Y-%m-%d}: {ahead}"]
        if self.balance is not None:
            lines.append(f"A balance of {self.balance:,.10g} {self._run_out(last)}")
        if self.budget is not None:
            month = _range(self.month_total, self.month_low, self.month_high)
            chance = f"{self.over_budget_chance:.0%}".replace("nan%", "unknown")
            over = f"chance to exceed the budget of {self.budget:,.10g}: {chance}"
            day = "" if pd.isna(self.budget_date) else f", about {self.budget_date:%Y-%m-%d}"
            lines.append(f"{first:%B %Y}: {self.month_to_date:,.0f} so far, {month}; {over}{day}")
        past = f"The {self.backtest_origins} forecasts of {len(self.daily)} days made in the past"
        error = f"{past} were off by {self.backtest_error:.0%} in the middle"
        lines.append(error if self.backtest_origins else "No past forecast to test it by")
        filled = f"{self.filled_share:.1%} of their videos without a figure, filled in"
        lines.append(f"Learnt from {self.history_days} complete days, {filled}")
        if self.list_age_days > MAX_AGE_DAYS:
            lines.append(f"The list is {self.list_age_days:.0f} days old")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Write the same sentences as a list, for a notebook; the days are in ``.daily``."""
        said = "".join(f"<li>{escape(line)}</li>" for line in repr(self).splitlines())
        return f"<ul>{said}</ul>"

    def _run_out(self, last: pd.Timestamp) -> str:
        chance, early, late = self.run_out_chance, self.run_out_low, self.run_out_high
        if np.isnan(chance):
            return f"has no run-out date, {_NOT_CALIBRATED}"
        if pd.isna(early):
            return f"lasts to {last:%Y-%m-%d} in {1 - chance:.0%} of cases"
        if pd.isna(late):
            said = f"may run out from {early:%Y-%m-%d} on"
        elif early == late:
            said = f"runs out on {early:%Y-%m-%d}"
        else:
            said = f"runs out between {early:%Y-%m-%d} and {late:%Y-%m-%d}"
        return f"{said} ({chance:.0%} by {last:%Y-%m-%d})"


def _range(total: float, low: float, high: float) -> str:
    said = f"{low:,.0f} to {high:,.0f} in 80 % of similar lists"
    return f"{total:,.0f} credits expected, {_NOT_CALIBRATED if np.isnan(low) else said}"


def forecast_credits(
    videos: Any,
    *,
    horizon_days: int = 30,
    balance: float | None = None,
    budget: float | None = None,
    timezone: str = "UTC",
) -> Forecast:
    """
    Credits of the coming days with an 80 % range, and when a balance or budget is used up.

    Learnt from at most 365 complete days before the last observation; without videos they are 0.

    Parameters
    ----------
    videos : DataFrame
        One row per video; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Needs ``created_at``,
        ``fetched_at`` and ``used_credits``. Unknown credits are filled with the mean of the known
        ones of the same ``type``, if there is one, and weekday.
    horizon_days : int, default 30
        Days ahead, at most as many as the history has.
    balance : float, optional
        Credits left after the last complete day.
    budget : float, optional
        Credits of a calendar month.
    timezone : str, default "UTC"
        Whose midnight begins a day.

    Returns
    -------
    a `Forecast`; without a range, and a plain average, under 28 complete days

    Raises
    ------
    ValueError
        A column is missing, no day has credits, over 25 % of them are unknown, *horizon_days* is
        below 1 or longer than the history, or *balance* or *budget* is below 0.

    Notes
    -----
    Exponentially smoothed weekly total times the share of each weekday in eight weeks. Half-width:
    80 % quantile of the rule's errors in past weeks, times a factor pooled over public series,
    whose level drifts: the range of a steady list is wider than it need be.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=57, unit="us")
    >>> videos = pd.DataFrame({
    ...     "created_at": days, "fetched_at": days[-1],
    ...     "used_credits": [10.0 + n % 3 for n in range(57)],
    ... })
    >>> forecast_credits(videos, horizon_days=7, balance=40)
    2024-02-26 to 2024-03-03: 77 credits expected, 75 to 79 in 80 % of similar lists
    A balance of 40 runs out on 2024-02-29 (100% by 2024-03-03)
    The 36 forecasts of 7 days made in the past were off by 1% in the middle
    Learnt from 56 complete days, 0.0% of their videos without a figure, filled in
    The list is ... days old
    """
    require_amount("balance", balance)
    require_amount("budget", budget)
    require_zone(timezone)
    if not isinstance(horizon_days, int | np.integer) or horizon_days < 1 or horizon_days is True:
        raise ValueError(f"horizon_days is a whole number, 1 or more, not {horizon_days!r}")
    made, seen, today = _days(videos, timezone)
    days = int(made["ago"].max()) if len(made) else 0
    if horizon_days > days:
        most = f"at most horizon_days={days} is possible"
        why = most if days else "created_at and fetched_at say which days those are"
        need = f"{horizon_days} days ahead need as many complete days of history"
        raise ValueError(f"{need}, and there are {days}; {why}")
    count, unknown = int(made["videos"].sum()), int(made["unknown"].sum())
    if unknown > MAX_FILLED_SHARE * count:
        few = f"{unknown} of {count} videos have no credit figure ({unknown / count:.0%})"
        raise ValueError(f"{few}, and above {MAX_FILLED_SHARE:.0%} there is no forecast")
    history = np.bincount(days - made["ago"], made["credits"], minlength=days).astype(float)
    if not history.sum() > 0:
        raise ValueError("no complete day has a credit figure above 0, so there is no forecast")
    rule = _Rule(history)
    mean, paths = rule.ahead(horizon_days), rule.paths(horizon_days)
    half, error = rule.half(horizon_days), rule.errors(horizon_days)
    edges = np.quantile(np.maximum(paths, 0), [0.1, 0.9], axis=0) if len(paths) else np.nan
    low, high = np.broadcast_to(edges, (2, horizon_days))
    dates = midnights(pd.date_range(today, periods=horizon_days), timezone)
    daily = pd.DataFrame({"day": dates, "credits": mean}).assign(
        low=np.minimum(low, mean), high=np.maximum(high, mean)
    )
    return Forecast(
        daily=daily,
        total=float(mean.sum()),
        total_low=float(np.maximum(mean.sum() - half, 0)),
        total_high=float(mean.sum() + half),
        **_run_out(paths, list(daily["day"]), balance),
        backtest_error=float(np.median(error)) if len(error) else np.nan,
        backtest_origins=len(error),
        history_days=days,
        credits_unknown=unknown,
        filled_share=unknown / count,
        list_age_days=(pd.Timestamp.now("UTC") - seen) / _DAY,
        balance=balance,
        **({} if budget is None else _month(rule, today, budget, timezone)),
    )


def _days(videos: Any, timezone: str) -> tuple[pd.DataFrame, Any, Any]:
    """Credits of the days before the last observation, ``ago`` from it, unknown ones filled in."""
    import narwhals.stable.v2 as nw

    keys = ["type"] if "type" in column_names(videos) else []
    columns = ["created_at", "fetched_at", "used_credits"]
    opened = open_frame(videos, columns, keys, what="forecast_credits")
    last = with_microseconds(opened.rows, _seen="fetched_at").select(nw.col("_seen").max())
    moment = small_frame(last)["_seen"].iloc[0]
    steps = per_step(opened, keys, timezone).assign(kind=lambda each: each[keys[0]] if keys else "")
    if pd.isna(moment):
        return steps.assign(ago=0, unknown=0).iloc[:0], pd.NaT, pd.NaT
    seen = pd.Timestamp(int(moment), unit="us", tz="UTC")
    every = int(steps["videos"].sum())
    undated = int(steps.loc[steps["period"].isna(), "videos"].sum())
    if undated > MAX_FILLED_SHARE * every:
        few = f"{undated} of {every} videos have no created_at, as those that were not fetched"
        raise ValueError(f"{few}; above {MAX_FILLED_SHARE:.0%} there is no forecast")
    today = seen.tz_convert(timezone).tz_localize(None).floor("D")
    began = pd.to_datetime(steps["period"], unit="us", utc=True)
    local = began.dt.tz_convert(timezone).dt.tz_localize(None).dt.floor("D")
    sums = ["videos", "credits", "credits_known"]
    table = (
        steps.assign(ago=(today - local).dt.days)
        .pipe(lambda each: each[each["ago"].between(1, MAX_DAYS)])
        .astype({"ago": "int64"})
        .groupby(["ago", "kind"], dropna=False, observed=True, as_index=False)[sums]
        .sum()
        .assign(unknown=lambda each: each["videos"] - each["credits_known"])
    )
    if not table["unknown"].any():
        return table, seen, today
    mean = pd.Series(np.nan, index=table.index)
    for by in ([table["kind"], table["ago"] % 7], [table["kind"]], [table["ago"] * 0]):
        alike = table.groupby(by, dropna=False, observed=True)[sums].transform("sum")
        some = alike["credits_known"].where(alike["credits_known"] > 0)
        mean = mean.fillna(alike["credits"] / some)
    return table.assign(credits=table["credits"] + table["unknown"] * mean.fillna(0.0)), seen, today


class _Rule:
    """Weekly total times weekday shape, after each day of *history*."""

    def __init__(self, history: Floats) -> None:
        self.history, self.days = history, len(history)
        self.sums = np.r_[0.0, history.cumsum()]
        self.levels = np.zeros(self.days + 1)  # used from the seventh day on
        for at in range(7, self.days + 1):
            weeks, before = at // 7, self.levels[at - 7]
            step = 1 / weeks if weeks <= 3 else ALPHA  # begins with the mean of three weeks
            self.levels[at] = before + step * (self.sums[at] - self.sums[at - 7] - before)

    def shape(self, at: int) -> Floats:
        """Share of each weekday after *at* days, beginning with the next day."""
        weeks = self.history[:at][-(min(at, SHAPE_DAYS) // 7 * 7) :].reshape(-1, 7)
        total = weeks.sum()
        return np.asarray(weeks.sum(axis=0) / total if total > 0 else np.full(7, 1 / 7))

    def ahead(self, days: int) -> Floats:
        if self.days < MIN_DAYS:
            return np.full(days, self.history.mean())
        return np.asarray(self.levels[-1] * np.resize(self.shape(self.days), days))

    def half(self, days: int) -> float:
        """Half-width of the 80 % range of a total."""
        if self.days < MIN_DAYS:
            return np.nan
        at = np.arange(MIN_ORIGIN, self.days - 6)
        errors = np.sort(np.abs(self.sums[at + 7] - self.sums[at] - self.levels[at]))
        q = errors[min(int(np.ceil(COVERAGE * (len(at) + 1))), len(at)) - 1]
        by_days = [np.interp(np.log(self.days), _HISTORIES, column) for column in _FACTORS.T]
        factor = np.exp(np.interp(np.log(days), _AHEAD, by_days))
        beyond = (days / 28) ** 1.15 if days > 28 else min(days / 7, 1.0) ** 0.5
        return float(q * factor * beyond)

    def errors(self, days: int) -> Floats:
        """Errors of past totals of as many days, over the truth where that is above 0."""
        weeks, rest = divmod(days, 7)
        origins = range(MIN_ORIGIN, self.days - days + 1) if self.days >= MIN_DAYS else ()
        truth = {at: self.sums[at + days] - self.sums[at] for at in origins}
        made = {at: self.levels[at] * (weeks + self.shape(at)[:rest].sum()) for at in origins}
        return np.array([abs(made[at] - t) / t for at, t in truth.items() if t > 0])

    def paths(self, days: int) -> Floats:
        """Credits of *days* days, one row per path, whose totals have the 80 % range."""
        if self.days < MIN_DAYS:
            return np.empty((0, days))
        draw, mean, half = np.random.default_rng(0), self.ahead(days), self.half(days)
        weeks = self.history[-(min(self.days, SHAPE_DAYS) // 7 * 7) :].reshape(-1, 7)
        rest = weeks - weeks.sum(axis=1, keepdims=True) * self.shape(self.days)
        noise = rest[draw.integers(len(rest), size=(PATHS, days)), np.arange(days) % 7]
        # what days of their own do not explain is an error of the level, shared by all days
        spread = np.sqrt(max((half / 1.2816) ** 2 - noise.sum(axis=1).var(), 0.0))
        shift = draw.normal(0, spread, (PATHS, 1)) * mean / max(mean.sum(), 1e-9)
        drawn = noise + shift
        wide = float(np.quantile(np.abs(drawn.sum(axis=1)), COVERAGE))
        return np.asarray(mean + drawn * (half / wide if wide > 0 else 1.0))


def _run_out(paths: Floats, days: list[Any], balance: float | None) -> dict[str, Any]:
    low = middle = high = len(days)
    chance = np.nan
    if balance is not None and len(paths):
        within = np.maximum.accumulate(paths.cumsum(axis=1), axis=1) >= balance
        first = np.sort(np.where(within[:, -1], within.argmax(axis=1), len(days)))
        low, high = _shortest_span(first)
        middle, chance = int(first[(len(first) - 1) // 2]), float(within[:, -1].mean())
    dates = {"run_out_low": low, "run_out": middle, "run_out_high": high}
    return {name: [*days, pd.NaT][n] for name, n in dates.items()} | {"run_out_chance": chance}


def _month(rule: _Rule, today: pd.Timestamp, budget: float, timezone: str) -> dict[str, Any]:
    """Credits of the month that *today* is in, and the chance that they exceed *budget*."""
    rest, start = today.days_in_month - today.day + 1, max(rule.days - today.day + 1, 0)
    spent, paths = rule.history[start:], rule.paths(rest)
    so_far, ahead, half = float(spent.sum()), float(rule.ahead(rest).sum()), rule.half(rest)
    made = np.hstack([np.tile(spent, (len(paths), 1)), paths]).cumsum(axis=1) > budget
    over = np.logical_or.accumulate(made, axis=1).mean(axis=0) if len(paths) else np.array([np.nan])
    day = today + (int((over > 0.5).argmax()) - len(spent)) * _DAY
    return {
        "budget": budget,
        "month_to_date": so_far,
        "month_total": so_far + ahead,
        "month_low": so_far + float(np.maximum(ahead - half, 0)),
        "month_high": so_far + (ahead + half),
        "over_budget_chance": float(over[-1]),
        "budget_date": midnights([day], timezone).iloc[0] if over[-1] > 0.5 else pd.NaT,
    }


def _shortest_span(ordered: NDArray[np.intp]) -> tuple[int, int]:
    """Days from which to which 80 % of the paths run out; of two as short, the fuller one."""
    held = int(np.ceil(COVERAGE * len(ordered)))
    low, high = ordered[: len(ordered) - held + 1], ordered[held - 1 :]
    days = np.searchsorted(ordered, high, "right") - np.searchsorted(ordered, low, "left")
    best = np.lexsort((-days, high - low))[0]
    return int(low[best]), int(high[best])
