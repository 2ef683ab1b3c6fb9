"""Charges under FOCUS's names: what each column holds, for one video of each kind."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hooked_analytics import focus_table, videos_from_records
from tests.documented import SAMPLE


def none(values: pd.Series) -> list[object]:
    return [None if pd.isna(value) else value for value in values]


def test_the_documented_video_as_a_charge():
    (charge,) = focus_table(videos_from_records([SAMPLE]), price_per_credit=0.26).to_dict("records")
    assert charge == {
        "ChargePeriodStart": pd.Timestamp("2024-01-15T00:00Z"),
        "ChargePeriodEnd": pd.Timestamp("2024-01-16T00:00Z"),
        "ChargeCategory": "Usage",
        "ServiceName": "Hooked",
        "ResourceId": "vid_abc123",
        "ResourceName": "Product Tutorial",
        "ResourceType": "class",
        "SkuId": "class",
        "SubAccountId": "team_1",
        "ConsumedQuantity": 300.0,
        "ConsumedUnit": "Seconds",
        "PricingQuantity": 5.0,
        "PricingUnit": "Hooked credits",
        "PricingCurrency": "Hooked credits",
        "BilledCost": 1.3,
        "x_Status": "COMPLETED",
        "x_RenderSeconds": 300.0,
        "x_Waste": 0.0,
    }


def test_no_bill_without_a_price_and_it_says_what_it_is():
    table = focus_table(videos_from_records([SAMPLE]))
    assert "BilledCost" not in table
    assert table.attrs["title"] == "FOCUS-named, not conformant"
    assert not any("://" in str(value) for value in table.iloc[0])


@pytest.mark.parametrize(
    ("status", "credits", "waste"),
    [("FAILED", 2, 2.0), ("FAILED", None, None), ("COMPLETED", None, 0.0), ("STARTED", 2, None)],
)
def test_unknown_is_not_zero_and_waste_is_known_at_the_end(status, credits, waste):
    videos = videos_from_records([{"id": "a", "status": status, "usedCredits": credits}])
    table = focus_table(videos, price_per_credit=0.5)
    assert none(table["x_Waste"]) == [waste]
    assert none(table["BilledCost"]) == [None if credits is None else 1.0]
    assert none(table["ChargePeriodStart"]) == [None]
    assert none(table["x_RenderSeconds"]) == [None]


def test_no_videos_are_an_empty_table_with_its_dtypes():
    empty = focus_table(videos_from_records([]), price_per_credit=1)
    assert len(empty) == 0
    one = focus_table(videos_from_records([SAMPLE]), price_per_credit=1)
    pd.testing.assert_series_equal(empty.dtypes, one.dtypes)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="focus_table needs the column 'team_id'"):
        focus_table(videos_from_records([SAMPLE]).drop(columns="team_id"))
    with pytest.raises(ValueError, match="price_per_credit is 0 or more"):
        focus_table(videos_from_records([SAMPLE]), price_per_credit=float("nan"))


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), max_size=12), st.randoms())
def test_each_video_is_charged_once_in_any_order(days, random):
    videos = videos_from_records(
        [
            {"id": f"v{n}", "usedCredits": n, "createdAt": f"2024-01-0{day + 1}T10:00:00Z"}
            for n, day in enumerate(days)
        ]
    )
    again = videos.iloc[random.choices(range(len(videos)), k=30) if days else []]
    table = focus_table(pd.concat([again, videos]))
    pd.testing.assert_frame_equal(table, focus_table(videos))
    assert table["PricingQuantity"].sum() == sum(range(len(days)))
