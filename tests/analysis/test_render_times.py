"""Render times from tiny frames with the answers written beside them."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import completion_curve, elapsed_seconds, render_seconds, render_times
from tests.analysis.rows import after, listed, none


def videos(*rows: tuple[str | None, str | None, float | None]) -> pd.DataFrame:
    """Rows of (type, status, seconds until updated_at)."""
    timed = [(kind, status, after(seconds)) for kind, status, seconds in rows]
    return listed("type status updatedAt", timed, seen=60, createdAt=after(0))


def test_render_seconds_only_of_completed_and_never_negative():
    frame = videos(
        ("class", "COMPLETED", 300), ("class", "STARTED", 10), ("class", "FAILED", 20),
        ("class", "COMPLETED", -5), ("class", "COMPLETED", None), ("class", None, 5),
        ("class", "COMPLETED", 0), ("class", "COMPLETED", 86_400.5),
    )  # fmt: skip
    found = render_seconds(frame)
    assert [None if math.isnan(s) else s for s in found] == [
        300.0, None, None, None, None, None, 0.0, 86_400.5,
    ]  # fmt: skip
    assert (found.name, found.dtype) == ("render_seconds", "float64")


def test_elapsed_seconds_only_of_rendering_and_both_as_columns_of_a_chain():
    frame = videos(("class", "COMPLETED", 300), ("class", "STARTED", 10))
    chained = frame.assign(render=render_seconds, elapsed=elapsed_seconds)
    assert none(chained["render"]) == [300.0, None]
    assert none(chained["elapsed"]) == [None, 60.0]


def test_render_times_by_type():
    frame = videos(
        *[("class", "COMPLETED", float(s)) for s in range(0, 101, 10)],
        ("class", "FAILED", 5), ("class", "STARTED", 1), ("scenes", "COMPLETED", 200),
        ("scenes", "FAILED", 9), ("hook_demo", "STARTED", 1), (None, "COMPLETED", 7),
    )  # fmt: skip
    table = render_times(frame)
    assert list(table.columns) == [
        "type", "videos", "completed", "failed", "rendering",
        "median_seconds", "median_low", "median_high", "p90_seconds", "p90_low", "p90_high",
        "failure_rate", "failure_low", "failure_high", "censored_share", "time_source",
    ]  # fmt: skip
    assert table["type"].fillna("missing").tolist() == ["class", "scenes", "missing", "hook_demo"]
    assert table["videos"].tolist() == [13, 2, 1, 1]
    assert table["completed"].tolist() == [11, 1, 1, 0]
    assert table["failed"].tolist() == [1, 1, 0, 0]
    assert table["rendering"].tolist() == [1, 0, 0, 1]
    # class, of 13: at 50 six are left, with one of the seven before it gone; 0.4615 <= 0.5
    assert none(table["median_seconds"]) == [50.0, 9.0, 7.0, None]
    # the one running at 60 counts for those after it: (6/13)(4/5)(3/4)(2/3)(1/2) = 0.0923 at 90
    assert none(table["p90_seconds"]) == [90.0, 200.0, 7.0, None]
    assert none(table["failure_rate"]) == [1 / 12, 0.5, 0.0, None]
    # Wilson's interval of one in twelve, and of one in two
    assert none(table["failure_low"])[:2] == pytest.approx([0.014865, 0.094531], abs=1e-6)
    assert none(table["failure_high"])[3:] == [None]
    assert none(table["censored_share"]) == [1 / 13, 0.0, 0.0, 1.0]
    assert set(table["time_source"]) == {"updated_at"}


def test_a_quantile_that_is_not_reached_is_missing_and_bounded_below():
    """Band of 17/25 by hand: 0.68 ** exp(1.96 · sqrt(0.32 / 17) / 0.3857) = 0.461; 18/25: 0.501."""
    over = [("class", "COMPLETED", s) for s in range(1, 11)]
    table = render_times(videos(*over, *[("class", "STARTED", 1)] * 15))
    assert none(table["median_seconds"]) == [None]
    assert none(table["median_low"]) == [8.0]
    assert none(table["median_high"]) == [None]


def test_half_over_is_the_median_whatever_the_rounding():
    """23/24 · 22/23 · … · 12/13 comes out above 1/2 in floating point."""
    frame = videos(*[("class", "COMPLETED", s) for s in range(1, 25)])
    assert render_times(frame, by=["type", "team_id"])["median_seconds"].tolist() == [12.0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "COMPLETED", 5)], (5.0, 0.0, 0.0)),
        ([("a", "FAILED", 5)] * 3, (5.0, 1.0, 0.0)),
        ([("a", "STARTED", 5)] * 3, (None, None, 1.0)),
        ([("a", "COMPLETED", -5), ("a", "COMPLETED", None)], (None, 0.0, None)),
        ([("a", "archived", 5), ("a", None, 5)], (None, None, None)),
        ([("a", "COMPLETED", 3e9)], (None, 0.0, None)),
    ],
    ids=["one row", "all failed", "all rendering", "no usable time", "no known status", "absurd"],
)
def test_what_cannot_be_told_is_missing(rows, expected):
    table = render_times(videos(*rows))
    found = [*table["median_seconds"], *table["failure_rate"], *table["censored_share"]]
    assert none(found) == list(expected)
    assert table["videos"].tolist() == [len(rows)]
    assert table["median_seconds"].dtype == "float64"


rows = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["COMPLETED", "FAILED", "STARTED", "archived", None]),
    st.none() | st.integers(-5, 100),
)


@settings(max_examples=25)
@given(st.lists(rows, max_size=15))
def test_every_row_is_counted(drawn):
    table = render_times(videos(*drawn))
    assert table["videos"].sum() == len(drawn)
    assert len(table) == len({kind for kind, _, _ in drawn})
    ended = table[["completed", "failed", "rendering"]].sum(axis=1)
    assert (ended <= table["videos"]).all()
    low, middle, high = (table[f"median_{part}"] for part in ("low", "seconds", "high"))
    assert not (low > middle).any()
    assert not (middle > high).any()


def test_completion_curve_tells_failures_apart():
    """By hand: a fifth each; low of 1/5 of 5 is 1 - 0.8 ** exp(-1.96 · 0.1789 / 0.1785)."""
    frame = videos(
        ("class", "COMPLETED", 10), ("class", "FAILED", 20), ("class", "COMPLETED", 30),
        ("class", "FAILED", 40), ("class", "COMPLETED", 50), ("scenes", "COMPLETED", 20),
        ("scenes", "STARTED", 0),
    )  # fmt: skip
    table = completion_curve(frame, [0, 10, 49.9, 100])
    assert list(table.columns) == [
        "type", "at_seconds", "completed_share", "low", "high", "videos", "censored_share",
        "time_source",
    ]  # fmt: skip
    assert table["videos"].tolist() == [5] * 4 + [2] * 4
    assert table["censored_share"].tolist() == [0.0] * 4 + [0.5] * 4
    assert set(table["time_source"]) == {"updated_at"}
    assert table["type"].tolist() == ["class"] * 4 + ["scenes"] * 4
    assert table["at_seconds"].tolist() == [0, 10, 49.9, 100] * 2
    assert none(table["completed_share"].round(12)) == [0, 0.2, 0.4, 0.6, 0, 0, 0.5, None]
    assert none(table["low"].round(4))[:2] == [None, 0.0308]


@pytest.mark.parametrize(
    ("rows", "at", "shares"),
    [
        ([("a", "COMPLETED", 5)], 5, [1.0]),
        ([("a", "COMPLETED", 5)], [], []),
        ([], [1, 2], []),
        ([("a", None, 5), ("b", "STARTED", 5)], [1, 100], [None, None, 0.0, None]),
    ],
)
def test_completion_curve_of_little(rows, at, shares):
    assert none(completion_curve(videos(*rows), at)["completed_share"]) == shares
