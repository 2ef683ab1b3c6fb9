"""Unusual days and slower renders: literal lists with what must be said beside them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from hooked_analytics import render_drift, spend_anomalies

WEEK = np.array([12.0, 11, 12, 13, 12, 5, 3])


def days(credits: list[float | None], **same: object) -> pd.DataFrame:
    """One video a day from Monday, 1 January 2024."""
    created = pd.date_range("2024-01-01T12:00Z", periods=len(credits), unit="us")
    return pd.DataFrame({"created_at": created, "used_credits": credits} | same)


def regular(weeks: int, seed: int = 0) -> list[float]:
    draw = np.random.default_rng(seed)
    return (np.tile(WEEK, weeks) * draw.lognormal(0, 0.1, 7 * weeks)).tolist()


@pytest.mark.parametrize("weekday", range(7))
def test_a_threefold_day_is_found_and_compared_with_its_weekday(weekday):
    credits = regular(10 if weekday % 2 else 30)
    credits[-7 + weekday] = 3 * WEEK[weekday]
    found = spend_anomalies(days(credits))
    row = found[found["period"].dt.day_of_week == weekday].iloc[0]
    assert row["credits"] == 3 * WEEK[weekday]
    assert row["usual"] == pytest.approx(WEEK[weekday], rel=0.15)
    assert row["ratio"] == pytest.approx(row["credits"] / row["usual"])
    assert row["p_value"] <= 1 / 91
    assert list(found.columns) == ["period", "credits", "usual", "ratio", "p_value"]


def test_alarms_are_rare():
    alarms = [len(spend_anomalies(days(regular(50, seed)))) for seed in range(5)]
    assert np.mean(alarms) / 3.5 <= 2


def test_the_rank_among_ninety_days():
    credits = [10.0 + n % 2 for n in range(200)]
    (found,) = spend_anomalies(days([*credits, 30.0])).itertuples()
    assert str(found.period) == "2024-07-19 00:00:00+00:00"
    assert found.p_value == pytest.approx(1 / 91)
    # a second such day is no longer above all of them
    assert len(spend_anomalies(days([*credits, 30.0, 30.0]))) == 1


@pytest.mark.parametrize(
    "credits",
    [[], [5.0], [None] * 100, [0.0] * 100, [10.0] * 100 + [11.0], regular(6),
     [-5.0] * 90 + [1e9] * 10, [*regular(10)[:-1], None]],
)  # fmt: skip
def test_too_little_flat_or_unknown_is_no_alarm_or_a_finite_one(credits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = spend_anomalies(days(credits))
    assert len(found) <= 2
    assert not np.isinf(found[["usual", "ratio", "p_value"]]).any(axis=None)


def test_a_group_has_its_own_history():
    spiked = [*regular(20)[:-1], 40.0]
    frame = pd.concat([days(regular(20), type="calm"), days(spiked, type=None)])
    found = spend_anomalies(frame, by="type").head(1)
    assert found["type"].isna().tolist() == [True]
    assert found["credits"].tolist() == [40.0]


@pytest.mark.parametrize("before", [[], [9.0] * 60 + [0.0] * 28, [9.0] + [0.0] * 300])
def test_a_group_that_begins_is_not_unusual_nor_one_that_comes_back(before):
    week = WEEK.tolist()
    frame = pd.concat(
        [days(week * 60, type="old"), days([0.0] * 70 + before + week * 20, type="new")]
    )
    assert spend_anomalies(frame, by="type").empty


def test_a_costly_day_of_a_list_of_few_videos_is_found():
    weeks = [0.0, 8, 4, 2, 5, 0, 0, 8, 0, 2, 0, 8, 2, 0, 4, 5, 0, 8, 2, 0, 0]
    assert spend_anomalies(days([*weeks * 6, 32.0]))["credits"].tolist() == [32.0]


def test_weeks_are_compared_with_weeks():
    weekly = [70.0 + n % 3 for n in range(40)]
    frame = days([each / 7 for each in [*weekly, 200] for _ in range(7)])
    assert spend_anomalies(frame, freq="W")["credits"].round(6).tolist() == [200.0]


def renders(before: float, now: float, per_day: int = 4, status: str = "COMPLETED") -> pd.DataFrame:
    """Renders of 35 days that take so many seconds, give or take."""
    created = pd.date_range("2024-01-01T12:00Z", periods=35, unit="us").repeat(per_day)
    took = np.where(np.arange(len(created)) < 28 * per_day, before, now)
    took = took * np.random.default_rng(0).lognormal(0, 0.5, len(created))
    return pd.DataFrame(
        {
            "type": "class", "status": status, "created_at": created,
            "updated_at": created + pd.to_timedelta(took, unit="s"),
            "fetched_at": created.max() + pd.Timedelta(1, "h"),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "drifting"), [(100, 100, False), (100, 180, True), (180, 100, False)]
)
def test_slower_renders_drift_and_faster_ones_do_not(before, now, drifting):
    (found,) = render_drift(renders(before, now)).to_dict("records")
    assert (found["videos_before"], found["videos_now"]) == (112, 28)
    assert found["median_before"] == pytest.approx(before, rel=0.2)
    assert found["median_now"] == pytest.approx(now, rel=0.2)
    assert found["drifting"] == drifting
    assert (found["p_value"] < 0.005) == (before != now)


@pytest.mark.parametrize("frame", [renders(9, 9).iloc[:0], renders(9, 9, per_day=1)])
def test_too_few_renders_are_not_judged(frame):
    found = render_drift(frame)
    assert len(found) == (len(frame) > 0)
    assert found["drifting"].isna().all()
    assert found["drifting"].dtype == "boolean"


def test_groups_are_judged_apart_and_the_clearest_comes_first():
    frame = pd.concat([renders(100, 100), renders(100, 250).assign(type="ugc")])
    found = render_drift(frame)
    assert found["type"].tolist() == ["ugc", "class"]
    assert found["drifting"].tolist() == [True, False]
