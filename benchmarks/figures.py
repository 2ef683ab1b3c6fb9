"""One figure of the results: both sides measured in one run, interleaved, as a ratio."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import NamedTuple, TypeVar


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    against: str
    target: str
    ours: str
    theirs: str
    ratio: str
    met: bool

    def row(self) -> str:
        return "| " + " | ".join([*self[:6], "met" if self.met else "**missed**"]) + " |"


HEAD = (
    "| figure | against | at least | ours | the other side | ratio | |\n"
    "|---|---|---|---|---|---|---|"
)


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float], write: str = "{:.2f}") -> str:
    """The median with the lowest and highest value beside it."""
    shown = [write.format(v) for v in (median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


Measured = TypeVar("Measured")


def interleave(rounds: int, *sides: Callable[[], Measured]) -> list[list[Measured]]:
    """Run the sides in turn, *rounds* times, the first to go changing each round."""
    results: list[list[Measured]] = [[] for _ in sides]
    for number in range(rounds):
        for step in range(len(sides)):
            at = (number + step) % len(sides)
            results[at].append(sides[at]())
    return results
