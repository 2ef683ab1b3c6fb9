"""
How right the answers are: invented renders and days whose true law is known, seeded.

Render times are lognormal, median 180 s, sigma 0.8; days have a Poisson number of videos with
a weekday rhythm. So the figures prove the methods, not the service: what Hooked's own times
look like is unknown.
"""

from __future__ import annotations

import time
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invented import MEDIAN, P90, SEED, SIGMA, START, frame, gate, times
from hooked_analytics import (
    completion_curve,
    credit_change,
    forecast_credits,
    render_times,
)
from hooked_analytics.analysis.survival import aalen_johansen, count_ends, kaplan_meier

RHYTHM = np.array([1.2, 1.2, 1.2, 1.2, 1.2, 0.6, 0.4])
AHEAD = 14


def bench_statistics(runs: int = 1000) -> list[Figure]:
    """Every acceptance figure, *runs* runs each."""
    return [
        *_estimators(runs),
        *_bias(runs),
        _not_reached(runs),
        *_median_interval(runs),
        _completed_by(runs),
        *_forecast(runs),
        *_run_out(runs),
        _split(runs),
        *_speed(),
    ]


def _estimators(runs: int) -> list[Figure]:
    """Lists of 1 to 60 renders in whole minutes, so with ties; some all censored, some none."""
    from scipy import stats
    from statsmodels.duration.survfunc import CumIncidenceRight

    draw, km, aj = np.random.default_rng(SEED), [0.0], [0.0]
    for _ in range(runs):
        size = int(draw.integers(1, 61))
        took = np.ceil(times(draw, size) / 60) * 60
        ended = draw.choice(3, size, p=draw.dirichlet([1, 1, 1]))  # 0 is censored
        ends = count_ends(took, completed=ended == 1, failed=ended == 2, running=ended == 0)
        data = stats.CensoredData.right_censored(took, ended == 0)
        theirs = stats.ecdf(data).sf
        ours = kaplan_meier(ends).share[np.searchsorted(ends.seconds, theirs.quantiles)]
        km.append(np.abs(ours - theirs.probabilities).max(initial=0))
        if (ended == 1).any():
            curve = CumIncidenceRight(took, ended)
            ours = aalen_johansen(ends).share[np.searchsorted(ends.seconds, curve.times)]
            aj.append(np.abs(ours - curve.cinc[0]).max(initial=0))
    return [
        gate("Kaplan-Meier: largest difference", "scipy's ecdf", 0, 1e-12, max(km), "–"),
        gate("Aalen-Johansen: largest difference", "statsmodels'", 0, 1e-12, max(aj), "–"),
    ]


def _bias(runs: int) -> list[Figure]:
    """A window of 10 and of 30 minutes, 400 videos, looked at when it ends."""
    figures = []
    for minutes, column, truth, most in ((10, "median", MEDIAN, 0.02), (30, "p90", P90, 0.03)):
        draw, found, plain = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            took, window = times(draw, 400), 60.0 * minutes
            videos = frame(draw.uniform(0, window, 400), took, window)
            found.append(render_times(videos)[f"{column}_seconds"].iloc[0])
            over = videos[videos["status"] == "COMPLETED"]
            seconds = (over["updated_at"] - over["created_at"]).dt.total_seconds()
            plain.append(seconds.quantile(0.5 if column == "median" else 0.9))
        bias, naive = (np.nanmean(values) / truth - 1 for values in (found, plain))
        figures.append(
            gate(
                f"bias of the {column}, window of {minutes} min", "completed only", -most, most,
                bias, f"{naive:.0%}",
            )
        )  # fmt: skip
    return figures


def _not_reached(runs: int) -> Figure:
    """In a window of 5 minutes few curves get to a p90 of 502 s; the rest must be missing."""
    from scipy import stats

    draw, given, reached = np.random.default_rng(SEED), 0, 0
    for _ in range(runs):
        videos = frame(draw.uniform(0, 300, 400), times(draw, 400), 300.0)
        running = videos["status"].eq("STARTED")
        ends = videos["updated_at"].mask(running, videos["fetched_at"])
        took = (ends - videos["created_at"]).dt.total_seconds()
        data = stats.CensoredData.right_censored(took.to_numpy(), running.to_numpy())
        left = stats.ecdf(data).sf.probabilities.min()
        reached += left <= 0.1
        given += bool(left > 0.1 and render_times(videos)["p90_seconds"].notna().iloc[0])
    what = "p90 given though scipy's curve does not reach it, window of 5 min"
    return gate(what, "never", 0, 0, given / runs, f"reached in {reached / runs:.1%} of runs")


def _median_interval(runs: int) -> list[Figure]:
    figures = []
    for size in (30, 100, 300):
        draw, held = np.random.default_rng(SEED), 0
        for _ in range(runs):
            videos = frame(draw.uniform(0, 1800, size), times(draw, size), 1800.0)
            row = render_times(videos).iloc[0]
            high = np.inf if np.isnan(row["median_high"]) else row["median_high"]
            held += row["median_low"] <= MEDIAN <= high
        what = f"coverage of the 95 % interval of the median, n = {size}"
        figures.append(gate(what, "0.95", 0.91, 0.98, held / runs, "–"))
    return figures


