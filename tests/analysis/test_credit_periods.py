"""Credits over time and the split of a change, with the answers written beside them."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import credit_change, credits_over_time
from tests.analysis.rows import listed, none


def videos(*rows: tuple[str | None, str | None, float | None]) -> pd.DataFrame:
    """Rows of (type, created at, credits)."""
    dated = [(t, at and f"{at}Z", c) for t, at, c in rows]
    return listed("type createdAt usedCredits", dated)


def test_days_without_videos_are_zero_and_days_without_figures_are_missing():
    table = credits_over_time(
        videos(
            ("a", "2024-01-31T23:59:59", 2), ("b", "2024-01-31T00:00:00", 3),
            ("a", "2024-02-02T12:00:00", None), ("a", "2024-02-03T12:00:00", 1),
            ("a", "2024-02-03T12:00:00", None), ("a", None, 7),
        )
    )  # fmt: skip
    assert list(table.columns) == [
        "period", "videos", "credits", "credits_unknown", "failed_credits",
    ]  # fmt: skip
    assert [str(day)[:10] for day in table["period"]] == [
        "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03", "NaT",
    ]  # fmt: skip
    assert str(table["period"].dtype) == "datetime64[us, UTC]"
    assert table["videos"].tolist() == [2, 0, 1, 2, 1]
    assert none(table["credits"]) == [5, 0, None, 1, 7]
    assert table["credits_unknown"].tolist() == [0, 0, 1, 1, 0]


def test_every_group_has_every_period_and_a_missing_key_is_one():
    rows = videos(("a", "2024-01-01T10:00:00", 2), (None, "2024-01-02T10:00:00", 3))
    table = credits_over_time(rows, by="type").assign(period=lambda t: t["period"].dt.day)
    assert list(table.columns[:2]) == ["period", "type"]
    assert [none(row) for row in table[["period", "type", "credits"]].to_numpy()] == [
        [1, "a", 2], [1, None, 0], [2, "a", 0], [2, None, 3],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("freq", "periods", "credits"),
    [
        ("W", ["2024-01-01", "2024-01-08"], [3, 4]),
        ("W-SUN", ["2024-01-01", "2024-01-08"], [3, 4]),
        ("W-SAT", ["2023-12-31", "2024-01-07"], [1, 6]),
        *((freq, ["2024-01-01"], [7]) for freq in ("MS", "ME", "QS", "M", "Q", "Y")),
        ("QE-JAN", ["2023-11-01"], [7]),
        ("YS-APR", ["2023-04-01"], [7]),
    ],
)
def test_longer_periods(freq, periods, credits):
    dated = zip(("01T00:00:00", "07T23:59:59", "08T00:00:00"), (1, 2, 4), strict=True)
    table = credits_over_time(videos(*(("a", f"2024-01-{t}", c) for t, c in dated)), freq=freq)
    assert [str(day.date()) for day in table["period"]] == periods
    assert table["credits"].tolist() == credits


def test_credits_of_failed_videos_stand_beside():
    rows = videos(("a", "2024-01-01T10:00:00", 2), ("a", "2024-01-01T11:00:00", 3),
                  ("a", "2024-01-02T10:00:00", None), ("a", "2024-01-03T10:00:00", 1))  # fmt: skip
    rows["status"] = ["FAILED", "COMPLETED", "FAILED", "COMPLETED"]
    assert none(credits_over_time(rows)["failed_credits"]) == [2, None, 0]
    assert credits_over_time(rows.drop(columns="status"))["failed_credits"].isna().all()


def test_days_of_a_zone_that_changes_its_clock():
    """Cairo skips the midnight of 26 April 2024, Santiago has that of 7 April 2024 once more."""
    rows = videos(("a", "2024-04-25T20:00:00", 1), ("a", "2024-04-26T10:00:00", 2))
    cairo = credits_over_time(rows, timezone="Africa/Cairo")
    assert cairo["credits"].tolist() == [1, 2]
    assert [str(p) for p in cairo["period"]] == [
        "2024-04-25 00:00:00+02:00", "2024-04-26 01:00:00+03:00",
    ]  # fmt: skip
    rows = videos(("a", "2024-04-07T02:30:00", 1), ("a", "2024-04-07T04:30:00", 2))
    assert credits_over_time(rows, timezone="America/Santiago")["credits"].tolist() == [1, 2]


def spent(**types: list[float | None]) -> pd.DataFrame:
    return videos(*[(name, None, c) for name, credits in types.items() for c in credits])


def test_the_change_of_the_specification_800_to_1620():
    before = spent(cheap=[2] * 100, dear=[20] * 30)
    after = spent(cheap=[2] * 90, dear=[20] * 54 + [30] * 12)
    table = credit_change(before, after)
    assert list(table.columns) == [
        "type", "credits_before", "credits_after", "change", "volume", "mix", "rate",
        "unknown_before", "unknown_after", "days_before", "days_after", "volume_low",
        "volume_high", "mix_low", "mix_high", "rate_low", "rate_high",
    ]  # fmt: skip
    assert table[["credits_before", "credits_after"]].sum().tolist() == [800, 1620]
    assert table[["volume", "mix", "rate"]].sum().round(9).tolist() == [160, 540, 120]


def test_a_new_type_and_one_that_ended_are_mix():
    table = credit_change(spent(old=[4, 4], both=[1]), spent(new=[3], both=[1]))
    parts = table.set_index("type")[["change", "volume", "mix", "rate"]]
    assert {row.Index: pytest.approx(row[1:]) for row in parts.itertuples()} == {
        "old": (-8, -8 / 3, -16 / 3, 0),
        "new": (3, 0, 3, 0),
        "both": (0, -1 / 3, 1 / 3, 0),
    }


def test_videos_without_a_figure_are_in_neither_period_and_counted():
    known = credit_change(spent(a=[1, 2]), spent(a=[4]))[["volume", "mix", "rate"]]
    table = credit_change(spent(a=[1, 2, None]), spent(a=[4, None, None]))
    pd.testing.assert_frame_equal(table[["volume", "mix", "rate"]], known)
    assert table[["unknown_before", "unknown_after"]].to_numpy().tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("before", "after", "change"), [([], [5], 5), ([5], [], -5), ([None], [5], None)]
)
def test_against_nothing_there_is_no_split(before, after, change):
    table = credit_change(spent(a=before), spent(a=after))
    assert none(table.loc[0, ["volume", "mix", "rate", "change"]]) == [None] * 3 + [change]
    assert len(credit_change(spent(), spent())) == 0


def test_a_group_without_any_figure_is_missing_not_zero():
    table = credit_change(spent(a=[1], b=[2]), spent(a=[None], b=[3])).set_index("type")
    names = ["credits_before", "credits_after", "change", "volume", "mix", "rate"]
    assert none(table.loc["a", names]) == [1] + [None] * 5
    assert table.loc["b", names].tolist() == [2, 3, 1, -1, 1, 1]


def test_the_days_of_each_period_are_from_its_first_to_its_last():
    before = videos(("a", "2024-01-31T23:00:00", 1), ("a", "2024-01-01T00:00:00", 1))
    table = credit_change(before, videos(("a", "2024-02-10T10:00:00", 1)))
    assert table[["days_before", "days_after"]].to_numpy().tolist() == [[31, 1]]
    undated = credit_change(spent(a=[1]), spent(a=[1]).drop(columns="created_at"))
    assert undated[["days_before", "days_after"]].isna().all(axis=None)


def test_an_interval_leaves_zero_out_where_a_part_is_more_than_chance():
    draw = np.random.default_rng(0)
    prices = [draw.lognormal(1, 0.5, 60).tolist() for _ in range(4)]
    same = credit_change(spent(a=prices[0], b=prices[1]), spent(a=prices[2], b=prices[3]))
    dearer = credit_change(
        spent(a=prices[0], b=prices[1]), spent(a=[2 * c for c in prices[2]], b=prices[3] * 3)
    )
    for part in ("volume", "mix", "rate"):
        for table in (same, dearer):
            assert (table[f"{part}_low"] < table[part]).all()
            assert (table[part] < table[f"{part}_high"]).all()
        assert ((same[f"{part}_low"] < 0) & (same[f"{part}_high"] > 0)).all()
    dearer = dearer.set_index("type")
    assert dearer["rate_low"]["a"] > 0 > dearer["rate_low"]["b"]
    assert (dearer["volume_low"] > 0).all()
    assert dearer["mix_high"]["a"] < 0 < dearer["mix_low"]["b"]


credits = st.lists(st.integers(0, 400).map(lambda n: n / 4), min_size=1, max_size=6)
periods = st.dictionaries(st.sampled_from(["a", "b", "c"]), credits, min_size=1)


@settings(max_examples=20)
@given(periods, periods)
def test_the_parts_add_up_in_every_row_and_equal_exact_fractions(before, after):
    table = credit_change(spent(**before), spent(**after))
    parts = table["volume"] + table["mix"] + table["rate"]
    assert (parts - table["change"]).abs().max() <= 1e-9
    old, new = ([Fraction(c) for c in chain(*period.values())] for period in (before, after))
    volume = (len(new) - len(old)) * sum(old) / len(old)
    assert table["volume"].sum() == pytest.approx(float(volume), abs=1e-9)
    assert Fraction(table["change"].sum()) == sum(new) - sum(old)
