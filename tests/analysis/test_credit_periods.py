"""Credits over time and the split of a change, with the answers written beside them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import credit_change, credits_over_time
from hooked_analytics.analysis.credit_change import change_of_total
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
            ("a", "2024-02-03T12:00:00", None),
        )
    )  # fmt: skip
    assert list(table.columns) == [
        "period", "videos", "credits", "credits_unknown", "failed_credits",
    ]  # fmt: skip
    assert [str(day.date()) for day in table["period"]] == [
        "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03",
    ]  # fmt: skip
    assert str(table["period"].dtype) == "datetime64[us, UTC]"
    assert table["videos"].tolist() == [2, 0, 1, 2]
    assert none(table["credits"]) == [5, 0, None, 1]
    assert table["credits_unknown"].tolist() == [0, 0, 1, 1]


def test_every_group_has_every_period_and_a_missing_key_is_one():
    table = credits_over_time(
        videos(("a", "2024-01-01T10:00:00", 2), (None, "2024-01-02T10:00:00", 3)), by="type"
    )
    assert list(table.columns) == [
        "period", "type", "videos", "credits", "credits_unknown", "failed_credits",
    ]  # fmt: skip
    assert [(str(p)[:10], None if pd.isna(t) else t, c) for p, t, c in zip(
        table["period"], table["type"], table["credits"], strict=True)
    ] == [
        ("2024-01-01", "a", 2), ("2024-01-01", None, 0),
        ("2024-01-02", "a", 0), ("2024-01-02", None, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("freq", "periods", "credits"),
    [
        ("W", ["2024-01-01", "2024-01-08"], [3, 4]),
        ("W-SUN", ["2024-01-01", "2024-01-08"], [3, 4]),
        ("W-SAT", ["2023-12-31", "2024-01-07"], [1, 6]),
        ("MS", ["2024-01-01"], [7]),
        ("ME", ["2024-01-01"], [7]),
        ("QS", ["2024-01-01"], [7]),
        ("QE-JAN", ["2023-11-01"], [7]),
        ("YS-APR", ["2023-04-01"], [7]),
        ("M", ["2024-01-01"], [7]),
        ("Q", ["2024-01-01"], [7]),
        ("Y", ["2024-01-01"], [7]),
    ],
)
def test_longer_periods(freq, periods, credits):
    table = credits_over_time(
        videos(("a", "2024-01-01T00:00:00", 1), ("a", "2024-01-07T23:59:59", 2),
               ("a", "2024-01-08T00:00:00", 4)),
        freq=freq,
    )  # fmt: skip
    assert [str(day.date()) for day in table["period"]] == periods
    assert table["credits"].tolist() == credits


@pytest.mark.parametrize("freq", ["h", "W-XYZ", "WS", "D-MON", "2D", "", None, "M-JAN", "QQ"])
def test_other_frequencies_are_refused(freq):
    with pytest.raises(ValueError, match="freq is one of D, W, M, Q, Y"):
        credits_over_time(videos(), freq=freq)


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


def test_videos_without_a_date_are_last_and_not_lost():
    table = credits_over_time(videos(("a", None, 2), ("a", "2024-01-01T10:00:00", 3)))
    assert none(table["period"].isna()) == [False, True]
    assert table["credits"].tolist() == [3, 2]
    assert credits_over_time(videos(("a", None, 2)), by="type")["videos"].tolist() == [1]


def test_a_key_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="credit_change needs the column 'colour'"):
        credit_change(videos(), videos(), by="colour")


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
    plain = credit_change(spent(a=[1, 2]), spent(a=[4]))
    table = credit_change(spent(a=[1, 2, None]), spent(a=[4, None, None]))
    assert table[["volume", "mix", "rate"]].to_dict() == plain[["volume", "mix", "rate"]].to_dict()
    assert table[["unknown_before", "unknown_after"]].to_numpy().tolist() == [[1, 2]]


def test_a_group_without_any_figure_is_missing_not_zero():
    table = credit_change(spent(a=[1], b=[2]), spent(a=[None], b=[3])).set_index("type")
    assert table.loc["b", ["change", "volume", "mix", "rate"]].tolist() == [1, -1, 1, 1]
    assert none(table.loc["a", ["credits_after", "change", "volume", "mix", "rate"]]) == [None] * 5
    assert table.loc["a", "credits_before"] == 1


@pytest.mark.parametrize(("before", "after"), [([], [5]), ([5], []), ([None], [5])])
def test_against_nothing_there_is_no_split(before, after):
    table = credit_change(spent(a=before), spent(a=after))
    assert none(table[["volume", "mix", "rate"]].loc[0]) == [None] * 3
    assert none(table["change"]) == [
        None if before == [None] else sum(after) - sum(before),
    ]


def test_nothing_against_nothing_is_an_empty_table():
    assert len(credit_change(spent(), spent())) == 0


def test_the_days_of_each_period_are_from_its_first_to_its_last():
    before = videos(("a", "2024-01-31T23:00:00", 1), ("a", "2024-01-01T00:00:00", 1))
    table = credit_change(before, videos(("a", "2024-02-10T10:00:00", 1)))
    assert table[["days_before", "days_after"]].to_numpy().tolist() == [[31, 1]]
    undated = credit_change(spent(a=[1]), spent(a=[1]).drop(columns="created_at"))
    assert undated[["days_before", "days_after"]].isna().all(axis=None)


def test_the_parts_of_the_total_have_intervals_of_their_own():
    total = change_of_total(spent(a=[4] * 20), spent(a=[9] * 20), by="type").round()
    assert total.to_dict("records") == [
        {"volume": 0, "volume_low": -48, "volume_high": 48, "mix": 0, "mix_low": 0, "mix_high": 0,
         "rate": 100, "rate_low": 60, "rate_high": 146},
    ]  # fmt: skip


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


periods = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.integers(0, 400).map(lambda n: n / 4), min_size=1, max_size=6),
    min_size=1,
)


@settings(max_examples=40)
@given(periods, periods)
def test_the_parts_add_up_in_every_row_and_equal_exact_fractions(before, after):
    table = credit_change(spent(**before), spent(**after))
    parts = table["volume"] + table["mix"] + table["rate"]
    assert (parts - table["change"]).abs().max() <= 1e-9
    size = [Fraction(sum(map(len, period.values()))) for period in (before, after)]
    overall = sum(map(Fraction, sum(before.values(), []))) / size[0]  # noqa: RUF017
    assert table["volume"].sum() == pytest.approx(float((size[1] - size[0]) * overall), abs=1e-9)
    total = [sum(map(Fraction, sum(period.values(), []))) for period in (before, after)]  # noqa: RUF017
    assert Fraction(table["change"].sum()) == total[1] - total[0]
