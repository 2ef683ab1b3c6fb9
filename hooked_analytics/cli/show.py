"""What a person at the terminal reads: messages wrapped at words, tables that fit."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from hooked_analytics._internal.safe_text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

MISSING = "–"
MAX_NAMED, MIN_LAST_COLUMN = 10, 8
# Python objects, which a person at a terminal does not have
_OF_PYTHON = re.compile(r"\.videos\b|\w\(|\w=")


def say(line: str) -> None:
    """Tell the person something on standard error, wrapped at words on a terminal."""
    if sys.stderr.isatty():
        line = textwrap.fill(
            line, columns(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    print(line, file=sys.stderr, flush=True)


def say_failures(failed: pd.DataFrame) -> None:
    """Name the first rows of two columns: what failed, and why."""
    for name, message in failed[:MAX_NAMED].itertuples(index=False):
        say(f"  {name}: {clean(message).removeprefix(f'{name}: ')}")
    if len(failed) > MAX_NAMED:
        say(f"  and {len(failed) - MAX_NAMED:,} more")


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for a person, or lines of tab-separated cells without heading for a pipe."""
    if sys.stdout.isatty():
        show_table(headings, rows)
    else:
        for row in rows:
            print("\t".join(map(clean, row)))


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that fits the terminal: the last column takes what is left, and is cut."""
    from tqdm.utils import disp_len

    table = [[clean(cell) or MISSING for cell in row] for row in (headings, *rows)]
    *widths, last = [max(map(disp_len, column)) for column in zip(*table, strict=True)]
    left = columns() - sum(widths) - 2 * len(widths)
    widths.append(min(last, max(left, MIN_LAST_COLUMN)))
    for row in table:
        print("  ".join(map(fit, row, widths)).rstrip())


def without_python(message: str) -> str:
    """Leave out the sentences that speak of Python, such as "Every row is in .videos"."""
    first, *rest = re.split(r"(?<=[.;]) ", message.strip())
    plain = [first, *(each for each in rest if not _OF_PYTHON.search(each))]
    return " ".join(plain).removesuffix(";")


def fit(text: str, width: int) -> str:
    """
    Bring a text to a width, cut with "…" or filled with blanks.

    >>> fit("Müller", 8), fit("Müller", 4), fit("東京都", 4)
    ('Müller  ', 'Mül…', '東… ')
    """
    from tqdm.utils import disp_len, disp_trim

    if disp_len(text) > width:
        text = disp_trim(text, width - 1) + "…"
    return text + " " * (width - disp_len(text))


def clean(value: object) -> str:
    """Put a value on one line; what is missing is empty."""
    none = value is None or (not isinstance(value, str) and str(value) in {"<NA>", "NaT", "nan"})
    return "" if none else one_line(str(value))


def columns() -> int:
    """Width of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns
