"""
How right the time left and the stuck renders are, under ten laws of render time.

Renders come in batches over thirty days; the next batch follows the same law. Progress is the
share of the time since a machine began, to the power of 0.6, with a pause of its own for each per
cent. Ranges shown must hold, or not be shown; the other side of an estimate is plain pace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invented import MEDIAN, SIGMA, START, gate
from hooked_analytics import estimate_completion
from hooked_analytics.analysis import batch_time_left
from hooked_analytics.analysis.past_renders import stalls, stands_still

SEED = 2026  # the rules were chosen on another one
DAYS, PAST = 30, 200
PERIOD, COARSE = 15.0, 6
POWER = 0.6
Floats = Any


class Law(NamedTuple):
    """Times to the end and waits before a machine begins [s], of a batch of so many on a day."""

    name: str
    draw: Callable[[np.random.Generator, int, float, bool], tuple[Floats, Floats]]
    sizes: tuple[int, int] = (5, 16)
    next_size: int | None = None
    peak: bool | None = None  # whether the next batch is created at a busy hour


def _lognormal(draw: Any, size: int, _day: float, _peak: bool) -> tuple[Floats, Floats]:
    return MEDIAN * np.exp(SIGMA * draw.standard_normal(size)), np.zeros(size)


def _bimodal(draw: Any, size: int, _day: float, _peak: bool) -> tuple[Floats, Floats]:
    middle = np.where(draw.random(size) < 0.6, 60.0, 600.0)
    return middle * np.exp(0.2 * draw.standard_normal(size)), np.zeros(size)


def _pareto(draw: Any, size: int, _day: float, _peak: bool) -> tuple[Floats, Floats]:
    return 110.0 * (1 + draw.pareto(1.5, size)), np.zeros(size)


def _drifting(rate: float) -> Callable[..., tuple[Floats, Floats]]:
    def times(draw: Any, size: int, day: float, peak: bool) -> tuple[Floats, Floats]:
        took, wait = _lognormal(draw, size, day, peak)
        return took * rate**day, wait

    return times


def _busy(draw: Any, size: int, day: float, peak: bool) -> tuple[Floats, Floats]:
    took, wait = _lognormal(draw, size, day, peak)
    wait = wait + peak * draw.uniform(0, 1200, size)
    return took + wait, wait


def _shared(draw: Any, size: int, day: float, peak: bool) -> tuple[Floats, Floats]:
    took, wait = _lognormal(draw, size, day, peak)
    return took * np.exp(0.5 * draw.standard_normal()), wait


def _machines(draw: Any, size: int, day: float, peak: bool) -> tuple[Floats, Floats]:
    took, _ = _lognormal(draw, size, day, peak)
    free, wait = np.zeros(3), np.zeros(size)
    for n in range(size):
        machine = int(free.argmin())
        wait[n] = free[machine]
        free[machine] += took[n]
    return wait + took, wait


LAWS = (
    Law("lognormal", _lognormal),
    Law("bimodal", _bimodal),
    Law("Pareto 1.5", _pareto),
    Law("slowing 3 % a day", _drifting(1.03)),
    Law("speeding up 3 % a day", _drifting(0.97)),
    Law("queue at peak hours, at peak", _busy, peak=True),
    Law("queue at peak hours, off peak", _busy, peak=False),
    Law("one factor shared by a batch", _shared),
    Law("three machines, mixed sizes", _machines, (3, 31)),
    Law("three machines, 100 after small batches", _machines, (3, 9), 100),
)


class Batch(NamedTuple):
    """Renders of one batch: created [s], total time and wait [s], and the paths of progress."""

    created: Floats
    took: Floats
    wait: Floats
    left_at: Floats  # share of the time after the wait at which each per cent is left

    def progress(self, seconds: Floats) -> Floats:
        """Whole per cent after so many seconds of each render."""
        share = (seconds - self.wait) / (self.took - self.wait)
        counted = (self.left_at <= share[:, None]).sum(axis=1)
        return np.minimum(counted, 99)


def _batch(draw: Any, law: Law, day: float, *, new: bool = False) -> Batch:
    size = law.next_size if new and law.next_size else int(draw.integers(*law.sizes))
    peak = bool(draw.random() < 0.35) if law.peak is None or not new else law.peak
    took, wait = law.draw(draw, size, day, peak)
    created = day * 86_400 + (9 if peak else 18) * 3600 + np.sort(draw.uniform(0, 60, size))
    steps = np.diff(np.linspace(0, 1, 101) ** (1 / POWER)) * draw.exponential(size=(size, 100))
    return Batch(created, took, wait, np.cumsum(steps, axis=1) / steps.sum(axis=1, keepdims=True))


def _past(draw: Any, law: Law) -> list[Batch]:
    batches: list[Batch] = []
    while sum(len(b.took) for b in batches) < PAST:
        batches.append(_batch(draw, law, draw.integers(0, DAYS)))
    return batches


def _joined(batches: list[Batch]) -> Batch:
    """Renders of several batches, in the order of their creation."""
    each = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    order = np.argsort(each[0], kind="stable")
    return Batch(*(part[order] for part in each))


def _at(seconds: Floats) -> Any:
    microseconds = np.round(np.asarray(seconds, float) * 1e6).astype("timedelta64[us]")
    return pd.DatetimeIndex(START.tz_localize(None).to_datetime64() + microseconds, tz="UTC")


def _frame(batch: Batch, now: float, name: str) -> pd.DataFrame:
    """The videos of a batch as they are seen so many seconds after its first was created."""
    seen = batch.created[0] + now
    over = batch.created + batch.took <= seen
    return pd.DataFrame(
        {
            "video_id": [f"{name}_{n}" for n in range(len(over))],
            "type": "class",
            "status": np.where(over, "COMPLETED", "STARTED"),
            "progress": np.where(over, 100.0, batch.progress(seen - batch.created)),
            "created_at": _at(batch.created),
            "updated_at": _at(np.minimum(batch.created + batch.took, seen)),
            "fetched_at": _at(np.full(len(over), seen)),
        }
    )


def bench_time_left(runs: int = 60) -> list[Figure]:
    """Four figures a law by time, and two by what an archive observed, *runs* batches each."""
    figures = [figure for law in LAWS for figure in _by_time(law, runs)]
    return figures + [figure for law in LAWS for figure in _by_archive(law, runs)]


def _by_time(law: Law, runs: int) -> list[Figure]:
    draw = np.random.default_rng(SEED)
    tally: dict[str, list[Any]] = {"batch": [], "render": [], "ours": [], "plain": [], "stuck": []}
    for _ in range(runs):
        history = _frame(_joined(_past(draw, law)), 1e7, "past")
        new = _batch(draw, law, DAYS, new=True)
        _count_batch(tally, draw, new, history)
        _count_renders(tally, draw, new, history)
    shown = f"shown {len(tally['batch'])} of {3 * runs}"
    error = float(np.mean(tally["ours"]) / np.mean(tally["plain"]))
    seconds = f"{np.mean(tally['plain']):.0f} s"
    alarms = float(np.mean(tally["stuck"]))
    return [
        _holds(f"{law.name}: ranges of a batch that held", tally["batch"], shown),
        gate(f"{law.name}: mean error halfway", "plain pace", 0, 1.3, error, seconds),
        _holds(f"{law.name}: ranges of one render that held", tally["render"], "one moment each"),
        gate(f"{law.name}: healthy renders ever called stuck", "0", 0, 0.02, alarms, "by time"),
    ]


def _count_batch(tally: dict[str, list[Any]], draw: Any, new: Batch, history: pd.DataFrame) -> None:
    """A quarter, half and three quarters finished, at a moment between two ends."""
    ends = np.sort(new.created - new.created[0] + new.took)
    for share in (0.25, 0.5, 0.75):
        finished = min(max(round(share * len(ends)), 1), len(ends) - 1)
        now = draw.uniform(ends[finished - 1], ends[finished])
        truth = ends[-1] - now
        left = batch_time_left(_frame(new, now, "new"), history=history)
        assert left is not None
        if not np.isnan(left.low_seconds):
            tally["batch"].append(left.low_seconds <= truth <= left.high_seconds)
        if share == 0.5:
            plain = now * (len(ends) - finished) / finished
            tally["ours"].append(abs(left.seconds - truth))
            tally["plain"].append(abs(plain - truth))


def _count_renders(
    tally: dict[str, list[Any]], draw: Any, new: Batch, history: pd.DataFrame
) -> None:
    """Ranges at one moment; alarms just before ends, when a render has run for longest."""
    ends = np.sort(new.created - new.created[0] + new.took)
    made = estimate_completion(_frame(new, draw.uniform(0, ends[-1]), "new"), history=history)
    truth = _at(new.created + new.took)[_number(made)]
    held = (made["eta_low"] <= truth) & ~(made["eta_high"] < truth)
    tally["render"] += held[made["eta"].notna()].tolist()
    called: set[int] = set()
    for now in ends[:: max(1, len(ends) // 8)] - 0.5:
        made = estimate_completion(_frame(new, now, "new"), history=history)
        called |= set(_number(made[made["stuck"].fillna(False).astype(bool)]))
    tally["stuck"].append(len(called) / len(ends))


def _number(made: pd.DataFrame) -> list[int]:
    return made["video_id"].str.removeprefix("new_").astype(int).tolist()


def _by_archive(law: Law, runs: int) -> list[Figure]:
    """
    Standing still, at every observation of a life; a stopped render stands for three medians.

    The past was observed as often as now, or six times less often.
    """
    figures = []
    for coarser in (1, COARSE):
        draw = np.random.default_rng(SEED)
        alarms, found = [], []
        for _ in range(max(runs // 4, 1)):
            past = stalls(_observed(_past(draw, law), PERIOD * coarser))
            new = _batch(draw, law, DAYS, new=True)
            now = stalls(_observed([new], PERIOD))
            still = pd.Series(stands_still(now, past) == 1, now.index)
            alarms.append(still.groupby(now["video"]).any().mean())
            moved = now[now["progress"] > 0]
            stopped = moved.groupby("video").sample(1, random_state=draw)  # a moment of each
            stood = 3 * np.median(new.took) - PERIOD
            found += (stands_still(stopped.assign(at_least=stood), past) == 1).tolist()
        spacing = f"past observed every {PERIOD * coarser:g} s"
        what = f"{law.name}: healthy renders ever called stuck, {spacing}"
        figures.append(gate(what, "0", 0, 0.02, float(np.mean(alarms)), "by progress"))
        if coarser == 1:
            what = f"{law.name}: stopped renders called so within three medians"
            told = f"{len(found)} stopped, {spacing}"
            figures.append(gate(what, "all", 0.9, 1, float(np.mean(found)), told))
    return figures


def _observed(batches: list[Batch], period: float) -> pd.DataFrame:
    """Every observation of each render to the first of its end, as `read_progress` orders them."""
    lives = []
    for batch in batches:
        for n, (took, wait) in enumerate(zip(batch.took, batch.wait, strict=True)):
            at = np.arange(period - (batch.created[n] - batch.created[0]) % period, took, period)
            share = (at - wait) / (took - wait)
            progress = np.minimum((batch.left_at[n] <= share[:, None]).sum(axis=1), 99)
            lives.append(
                {
                    "video": len(lives),
                    "seconds": np.r_[at, took + period / 2],
                    "progress": np.r_[progress, np.inf],
                    "total": took,
                }
            )
    seen = pd.concat([pd.DataFrame(life) for life in lives], ignore_index=True)
    return seen.assign(row=np.arange(len(seen)), over=np.isinf(seen["progress"]))


def _holds(what: str, held: list[bool], shown: str) -> Figure:
    share = float(np.mean(held)) if held else np.nan
    text = f"{share:.3g}" if held else "not shown"
    met = not held or bool(0.7 <= share <= 0.92)
    return Figure(what, "0.80", "0.7 to 0.92 or not shown", text, shown, "–", met)
