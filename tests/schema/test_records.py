"""Records to frame: fixed columns, fixed dtypes, nothing guessed and nothing lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import is_final, videos_from_records
from hooked_analytics.schema import COLUMNS, NAMES, VIDEOS_SCHEMA, arrow_from_frame, empty_videos
from tests.analysis.rows import none
from tests.documented import SAMPLE

NOW = datetime(2024, 1, 15, 11, tzinfo=UTC)


def one(**fields: object) -> pd.Series:
    return videos_from_records([{"id": "vid_1", **fields}], fetched_at=NOW).iloc[0]


def test_the_documented_sample():
    [row] = videos_from_records([SAMPLE], fetched_at=NOW).to_dict("records")
    missing = {name for name, value in row.items() if pd.isna(value)}
    assert missing == {"webhook", "fetch_error", "fetch_error_message", "data_issues", "extra"}
    assert row["created_at"] == pd.Timestamp("2024-01-15T10:00Z")
    assert row["music_id"] == "1"
    assert (row["duration_seconds"], row["duration_frames"]) == (300.0, 7500)
    assert (row["aspect_ratio"], row["caption_preset"], row["caption_disabled"]) == (
        "ratio_9_16", "classic", False,
    )  # fmt: skip
    assert (row["used_credits"], row["size_bytes"]) == (5.0, 18_874_500)


def test_every_column_exists_with_its_dtype_whatever_comes():
    for records in ([], [{"id": "vid_1"}], [SAMPLE]):
        videos = videos_from_records(records, fetched_at=NOW)
        assert videos.dtypes.to_dict() == empty_videos().dtypes.to_dict()
        assert tuple(videos.columns) == NAMES
    assert str(videos["updated_at"].dtype) == "datetime64[us, UTC]"
    assert str(videos["duration_frames"].dtype) == "Int64"
    assert str(videos["name"].dtype) == "string"


def test_whole_numbers_stay_whole_beside_gaps():
    videos = videos_from_records(
        [{"id": "a", "size": 9_007_199_254_740_993 // 1000}, {"id": "b"}], fetched_at=NOW
    )
    assert videos["size_bytes"].tolist() == [9_007_199_254_740, pd.NA]


def test_a_record_in_its_envelope_and_other_spellings_of_fields():
    videos = videos_from_records([{"success": True, "data": SAMPLE}], fetched_at=NOW)
    assert videos["video_id"].tolist() == ["vid_abc123"]
    row = one(id=None, videoId="vid_9", title="T", downloadUrl="https://x/y", duration=3)
    assert (row["video_id"], row["name"], row["url"]) == ("vid_9", "T", "https://x/y")
    assert row["duration_seconds"] == 3.0
    assert one(name="", message=None)[["name", "message"]].isna().all()


def test_a_record_without_an_id_is_refused():
    with pytest.raises(ValueError, match="record 1 has no id"):
        videos_from_records([{"id": "a"}, {"name": "b"}])


@pytest.mark.parametrize("records", ["x", {"id": "a"}, [None], [["a"]], pd.DataFrame({"id": []})])
def test_what_is_no_list_of_records_is_named(records):
    with pytest.raises(TypeError, match="record 0 is no dict, but a .*: pass a list of records"):
        videos_from_records(records)


@pytest.mark.parametrize("moment", ["2024-01-15T10:00Z", pd.NaT, 5, pd.Timestamp("2024-01-15")])
def test_a_time_of_fetching_without_a_zone_is_refused(moment):
    with pytest.raises(ValueError, match="fetched_at is a datetime and needs a time zone"):
        videos_from_records([{"id": "a"}], fetched_at=moment)


def test_a_video_given_twice_is_kept_as_last_updated():
    records = [
        {"id": "a", "status": "COMPLETED", "updatedAt": "2024-01-15T10:05:00Z", "usedCredits": 5},
        {"id": "b"},
        {"id": "a", "status": "STARTED", "updatedAt": "2024-01-15T10:01:00Z"},
    ]
    with pytest.warns(UserWarning, match="1 records of a video given before"):
        videos = videos_from_records(records, fetched_at=NOW)
    assert videos["video_id"].tolist() == ["a", "b"]
    assert videos["used_credits"].tolist() == [5.0, pd.NA]


def test_fetched_at_is_kept_in_utc():
    berlin = timezone(timedelta(hours=1))
    videos = videos_from_records([SAMPLE], fetched_at=datetime(2024, 1, 15, 12, tzinfo=berlin))
    assert videos["fetched_at"].iloc[0] == pd.Timestamp("2024-01-15T11:00Z")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-15T10:00:00Z", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00:00.5Z", "2024-01-15T10:00:00.5Z"),
        ("2024-01-15T10:00:00.123456789Z", "2024-01-15T10:00:00.123456Z"),
        ("2024-01-15 10:00:00+00:00", "2024-01-15T10:00:00Z"),
        ("2024-01-15T12:00:00+0200", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00Z", "2024-01-15T10:00:00Z"),
        ("2024-01-15t10:00:00+00", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00:00,125z", "2024-01-15T10:00:00.125Z"),
        ("2024-01-15T10:00:00.1234567891Z", "2024-01-15T10:00:00.123456Z"),
    ],
)
def test_times_become_utc(text, utc):
    row = one(createdAt=text)
    assert row["created_at"] == pd.Timestamp(utc)
    assert row["data_issues"] is pd.NA


NO_TIMES = [
    "now", "today", "yesterday", "", "2024", "2024-01-15", "2024-13-01T00:00:00Z", True, 0, -5,
    10**400, float("nan"), float("inf"), 1705312800000000, "1705312800", ["x"],
    "9999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00",
]  # fmt: skip
AN_HOUR_AFTER_NOW = "2024-01-15T12:00:00Z"


@pytest.mark.parametrize(
    ("value", "issue"),
    [*((each, "bad_timestamp") for each in NO_TIMES), (AN_HOUR_AFTER_NOW, "future_timestamp")],
)
def test_what_is_no_time_is_missing_and_named(value, issue):
    row = one(createdAt=value)
    assert row["created_at"] is pd.NaT
    assert row["data_issues"] == f"{issue}(created_at)"


@pytest.mark.parametrize(
    ("created", "updated", "said"),
    [
        *((number, "2024-01-15T10:05", "epoch_number(created_at), no_time_zone(updated_at)")
          for number in (1705312800, 1705312800000, 1705312800.0)),
        ("2024-01-15T10:00:00", "2024-01-15T12:00:00+02:00", "no_time_zone(created_at)"),
        # a clock that ran backwards is named, not mended
        ("2024-01-15T10:00:00Z", "2024-01-15T09:59:00Z", "negative_render_time"),
    ],
)  # fmt: skip
def test_a_time_that_needed_a_guess_is_kept_and_named(created, updated, said):
    row = one(createdAt=created, updatedAt=updated)
    assert row["created_at"] == pd.Timestamp("2024-01-15T10:00Z")
    assert row["data_issues"] == said


@pytest.mark.parametrize(
    ("value", "credits", "issue"),
    [
        (5, 5.0, None), (0, 0.0, None), (0.5, 0.5, None), ("5", 5.0, None), (None, None, None),
        *((wrong, None, "bad_number(used_credits)") for wrong in
          (True, -1, float("nan"), float("inf"), 1e10, 10**400, "inf", "1e3", "", [], {})),
    ],
)  # fmt: skip
def test_credits_that_cannot_be_right_are_missing_not_zero(value, credits, issue):
    row = one(usedCredits=value)
    assert none(row[["used_credits", "data_issues"]]) == [credits, issue]


def test_values_of_the_wrong_kind_are_missing_and_named():
    row = one(name=["x"], progress=101, durationInFrames=7.5, size=-1, type={"a": 1})
    assert set(row["data_issues"].split(", ")) == {
        "bad_text(name)", "bad_number(progress)", "bad_number(duration_frames)",
        "bad_number(size_bytes)", "bad_text(type)",
    }  # fmt: skip
    assert row[["name", "progress", "duration_frames", "size_bytes", "type"]].isna().all()


@pytest.mark.parametrize(
    ("sent", "status"),
    [("STARTED", "STARTED"), ("processing", "STARTED"), ("completed", "COMPLETED"),
     ("Failed", "FAILED"), ("SUCCEEDED", "COMPLETED"), ("canceled", "FAILED"),
     ("error", "FAILED"), ("In Progress", "STARTED"), ("draft", "draft"), ("PAUSED", "PAUSED")],
)  # fmt: skip
def test_status_spellings_and_unknown_ones_that_are_not_final(sent, status):
    videos = videos_from_records([{"id": "a", "type": "hologram", "status": sent}])
    assert videos[["type", "status"]].to_numpy().tolist() == [["hologram", status]]
    assert is_final(videos).tolist() == [status in {"COMPLETED", "FAILED"}]


@pytest.mark.parametrize(
    ("seconds", "kept", "quality"),
    [(None, 3.0, pd.NA), (3.04, 3.04, pd.NA), (3.05, 3.05, "duration_mismatch")],
)
def test_frames_against_seconds(seconds, kept, quality):
    row = one(durationInFrames=75, durationInSeconds=seconds)
    assert row["duration_seconds"] == kept
    assert row["data_issues"] is quality or row["data_issues"] == quality


@pytest.mark.parametrize(
    ("settings", "ratio", "extra"),
    [
        ({"aspectRatio": "9:16"}, "ratio_9_16", None),
        ({"caption": True}, None, {"videoSettings": {"caption": True}}),
        ({"caption": {"alignment": "top"}}, None,
         {"videoSettings": {"caption": {"alignment": "top"}}}),
        ("wide", None, {"videoSettings": "wide"}),
    ],
)  # fmt: skip
def test_settings_of_other_shapes(settings, ratio, extra):
    row = one(videoSettings=settings)
    assert (None if row["aspect_ratio"] is pd.NA else row["aspect_ratio"]) == ratio
    assert (None if row["extra"] is pd.NA else json.loads(row["extra"])) == extra


def test_unknown_fields_are_kept_as_json():
    assert one(zeta={}, alpha=[1, "é"])["extra"] == '{"alpha": [1, "é"], "zeta": {}}'


def test_many_unknown_fields_are_one_cell_up_to_a_size_and_named_beyond_it():
    row = one(**{f"field_{n}": n for n in range(1_000)})
    assert len(json.loads(row["extra"])) == 1_000
    row = one(name="kept", **{f"field_{n}": n for n in range(10_000)})
    assert row[["name", "data_issues"]].tolist() == ["kept", "too_large(extra)"]
    assert row["extra"] is pd.NA


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = sorted({field for column in COLUMNS for field in column.fields} | {"videoSettings", "new"})


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(fields), json_values))
def test_no_record_raises_or_changes_a_dtype(record):
    videos = videos_from_records([{**record, "id": "vid_1"}], fetched_at=NOW)
    assert arrow_from_frame(videos).schema == VIDEOS_SCHEMA
    assert videos["video_id"].tolist() == ["vid_1"]
