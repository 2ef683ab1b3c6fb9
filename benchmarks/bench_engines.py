"""
Ten million videos: the table functions against the same answers hand-written on the engine.

Each side runs in a process of its own, started in turns: CPU seconds of all its threads, and
the resident memory at the peak, of child processes too. The answers of both sides are compared.
The hand-written side does the same: renders under way censored, the same counts, each video once
(no list here repeats one; of an engine's frame only an archive's observations are searched for
repeats). It counts each millisecond, where ours keeps eleven bits above a million rows, so times
agree to one in a thousand. Half of the rows have a time of their own: the hard case for counting.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.by_hand import duckdb_times, duckdb_usage, polars_times, polars_usage
from benchmarks.figures import Figure, interleave, median, spread

ROWS = 10_000_000
MANY = 50_000_000
TYPES = (
    "class", "avatar", "ugc_ads", "tiktok", "script_to_video", "podcast", "product_ad", "hooks",
    "hook_demo", "scenes", "green_screen", "captions",
)  # fmt: skip
STATUSES = ("COMPLETED", "FAILED", "STARTED")
BEGAN = 1_700_000_000_000  # [ms]
MONTH = 30 * 86_400_000  # [ms]


def build(rows: int, seed: int = 0) -> pa.Table:
    """Draw the needed columns of a videos frame."""
    draw = np.random.default_rng(seed)
    created = BEGAN + draw.integers(0, MONTH, rows)
    took = np.exp(draw.normal(np.log(180_000), 0.8, rows)).astype(np.int64)
    status = draw.choice(3, rows, p=[0.9, 0.07, 0.03])
    return pa.table(
        {
            "type": _text(draw.integers(0, len(TYPES), rows), TYPES),
            "status": _text(status, STATUSES),
            "created_at": _times(created),
            "updated_at": _times(created + took),
            "fetched_at": _times(created + took),
            "used_credits": pa.array(
                np.round(draw.uniform(0.5, 40, rows), 2), mask=draw.random(rows) < 0.03
            ),
            "duration_seconds": pa.array(draw.integers(5, 300, rows) * 1.0, mask=status != 0),
        }
    )


def write_file(file: str, rows: int) -> None:
    """Write in parts of a million rows, so that no more are in memory."""
    with pq.ParquetWriter(file, build(1).schema) as writer:
        for seed, first in enumerate(range(0, rows, 1_000_000)):
            writer.write_table(build(min(1_000_000, rows - first), seed))


def write_archive(folder: str, rows: int) -> None:
    """Have an archive keep two observations of each video: under way, and as it was then."""
    from hooked_analytics import VideoArchive
    from hooked_analytics.schema import VIDEOS_SCHEMA, frame_from_arrow

    size = min(1_000_000, rows // 2)
    for seed in range(rows // 2 // size):
        later = build(size, seed)
        ids = pa.array([f"vid_{seed}_{number}" for number in range(size)], pa.large_string())
        later = later.append_column("video_id", ids)
        empty = VIDEOS_SCHEMA.empty_table()
        videos = frame_from_arrow(pa.concat_tables([empty, later], promote_options="default"))
        before = videos.assign(status="STARTED", fetched_at=videos["created_at"])
        for observed in (before, videos):
            VideoArchive(folder).append(observed)


def _text(codes: Any, texts: tuple[str, ...]) -> pa.Array:
    coded = pa.DictionaryArray.from_arrays(codes.astype(np.int32), texts)
    return coded.cast(pa.large_string())


def _times(milliseconds: Any) -> pa.Array:
    return pa.array(milliseconds * 1000).cast(pa.timestamp("us", tz="UTC"))


def ours_in_memory(file: str) -> Callable[[], Any]:
    from hooked_analytics import credit_usage, render_times
    from hooked_analytics.schema import frame_from_arrow

    videos = frame_from_arrow(pq.read_table(file))
    return lambda: (_usage_rows(credit_usage(videos)), _time_rows(render_times(videos)))


def theirs_in_memory(file: str) -> Callable[[], Any]:
    import polars as pl

    videos = pl.from_arrow(pq.read_table(file))

    def answers() -> Any:
        return _usage_rows(polars_usage(videos.lazy())), _time_rows(polars_times(videos))

    return answers


def ours_on(engine: str, function: str) -> Callable[[str], Callable[[], Any]]:
    def of_file(file: str) -> Callable[[], Any]:
        import hooked_analytics

        answer = getattr(hooked_analytics, function)
        return lambda: _ROWS[function](answer(_opened(engine, file)))

    return of_file


def theirs_on(engine: str, function: str) -> Callable[[str], Callable[[], Any]]:
    def of_file(file: str) -> Callable[[], Any]:
        return lambda: _ROWS[function](_WRITTEN[engine][function](_opened(engine, file)))

    return of_file


def _opened(engine: str, file: str) -> Any:
    if engine in _WRITTEN and Path(file).is_dir():
        file = f"{file}/*.parquet"
    if engine == "DuckDB":
        import duckdb

        return duckdb.connect().read_parquet(file)
    if engine == "Dask":
        from dask import dataframe

        return dataframe.read_parquet(file)
    if engine == "Spark":
        return _spark().read.parquet(file)
    import polars as pl

    return pl.scan_parquet(file)


def _spark() -> Any:
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "3g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": tempfile.gettempdir(),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


_WRITTEN: dict[str, dict[str, Callable[[Any], Any]]] = {
    "DuckDB": {"credit_usage": duckdb_usage, "render_times": duckdb_times},
    "lazy Polars": {"credit_usage": polars_usage, "render_times": polars_times},
}
_CLUSTERS = ("Dask", "Spark")
_USAGE = [
    "videos", "credits", "credits_unknown", "share", "credits_per_video", "credits_per_minute",
    "failed_credits", "failed_share",
]  # fmt: skip
_TIMES = [
    "videos", "completed", "failed", "rendering", "median_seconds", "median_low", "median_high",
    "p90_seconds", "p90_low", "p90_high",
]  # fmt: skip


def _usage_rows(table: Any) -> dict[str, list[float]]:
    return _rows(table, _USAGE)


def _time_rows(table: Any) -> dict[str, list[float]]:
    return _rows(table, _TIMES)


def _rows(table: Any, columns: list[str]) -> dict[str, list[float]]:
    import narwhals.stable.v2 as nw

    plain = nw.from_native(table).lazy().collect("pyarrow").to_native().to_pylist()
    return {row["type"]: [_float(row[name]) for name in columns] for row in plain}


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


_ROWS = {"credit_usage": _usage_rows, "render_times": _time_rows}
SIDES: dict[str, Callable[[str], Callable[[], Any]]] = {
    "ours": ours_in_memory,
    "theirs": theirs_in_memory,
    **{
        f"{function} theirs {engine}": theirs_on(engine, function)
        for engine in _WRITTEN
        for function in _ROWS
    },
    **{
        f"{function} ours {engine}": ours_on(engine, function)
        for engine in (*_WRITTEN, *_CLUSTERS)
        for function in _ROWS
    },
}


def measure_here(side: str, file: str, warm: str) -> dict[str, Any]:
    """Do one side's work in this process, once on little data, so that nothing is loaded late."""
    SIDES[side](warm)()
    work = SIDES[side](file)
    before = resident()
    with PeakMemory() as peak:
        began, cpu = time.perf_counter(), time.process_time()
        answers = work()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    added = max(peak.bytes - before, 1)
    return {"wall": took, "cpu": cpu, "added": added, "peak": peak.bytes, "answers": answers}


