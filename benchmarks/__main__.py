"""
Measure and write ``RESULTS.md``.

    python -m benchmarks            all figures, about forty minutes
    python -m benchmarks fetch      only these; the others in RESULTS.md stay
    python -m benchmarks --quick    fewer rounds, printed only
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks.bench_archive import bench_archive
from benchmarks.bench_check import bench_check
from benchmarks.bench_comparison import bench_comparison
from benchmarks.bench_download import bench_download
from benchmarks.bench_engines import bench_engines, bench_far
from benchmarks.bench_export import bench_export
from benchmarks.bench_fetch import bench_import, bench_latency, bench_limits
from benchmarks.bench_forecast import bench_forecast
from benchmarks.bench_panel import bench_panel
from benchmarks.bench_poll import bench_poll
from benchmarks.bench_report import bench_report
from benchmarks.bench_statistics import bench_statistics
from benchmarks.bench_time_left import bench_time_left
from benchmarks.bench_watch import bench_watch
from benchmarks.figures import HEAD, Figure
from benchmarks.results import keep

# name -> (benchmark, rounds, rounds when quick)
BENCHMARKS: dict[str, tuple[Callable[[int], list[Figure]], int, int]] = {
    "fetch": (bench_latency, 9, 3),
    "limits": (bench_limits, 5, 1),
    "watch": (bench_watch, 3, 1),
    "poll": (bench_poll, 1, 1),
    "export": (bench_export, 5, 1),
    "download": (bench_download, 9, 3),
    "import": (bench_import, 15, 5),
    "panel": (bench_panel, 15, 3),
    "archive": (bench_archive, 15, 3),
    "check": (bench_check, 5, 1),
    "report": (bench_report, 5, 1),
    "engines": (bench_engines, 5, 1),
    "engines, long": (bench_far, 1, 1),
    "statistics": (bench_statistics, 1000, 40),
    "forecast": (bench_forecast, 5, 5),
    "comparison": (bench_comparison, 200, 10),
    "time left": (bench_time_left, 180, 3),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in arguments.names or BENCHMARKS:
        benchmark, rounds, quick_rounds = BENCHMARKS[name]
        figures = benchmark(quick_rounds if arguments.quick else rounds)
        table = "\n".join([HEAD, *(figure.row() for figure in figures)])
        print(f"## {name}\n\n{table}\n", flush=True)
        if not arguments.quick:
            keep(name, table, order=BENCHMARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
