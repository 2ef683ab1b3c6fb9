"""
Ten million videos: the table functions against the same answers hand-written on the engine.

Each side runs in a process of its own, started in turns, which reads the data into memory
first; its time and the memory it added at the peak are those of the answers alone. The answers
of both sides are compared. Times are in milliseconds, as Hooked gives them, so that half of
the rows have a time to the end of their own: the hard case for counting.
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

from benchmarks.by_hand import duckdb_usage, polars_times, polars_usage
from benchmarks.figures import Figure, interleave, median, spread

ROWS = 10_000_000
TYPES = (
    "class", "avatar", "ugc_ads", "tiktok", "script_to_video", "podcast", "product_ad", "hooks",
    "hook_demo", "scenes", "green_screen", "captions",
)  # fmt: skip
STATUSES = ("COMPLETED", "FAILED", "STARTED")
BEGAN = 1_700_000_000_000  # [ms]
MONTH = 30 * 86_400_000  # [ms]


def build(rows: int) -> pa.Table:
    """Draw the needed columns of a videos frame."""
    draw = np.random.default_rng(0)
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


def ours_on(engine: str) -> Callable[[str], Callable[[], Any]]:
    def of_file(file: str) -> Callable[[], Any]:
        from hooked_analytics import credit_usage

        return lambda: _usage_rows(credit_usage(_opened(engine, file)))

    return of_file


def theirs_on(engine: str) -> Callable[[str], Callable[[], Any]]:
    def of_file(file: str) -> Callable[[], Any]:
        return lambda: _usage_rows(_WRITTEN[engine](_opened(engine, file)))

    return of_file


def _opened(engine: str, file: str) -> Any:
    if engine == "DuckDB":
        import duckdb

        return duckdb.connect().read_parquet(file)
    import polars as pl

    return pl.scan_parquet(file)


_WRITTEN = {"DuckDB": duckdb_usage, "lazy Polars": polars_usage}
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
    return {row["type"]: [float(row[name]) for name in columns] for row in plain}


SIDES: dict[str, Callable[[str], Callable[[], Any]]] = {
    "ours": ours_in_memory,
    "theirs": theirs_in_memory,
    "ours DuckDB": ours_on("DuckDB"),
    "theirs DuckDB": theirs_on("DuckDB"),
    "ours lazy Polars": ours_on("lazy Polars"),
    "theirs lazy Polars": theirs_on("lazy Polars"),
}


def measure_here(side: str, file: str, warm: str) -> dict[str, Any]:
    """Do one side's work in this process, once on little data, so that nothing is loaded late."""
    SIDES[side](warm)()
    work = SIDES[side](file)
    before = resident("VmRSS")
    with PeakMemory() as peak:
        began = time.perf_counter()
        answers = work()
        took = time.perf_counter() - began
    return {"seconds": took, "bytes": max(peak.bytes - before, 1), "answers": answers}


class PeakMemory:
    """Highest resident memory while it is open, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, resident("VmRSS"))

    def __enter__(self) -> PeakMemory:
        self.bytes = resident("VmRSS")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()


def resident(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def measure(side: str, file: str, warm: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench_engines", side, file, warm]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def same(ours: Any, theirs: Any) -> None:
    """Raise where the answers of the two sides differ by more than the order of a sum."""
    for mine, other in zip(np.atleast_1d(ours), np.atleast_1d(theirs), strict=True):
        assert mine.keys() == other.keys()
        for key, values in mine.items():
            np.testing.assert_allclose(values, other[key], rtol=1e-9)


def bench_engines(rounds: int = 5, rows: int = ROWS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for count in (1000, rows // 10, rows):
            files[count] = f"{folder}/{count}.parquet"
            pq.write_table(build(count), files[count], row_group_size=1_000_000)
        return [
            *in_memory(files, rounds, rows),
            *(on_engine(engine, files, rounds, rows) for engine in _WRITTEN),
        ]


def in_memory(files: dict[int, str], rounds: int, rows: int) -> list[Figure]:
    ours, theirs, tenth = interleave(
        rounds,
        lambda: measure("ours", files[rows], files[1000]),
        lambda: measure("theirs", files[rows], files[1000]),
        lambda: measure("ours", files[rows // 10], files[1000]),
    )
    same(ours[0]["answers"], theirs[0]["answers"])
    what = f"`credit_usage` + `render_times`, {rows:,} rows, from a videos frame"
    by_hand = "the same answers hand-written in Polars, same data in memory, answers compared"
    return [
        compared(what, by_hand, "≤ 2 × time", 2, _seconds(ours), _seconds(theirs), "{:.2f} s"),
        compared(
            "the same: peak memory added", by_hand, "≤ 2 ×", 2, _megabytes(ours),
            _megabytes(theirs), "{:,.0f} MB",
        ),
        compared(
            f"the same: growth from {rows // 10:,} rows", "a tenth of the rows", "≤ 12 ×", 12,
            _seconds(ours), _seconds(tenth), "{:.2f} s",
        ),
    ]  # fmt: skip


def on_engine(engine: str, files: dict[int, str], rounds: int, rows: int) -> Figure:
    ours, theirs = interleave(
        rounds,
        lambda: measure(f"ours {engine}", files[rows], files[1000]),
        lambda: measure(f"theirs {engine}", files[rows], files[1000]),
    )
    same(ours[0]["answers"], theirs[0]["answers"])
    language = "SQL" if engine == "DuckDB" else "expression"
    return compared(
        f"`credit_usage`, {rows:,} rows, from Parquet by {engine}",
        f"the engine's own {language}, answers compared",
        "≤ 1.3 ×",
        1.3,
        _seconds(ours),
        _seconds(theirs),
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


def _seconds(results: list[dict[str, Any]]) -> list[float]:
    return [result["seconds"] for result in results]


def _megabytes(results: list[dict[str, Any]]) -> list[float]:
    return [result["bytes"] / 1e6 for result in results]


if __name__ == "__main__":
    print(json.dumps(measure_here(*sys.argv[1:4])))
