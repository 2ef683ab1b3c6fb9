"""Credits far from what a type costs: small lists worked out by hand."""

from __future__ import annotations

from math import expm1

import pandas as pd
import pytest

from hooked_analytics import credit_outliers
from tests.analysis.rows import listed

# log(1 + credits) is 1, 2 and 3, seven of each: median 2, a third at 0 and the rest 1 away
EVEN = [expm1(level) for level in (1, 2, 3)] * 7


def videos(credits: list[float | None], kind: str | None = "class", **same: object) -> pd.DataFrame:
    rows = [(f"{kind}_{n}", kind, c) for n, c in enumerate(credits)]
    return listed("id type usedCredits", rows, **{"status": "COMPLETED", **same})


def test_the_distance_is_in_median_absolute_deviations():
    """With 8 on top the median is still 2 and half are within 1: z = 0.6745 · 6."""
    found = credit_outliers(videos([*EVEN, expm1(8)], name="<b>"))
    assert found.to_dict("list") == {
        "video_id": ["class_21"],
        "name": ["<b>"],
        "type": ["class"],
        "used_credits": [pytest.approx(expm1(8))],
        "median_credits": [pytest.approx(expm1(2))],
        "robust_z": [pytest.approx(0.6744897501960817 * 6)],
    }


@pytest.mark.parametrize(
    ("credits", "count"),
    [
        ([*EVEN, expm1(2 + 3.5 / 0.6745 - 0.01)], 0),  # three and a half is the limit
        ([*EVEN, expm1(7.2)], 1),
        ([*EVEN, 0], 0),
        ([*EVEN[:18], 1e6], 0),  # twenty are the fewest compared
        ([*EVEN[:19], 1e6], 1),
        ([*EVEN[:18], 1e6, *[None] * 9], 0),
        ([*[5.0] * 30, *[6.0] * 20, 1e6], 0),  # where half cost the same nothing is far
        ([None] * 30, 0),
    ],
)
def test_how_many_are_far(credits, count):
    found = credit_outliers(videos(credits))
    assert len(found) == count
    pd.testing.assert_series_equal(found.dtypes, credit_outliers(videos([*EVEN, 1e6])).dtypes)


def test_far_too_cheap_is_an_outlier_too():
    found = credit_outliers(videos([c * 1000 + 999 for c in EVEN] + [0.0, 1e9]))
    assert found["video_id"].tolist() == ["class_22", "class_21"]
    assert (found["robust_z"] < 0).tolist() == [False, True]
    refunded = videos([4.0, 5.0, 6.0] * 11)
    refunded["used_credits"] = refunded["used_credits"].where(refunded.index > 0, -50.0)
    assert credit_outliers(refunded)["video_id"].tolist() == ["class_0"]


def test_whatever_differs_from_a_flat_price_is_far():
    found = credit_outliers(videos([5.0] * 30 + [500.0, 4.0]))
    assert sorted(found["used_credits"]) == [4, 500]
    assert found["robust_z"].isna().all()


def test_a_long_video_that_costs_the_usual_per_minute_is_no_outlier():
    frame = videos([4.0, 5.0, 6.0] * 10 + [50.0, 50.0, 4.0])
    frame["duration_seconds"] = [60.0] * 30 + [600.0, 60.0, 6.0]
    found = credit_outliers(frame).set_index("video_id")
    assert found["median_credits"].to_dict() == {"class_31": 5.0, "class_32": 0.5}


def test_each_type_is_compared_with_itself_and_a_missing_one_too():
    frame = pd.concat([videos([*EVEN, expm1(8)]), videos([*EVEN, expm1(9)], None)])
    found = credit_outliers(frame)
    assert found["video_id"].tolist() == ["None_21", "class_21"]
    assert found["type"].isna().tolist() == [True, False]


@pytest.mark.parametrize("status", ["FAILED", "STARTED", None, "QUEUED"])
def test_only_finished_videos_are_compared(status):
    odd = videos([1e6], "odd", status=status).assign(type="class")
    assert len(credit_outliers(pd.concat([videos(EVEN), odd]))) == 0
