"""
How right estimates of renders under way are: by time, by progress, and which are stuck.

Invented renders rush through the first steps: progress is the share of the time that has
passed to the power of 0.6, in whole per cent, with a noise of 8 % that each render keeps. Those
of the stalls dwell on each per cent for a time of their own, exponential about that shape.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invented import MEDIAN, NEVER, SEED, SIGMA, START, frame, gate, times
from hooked_analytics import estimate_completion

POWER, NOISE = 0.6, 0.08
SIZES = (30, 100, 300)
NEW = 20  # renders estimated from each history
PERIOD = 15.0  # seconds between looks
LONG_AGO = pd.Timedelta(20, "D")


def bench_eta(runs: int) -> list[Figure]:
    return [*_by_time(runs), *_by_progress(runs), *_stuck(runs), *_stalled(runs)]


def _by_time(runs: int) -> list[Figure]:
    figures, law = [], NormalDist()
    for size in SIZES:
        draw, held, wide = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            elapsed = draw.uniform(0, 2 * MEDIAN)
            past = law.cdf(np.log(elapsed / MEDIAN) / SIGMA)
            at = [past + (1 - past) * p for p in (draw.random(), 0.1, 0.9)]
            truth, low, high = (MEDIAN * np.exp(SIGMA * law.inv_cdf(p)) for p in at)
            running = frame([0.0], [NEVER], elapsed)
            history = frame(np.zeros(size), times(draw, size), 1e6)
            row = estimate_completion(running, history=history).iloc[0]
            if row["time_source"].startswith("too few"):
                continue
            ends = [(row[name] - START).total_seconds() for name in ("eta_low", "eta_high")]
            held.append(ends[0] <= truth and not truth > ends[1])
            wide.append((np.inf if np.isnan(ends[1]) else ends[1] - ends[0]) / (high - low))
        what = f"ETA by time: coverage of the 80 % range, n = {size}"
        some = f"{len(held)} of {runs} had ten to compare"
        figures.append(gate(what, "0.80", 0.78, 0.95, float(np.mean(held)), some))
        if size >= 100:
            what = f"ETA by time: median width, n = {size}"
            figures.append(gate(what, "the ideal width", 0, 1.35, float(np.median(wide)), "–"))
    return figures


def _by_progress(runs: int) -> list[Figure]:
    figures = []
    for size in SIZES:
        draw = np.random.default_rng(SEED)
        found = pd.concat([_one_run_by_progress(draw, size) for _ in range(runs)])
        thirds = found.groupby(pd.cut(found["progress"], [0, 33, 66, 100]), observed=True)
        by_third = thirds["held"].mean().to_numpy()
        straight, width = (float(found[name].median()) for name in ("straight", "wide"))
        of_thirds = [
            f"{third['error'].median() / third['straight'].median():.2f}" for _, third in thirds
        ]
        figures += [
            gate(
                f"ETA by progress: coverage of the 80 % range, n = {size}",
                "0.80", 0.77, 0.9, found["held"].mean(), f"median width {width:.0f} s",
            ),
            gate(
                f"the same, the worst third of progress, n = {size}",
                "0.80", 0.7, 1, by_third.min(), "thirds " + ", ".join(f"{c:.2f}" for c in by_third),
            ),
            gate(
                f"ETA by progress: median absolute error, n = {size}",
                "straight line", 0, 0.5, found["error"].median() / straight,
                f"line {straight:.0f} s; thirds {', '.join(of_thirds)}",
            ),
        ]  # fmt: skip
    return figures


def _one_run_by_progress(draw: np.random.Generator, size: int) -> pd.DataFrame:
    took, share = times(draw, size), draw.random(size)
    past = frame(np.zeros(size), took, 1e6).pipe(_earlier)
    looks = [_looks(past, took * share, _progress(draw, share)), _ends(past)]
    truth, share = times(draw, NEW), draw.random(NEW)
    elapsed = np.round(truth * share, 6)
    running = frame(np.zeros(NEW), NEVER, elapsed).assign(progress=_progress(draw, share))
    running["video_id"] = "new " + running["video_id"]
    made = estimate_completion(running, history=past, observations=pd.concat(looks))
    low, middle, high = (
        (made[name] - START).dt.total_seconds().to_numpy()
        for name in ("eta_low", "eta", "eta_high")
    )
    high = np.where(np.isnan(high), np.inf, high)
    return pd.DataFrame(
        {
            "progress": running["progress"],
            "held": (low <= truth) & (truth <= high),
            "error": np.abs(middle - truth),
            "straight": np.abs(elapsed / (running["progress"] / 100) - truth),
            "wide": high - low,
        }
    )[made["time_source"].str.startswith("progress of").to_numpy(dtype=bool)]


def _stuck(runs: int) -> list[Figure]:
    """Without observations: the tail alone."""
    figures = []
    for size in (50, 100, 300, 1000):
        draw, alarms, found = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            history = frame(np.zeros(size), times(draw, size), 1e6)
            # a render's whole life, as an alarm at any moment of it is one
            running = frame(np.zeros(200), NEVER, times(draw, 200))
            running.loc[0, "fetched_at"] = START + pd.Timedelta(10 * MEDIAN, "s")
            stuck = estimate_completion(running, history=history)["stuck"]
            found.append(bool(stuck[0]))
            alarms.append(stuck[1:].astype(float).mean())
        figures += _alarms_and_finds(f"tail, n = {size}", alarms, found, runs)
    return figures


def _stalled(runs: int) -> list[Figure]:
    """With looks every 15 s: an alarm at any look of a life is one; a stuck one stands still."""
    figures = []
    for size in (100, 300):
        draw, alarms, found = np.random.default_rng(SEED), [], []
        for _ in range(runs):
            past = frame(np.zeros(size), times(draw, size), 1e6).pipe(_earlier)
            looks = pd.concat([_life(draw, past), _ends(past)], ignore_index=True)
            healthy = _life(draw, frame(np.zeros(NEW), times(draw, NEW), 1e6))
            frozen = _life(draw, frame(np.zeros(1), [10 * MEDIAN], 1e6))
            frozen["progress"] = frozen["progress"].clip(upper=float(draw.integers(1, 100)))
            healthy["video_id"] = "new " + healthy["video_id"]
            lives = pd.concat([healthy, frozen.assign(video_id="x")], ignore_index=True)
            lives["fetched_at"] = lives["observed_at"]
            stuck = estimate_completion(lives, history=past, observations=looks)["stuck"]
            ever = stuck.groupby(lives["video_id"]).max()
            found.append(bool(ever["x"]))
            alarms.append(ever.drop("x").astype(float).mean())
        figures += _alarms_and_finds(f"tail and standstill, n = {size}", alarms, found, runs)
    return figures


def _alarms_and_finds(what: str, alarms: list[float], found: list[bool], runs: int) -> list[Figure]:
    missed = f"{runs - sum(found)} of {runs:,} missed"
    return [
        gate(f"stuck: false alarms in a life, {what}", "0.01", 0.005, 0.02, np.mean(alarms), "–"),
        gate(f"stuck: renders of 10 medians found, {what}", "all", 1, 1, np.mean(found), missed),
    ]


def _progress(draw: np.random.Generator, share: Any) -> Any:
    noisy = 100 * share**POWER * np.exp(NOISE * draw.standard_normal(len(share)))
    return np.floor(np.clip(noisy, 0, 99))


def _life(draw: np.random.Generator, videos: pd.DataFrame) -> pd.DataFrame:
    """All looks at renders from their start to their end, every 15 s."""
    took = (videos["updated_at"] - videos["created_at"]).dt.total_seconds().to_numpy()
    steps = np.diff(np.linspace(0, 1, 101) ** (1 / POWER)) * draw.exponential(size=(len(took), 100))
    left_at = np.cumsum(steps, axis=1) / steps.sum(axis=1, keepdims=True)
    counts = np.ceil(took / PERIOD).astype(int)
    render = np.repeat(np.arange(len(took)), counts)
    at = PERIOD * (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts))
    share = at / took[render]
    # one ascending line of all renders, each from its own number on
    steps_of_all = (left_at + np.arange(len(took))[:, None]).ravel()
    progress = np.searchsorted(steps_of_all, share + render) - 100 * render
    return _looks(videos.iloc[render], at, np.clip(progress, 0, 99))


def _looks(videos: pd.DataFrame, at: Any, progress: Any) -> pd.DataFrame:
    """Looks at renders so many seconds after their start."""
    seen = videos["created_at"] + pd.to_timedelta(np.round(at * 1e6), unit="us")
    return videos.assign(observed_at=seen, status="STARTED", progress=np.asarray(progress, float))


def _ends(videos: pd.DataFrame) -> pd.DataFrame:
    return videos.assign(observed_at=videos["updated_at"], status="COMPLETED", progress=100.0)


def _earlier(videos: pd.DataFrame) -> pd.DataFrame:
    moved = {name: videos[name] - LONG_AGO for name in ("created_at", "updated_at", "fetched_at")}
    return videos.assign(**moved)
