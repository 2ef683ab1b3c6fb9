"""The table functions give the same numbers on every engine, real clusters among them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hooked_analytics as ha
from hooked_analytics.schema import arrow_from_frame, outcomes
from hooked_analytics.schema.engines import like

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

START = pd.Timestamp("2024-03-30T22:10:00Z")
SINGLE = ["polars", "polars lazy", "pyarrow", "duckdb"]
CLUSTERS = [pytest.param(name, marks=pytest.mark.cluster) for name in ("dask", "spark")]


def videos(*rows: tuple[str | None, str | None, float | None, float | None]) -> pd.DataFrame:
    """Rows of (type, status, seconds until updated_at, credits), five hours apart."""
    records = []
    for number, (kind, status, seconds, credits) in enumerate(rows):
        created = START + pd.Timedelta(5 * number, "h")
        ended = None if seconds is None else (created + pd.Timedelta(seconds, "s")).isoformat()
        records.append(
            {
                "id": f"vid_{number}", "type": kind, "status": status, "usedCredits": credits,
                "createdAt": created.isoformat(), "updatedAt": ended,
                "durationInSeconds": 60.0 if number % 3 else None,
            }
        )  # fmt: skip
    return ha.videos_from_records(records, fetched_at=(START + pd.Timedelta("30D")).to_pydatetime())


AWKWARD = videos(
    ("class", "COMPLETED", 60, 2), ("class", "COMPLETED", 90.25, 4), ("class", "FAILED", 30, 1),
    ("class", "COMPLETED", 0.000001, 0), ("class", "STARTED", 5, None), (None, "COMPLETED", 7, 8),
    (None, "FAILED", 7, None), ("a thirteenth", "COMPLETED", -5, 0.5), ("class", "archived", 1, 1),
    ("all unknown", "COMPLETED", 3, None), ("all unknown", "FAILED", None, None),
    ("rendering", "STARTED", None, None), ("rendering", None, None, 3),
    ("class", "COMPLETED", 86_400 * 400, 0.25), ("scenes", "COMPLETED", 60, 16),
    ("scenes", "COMPLETED", 61, 16), ("scenes", "FAILED", 62, 32),
)  # fmt: skip
AWKWARD.loc[12, "fetch_error"] = "timeout"
AWKWARD.loc[8, ["created_at", "used_credits"]] = [pd.NaT, pd.NA]

CASES = {
    "awkward": AWKWARD,
    "empty": AWKWARD.head(0),
    "all failed": videos(("a", "FAILED", 5, 1), (None, "FAILED", 9, None)),
    "all rendering": videos(("a", "STARTED", None, None), ("b", "STARTED", 3, 1)),
    "all credits unknown": videos(("a", "COMPLETED", 5, None), ("b", "FAILED", 5, None)),
    "one row": videos(("a", "COMPLETED", 5, 1)),
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "render_times": ha.render_times,
    "render_times by two": lambda frame: ha.render_times(frame, by=["type", "status"]),
    "completion_curve": lambda frame: ha.completion_curve(frame, [0, 60, 100]),
    "credit_usage": lambda frame: ha.credit_usage(frame, price_per_credit=0.5),
    "credit_usage by two": lambda frame: ha.credit_usage(frame, by=["status", "type"]),
    "credits_over_time": ha.credits_over_time,
    "credits_over_time in a zone": lambda frame: ha.credits_over_time(
        frame, freq="D", by="type", timezone="Asia/Kathmandu"
    ),
    "credit_change": lambda frame: ha.credit_change(frame, frame),
    "failures": ha.failures,
}
# Every query costs a second on a cluster: each function once.
ON_CLUSTERS = [
    "render_times", "completion_curve", "credit_usage", "credits_over_time in a zone",
    "credit_change", "failures",
]  # fmt: skip


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and no `java` is on the path")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "700m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "1",
        # on tiny frames compiling each query costs more than running it
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark")),
        # what a day is must not hang on it
        "spark.sql.session.timeZone": "America/New_York",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, pd.DataFrame], Any]:
    """Give a frame on an engine, read from Parquet where the engine does so."""
    count = iter(range(100))

    def frame(engine: str, table: pd.DataFrame) -> Any:
        folder = tmp_path / f"frame{next(count)}"
        folder.mkdir()
        half = len(table) // 2
        ours = arrow_from_frame(table)
        for name, part in {"a": ours.slice(0, half), "b": ours.slice(half)}.items():
            pq.write_table(part, folder / f"{name}.parquet")
        return read(engine, folder, request)

    return frame


def read(engine: str, folder: Path, request: pytest.FixtureRequest) -> Any:
    files = f"{folder}/*.parquet"
    if engine == "pandas":
        return pd.read_parquet(folder)
    if engine == "pyarrow":
        return pq.read_table(folder)
    if engine.startswith("polars"):
        import polars as pl

        return pl.scan_parquet(files) if "lazy" in engine else pl.read_parquet(files)
    if engine == "duckdb":
        import duckdb

        connection = duckdb.connect()
        # what a day is must not hang on it
        connection.execute("SET TimeZone = 'America/New_York'")
        return connection.read_parquet(files)
    if engine == "dask":
        request.getfixturevalue("dask_cluster")
        from dask import dataframe

        return dataframe.read_parquet(folder)
    return request.getfixturevalue("spark").read.parquet(str(folder))


def plain(answer: Any) -> list[dict[str, Any]]:
    """Rows of any frame as plain values, missing as None."""
    rows = nw.from_native(answer).lazy().collect("pyarrow").to_native().to_pylist()
    return [
        {
            name: None
            if isinstance(value, float) and math.isnan(value)
            else pytest.approx(value, rel=1e-12)
            if isinstance(value, float)
            else value
            for name, value in row.items()
            if not name.startswith("__index")  # of a filtered Dask frame
        }
        for row in rows
    ]


def assert_same(answer: Any, frame: Any, expected: pd.DataFrame, *, ordered: bool = True) -> None:
    assert type(answer) is type(frame)
    found, wanted = plain(answer), plain(expected)
    assert list(nw.from_native(answer).lazy().collect_schema().names()) == list(expected.columns)
    if not ordered:
        found, wanted = (sorted(rows, key=lambda row: row["video_id"]) for rows in (found, wanted))
    assert found == wanted


@cache
def on_pandas(case: str, function: str) -> pd.DataFrame:
    return FUNCTIONS[function](CASES[case])


@pytest.mark.parametrize(
    ("engine", "case"),
    [*((e, "awkward") for e in SINGLE), *((e, c) for e in ("polars lazy", "pyarrow") for c in CASES
     if c != "awkward")],
)  # fmt: skip
def test_the_same_numbers_on_one_machine(on, engine, case):
    frame = on(engine, CASES[case])
    for name, function in FUNCTIONS.items():
        answer = function(frame)
        assert_same(answer, frame, on_pandas(case, name), ordered=name != "failures")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", CLUSTERS)
def test_the_same_numbers_on_a_cluster(on, engine):
    for case, names in {"awkward": ON_CLUSTERS, "empty": ON_CLUSTERS[:1]}.items():
        frame = on(engine, CASES[case])
        for name in names:
            answer = FUNCTIONS[name](frame)
            assert_same(answer, frame, on_pandas(case, name), ordered=name != "failures")


@cache
def unusual() -> pd.DataFrame:
    """Ten weeks of three videos a day: a dear one, one made again, slower renders at the end."""
    days = range(210)
    kinds = ["class", "ugc"] * 105
    rows = videos(*((kinds[n], "COMPLETED", None, 4 + n % 3) for n in days))
    created = START + pd.to_timedelta([8 * n for n in days], unit="h").as_unit("us")
    rows = rows.assign(
        created_at=created,
        updated_at=created + pd.to_timedelta([300 if n >= 189 else 60 for n in days], unit="s"),
        fetched_at=created.max(),
        duration_seconds=60.0,
        script=[f"script {n // 4 if n % 2 else n}" for n in days],
    )
    rows.loc[[1, 201], ["status", "used_credits"]] = [["FAILED", 4.0], ["COMPLETED", 90.0]]
    return rows


FOUND = {  # function, and what tells its first row
    ha.retry_chains: ("success_credits", 8.0),
    ha.compare_groups: ("videos", 105),
    ha.spend_anomalies: ("credits", 101.0),
    ha.render_drift: ("drifting", True),
    ha.credit_outliers: ("used_credits", 90.0),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["polars lazy", "pyarrow", "duckdb", *CLUSTERS])
def test_what_is_unusual_is_found_on_every_engine(on, engine):
    frame = on(engine, unusual())
    for function in FOUND:
        expected = function(unusual())
        name, value = FOUND[function]
        assert expected[name].iloc[0] == value
        assert_same(function(frame), frame, expected)


@pytest.mark.filterwarnings("ignore:.*(have no video_id|repeat a video)")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["pandas", *SINGLE, *CLUSTERS])
def test_a_video_counts_once_and_its_status_is_understood(on, engine):
    """A poll before the end, the end twice, a failure in another word, two rows without an id."""
    rows = videos(
        ("a", "STARTED", 5, 9), ("a", "succeeded", 60, 2), ("a", "succeeded", 60, 2),
        ("a", "Canceled", 30, 1), ("a", "COMPLETED", 60, 4), ("a", "COMPLETED", 60, 4),
    )  # fmt: skip
    rows = rows.assign(
        video_id=["v", " v", "v", "w", "", None], created_at=START,
        updated_at=START + pd.to_timedelta([5, 60, 60, 30, 60, 60], unit="s"),
        status=["STARTED", "succeeded", "succeeded", "Canceled", "COMPLETED", "COMPLETED"],
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"credit_usage: 2 of 6 rows repeat a video; the latest"):
        usage = plain(ha.credit_usage(on(engine, rows)))
    assert [(u["videos"], u["credits"], u["failed_credits"]) for u in usage] == [(4, 11.0, 1.0)]
    with pytest.warns(UserWarning, match="2 of 6 rows have no video_id; each counts as a video"):
        times = plain(ha.render_times(on(engine, rows)))
    assert [(t["completed"], t["failed"], t["rendering"]) for t in times] == [(3, 1, 0)]


SHOWN = [  # minute, and what was seen of which video then
    (0, "vid_a", "STARTED", None, 0), (0, "vid_b", "STARTED", None, 0),
    (2, "vid_a", "STARTED", None, 0), (4, "vid_a", "COMPLETED", 5, 3),
    (9, "vid_a", "COMPLETED", 5, 9), (9, "vid_b", "FAILED", 1, 8), (9, "vid_c", "COMPLETED", 2, 1),
]  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> ha.VideoArchive:
    """Three videos, partly compacted; updated_at of vid_a moved after its end had been seen."""
    kept = ha.VideoArchive(tmp_path / "archive")
    for minute in (0, 2, 4, 9):
        at = START + pd.Timedelta(minute, "min")
        seen = [
            {
                "id": video_id, "type": "class", "status": status, "usedCredits": credits,
                "createdAt": START.isoformat(), "durationInSeconds": 60,
                "updatedAt": (START + pd.Timedelta(updated, "min")).isoformat(),
            }
            for when, video_id, status, credits, updated in SHOWN
            if when == minute
        ]  # fmt: skip
        kept.append(ha.videos_from_records(seen, fetched_at=at.to_pydatetime()))
        if minute == 4:
            kept.compact()
    lost = kept.videos().tail(1).assign(status=pd.NA, fetch_error="timeout", used_credits=pd.NA)
    kept.append(lost.assign(fetched_at=START + pd.Timedelta("1h")))
    return kept


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["pandas", *SINGLE, *CLUSTERS])
def test_of_an_archive_each_video_counts_once_and_as_seen_at_its_end(
    archive, engine, request: pytest.FixtureRequest
):
    frame, newest = read(engine, archive.directory, request), archive.videos()
    usage = plain(ha.credit_usage(frame))
    assert usage == plain(ha.credit_usage(newest))
    assert [(row["videos"], row["credits"]) for row in usage] == [(3, 8.0)]

    observed = ha.observed_renders(archive.observations())
    times = plain(ha.render_times(frame, observed_renders=observed))
    assert times == plain(ha.render_times(newest, observed_renders=observed))
    # vid_b between 0 and 9 minutes with 8 told, vid_c at 1; vid_a told 9, seen between 2 and 4
    assert [(row["median_seconds"], row["p90_seconds"], row["time_source"]) for row in times] == [
        (180.0, 480.0, "both")
    ]


def test_of_an_archive_the_order_of_rows_and_a_row_given_twice_change_nothing(archive):
    seen, newest = archive.observations(), archive.videos()
    assert ha.failures(seen)["video_id"].tolist() == ["vid_b"]
    for seed in range(5):
        mixed = pd.concat([seen, seen[:4]]).sample(frac=1, random_state=seed)
        for function in (ha.credit_usage, ha.failures):
            assert plain(function(mixed)) == plain(function(newest))
        assert ha.render_times(mixed).equals(ha.render_times(seen))


@pytest.mark.parametrize(
    ("engine", "value"),
    [*((e, math.nan) for e in ("pandas", *SINGLE)), *((e, math.inf) for e in SINGLE)],
)
def test_what_is_no_number_is_unknown_on_every_engine(engine, value, tmp_path, request):
    table = arrow_from_frame(videos(("a", "COMPLETED", 5, 1), ("a", "COMPLETED", 5, 2)))
    at = table.column_names.index("used_credits")
    table = table.set_column(at, "used_credits", pa.array([value, 2.0]))
    pq.write_table(table, tmp_path / "nan.parquet")
    (usage,) = plain(ha.credit_usage(read(engine, tmp_path, request)))
    assert (usage["credits"], usage["credits_unknown"]) == (2.0, 1)


@pytest.mark.parametrize("engine", ["polars", "pyarrow"])
def test_times_as_text_are_read_where_the_rows_are_in_memory(on, engine):
    rows = pd.concat([AWKWARD, AWKWARD[:2]])
    text = rows.assign(**{n: rows[n].astype("string") for n in ("created_at", "fetched_at")})
    kept = arrow_from_frame(rows).drop_columns(["created_at", "fetched_at"])
    for name in ("created_at", "fetched_at"):
        kept = kept.append_column(name, pa.array(text[name], from_pandas=True))
    frame = nw.from_arrow(kept, backend=engine).to_native()
    for function in (ha.credits_over_time, ha.render_times, ha.credit_usage):
        with pytest.warns(UserWarning, match="2 of 19 rows repeat a video"):
            assert_same(function(frame), frame, function(AWKWARD))
    with pytest.raises(ValueError, match="'created_at' is String, no time; cast it to a timestamp"):
        ha.credits_over_time(nw.from_arrow(kept, backend="polars").lazy().to_native())


@pytest.mark.parametrize("engine", ["polars", "polars lazy", "pyarrow", "duckdb"])
def test_a_column_of_nothing_and_moments_of_nanoseconds_are_taken(engine):
    import duckdb

    table = arrow_from_frame(unusual())
    at = table.column_names.index
    fine = table["created_at"].cast(pa.timestamp("ns", "UTC"))
    table = table.set_column(at("created_at"), "created_at", fine)
    table = table.set_column(at("used_credits"), "used_credits", pa.nulls(len(table)))
    table = table.set_column(at("updated_at"), "updated_at", pa.nulls(len(table)))
    expected = unusual().assign(used_credits=pd.NA, updated_at=pd.NaT)
    frame = nw.from_arrow(table, backend=engine.split()[0].replace("duckdb", "pyarrow"))
    frame = frame.lazy() if "lazy" in engine else frame
    frame = duckdb.connect().from_arrow(table) if engine == "duckdb" else frame.to_native()
    for function in (ha.credits_over_time, ha.render_times, ha.retry_chains):
        assert_same(function(frame), frame, function(expected))


@pytest.mark.parametrize("engine", ["pandas", *SINGLE])
def test_a_column_that_is_not_there_is_named_with_what_is_there(on, engine):
    with pytest.raises(ValueError, match=r"needs the column 'colour'.*Its columns are"):
        ha.credit_usage(on(engine, CASES["one row"]), by=["type", "colour"])


@pytest.mark.parametrize("given", [[1, 2], "class", pd.Series(["class"])])
def test_what_is_no_frame_is_refused(given):
    with pytest.raises(TypeError, match="credit_usage takes a frame of pandas, Polars"):
        ha.credit_usage(given)


def test_an_answer_of_duckdb_lives_on_the_connection_it_came_from(on):
    frame = on("duckdb", CASES["one row"])
    joined = ha.credit_usage(frame).join(frame.project("type, name").set_alias("more"), "type")
    assert len(joined.fetchall()) == 1


@pytest.mark.parametrize("dtype", ["category", "string", "str"])
def test_keys_of_pandas_keep_their_dtype(dtype):
    if dtype == "str" and pd.Series(["a"]).dtype == "object":
        pytest.skip("this pandas has no text dtype of that name")
    frame = AWKWARD.astype({"type": dtype, "status": dtype})
    for name in ("render_times by two", "credit_usage by two", "credits_over_time in a zone"):
        answer, plainly = FUNCTIONS[name](frame), on_pandas("awkward", name)
        assert answer["type"].dtype == frame["type"].dtype
        assert plain(answer.astype({"type": "string"})) == plain(plainly)


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_the_unit_of_the_clock_does_not_matter(unit):
    times = ["created_at", "updated_at", "fetched_at"]
    whole = AWKWARD.assign(**{name: AWKWARD[name].dt.floor("s") for name in times})
    other = whole.assign(**{name: whole[name].dt.as_unit(unit) for name in times})
    for name in ("render_times", "credits_over_time"):
        assert plain(FUNCTIONS[name](other)) == plain(FUNCTIONS[name](whole))


@pytest.mark.parametrize("engine", ["pandas", *SINGLE])
def test_times_have_eleven_bits_in_a_list_of_millions_and_are_exact_before(on, engine, monkeypatch):
    took = [0.0004, 1.2346, 12.3456, 123.456, 1234.56, 12345.6, 123456.7, 1_234_567.8]
    rounded = [0.0, 1.235, 12.344, 123.456, 1234.944, 12345.344, 123_469.824, 1_234_173.952]
    frame = on(engine, videos(*((str(n), "COMPLETED", s, 1) for n, s in enumerate(took))))
    exact = [round(s, 3) for s in took]
    assert [row["median_seconds"] for row in plain(ha.render_times(frame))] == exact[::-1]
    monkeypatch.setattr(outcomes, "MAX_EXACT_ROWS", 7)
    assert [row["median_seconds"] for row in plain(ha.render_times(frame))] == rounded[::-1]


def test_what_was_observed_may_be_on_the_engine_of_the_videos_and_on_no_other(on, archive):
    observed = ha.observed_renders(archive.observations())
    frame = on("duckdb", archive.videos())
    same = like(observed[["video_id", "last_seen_started", "first_seen_final"]], frame)
    expected = plain(ha.render_times(frame, observed_renders=observed))
    assert plain(ha.render_times(frame, observed_renders=same)) == expected
    with pytest.raises(TypeError, match="observed_renders is on .*; give both on one engine"):
        ha.render_times(archive.videos(), observed_renders=same)
    with pytest.raises(ValueError, match="observed_renders needs the column 'first_seen_final'"):
        ha.render_times(frame, observed_renders=observed[["video_id", "last_seen_started"]])


@pytest.mark.parametrize(
    ("updated", "started", "final", "seconds", "basis"),
    [
        (100, 90, 120, 100.0, "observed"),
        (900, 90, 120, 105.0, "observed"),
        (50, 90, 120, 105.0, "observed"),
        (None, 90, 120, 105.0, "observed"),
        (900, None, 120, 120.0, "observed"),
        (100, None, 120, 100.0, "updated_at"),
        (None, None, 120, None, "updated_at"),
        (100, 90, None, 100.0, "updated_at"),
        (100, None, None, 100.0, "updated_at"),
    ],
)
def test_an_end_that_was_seen_wins_over_an_updated_at_outside(
    updated, started, final, seconds, basis
):
    frame = videos(("class", "COMPLETED", updated, 1))
    seen = {"last_seen_started": started, "first_seen_final": final}
    moments = {name: START + pd.to_timedelta([at], unit="s") for name, at in seen.items()}
    observed = pd.DataFrame({"video_id": ["vid_0"], **moments})
    (row,) = plain(ha.render_times(frame, observed_renders=observed))
    assert (row["median_seconds"], row["time_source"]) == (seconds, basis)
    (curve,) = plain(ha.completion_curve(frame, 1000, observed_renders=observed))
    assert curve["time_source"] == basis
