"""Render times from tiny frames with the answers written beside them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from hooked_analytics import elapsed_seconds, render_seconds, render_times, videos_from_records

START = pd.Timestamp("2024-01-15T10:00Z")


def videos(*rows: tuple[str | None, str | None, float | None]) -> pd.DataFrame:
    """Rows of (type, status, seconds until updated_at)."""
    return videos_from_records(
        [
            {
                "id": f"vid_{n}",
                "type": kind,
                "status": status,
                "createdAt": START.isoformat(),
                "updatedAt": None
                if seconds is None
                else (START + pd.Timedelta(seconds, "s")).isoformat(),
            }
            for n, (kind, status, seconds) in enumerate(rows)
        ],
        fetched_at=(START + pd.Timedelta(60, "s")).to_pydatetime(),
    )


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


def test_elapsed_seconds_only_of_rendering():
    frame = videos(("class", "COMPLETED", 300), ("class", "STARTED", 10))
    assert elapsed_seconds(frame).tolist()[1] == 60.0
    assert elapsed_seconds(frame).isna().tolist() == [True, False]


def test_as_columns_of_a_chain():
    frame = videos(("class", "COMPLETED", 300)).assign(render_seconds=render_seconds)
    assert frame["render_seconds"].tolist() == [300.0]


def test_render_times_by_type():
    frame = videos(
        *[("class", "COMPLETED", float(s)) for s in range(0, 101, 10)],
        ("class", "FAILED", 5), ("class", "STARTED", 1), ("scenes", "COMPLETED", 200),
        ("scenes", "FAILED", 9), ("hook_demo", "STARTED", 1), (None, "COMPLETED", 7),
    )  # fmt: skip
    table = render_times(frame)
    assert table["type"].fillna("missing").tolist() == ["scenes", "class", "missing", "hook_demo"]
    assert table["videos"].tolist() == [2, 13, 1, 1]
    assert table["completed"].tolist() == [1, 11, 1, 0]
    assert table["failed"].tolist() == [1, 1, 0, 0]
    assert table["rendering"].tolist() == [0, 1, 0, 1]
    assert table["median_seconds"].tolist()[:3] == [200.0, 50.0, 7.0]
    assert table["p90_seconds"].tolist()[:3] == [200.0, 90.0, 7.0]
    assert math.isnan(table["median_seconds"][3])
    assert table["failure_rate"].tolist()[:3] == [0.5, 1 / 12, 0.0]
    assert math.isnan(table["failure_rate"][3])
    assert set(table["basis"]) == {"completed videos only"}


def test_render_times_by_several_keys():
    frame = videos(("class", "COMPLETED", 10), ("class", "COMPLETED", 20))
    table = render_times(frame, by=["type", "team_id"])
    assert table[["type", "videos", "median_seconds"]].to_dict("records") == [
        {"type": "class", "videos": 2, "median_seconds": 15.0}
    ]


def test_render_times_of_nothing_is_an_empty_table():
    table = render_times(videos())
    assert len(table) == 0
    assert {"type", "median_seconds", "failure_rate"} <= set(table.columns)


@pytest.mark.parametrize("by", ["colour", ["type", "colour"]])
def test_a_key_that_is_not_there_is_named(by):
    with pytest.raises(ValueError, match="render_times needs the column 'colour'"):
        render_times(videos(), by=by)


def test_the_frame_given_is_not_changed():
    frame = videos(("class", "COMPLETED", 10))
    before = frame.copy(deep=True)
    render_times(frame)
    pd.testing.assert_frame_equal(frame, before)