class PeakMemory:
    """Highest resident memory while it is open, read every few milliseconds."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, resident())

    def __enter__(self) -> PeakMemory:
        self.bytes = resident()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()


def resident(pid: int | str = "self") -> int:
    """Memory of a process and its children."""
    process = Path(f"/proc/{pid}")
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
        children = [
            child for task in (process / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]  # fmt: skip
    except OSError:  # it has ended meanwhile
        return 0
    return (1024 * int(found[1]) if found else 0) + sum(map(resident, children))


def measure(side: str, file: str, warm: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench_engines", side, file, warm]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    """Raise where the answers of the two sides differ."""
    assert ours.keys() == theirs.keys()
    for key, values in ours.items():
        np.testing.assert_allclose(values, theirs[key], rtol=tolerance)


_TOLERANCE = {"credit_usage": 1e-9, "render_times": 1e-3}


def bench_engines(rounds: int = 5, rows: int = ROWS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for count in (1000, rows // 10, rows):
            files[count] = f"{folder}/{count}.parquet"
            write_file(files[count], count)
        return [
            *in_memory(files, rounds, rows),
            *(
                on_engine(engine, function, files, rounds, rows)
                for engine in _WRITTEN
                for function in _ROWS
            ),
        ]


def bench_far(rounds: int = 1, rows: int = ROWS, many: int = MANY) -> list[Figure]:
    """Run what takes long: five times as many rows, and clusters over an archive's folder."""
    with tempfile.TemporaryDirectory() as folder:
        few, file, archive = (f"{folder}/{name}" for name in ("few", "many", "archive"))
        write_file(few, 1000)
        write_file(file, many)
        figures = [
            at_most(engine, "render_times", f"{many:,} rows, from Parquet", file, few, rounds)
            for engine in _WRITTEN
        ]
        Path(file).unlink()
        write_archive(archive, rows)
        write_archive(f"{folder}/little", 1000)
        what = f"an archive's folder of {rows:,} observations"
        return [
            *figures,
            *(
                at_most(engine, function, what, archive, f"{folder}/little", rounds)
                for engine in (*_WRITTEN, *_CLUSTERS)
                for function in _ROWS
            ),
        ]


