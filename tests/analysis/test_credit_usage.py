"""Credits from tiny frames with the answers written beside them; unknown is never zero."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import credit_usage, failures
from tests.analysis.rows import listed, none


def videos(*rows: tuple[str | None, str, float | None, float | None]) -> pd.DataFrame:
    """Rows of (type, status, credits, duration in seconds)."""
    return listed("type status usedCredits durationInSeconds", rows)


def test_credit_usage_by_type():
    frame = videos(
        ("class", "COMPLETED", 5, 120), ("class", "COMPLETED", 7, 60), ("class", "FAILED", 3, None),
        ("class", "STARTED", None, None), ("scenes", "COMPLETED", 5, 60),
        ("under way", "STARTED", 0, None),
    )  # fmt: skip
    # Wilson's interval of one in three, and of none in one
    assert {name: none(values) for name, values in credit_usage(frame).items()} == {
        "type": ["class", "scenes", "under way"],
        "videos": [4, 1, 1],
        "credits": [15.0, 5.0, 0.0],
        "credits_unknown": [1, 0, 0],
        "share": [0.75, 0.25, 0.0],
        "credits_per_video": [5.0, 5.0, 0.0],
        "credits_per_minute": [5.0, 5.0, None],
        "duration_unknown": [0, 0, 0],
        "failure_rate": [1 / 3, 0.0, None],
        "failure_low": [pytest.approx(0.061492, abs=1e-5), 0.0, None],
        "failure_high": [pytest.approx(0.792340, abs=1e-5), pytest.approx(0.793451), None],
        "failed_credits": [3.0, 0.0, 0.0],
        "failed_share": [0.2, 0.0, None],  # of nothing spent
    }


def test_a_figure_nobody_knows_is_missing_and_zero_is_known():
    usage = credit_usage(videos(("class", "COMPLETED", None, 60), ("class", "FAILED", None, None)))
    assert usage["credits_unknown"].tolist() == [2]
    for column in ("credits", "share", "credits_per_video", "failed_credits", "failed_share"):
        assert none(usage[column]) == [None]
    free = credit_usage(videos(("class", "COMPLETED", 0, 60)))
    assert (free["credits"][0], free["credits_unknown"][0]) == (0.0, 0)


@pytest.mark.parametrize(
    ("other", "per_minute", "unknown"),
    [
        (("a", "COMPLETED", None, 6000), 6.0, 0),
        (("a", "COMPLETED", 9, None), 6.0, 1),
        (("a", "COMPLETED", 9, 0), 6.0, 1),
        (("a", "FAILED", 3, None), 9.0, 0),  # a failure has no minutes and is paid for
        (("a", "STARTED", 9, None), 6.0, 0),
    ],
)
def test_credits_per_minute_has_the_same_videos_above_and_below_the_line(
    other, per_minute, unknown
):
    usage = credit_usage(videos(("a", "COMPLETED", 6, 60), other))
    assert usage["credits_per_minute"].tolist() == [per_minute]
    assert usage["duration_unknown"].tolist() == [unknown]


def test_by_several_columns_a_missing_key_is_a_group_of_its_own():
    frame = videos((None, "COMPLETED", 2, 60), ("a", "COMPLETED", 4, 60), ("a", "FAILED", 1, None))
    usage = credit_usage(frame, by=["type", "status"])
    assert [none(row) for row in usage[["type", "status", "credits"]].to_numpy()] == [
        ["a", "COMPLETED", 4.0], [None, "COMPLETED", 2.0], ["a", "FAILED", 1.0],
    ]  # fmt: skip


def test_money_comes_with_a_price():
    frame = videos(("a", "COMPLETED", 2, 60))
    assert "cost" not in credit_usage(frame)
    for price in (0.26, Decimal("0.26")):
        assert credit_usage(frame, price_per_credit=price)["cost"].tolist() == [0.52]


rows = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["COMPLETED", "FAILED", "STARTED"]),
    st.none() | st.integers(0, 400).map(lambda n: n / 4),
    st.none() | st.integers(1, 600),
)


@settings(max_examples=25)
@given(st.lists(rows, max_size=12))
def test_totals_are_exact(drawn):
    usage = credit_usage(videos(*drawn))
    known = [Fraction(c) for _, _, c, _ in drawn if c is not None]
    assert usage["videos"].sum() == len(drawn)
    assert usage["credits_unknown"].sum() == len(drawn) - len(known)
    assert Fraction(usage["credits"].sum()) == sum(known)


def test_failures_are_renders_and_fetches_the_dearest_first():
    rows = [("a", "FAILED", "Voice gone", 1), ("b", "COMPLETED", None, None),
            ("c", "FAILED", None, 4), ("d", None, None, None)]  # fmt: skip
    frame = listed("id status message usedCredits", rows)
    found = failures(frame.assign(fetch_error=[pd.NA] * 3 + ["not_found"]))
    assert found["video_id"].tolist() == ["c", "a", "d"]
    assert none(found["used_credits"]) == [4.0, 1.0, None]
    assert none(found["message"]) == [None, "Voice gone", None]
    assert list(found.columns) == [
        "video_id", "name", "type", "message", "fetch_error", "used_credits", "created_at",
    ]  # fmt: skip
