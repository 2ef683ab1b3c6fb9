"""
Measure everything and write ``RESULTS.md``.

    python -m benchmarks            all figures, about a quarter of an hour
    python -m benchmarks --quick    fewer rounds, printed only
    python -m benchmarks fetch      only the benchmarks whose name begins so, printed only
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.bench_export import bench_export
from benchmarks.bench_fetch import bench_faults, bench_import, bench_latency, bench_limits
from benchmarks.bench_statistics import bench_statistics
from benchmarks.figures import HEAD, Figure

RESULTS = Path(__file__).with_name("RESULTS.md")
NOTES = Path(__file__).with_name("NOTES.md")
PACKAGES = ("pandas", "pyarrow", "requests", "urllib3", "numpy", "scipy")

# name -> (benchmark, rounds, rounds when quick)
BENCHMARKS: dict[str, tuple[Callable[[int], list[Figure]], int, int]] = {
    "fetch": (bench_latency, 9, 3),
    "limits": (bench_limits, 5, 1),
    "faults": (bench_faults, 5, 2),
    "export": (bench_export, 5, 1),
    "import": (bench_import, 15, 5),
    "statistics": (bench_statistics, 1000, 40),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    wanted = [n for n in BENCHMARKS if not arguments.names or n.startswith(tuple(arguments.names))]
    if not wanted:
        parser.error(f"no benchmark of that name; there are {', '.join(BENCHMARKS)}")
    rows = []
    print(HEAD, flush=True)
    for name in wanted:
        benchmark, rounds, quick_rounds = BENCHMARKS[name]
        for figure in benchmark(quick_rounds if arguments.quick else rounds):
            rows.append(figure.row())
            print(rows[-1], flush=True)
    if not arguments.quick and not arguments.names:
        RESULTS.write_text(report(rows))
        print(f"\nwritten: {RESULTS}")
    return 0


def report(rows: Sequence[str]) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        "# Results\n\n"
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}. Python "
        f"{platform.python_version()}, {packages}; {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}.\n\n"
        "Each figure is a ratio of two sides measured in one run, in turns; the median of the "
        "rounds, lowest and highest beside it. Targets are held against the median, limits on "
        "refusals and rows against every round.\n\n"
        f"{HEAD}\n" + "\n".join(rows) + "\n\n" + NOTES.read_text()
    )


if __name__ == "__main__":
    sys.exit(main())
