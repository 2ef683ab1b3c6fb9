"""Credits far from what a type costs: small lists worked out by hand."""

from __future__ import annotations

from math import expm1

import pandas as pd
import pytest

from hooked_analytics import credit_outliers, videos_from_records

# log(1 + credits) is 1, 2 and 3, seven of each: median 2, a third at 0 and the rest 1 away
EVEN = [expm1(level) for level in (1, 2, 3)] * 7


def videos(credits: list[float | None], kind: str | None = "class", **same: object) -> pd.DataFrame:
    return videos_from_records(
        [
            {"id": f"{kind}_{n}", "type": kind, "status": "COMPLETED", "usedCredits": c, **same}
            for n, c in enumerate(credits)
        ]
    )


def test_the_distance_is_in_median_absolute_deviations():
    """With 8 on top the median is still 2 and half are within 1: z = 0.6745 · 6."""
    found = credit_outliers(videos([*EVEN, expm1(8)], name="<b>"))
    assert found["video_id"].tolist() == ["class_21"]
    assert found["robust_z"].tolist() == [pytest.approx(0.6744897501960817 * 6)]
    assert found["median_credits"].tolist() == [pytest.approx(expm1(2))]
    assert list(found.columns) == [
        "video_id", "name", "type", "used_credits", "median_credits", "robust_z",
    ]  # fmt: skip


@pytest.mark.parametrize(("level", "count"), [(2 + 3.5 / 0.6745 - 0.01, 0), (7.2, 1), (0, 0)])
def test_three_and_a_half_is_the_limit(level, count):
    assert len(credit_outliers(videos([*EVEN, expm1(level)]))) == count


def test_far_too_cheap_is_an_outlier_too():
    found = credit_outliers(videos([c * 1000 + 999 for c in EVEN] + [0.0, 1e9]))
    assert found["video_id"].tolist() == ["class_22", "class_21"]
    assert (found["robust_z"] < 0).tolist() == [False, True]


def test_twenty_are_the_fewest_compared():
    row = [1e6]
    assert len(credit_outliers(videos(EVEN[:18] + row))) == 0
    assert len(credit_outliers(videos(EVEN[:19] + row))) == 1
    assert len(credit_outliers(videos(EVEN[:18] + row + [None] * 9))) == 0


def test_where_half_cost_the_same_nothing_is_far():
    assert len(credit_outliers(videos([5.0] * 30 + [6.0] * 20 + [1e6]))) == 0


def test_whatever_differs_from_a_flat_price_is_far():
    found = credit_outliers(videos([5.0] * 30 + [500.0, 4.0]))
    assert sorted(found["used_credits"]) == [4, 500]
    assert found["robust_z"].isna().all()


def test_a_long_video_that_costs_the_usual_per_minute_is_no_outlier():
    frame = videos([4.0, 5.0, 6.0] * 10 + [50.0, 50.0])
    frame["duration_seconds"] = [60.0] * 30 + [600.0, 60.0]
    assert credit_outliers(frame)["video_id"].tolist() == ["class_31"]


def test_each_type_is_compared_with_itself_and_a_missing_one_too():
    frame = pd.concat([videos([*EVEN, expm1(8)]), videos([*EVEN, expm1(9)], None)])
    found = credit_outliers(frame)
    assert found["video_id"].tolist() == ["None_21", "class_21"]
    assert found["type"].isna().tolist() == [True, False]


@pytest.mark.parametrize("status", ["FAILED", "STARTED", None, "QUEUED"])
def test_only_finished_videos_are_compared(status):
    odd = videos([1e6], "odd", status=status).assign(type="class")
    assert len(credit_outliers(pd.concat([videos(EVEN), odd]))) == 0


@pytest.mark.parametrize("frame", [videos([]), videos([None] * 30), videos([5.0])])
def test_no_outlier_is_an_empty_table_with_its_dtypes(frame):
    found = credit_outliers(frame)
    assert len(found) == 0
    pd.testing.assert_series_equal(found.dtypes, credit_outliers(videos([*EVEN, 1e6])).dtypes)
