"""Frames as users make them: repeats, texts, naive times, other dtypes, columns of their own."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

import hooked_analytics as ha
from hooked_analytics.schema.frames import usable_frame

SAMPLE = ha.read_videos(Path(__file__).parents[2] / "data" / "sample_videos.parquet")
BOTH = pd.concat([SAMPLE[:300], SAMPLE[200:]])

ANSWERS = {
    "credit_usage": lambda v: ha.credit_usage(v)["credits"].sum(),
    "credits_over_time": lambda v: ha.credits_over_time(v)["credits"].sum(),
    "credit_change": lambda v: ha.credit_change(v, v)["credits_after"].sum(),
    "render_times": lambda v: ha.render_times(v)["videos"].sum(),
    "failures": lambda v: len(ha.failures(v)),
    "retry_chains": lambda v: len(ha.retry_chains(v)),
    "credit_outliers": lambda v: len(ha.credit_outliers(v)),
    "forecast_credits": lambda v: ha.forecast_credits(v, horizon_days=7).total,
    "estimate_completion": lambda v: len(ha.estimate_completion(v)),
    "completion_curve": lambda v: ha.completion_curve(v, [60])["videos"].sum(),
}
PICTURES = {
    "plot_render_times": lambda v: len(ha.plot_render_times(v, ax=Figure().subplots()).lines),
    "plot_progress": lambda v: len(
        ha.plot_progress(v.assign(observed_at=v["updated_at"]), ax=Figure().subplots()).texts
    ),
}


@cache
def of_sample(name: str) -> float:
    return (ANSWERS | PICTURES)[name](SAMPLE)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_video_counts_once_and_one_warning_says_so(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        repeated = ANSWERS[name](BOTH)
    said = {str(w.message).split(": ", 1)[1] for w in caught if "repeat" in str(w.message)}
    assert {w.filename for w in caught if "repeat" in str(w.message)} == {__file__}
    assert said == {"100 of 600 rows repeat a video; the latest row of each counts"}
    assert repeated == of_sample(name)


def test_the_latest_row_counts_and_a_failed_fetch_never_does():
    early, late = (pd.Timestamp(f"2024-01-15T1{h}:00Z") for h in (0, 1))
    rows = pd.DataFrame(
        {
            "video_id": ["v", "v", "v", "w"],
            "status": ["COMPLETED", "STARTED", None, "STARTED"],
            "fetch_error": [None, None, "timeout", None],
            "fetched_at": [early, late, late, early],
        }
    )
    with pytest.warns(UserWarning, match="2 of 4 rows"):
        once = usable_frame(rows, ["status"], what="credit_usage")
    assert once.index.tolist() == [0, 3]


def test_an_id_under_two_campaigns_is_said():
    rows = pd.concat([SAMPLE[:2].assign(campaign="a"), SAMPLE[:2].assign(campaign="b")])
    with pytest.warns(UserWarning, match="differ in campaign"):
        ha.credit_usage(rows)


def test_failures_keep_the_callers_own_columns():
    assert ha.failures(SAMPLE.assign(campaign="x"))["campaign"].eq("x").all()


CLOTHES = {
    "read by read_csv": lambda v: pd.read_csv(
        __import__("io").StringIO(v.to_csv(index=False)), dtype_backend="numpy_nullable"
    ),
    "read by read_csv, NumPy": lambda v: pd.read_csv(__import__("io").StringIO(v.to_csv())),
    "naive times": lambda v: v.assign(
        **{c: v[c].dt.tz_localize(None) for c in ("created_at", "updated_at", "fetched_at")}
    ),
    "times of nanoseconds": lambda v: v.assign(created_at=v["created_at"].dt.as_unit("ns")),
    "another zone": lambda v: v.assign(created_at=v["created_at"].dt.tz_convert("Asia/Tokyo")),
    "objects": lambda v: v.astype("object"),
    "categories": lambda v: v.astype({"type": "category", "status": "category"}),
    "decimals": lambda v: v.assign(
        used_credits=[None if pd.isna(c) else Decimal(str(c)) for c in v["used_credits"]]
    ),
    "times as text": lambda v: v.assign(created_at=v["created_at"].astype(str)),
    "merged with a table of their own": lambda v: v.merge(
        pd.DataFrame({"video_id": v["video_id"], "campaign": "x"}), on="video_id", how="left"
    ),
    "concatenated": lambda v: pd.concat([v[:200].astype("object"), v[200:]]),
    "through Arrow": lambda v: pa.Table.from_pandas(v).to_pandas(),
    "an index of their own": lambda v: v.set_index(v["video_id"].rename("key")),
    "decimals of Arrow": lambda v: v.assign(
        used_credits=v["used_credits"]
        .astype("double[pyarrow]")
        .astype(pd.ArrowDtype(pa.decimal128(9, 2)))
    ),
    "sparse": lambda v: v.assign(
        used_credits=v["used_credits"].astype("float64").astype("Sparse[float64]")
    ),
    "decimal commas of a clock": lambda v: v.assign(
        created_at=v["created_at"].astype(str).str.replace(".", ",")
    ),
    "other spellings": lambda v: v.assign(status=" " + v["status"].str.lower()),
    "an index of our columns": lambda v: v.set_index(["video_id", "type", "status"]),
    "empty text for what is missing": lambda v: v.astype("object").where(v.notna(), ""),
    "lists of their own, repeated": lambda v: pd.concat(
        [v.assign(tags=[["a"]] * len(v)), v[:5].assign(tags=[{"b": 1}] * 5)]
    ),
    "ids as the index, repeated": lambda v: pd.concat([v, v[:5]]).set_index("video_id"),
}


@pytest.mark.filterwarnings("ignore:.*repeat a video")
@pytest.mark.parametrize("dress", CLOTHES.values(), ids=CLOTHES)
def test_the_same_frame_in_other_dtypes_gives_the_same_answers(dress):
    dressed = dress(SAMPLE)
    for name, answer in (ANSWERS | PICTURES).items():
        assert answer(dressed) == pytest.approx(of_sample(name)), name


@pytest.mark.parametrize(
    "column", ["updated_at", "fetch_error", "used_credits", "duration_seconds"]
)
@pytest.mark.parametrize("missing", [float("nan"), pd.NaT, pd.NA])
def test_a_column_without_any_value_may_have_any_dtype(column, missing):
    empty = SAMPLE.assign(**{column: missing})
    assert ha.credit_usage(empty)["videos"].sum() == 500
    assert ha.render_times(empty)["videos"].sum() == 500
    assert ha.credit_usage(empty)["credits"].sum() == (0 if column == "used_credits" else 2208)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [("created_at", "soon", "time"), ("used_credits", "five", "number"), ("created_at", 7, "time"),
     ("created_at", "now", "time"), ("used_credits", True, "number"),
     ("used_credits", float("inf"), "number"), ("used_credits", 1e300, "number")],
)  # fmt: skip
def test_what_cannot_be_converted_is_named_with_the_remedy(column, value, kind):
    with pytest.raises(ValueError, match=f"the column '{column}' .* no {kind}; pass"):
        ha.credits_over_time(SAMPLE.assign(**{column: value}))


def test_a_column_that_stands_twice_is_named():
    twice = pd.concat([SAMPLE, SAMPLE[["type"]]], axis=1)
    with pytest.raises(ValueError, match="the column 'type' stands twice"):
        ha.credit_usage(twice)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("rows", [slice(None), slice(0, 60)])
def test_numpy_set_to_raise_finds_nothing(answer, rows):
    with np.errstate(all="raise"):
        try:
            answer(SAMPLE[rows])
        except ValueError as said:  # a forecast needs more days
            assert "complete days" in str(said)


@pytest.mark.parametrize("kind", ["object", "datetime64[us, UTC]"])
def test_a_time_in_year_1_is_named_with_its_row(kind):
    times = SAMPLE["created_at"].astype("object")
    times[7] = datetime(1, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="'created_at' holds in row 7 what is no time; pass"):
        ha.credits_over_time(SAMPLE.assign(created_at=times.astype(kind)))


@pytest.mark.parametrize(
    ("by", "own", "says"),
    [
        *((by, None, "by takes a column or several different ones")
          for by in ([], ["type", "type"], None, 5)),
        *(("own", values, "'own' holds lists or the like; by takes texts")
          for values in ([["a"]] * 500, [("a", "b"), 3] * 250)),
        ("campain", None, "'campain', .* Its columns are own, video_id, .* and 18 more"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_named(by, own, says):
    with pytest.raises(ValueError, match=says):
        ha.credit_usage(SAMPLE.assign(own=own), by=by)


@pytest.mark.parametrize(
    ("function", "key"),
    [(ha.credit_usage, "credits"), (ha.credits_over_time, "videos"), (ha.render_times, "videos")],
)
def test_a_key_with_the_name_of_a_figure_is_named(function, key):
    with pytest.raises(ValueError, match=f"by: '{key}' is a figure of the answer; rename"):
        function(SAMPLE.assign(**{key: "x"}), by=key)


def test_a_missing_column_is_told_with_where_it_comes_from():
    merged = SAMPLE.rename(columns={"type": "type_x"}).assign(type_y="own")
    with pytest.raises(ValueError, match="'type', .* a merge has made type_x, type_y of it"):
        ha.credit_usage(merged)
    with pytest.raises(ValueError, match="comes from VideoArchive.observations"):
        ha.observed_renders(SAMPLE)


PANDAS_ONLY = {
    "estimate_completion": ha.estimate_completion,
    "render_seconds": ha.render_seconds,
    "is_final": ha.is_final,
    "observed_renders": ha.observed_renders,
    "plot_credits": ha.plot_credits,
    "plot_credits_over_time": ha.plot_credits_over_time,
    "plot_render_times": ha.plot_render_times,
    "plot_comparison": ha.plot_comparison,
    "plot_progress": ha.plot_progress,
    "build_report": ha.build_report,
    "export_videos": lambda frame: ha.export_videos(frame, "never-written.csv"),
    "VideoArchive.append": lambda frame: ha.VideoArchive("never-made").append(frame),
}


@pytest.mark.parametrize("name", PANDAS_ONLY)
def test_what_takes_pandas_only_says_how_to_convert(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pa.Table.from_pandas(SAMPLE)
    said = f"{name} takes a pandas DataFrame, not a pyarrow Table; pass videos.to_pandas"
    with pytest.raises(TypeError, match=said):
        PANDAS_ONLY[name](table)
    with pytest.raises(TypeError, match=f"{name} takes .* not a list; pass what fetch"):
        PANDAS_ONLY[name]([1])
    assert not list(tmp_path.iterdir())


class Stream:
    """A frame of a library nobody here knows, that speaks Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("function", [ha.credit_usage, ha.render_times, ha.failures,
                                      ha.retry_chains, ha.compare_groups])  # fmt: skip
