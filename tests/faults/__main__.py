"""
Run the proof and write its section of ``benchmarks/RESULTS.md``.

    python -m tests.faults            all figures, about half an hour
    python -m tests.faults kills      only these, printed and not written
    python -m tests.faults --short    the counts of `make test`, printed and not written
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from benchmarks.results import keep
from tests.faults.figures import FIGURES, Figure

HEAD = "| figure | at least | found | |\n|---|---|---|---|"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="modules of tests/faults")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - {figure.module for figure in FIGURES}:
        parser.error(f"no figure {', '.join(unknown)}")
    print(HEAD, flush=True)
    rows = []
    for figure in FIGURES:
        elsewhere = arguments.short and isinstance(figure.short, str)
        if not elsewhere and (not arguments.names or figure.module in arguments.names):
            rows.append(row(figure, short=arguments.short, seed=arguments.seed))
            print(rows[-1], flush=True)
    if not arguments.names and not arguments.short:
        keep("faults", "\n".join([HEAD, *rows]))
    return int(any("**" in each for each in rows))


def row(figure: Figure, *, short: bool, seed: int) -> str:
    """Run one figure and write its line; whatever goes wrong is an outcome too."""
    count = figure.short if short and isinstance(figure.short, int) else figure.count
    began = time.monotonic()
    try:
        found = figure.run(count, seed)
        outcome = "met" if figure.met_in_time(found) else "**missed**"
    except Exception as fault:  # noqa: BLE001 - the other figures are still to come
        traceback.print_exc()
        found, outcome = {"broke off": f"{type(fault).__name__}: {fault}"}, "**missed**"
    told = "; ".join(f"{name}: {shown(value)}" for name, value in found.items())
    took = time.monotonic() - began
    return f"| {figure.what} | {figure.target} | {told} ({took:.0f} s) | {outcome} |"


def shown(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.replace("|", "/").split())[:300]


if __name__ == "__main__":
    sys.exit(main())
