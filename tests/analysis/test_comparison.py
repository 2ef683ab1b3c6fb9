"""Groups against the rest: literal figures, equal groups, and one that differs."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, fisher_exact

from hooked_analytics import compare_groups, credit_usage
from tests.analysis.rows import after, listed

COLUMNS = [
    "avatar_id", "videos", "value", "low", "high", "shrunk", "difference", "difference_low",
    "difference_high", "p_value", "different",
]  # fmt: skip
METRICS = ["credits_per_minute", "failure_rate", "render_seconds"]


def videos(*rows: tuple[str | None, str, float | None, float | None]) -> pd.DataFrame:
    """Rows of (avatar, status, credits, seconds of video); a render takes five minutes."""
    fields = "avatarId status usedCredits durationInSeconds"
    return listed(fields, rows, createdAt=after(0), updatedAt=after(300))


def groups(seed: int, sizes: list[int], dear: float = 1.0, failing: float = 0.08) -> pd.DataFrame:
    """Avatars alike, but for the price of the first."""
    draw = np.random.default_rng(seed)
    avatar = np.repeat(np.arange(len(sizes)), sizes)
    minutes = draw.lognormal(0, 0.5, len(avatar))
    credits = 4 * minutes * draw.lognormal(0, 0.4, len(avatar)) * np.where(avatar == 0, dear, 1)
    failed = draw.random(len(avatar)) < failing
    took = draw.lognormal(5, 0.8, len(avatar)) * np.where(avatar == 0, dear, 1)
    created = pd.Timestamp("2024-01-15T10:00Z")
    return pd.DataFrame(
        {
            "avatar_id": [f"avatar {n:02}" for n in avatar],
            "status": np.where(failed, "FAILED", "COMPLETED"),
            "used_credits": credits,
            "duration_seconds": np.where(failed, np.nan, 60 * minutes),
            "created_at": created,
            "updated_at": created + pd.to_timedelta(took, unit="s"),
            "fetched_at": created + pd.Timedelta(1, "D"),
        }
    )


def test_values_are_those_of_credit_usage():
    frame = groups(0, [12, 20, 9])
    found = compare_groups(frame, by="avatar_id").set_index("avatar_id")
    usage = credit_usage(frame, by="avatar_id").set_index("avatar_id")
    assert found["value"].to_dict() == pytest.approx(usage["credits_per_minute"].to_dict())
    assert list(found.reset_index().columns) == COLUMNS
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()
    assert found["videos"].to_dict() == frame.groupby("avatar_id").size().to_dict()


def test_a_failure_rate_has_wilsons_interval_and_fishers_p_value():
    rows = [("a", "FAILED", 1, None)] * 6 + [("a", "COMPLETED", 1, 60)] * 6
    rows += [("b", "FAILED", 1, None)] * 2 + [("b", "COMPLETED", 1, 60)] * 18
    (a, b) = compare_groups(videos(*rows), by="avatar_id", metric="failure_rate").itertuples()
    wilson = binomtest(6, 12).proportion_ci(method="wilson")
    assert (a.value, a.low, a.high) == pytest.approx((0.5, wilson.low, wilson.high))
    assert (a.difference, b.difference) == pytest.approx((0.4, -0.4))
    # Newcombe's tenth method
    other = binomtest(2, 20).proportion_ci(method="wilson")
    assert a.difference_low == pytest.approx(0.4 - np.hypot(0.5 - wilson.low, other.high - 0.1))
    assert a.p_value == pytest.approx(fisher_exact([[6, 6], [2, 18]]).pvalue, abs=0.01)
    assert (a.different, b.different) == (True, True)


def test_a_median_takes_renders_under_way_for_longer_than():
    frame = groups(0, [20, 20])
    frame.loc[::4, "status"] = "STARTED"
    found = compare_groups(frame, by="avatar_id", metric="render_seconds")
    # five of twenty go on for a day, so that half are over after ten of the fifteen
    for row in found.itertuples():
        own = frame[(frame["avatar_id"] == row.avatar_id) & (frame["status"] != "STARTED")]
        took = (own["updated_at"] - own["created_at"]).dt.total_seconds().sort_values()
        assert row.value == pytest.approx(took.iloc[9])


@pytest.mark.parametrize("metric", ["credits_per_minute", "render_seconds"])
def test_one_dear_group_of_forty_is_found_and_the_others_are_not(metric):
    found = compare_groups(groups(1, [20] * 40, dear=2.5), by="avatar_id", metric=metric)
    assert found["avatar_id"][found["different"]].tolist() == ["avatar 00"]
    assert found["avatar_id"][0] == "avatar 00"
    first = found.iloc[0]
    assert first["difference_low"] > 0
    assert found["value"].min() < found["shrunk"].min() <= found["shrunk"].max() < first["value"]


@pytest.mark.parametrize("metric", METRICS)
def test_equal_groups_are_not_told_apart_in_whatever_order(metric):
    sizes = np.random.default_rng(3).integers(5, 31, 40).tolist()
    frame = groups(2, sizes)
    found = compare_groups(frame, by="avatar_id", metric=metric)
    assert not found["different"].fillna(False).any()
    value, shrunk = (found[name].max() - found[name].min() for name in ("value", "shrunk"))
    assert shrunk < 0.25 * value
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(found, compare_groups(shuffled, by="avatar_id", metric=metric))


def test_few_videos_are_called_different_or_nothing():
    rows = [("dear", "COMPLETED", 90.0, 60)] * 6 + [("few", "COMPLETED", 4.1, 60)] * 6
    rows += [("tiny", "COMPLETED", 90.0, 60)] * 4
    rows += [("rest", "COMPLETED", 4 + n % 3 / 10, 60) for n in range(40)]
    found = compare_groups(videos(*rows), by="avatar_id").set_index("avatar_id")
    said = {name: None if pd.isna(value) else value for name, value in found["different"].items()}
    assert said == {"dear": True, "few": None, "tiny": None, "rest": True}
    assert pd.isna(found.loc["tiny", "p_value"])


def test_what_has_no_figure_stays_as_a_row_without_one():
    rows = [("a", "COMPLETED", 5.0, 60), ("b", "COMPLETED", None, 60), ("b", "STARTED", 4.0, None)]
    found = compare_groups(videos(*rows, (None, "COMPLETED", 5.0, None)), by="avatar_id")
    assert found["videos"].tolist() == [1, 0, 0]
    assert found["value"].isna().tolist() == [False, True, True]
    assert found["different"].isna().all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("a", "COMPLETED", 5.0, 60)],
        [("a", "FAILED", None, None)] * 12,
        [("a", "FAILED", 2.0, None)] * 12 + [("b", "STARTED", None, None)] * 12,
        [("a", "COMPLETED", -5.0, 60)] * 12 + [("b", "COMPLETED", 1e300, 60)] * 12,
        [("a", "COMPLETED", 5.0, 60)] * 12 + [("b", "COMPLETED", 5.0, 60)] * 12,
    ],
)
def test_odd_lists_give_an_answer_without_a_warning(rows, metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare_groups(videos(*rows), by="avatar_id", metric=metric)
    assert list(found.columns) == COLUMNS
    assert not np.isinf(found.select_dtypes("number")).any(axis=None)
    assert found["different"].dtype == "boolean"


def test_more_groups_than_can_be_compared_are_refused():
    many = pd.DataFrame({"name": np.arange(2001).astype(str), "status": "FAILED"})
    with pytest.raises(ValueError, match="at most 2,000 groups, and by='name' makes 2,001"):
        compare_groups(many, by="name", metric="failure_rate")


def test_a_list_too_large_to_permute_gives_about_the_same(monkeypatch):
    frame = groups(4, [1500, 300, 40, 12], dear=1.05)
    exact = compare_groups(frame, by="avatar_id").set_index("avatar_id")["p_value"]
    monkeypatch.setattr("hooked_analytics.analysis.comparison.MAX_PERMUTED", 100)
    close = compare_groups(frame, by="avatar_id").set_index("avatar_id")["p_value"]
    assert close.to_dict() == pytest.approx(exact.to_dict(), abs=0.03)
