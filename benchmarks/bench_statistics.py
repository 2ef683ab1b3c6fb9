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
from hooked_analytics import (
    completion_curve,
    credit_change,
    estimate_completion,
    forecast_credits,
    render_times,
)

MEDIAN, SIGMA = 180.0, 0.8
P90 = MEDIAN * np.exp(SIGMA * NormalDist().inv_cdf(0.9))
START = pd.Timestamp("2024-01-01T00:00Z").as_unit("us")
RHYTHM = np.array([1.2, 1.2, 1.2, 1.2, 1.2, 0.6, 0.4])
SEED = 0
NEVER = 1e7
AHEAD = 14


def bench_statistics(runs: int = 1000) -> list[Figure]:
    """Every acceptance figure, *runs* runs each."""
    return [
        *_bias(runs),
        *_median_interval(runs),
        _completed_by(max(runs // 4, 50)),
        *_eta(runs),
        *_stuck(runs),
        *_forecast(runs),
        _run_out(runs),
        _split(runs),
        *_speed(),
    ]


def _figure(what: str, against: str, low: float, high: float, ours: float, theirs: str) -> Figure:
    target = f"{low:g} to {high:g}"
    return Figure(what, against, target, f"{ours:.3g}", theirs, "–", bool(low <= ours <= high))


def _frame(created: Any, took: Any, now: Any, kind: str = "class") -> pd.DataFrame:
    """Renders asked for at *created* and seen at *now* [s], over where their time is up."""
    created, took, now = np.broadcast_arrays(*(np.asarray(a, float) for a in (created, took, now)))
    over = created + took <= now
    moment = {
        name: START + pd.to_timedelta(np.round(at * 1e6), unit="us")
        for name, at in (
            ("created_at", created),
            ("updated_at", created + took),
            ("fetched_at", now),
        )
    }
    return pd.DataFrame(
        {
            "video_id": np.arange(len(took)).astype(str),
            "type": kind,
            "status": np.where(over, "COMPLETED", "STARTED"),
            **moment,
        }
    )


def _times(draw: np.random.Generator, size: int) -> Any:
    return MEDIAN * np.exp(SIGMA * draw.standard_normal(size))


def _bias(runs: int) -> list[Figure]:
    """A window of 10 and of 30 minutes, 400 videos, looked at when it ends."""
    figures = []
    for minutes, column, truth, most in ((10, "median", MEDIAN, 0.02), (30, "p90", P90, 0.03)):
        draw, found, plain = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            took, window = _times(draw, 400), 60.0 * minutes
            videos = _frame(draw.uniform(0, window, 400), took, window)
            found.append(render_times(videos)[f"{column}_seconds"].iloc[0])
            over = videos[videos["status"] == "COMPLETED"]
            seconds = (over["updated_at"] - over["created_at"]).dt.total_seconds()
            plain.append(seconds.quantile(0.5 if column == "median" else 0.9))
        bias, naive = (np.nanmean(values) / truth - 1 for values in (found, plain))
        figures.append(
            _figure(
                f"bias of the {column}, window of {minutes} min", "completed only", -most, most,
                bias, f"{naive:.0%}",
            )
        )  # fmt: skip
    return figures


def _median_interval(runs: int) -> list[Figure]:
    figures = []
    for size in (30, 100, 300):
        draw, held = np.random.default_rng(SEED), 0
        for _ in range(runs):
            videos = _frame(draw.uniform(0, 1800, size), _times(draw, size), 1800.0)
            row = render_times(videos).iloc[0]
            high = np.inf if np.isnan(row["median_high"]) else row["median_high"]
            held += row["median_low"] <= MEDIAN <= high
        what = f"coverage of the 95 % interval of the median, n = {size}"
        figures.append(_figure(what, "0.95", 0.91, 0.98, held / runs, "–"))
    return figures


def _completed_by(runs: int) -> Figure:
    """3,000 videos of which 22 % fail, at half the time a render takes."""
    draw, found = np.random.default_rng(SEED), []
    for _ in range(runs):
        fails = draw.random(3000) < 0.22
        took = _times(draw, 3000) * np.where(fails, 0.5, 1.0)
        videos = _frame(draw.uniform(0, 3600, 3000), took, 3600.0)
        ended = videos["status"].eq("COMPLETED") & fails
        videos = videos.assign(status=videos["status"].mask(ended, "FAILED"))
        found.append(completion_curve(videos, 600)["completed_share"].iloc[0])
    truth = 0.78 * NormalDist().cdf(np.log(600 / MEDIAN) / SIGMA)
    worst = max(abs(share - truth) for share in found)
    what = "P(completed by 600 s), n = 3,000, 22 % fail: mean error"
    return _figure(what, "the truth", -0.02, 0.02, np.mean(found) - truth, f"worst {worst:.3f}")


def _eta(runs: int) -> list[Figure]:
    figures, law = [], NormalDist()
    for size in (30, 100, 300):
        draw, held, wide = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            elapsed = draw.uniform(0, 2 * MEDIAN)
            past = law.cdf(np.log(elapsed / MEDIAN) / SIGMA)
            at = [past + (1 - past) * p for p in (draw.random(), 0.1, 0.9)]
            truth, low, high = (MEDIAN * np.exp(SIGMA * law.inv_cdf(p)) for p in at)
            running = _frame([0.0], [NEVER], elapsed)
            history = _frame(np.zeros(size), _times(draw, size), 1e6)
            row = estimate_completion(running, history=history).iloc[0]
            if row["basis"].startswith("too few"):
                continue
            ends = [(row[name] - START).total_seconds() for name in ("eta_low", "eta_high")]
            held.append(ends[0] <= truth and not truth > ends[1])
            wide.append((np.inf if np.isnan(ends[1]) else ends[1] - ends[0]) / (high - low))
        what = f"coverage of the 80 % range of an ETA, n = {size}"
        width = f"{np.median(wide):.2f} × the ideal width, {len(held)} of {runs} had ten to compare"
        figures.append(_figure(what, "0.80", 0.78, 0.95, float(np.mean(held)), width))
    return figures


def _stuck(runs: int) -> list[Figure]:
    figures = []
    for size in (50, 100, 300):
        draw, alarms, found = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            history = _frame(np.zeros(size), _times(draw, size), 1e6)
            # a render's whole life, as an alarm at any moment of it is one
            running = _frame(np.zeros(200), NEVER, _times(draw, 200))
            running.loc[0, "fetched_at"] = START + pd.Timedelta(10 * MEDIAN, "s")
            stuck = estimate_completion(running, history=history)["stuck"]
            found.append(bool(stuck[0]))
            alarms.append(stuck[1:].astype(float).mean())
        what = f"stuck: false alarms, n = {size}"
        caught = f"{np.mean(found):.1%} of 10 medians found"
        figures.append(_figure(what, "0.01", 0.005, 0.02, float(np.mean(alarms)), caught))
    return figures


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
            promised.append(made.backtest_coverage)
        what = f"coverage of the 80 % range of {AHEAD} days, {name}, {history} days of history"
        tested = "–" if np.isnan(promised).all() else f"back-test said {np.nanmean(promised):.2f}"
        figures.append(_figure(what, "0.80", low, high, float(np.mean(held)), tested))
    return figures


def _run_out(runs: int) -> Figure:
    """A balance of 20 days, 28 days ahead; the span has whole days, both its ends included."""
    draw, held, late = np.random.default_rng(SEED), [], []
    for _ in range(runs):
        credits = _days(draw, 56 + 28)
        past, coming = credits[:56], credits[56:]
        balance = 20 * past.mean()
        made = forecast_credits(_spent(past), horizon_days=28, balance=balance)
        spent = np.cumsum(coming) >= balance
        day = int(spent.argmax()) if spent.any() else 28
        low, middle, high = (
            28 if pd.isna(at) else (at - made.daily["day"].iloc[0]).days
            for at in (made.run_out_low, made.run_out, made.run_out_high)
        )
        held.append(low <= day <= high)
        late.append(day - middle)
    what = "coverage of the 80 % span of a run-out date, balance of 20 days"
    error = f"median error {np.median(late):g} days"
    return _figure(what, "0.80", 0.74, 0.88, float(np.mean(held)), error)


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
    return _figure("change: largest rest of a row after the split", "0", 0, 1e-9, worst, "–")


def _speed() -> list[Figure]:
    draw = np.random.default_rng(SEED)
    videos = _frame(draw.uniform(0, 1e6, 100_000), _times(draw, 100_000), 1e6)
    videos["type"] = draw.choice([f"type {n}" for n in range(12)], 100_000)
    year = _spent(_days(draw, 365))
    works = {
        "`render_times`, 100,000 videos of 12 types [s]": (lambda: render_times(videos), 0.5),
        "`forecast_credits`, 365 days [s]": (lambda: forecast_credits(year), 1.0),
    }
    figures = []
    for what, (work, most) in works.items():
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        figures.append(_figure(what, f"{most:g} s", 0, most, float(np.median(seconds)), "–"))
    return figures