def _completed_by(runs: int) -> Figure:
    """3,000 videos of which 22 % fail, at half the time a render takes."""
    draw, found = np.random.default_rng(SEED), []
    for _ in range(runs):
        fails = draw.random(3000) < 0.22
        took = times(draw, 3000) * np.where(fails, 0.5, 1.0)
        videos = frame(draw.uniform(0, 3600, 3000), took, 3600.0)
        ended = videos["status"].eq("COMPLETED") & fails
        videos = videos.assign(status=videos["status"].mask(ended, "FAILED"))
        found.append(completion_curve(videos, 600)["completed_share"].iloc[0])
    truth = 0.78 * NormalDist().cdf(np.log(600 / MEDIAN) / SIGMA)
    worst = max(abs(share - truth) for share in found)
    what = "P(completed by 600 s), n = 3,000, 22 % fail: mean error"
    return gate(what, "the truth", -0.02, 0.02, np.mean(found) - truth, f"worst {worst:.3f}")


def _days(draw: np.random.Generator, days: int, *, lean: float = 0, growth: float = 0) -> Any:
    """Credits of each day from a Monday on."""
    level = np.zeros(days)
    if lean:
        shocks = draw.normal(0, 0.3 * np.sqrt(1 - lean**2), days)
        level[0] = draw.normal(0, 0.3)
        for day in range(1, days):
            level[day] = lean * level[day - 1] + shocks[day]
    rate = 12 * RHYTHM[np.arange(days) % 7] * np.exp(level) * (1 + growth) ** np.arange(days)
    counts = draw.poisson(rate)
    each = draw.choice([2.0, 5.0, 8.0, 20.0], counts.sum())
    return np.bincount(np.repeat(np.arange(days), counts), weights=each, minlength=days)


def _spent(credits: Any) -> pd.DataFrame:
    at = START + pd.to_timedelta(np.arange(len(credits)) * 24 + 12, unit="h").as_unit("us")
    look = START + pd.Timedelta(len(credits), "D")
    return pd.DataFrame({"created_at": at, "fetched_at": look, "used_credits": credits})


_CASES = (
    ("stationary", {}, 28, 0.75, 0.92),
    ("stationary", {}, 56, 0.75, 0.92),
    ("growing 1 % a day", {"growth": 0.01}, 28, 0.75, 0.92),
    ("growing 1 % a day", {"growth": 0.01}, 56, 0.75, 0.92),
    ("each day leaning on the last, 0.7", {"lean": 0.7}, 112, 0.75, 1.0),
)


def _forecast(runs: int) -> list[Figure]:
    figures = []
    for name, settings, history, low, high in _CASES:
        draw = np.random.default_rng(SEED)
        held, promised = [], []
        for _ in range(runs):
            credits = _days(draw, history + AHEAD, **settings)
            past, coming = credits[:history], credits[history:]
            made = forecast_credits(_spent(past), horizon_days=AHEAD)
            held.append(made.total_low <= coming.sum() <= made.total_high)
            promised.append(made.backtest_error)
        what = f"coverage of the 80 % range of {AHEAD} days, {name}, {history} days of history"
        tested = (
            "–"
            if np.isnan(promised).all()
            else f"past forecasts off by {np.nanmedian(promised):.0%}"
        )
        figures.append(gate(what, "0.80", low, high, float(np.mean(held)), tested))
    return figures


def _run_out(runs: int) -> list[Figure]:
    """A span has whole days, both its ends included."""
    figures = []
    for days in (20, 10):
        draw, held, late = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            credits = _days(draw, 56 + 28)
            past, coming = credits[:56], credits[56:]
            balance = days * past.mean()
            made = forecast_credits(_spent(past), horizon_days=28, balance=balance)
            spent = np.cumsum(coming) >= balance
            day = int(spent.argmax()) if spent.any() else 28
            low, middle, high = (
                28 if pd.isna(at) else (at - made.daily["day"].iloc[0]).days
                for at in (made.run_out_low, made.run_out, made.run_out_high)
            )
            held.append(low <= day <= high)
            late.append(day - middle)
        what = f"coverage of the 80 % span of a run-out date, balance of {days} days"
        error = f"median error {np.median(late):g} days"
        figures.append(gate(what, "0.80", 0.74, 0.88, float(np.mean(held)), error))
    return figures


def _split(runs: int) -> Figure:
    draw, worst = np.random.default_rng(SEED), 0.0
    for _ in range(runs):
        before, after = (
            pd.DataFrame(
                {
                    "type": draw.choice(list("abcde"), size),
                    "used_credits": draw.uniform(0, 50, size),
                }
            )
            for size in draw.integers(1, 40, 2)
        )
        table = credit_change(before, after)
        rest = table["change"] - table[["volume", "mix", "rate"]].sum(axis=1)
        worst = max(worst, float(rest.abs().max()))
    return gate("change: largest rest of a row after the split", "0", 0, 1e-9, worst, "–")


def _speed() -> list[Figure]:
    draw = np.random.default_rng(SEED)
    videos = frame(draw.uniform(0, 1e6, 100_000), times(draw, 100_000), 1e6)
    videos["type"] = draw.choice([f"type {n}" for n in range(12)], 100_000)
    year = _spent(_days(draw, 365))
    works = {
        "`render_times`, 100,000 videos of 12 types [s]": (lambda: render_times(videos), 0.5),
        "`forecast_credits`, 365 days [s]": (lambda: forecast_credits(year), 0.05),
    }
    figures = []
    for what, (work, most) in works.items():
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        figures.append(gate(what, f"{most:g} s", 0, most, float(np.median(seconds)), "–"))
    return figures
