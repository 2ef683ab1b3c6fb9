"""
Forecasts and alarms on public daily series: errors of totals, coverage, unusual days.

Errors are |forecast - truth| over the mean error of "same weekday last week" in the history times
the root of the days ahead. The factors of the range were fitted on other series.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invented import gate
from benchmarks.public_series import REGULAR, public_series
from hooked_analytics import forecast_credits, spend_anomalies

HISTORIES, AHEAD, ORIGINS = (35, 90, 270), (7, 14, 28), 40
ETS_EVERY = 5  # origins; a fit takes a third of a second


def bench_forecast(rounds: int = 5) -> list[Figure]:
    """Figures on every series, and the seconds of a forecast, *rounds* times."""
    series = public_series()
    made = pd.DataFrame(_forecasts(series))
    errors = made[["ours", "weekdays", "ets"]].div(made["scale"], axis=0)
    error, beside = errors.mean(), errors.dropna().mean()
    figures = [
        _ratio("the mean of the last four same weekdays", 0.97, error["ours"], error["weekdays"])
    ]
    if made["ets"].notna().any():
        figures.append(_ratio("statsforecast's AutoETS", 1.00, beside["ours"], beside["ets"]))
    for (history, ahead), cell in made.groupby(["history", "ahead"]):
        what = f"coverage of the 80 % range of {ahead} days from {history} days of history"
        figures.append(gate(what, "0.80", 0.74, 0.88, float(cell["held"].mean()), f"{len(cell)}"))
    return [*figures, _unknown(series), *_alarms(series), _speed(series, rounds)]


def _ratio(against: str, most: float, ours: float, theirs: float) -> Figure:
    what = f"forecast, error of totals on public series, against {against}"
    ratio = ours / theirs
    return Figure(
        what, against, f"≤ {most:g} ×", f"{ours:.2f}", f"{theirs:.2f}", f"{ratio:.2f}",
        bool(ratio <= most),
    )  # fmt: skip


def _forecasts(series: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, days in series.items():
        for history in HISTORIES:
            for ahead in AHEAD:
                ends = np.linspace(history, len(days) - ahead, ORIGINS).round().astype(int)
                for n, end in enumerate(np.unique(ends[ends >= history])):
                    past, coming = days.iloc[end - history : end], days.iloc[end : end + ahead]
                    if not past.any():  # 35 days without rain are refused
                        continue
                    forecast = forecast_credits(videos_of(past), horizon_days=ahead)
                    truth = float(coming.sum())
                    # a past of equal weeks gives no scale
                    scale = (past.diff(7).abs().mean() or np.nan) * np.sqrt(ahead)
                    yield {
                        "name": name, "history": history, "ahead": ahead, "scale": scale,
                        "ours": abs(forecast.total - truth),
                        "weekdays": abs(_weekdays(past, ahead) - truth),
                        "ets": np.nan if n % ETS_EVERY else abs(_ets(past, ahead) - truth),
                        "held": forecast.total_low <= truth <= forecast.total_high,
                    }  # fmt: skip


def videos_of(days: pd.Series) -> pd.DataFrame:
    """A video a day that cost what the day did, observed the day after."""
    created = (days.index + pd.Timedelta(12, "h")).tz_localize("UTC").as_unit("us")
    seen = created[-1] + pd.Timedelta(1, "D")
    return pd.DataFrame(
        {"created_at": created, "fetched_at": seen, "used_credits": days.to_numpy()}
    )


def _weekdays(past: pd.Series, ahead: int) -> float:
    return float(np.resize(past.to_numpy()[-28:].reshape(4, 7).mean(axis=0), ahead).sum())


def _ets(past: pd.Series, ahead: int) -> float:
    try:
        from statsforecast.models import AutoETS
    except ImportError:
        return np.nan
    model = AutoETS(season_length=7)
    return float(np.maximum(model.forecast(past.to_numpy(), ahead)["mean"], 0).sum())


def _unknown(series: dict[str, Any], draws: int = 3) -> Figure:
    """
    As many videos a day as the series says, twelve on average; credits of some left out at random.

    Above a quarter there is no forecast; what it would say at 30 % shows that the refusal is
    caution: in life credits are seldom unknown at random.
    """
    off = []
    for seed, name in product(range(draws), REGULAR):
        draw = np.random.default_rng(seed)
        days = series[name].iloc[-91:]
        each = videos_of(days)
        videos = each.loc[each.index.repeat((days / days.mean() * 12).round().astype(int))]
        videos = videos.assign(type=draw.choice(["class", "ugc", "scenes"], len(videos)))
        dearness = videos["type"].map({"class": 4.0, "ugc": 12.0, "scenes": 2.0})
        videos["used_credits"] = dearness * np.exp(draw.normal(0, 0.4, len(videos)))
        whole = forecast_credits(videos, horizon_days=28).total
        credits = videos["used_credits"].mask(draw.random(len(videos)) < 0.3)
        with patch("hooked_analytics.analysis.forecast.MAX_FILLED_SHARE", 0.5):
            filled = forecast_credits(videos.assign(used_credits=credits), horizon_days=28)
        off.append(filled.total / whole - 1)
    what = "forecast, 30 % of the credits unknown, its refusal lifted: largest error of the total"
    told = f"{len(off)} forecasts, mean {np.mean(off):+.1%}"
    return gate(what, "0", -0.05, 0.05, max(off, key=abs), told)


def _alarms(series: dict[str, Any]) -> list[Figure]:
    alarms, found, tried = [], 0, 0
    for name, days in series.items():
        judged = max(len(days) - 56, 1)
        alarms.append(100 * len(spend_anomalies(videos_of(days))) / judged)
        if name in REGULAR:
            for at in range(150, len(days), 31):
                spiked = days.iloc[: at + 1].copy()
                spiked.iloc[at] = 3 * days.iloc[[at - 7 * n for n in range(1, 9)]].median()
                last = spend_anomalies(videos_of(spiked))["period"].head(1)
                found += bool(last.dt.date.eq(spiked.index[-1].date()).any())
                tried += 1
    return [
        gate("unusual days: alarms per 100 days, mean over the series", "1", 0, 2,
             float(np.mean(alarms)), f"up to {max(alarms):.1f}"),
        gate("threefold days found on timetables", "all", 1, 1, found / tried, f"{tried} tried"),
    ]  # fmt: skip


def _speed(series: dict[str, Any], rounds: int) -> Figure:
    year, seconds = videos_of(series["rain in Seattle"].iloc[:365]), []
    for _ in range(max(rounds, 5)):
        start = time.perf_counter()
        forecast_credits(year)
        seconds.append(time.perf_counter() - start)
    middle = float(np.median(seconds))
    return gate("`forecast_credits`, 365 days [s]", "0.05 s", 0, 0.05, middle, "–")