def at_most(engine: str, function: str, what: str, file: str, warm: str, rounds: int) -> Figure:
    ours = [measure(f"{function} ours {engine}", file, warm) for _ in range(rounds)]
    limit = 1500 if engine in _WRITTEN else 6000
    peaks = [each["peak"] / 1e6 for each in ours]
    return Figure(
        f"`{function}`, {what}, by {engine}: memory of the process at the peak",
        "",
        f"≤ {limit:,} MB",
        spread(peaks, "{:,.0f} MB"),
        spread([each["wall"] for each in ours], "{:.1f} s"),
        "",
        median(peaks) <= limit,
    )


def in_memory(files: dict[int, str], rounds: int, rows: int) -> list[Figure]:
    ours, theirs, tenth = interleave(
        rounds,
        lambda: measure("ours", files[rows], files[1000]),
        lambda: measure("theirs", files[rows], files[1000]),
        lambda: measure("ours", files[rows // 10], files[1000]),
    )
    for at, tolerance in enumerate(_TOLERANCE.values()):
        same(ours[0]["answers"][at], theirs[0]["answers"][at], tolerance)
    what = f"`credit_usage` + `render_times`, {rows:,} rows, from a videos frame"
    by_hand = "the same answers hand-written in Polars, same data in memory, answers compared"
    return [
        compared(what, by_hand, "≤ 2 × CPU", 2, _cpu(ours), _cpu(theirs), "{:.2f} s"),
        compared(
            "the same: peak memory added", by_hand, "≤ 2 ×", 2, _megabytes(ours),
            _megabytes(theirs), "{:,.0f} MB",
        ),
        compared(
            f"the same: growth from {rows // 10:,} rows", "a tenth of the rows", "≤ 12 ×", 12,
            _cpu(ours), _cpu(tenth), "{:.2f} s",
        ),
    ]  # fmt: skip


def on_engine(engine: str, function: str, files: dict[int, str], rounds: int, rows: int) -> Figure:
    ours, theirs = interleave(
        rounds,
        lambda: measure(f"{function} ours {engine}", files[rows], files[1000]),
        lambda: measure(f"{function} theirs {engine}", files[rows], files[1000]),
    )
    same(ours[0]["answers"], theirs[0]["answers"], _TOLERANCE[function])
    language = "SQL" if engine == "DuckDB" else "expression"
    return compared(
        f"`{function}`, {rows:,} rows, from Parquet by {engine}",
        f"the engine's own {language}, answers compared",
        "≤ 1.3 × CPU",
        1.3,
        _cpu(ours),
        _cpu(theirs),
        "{:.2f} s",
    )


def compared(
    what: str, against: str, target: str, most: float, ours: list[float], theirs: list[float],
    write: str,
) -> Figure:  # fmt: skip
    ratio = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Figure(
        what, against, target, spread(ours, write), spread(theirs, write), spread(ratio),
        median(ratio) <= most,
    )  # fmt: skip


def _cpu(results: list[dict[str, Any]]) -> list[float]:
    return [result["cpu"] for result in results]


def _megabytes(results: list[dict[str, Any]]) -> list[float]:
    return [result["added"] / 1e6 for result in results]


if __name__ == "__main__":
    print(json.dumps(measure_here(*sys.argv[1:4])))
