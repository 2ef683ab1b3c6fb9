"""What holds of every answer: no rows, rows in any order and twice, columns that are missing."""

from __future__ import annotations

import math
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import hooked_analytics as ha
from tests.analysis.rows import after, listed

FIELDS = "type status usedCredits durationInSeconds script createdAt updatedAt"
ANSWERS = {
    "credit_usage": ha.credit_usage,
    "failures": ha.failures,
    "retry_chains": ha.retry_chains,
    "credit_outliers": ha.credit_outliers,
    "render_times": ha.render_times,
    "completion_curve": partial(ha.completion_curve, at_seconds=[5, 50]),
    "credits_over_time": partial(ha.credits_over_time, by="type"),
    "spend_anomalies": ha.spend_anomalies,
    "render_drift": ha.render_drift,
    "compare_groups": ha.compare_groups,
    "estimate_completion": ha.estimate_completion,
}


def videos(*rows: tuple) -> pd.DataFrame:
    """Rows of (type, status, credits, duration, script, seconds to the end), a minute apart."""
    timed = [
        (*row, after(60 * n), after(None if took is None else 60 * n + took))
        for n, (*row, took) in enumerate(rows)
    ]
    return listed(FIELDS, timed, seen=3600)


FULL = videos(
    ("class", "FAILED", 3, None, "a", 20), ("class", "COMPLETED", 5, 60, "a", 30),
    ("class", "STARTED", None, None, "b", 0),
)  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_no_videos_give_an_empty_table_of_the_same_columns_and_dtypes(name):
    given = FULL.copy(deep=True)
    empty, full = ANSWERS[name](videos()), ANSWERS[name](given)
    pd.testing.assert_frame_equal(given, FULL)  # what is given is not changed
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    keys = {"type", "time_source"}  # an empty column of text has no dtype of its own
    assert empty.dtypes.drop(keys, errors="ignore").equals(full.dtypes.drop(keys, errors="ignore"))


rows = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["COMPLETED", "FAILED", "STARTED", "archived", None]),
    st.none() | st.integers(0, 400).map(lambda n: n / 4),
    st.none() | st.integers(1, 600),
    st.sampled_from(["x", "y", None]),
    st.none() | st.integers(-5, 100),
)


@settings(max_examples=5)
@given(st.lists(rows, max_size=15), st.randoms())
@pytest.mark.parametrize("name", ANSWERS)
def test_neither_the_order_of_rows_nor_a_row_given_twice_changes_anything(name, drawn, random):
    frame = videos(*drawn)
    again = frame.iloc[random.choices(range(len(frame)), k=9) if drawn else []]
    mixed = pd.concat([again, frame.sample(frac=1, random_state=random.randint(0, 99))])
    one = ANSWERS[name](frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = ANSWERS[name](mixed)
    first = [column for column in ("video_id", "period", "type", "at_seconds") if column in one]
    pd.testing.assert_frame_equal(
        one.sort_values(first, ignore_index=True), other.sort_values(first, ignore_index=True)
    )


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("credit_usage", "used_credits"), ("retry_chains", "script"),
        ("credit_outliers", "used_credits"), ("render_times", "created_at"),
        ("credits_over_time", "type"), ("spend_anomalies", "used_credits"),
        ("render_drift", "type"), ("compare_groups", "duration_seconds"),
        ("estimate_completion", "type"), ("credit_change", "type"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_named(name, column):
    lacks = FULL.drop(columns=column)
    with pytest.raises(ValueError, match=f"{name} needs the column '{column}'"):
        ha.credit_change(lacks, lacks) if name == "credit_change" else ANSWERS[name](lacks)


ARCHIVED = FULL.assign(observed_at=FULL["fetched_at"], progress=50)
UNTYPED = FULL.drop(columns="type")


@pytest.mark.parametrize(
    ("says", "answer", "given"),
    [
        *(("coverage is between 0 and 1", ha.estimate_completion, {"coverage": wrong})
          for wrong in (80, "x", pd.NA)),
        ("estimate_completion needs the column 'type'", ha.estimate_completion,
         {"history": UNTYPED}),
        *((f"estimate_completion needs the column '{column}'", ha.estimate_completion,
           {"observations": ARCHIVED.drop(columns=column)})
          for column in ("observed_at", "progress")),
        ("observed_renders takes", ha.render_times, {"observed_renders": "x"}),
        *(("at_seconds are times since created_at", ha.completion_curve, {"at_seconds": wrong})
          for wrong in (-1, [1, math.nan], 10**400, "soon")),
        *(("price_per_credit is 0 or more", ha.credit_usage, {"price_per_credit": wrong})
          for wrong in (-1, math.nan, math.inf, 10**400)),
        *(("balance is 0 or more", ha.forecast_credits, {"balance": wrong})
          for wrong in (-1, math.nan, np.ones(1))),
        ("budget is 0 or more, not -1", ha.forecast_credits, {"budget": -1}),
        ("metric is one of credits_per_minute, failure_rate, rend", ha.compare_groups,
         {"metric": "speed"}),
        ("freq is one of D, W, M, Q, Y", ha.spend_anomalies, {"freq": "h"}),
        *(("freq is one of D, W, M, Q, Y", ha.credits_over_time, {"freq": wrong})
          for wrong in ("h", "W-XYZ", "WS", "D-MON", "2D", "", None, "M-JAN", "QQ")),
    ],
)  # fmt: skip
def test_an_argument_that_is_none_is_named(says, answer, given):
    with pytest.raises((ValueError, TypeError), match=says):
        answer(FULL, **given)


@pytest.mark.parametrize(
    ("answer", "frame"),
    [
        (ha.forecast_credits, pd.DataFrame({"created_at": []})),
        (ha.estimate_completion, pd.DataFrame({"status": []})),
    ],
)
def test_several_columns_that_are_not_there_are_named_together(answer, frame):
    with pytest.raises(ValueError, match=f"{answer.__name__} needs the columns '"):
        answer(frame)