def test_an_arrow_stream_is_taken_like_a_pyarrow_table(function):
    table = pa.Table.from_pandas(SAMPLE, preserve_index=False)
    assert function(Stream(table)).equals(function(table))


def test_a_reader_that_can_be_read_once_is_refused():
    reader = pa.Table.from_pandas(SAMPLE).to_reader()
    with pytest.raises(TypeError, match=r"reads a frame more than once; pass reader.read_all"):
        ha.credit_usage(reader)


@pytest.mark.filterwarnings("ignore:.*(have no video_id|repeat a video)")
def test_blanks_around_an_id_make_no_second_video():
    rows = pd.DataFrame(
        {
            "video_id": ["a", " a\u200b\t", "b", " "], "used_credits": [1.0, 1.0, 2.0, 4.0],
            "type": "class", "status": "COMPLETED", "duration_seconds": 60.0,
        }
    )  # fmt: skip
    with pytest.warns(UserWarning, match="1 of 4 rows repeat a video"):
        usage = ha.credit_usage(rows)
    assert usage["credits"].tolist() == [7.0]


def test_a_word_for_missing_is_no_failed_fetch():
    rows = pd.DataFrame(
        {
            "video_id": ["a", "a", "b"], "used_credits": 1.0, "type": "class", "name": "NA",
            "status": ["COMPLETED", "STARTED", "COMPLETED"], "fetch_error": ["", "NaN", "timeout"],
            "message": None, "created_at": "2024-01-15T10:00:00Z", "fetched_at": pd.NaT,
        }
    )  # fmt: skip
    with pytest.warns(UserWarning, match="1 of 3 rows repeat a video"):
        assert ha.failures(rows)["video_id"].tolist() == ["b"]


@pytest.mark.parametrize("missing", [None, ""])
def test_rows_without_an_id_are_videos_of_their_own_and_one_warning_says_so(missing):
    rows = SAMPLE.assign(video_id=SAMPLE["video_id"].where(SAMPLE.index >= 20, missing))
    for name, answer in ANSWERS.items():
        with pytest.warns(UserWarning, match="no video_id") as caught:
            assert answer(rows) == pytest.approx(of_sample(name)), name
        assert {str(each.message) for each in caught} == {
            "20 of 500 rows have no video_id; each counts as a video of its own"
        }
