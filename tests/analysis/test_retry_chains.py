"""Videos made again after a failure: from tiny lists with the chains written beside them."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import retry_chains
from tests.analysis.rows import START, after, listed, none


def videos(*rows: tuple[str | None, str | None, float | None]) -> pd.DataFrame:
    """Rows of (script, status, credits), made a minute after one another."""
    made = [(f"name {n}", after(60 * n), *row) for n, row in enumerate(rows)]
    return listed("name createdAt script status usedCredits", made, type="class")


TWICE = videos(("a", "FAILED", 1), ("a", "COMPLETED", 1))


def test_a_chain_runs_from_its_first_attempt_to_its_success():
    rows = [("Hello", "FAILED", 1), ("Other", "COMPLETED", 9),
            ("Hello", "FAILED", 2), ("Hello", "COMPLETED", 5)]  # fmt: skip
    assert retry_chains(videos(*rows)).to_dict("list") == {
        "video_id": ["vid_3"],
        "name": ["name 3"],
        "type": ["class"],
        "attempts": [3],
        "failures": [2],
        "succeeded": [True],
        "credits": [8.0],
        "credits_unknown": [0],
        "failed_credits": [3.0],
        "success_credits": [8.0],
        "first_created_at": [START],
        "last_created_at": [START + pd.Timedelta(3, "min")],
        "first_video_id": ["vid_0"],
    }


def test_a_success_closes_the_chain():
    rows = [("a", "FAILED", 1), ("a", "COMPLETED", 5), ("a", "COMPLETED", 5),
            ("a", "FAILED", 2), ("a", "COMPLETED", 5)]  # fmt: skip
    again = retry_chains(videos(*rows))
    assert again["first_video_id"].tolist() == ["vid_3", "vid_0"]
    assert again["success_credits"].tolist() == [7.0, 6.0]


@pytest.mark.parametrize(
    "frame",
    [
        *(
            videos(*[("a", status, 1) for status in statuses.split()])
            for statuses in ("COMPLETED COMPLETED", "COMPLETED FAILED", "STARTED STARTED",
                             "STARTED FAILED", "FAILED")
        ),
        *(TWICE.assign(script=script) for script in (pd.NA, "", "  ")),
        TWICE.assign(type=["one", "two"]),
        TWICE.assign(avatar_id=["one", "two"]),
        TWICE.assign(created_at=TWICE["created_at"].where([True, False])),
    ],
)  # fmt: skip
def test_no_attempt_at_the_same_video_after_a_failure_is_no_chain(frame):
    assert len(retry_chains(frame)) == 0


@pytest.mark.parametrize("field", ["type", "avatar_id"])
def test_what_is_missing_of_both_is_the_same(field):
    assert len(retry_chains(TWICE.assign(**{field: pd.array([None, None], "string")}))) == 1


@pytest.mark.parametrize(
    ("last", "succeeded"), [("COMPLETED", True), ("FAILED", False), ("STARTED", None), (None, None)]
)
def test_whether_it_ended_in_success_is_missing_while_it_is_open(last, succeeded):
    chains = retry_chains(videos(("a", "FAILED", 1), ("a", last, 2)))
    assert none(chains["succeeded"]) == [succeeded]
    assert chains["succeeded"].dtype == "boolean"
    assert none(chains["success_credits"]) == [3.0 if succeeded else None]


def test_unknown_credits_are_counted_and_never_zero():
    rows = [("a", "FAILED", None), ("a", "COMPLETED", 5), ("b", "FAILED", None),
            ("b", "FAILED", None), ("free", "FAILED", 0), ("free", "COMPLETED", 5)]  # fmt: skip
    chains = retry_chains(videos(*rows)).set_index("video_id").loc[["vid_1", "vid_3", "vid_5"]]
    assert none(chains["credits"]) == [5.0, None, 5.0]
    assert chains["credits_unknown"].tolist() == [1, 2, 0]
    assert none(chains["failed_credits"]) == [None, None, 0.0]
    assert none(chains["success_credits"]) == [None, None, 5.0]


attempts = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["COMPLETED", "FAILED", "STARTED", None]),
    st.none() | st.integers(0, 9).map(float),
)


@settings(max_examples=20)
@given(st.lists(attempts, max_size=12))
def test_a_chain_has_two_attempts_and_no_more_failures_than_attempts(drawn):
    chains = retry_chains(videos(*drawn))
    succeeded = chains["succeeded"].eq(True).fillna(False)
    assert (chains["failures"] + succeeded <= chains["attempts"]).all()
    assert (chains["attempts"] >= 2).all()
