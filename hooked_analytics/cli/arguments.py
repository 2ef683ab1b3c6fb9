"""What may be written after `hooked-analytics`: commands, options and exit statuses as tables."""

from __future__ import annotations

import argparse
import os
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hooked_analytics as ha
from hooked_analytics._internal.atomic import local_path, nearest_existing, require_space

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEMO_FOLDER = Path("data/exports/demo")


class Status(IntEnum):
    """Exit statuses, the same for every command."""

    SUCCESS = 0
    ERROR = 1
    USAGE = 2
    VIDEOS_FAILED = 3
    UNUSUAL = 4
    OVER_BUDGET = 5
    TIMEOUT = 6
    STUCK = 7


EPILOG = """\
The key comes from HOOKED_API_KEY, or with --profile NAME from HOOKED_API_KEY_NAME; the address
from HOOKED_API_URL. Without a key, 'hooked-analytics demo' shows everything on a local sandbox.

exit statuses:
  0  success
  1  error, said on standard error ('check': a secret was found)
  2  wrong usage ('check': a file could not be searched)
  3  some videos failed: no details, no file, or a failed render ('watch')
  4  unusual spend       (report --fail-on-unusual)
  5  over budget         (report --fail-on-budget)
  6  timeout             (watch)
  7  a render is stuck   (watch --until-stuck)
  128 + n  ended by signal n: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP; what arrived is saved

Completion of words by Tab: pip install "hooked-analytics[cli]", then
  eval "$(register-python-argcomplete hooked-analytics)"
"""


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, such as 0.4") from None


def count(text: str) -> int:
    """Read a whole number above 0."""
    if (many := whole(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return many


def seconds(text: str) -> float:
    """Read a finite time above 0 [s]."""
    if not 0 < (time := number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time in seconds")
    return time


def file_to_write(text: str, check: Callable[[Path], object] = Path) -> Path:
    """Check before the first request that a file can be written here."""
    import tempfile

    try:
        path = local_path(text)
        check(path)
        if path.is_dir():
            raise ValueError(f"{path} is a folder: name a file in it")
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent}: make it first")
        if path.exists() and not os.access(path, os.W_OK):
            raise ValueError(f"{path} must not be written")
        require_space(path)
        tempfile.TemporaryFile(dir=path.parent).close()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except OSError as error:
        told = f"nothing can be written in {path.parent}: {error.strerror}"
        raise argparse.ArgumentTypeError(told) from None
    return path


def table_to_write(text: str) -> Path:
    """Check the same for a table, whose suffix says its format."""
    from hooked_analytics.storage import format_of

    return file_to_write(text, format_of)


def workbook_to_write(text: str) -> Path:
    """Check the same for a workbook."""
    if not text.lower().endswith(".xlsx"):
        raise argparse.ArgumentTypeError(f"a workbook ends in .xlsx, {text} does not")
    return file_to_write(text)


def page_to_write(text: str) -> Path:
    """Check the same for a page."""
    if not text.lower().endswith((".html", ".htm")):
        raise argparse.ArgumentTypeError(
            f"a page ends in .html, {text} does not; --excel names a workbook, --tables a folder"
        )
    return file_to_write(text)


def folder_to_fill(text: str) -> Path:
    """Check before the first request that files can be written in a folder, there or not yet."""
    try:
        folder = local_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    there = nearest_existing(folder)
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file, not a folder; choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"nothing can be written in {there}")
    return folder


def option(about: str, *words: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Note what `add_argument` takes; without words the option is called as its key below."""
    return words, {"help": about, **settings}


FILE, FOLDER, TIME = {"metavar": "FILE"}, {"metavar": "DIR"}, {"metavar": "SECONDS"}
SWITCH = {"action": "store_true"}
OPTIONS = {
    "ids": option("file with one id a line, or a table with a column video_id, whose other columns "
                  "are kept; - reads standard input", "ids"),
    "videos": option("table of fetch or list", "videos", type=Path),
    "paths": option("file or folder", "paths", type=Path, nargs="+", metavar="PATH"),
    "output": option("table to write: .parquet, .csv, .xlsx or .jsonl", "-o", "--output",
                     type=table_to_write, **FILE),
    "include_urls": option("keep the signed part of links, which is a secret for 24 h", **SWITCH),
    "archive": option("keep rows there, half a minute after they came at the latest; what has "
                      "ended there is not requested again", type=folder_to_fill, **FOLDER),
    "profile": option("use the key HOOKED_API_KEY_NAME", metavar="NAME"),
    "requests_per_minute": option("limit (60)", type=count, metavar="N"),
    "metrics": option("counts and seconds for Prometheus", type=file_to_write, **FILE),
    "json": option("print JSON, one object a line", **SWITCH),
    "type": option("only videos of this type"),
    "status": option("draft, processing, completed or failed"),
    "limit": option("stop after so many videos", type=count, metavar="N"),
    "interval": option("between polls (5)", type=seconds, default=5, **TIME),
    "timeout": option("of the whole (1800, and a minute for each 60 ids)", type=seconds, **TIME),
    "until_stuck": option("end when a render is stuck", **SWITCH),
    "page": option("page to write (report.html)", "-o", "--output", dest="page", **FILE,
                   type=page_to_write, default=Path("report.html")),
    "title": option("of the page"),
    "by": option("group by it (type); repeatable, a section for each", action="append",
                 metavar="COLUMN"),
    "period": option("2026-10, 2026Q4, 2026 or a day; else all videos"),
    "before": option("compare with the period before, or with another table",
                     metavar="previous|FILE"),
    "excel": option("write a workbook too", type=workbook_to_write, **FILE),
    "price_per_credit": option("adds the cost", type=number, metavar="PRICE"),
    "currency": option("of the price, such as EUR"),
    "balance": option("adds when it is used up", type=number, metavar="CREDITS"),
    "budget": option("of a calendar month", type=number, metavar="CREDITS"),
    "timezone": option("whose midnight begins a day (UTC)", default="UTC"),
    "tables": option("write every table too, as files", type=folder_to_fill, **FOLDER),
    "fail_on_unusual": option("end with status 4 when the spend of a day is unusual", **SWITCH),
    "fail_on_budget": option("end with status 5 when the month will probably exceed --budget",
                             **SWITCH),
    "folder": option("folder to fill", "-o", "--output", dest="directory",
                     type=folder_to_fill, required=True, **FOLDER),
    "thumbnails": option("the stills instead of the videos", **SWITCH),
    "workers": option("at a time (4)", type=count, default=4, metavar="N"),
    "allow_host": option("only links to this host (repeatable), as cdn.example.com or "
                         "*.example.com", action="append", default=[], metavar="HOST"),
    "demo_folder": option(f"folder to fill ({DEMO_FOLDER})", "-o", "--output", dest="directory",
                          type=folder_to_fill, default=DEMO_FOLDER, **FOLDER),
    "demo_videos": option("how many (500)", "--videos", type=whole, default=500, metavar="N"),
    "port": option("0 for any free one (8787)", type=whole, default=8787),
    "api_key": option("the key it takes", default="sandbox-key"),
    "sandbox_videos": option("invented (200)", "--videos", type=whole, default=200, metavar="N"),
    "seed": option("of what is invented (0)", type=whole, default=0),
    "time_scale": option("speed of its clock (1)", type=number, default=1.0),
}  # fmt: skip
_CLIENT = ("profile", "requests_per_minute", "metrics", "json")
_TABLE = ("include_urls", "archive", *_CLIENT)
# command -> what it does, and its options; "!" marks one that must be given
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "demo": ("the main job on a local sandbox, no key needed", ("demo_folder", "demo_videos")),
    "fetch": ("details of the videos of a file, a request each", ("ids", "output!", *_TABLE)),
    "list": ("the team's videos, 100 a request; with --archive their details as well",
             ("type", "status", "limit", "output", *_TABLE)),
    "watch": ("the videos of a file until all have ended",
              ("ids", "interval", "timeout", "until_stuck", "output", *_TABLE)),
    "report": ("one page about the videos of a table",
               ("videos", "page", "title", "by", "period", "before", "price_per_credit",
                "currency", "balance", "budget", "timezone", "tables", "excel",
                "fail_on_unusual", "fail_on_budget", "metrics", "json")),
    "download": ("finished videos to a folder, going on later",
                 ("ids", "folder", "thumbnails", "workers", "allow_host", *_CLIENT)),
    "sandbox": ("the Hooked API on localhost, until Ctrl-C",
                ("port", "api_key", "sandbox_videos", "seed", "time_scale")),
    "check": ("files for keys and live links, before sharing them", ("paths",)),
}  # fmt: skip
# option -> the one that it needs
NEEDS = {"fail_on_budget": "budget", "currency": "price_per_credit"}


def flag(name: str) -> str:
    """Write the name of an option as it is given."""
    return f"--{name.replace('_', '-')}"


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands from the tables above."""
    parser = argparse.ArgumentParser(
        prog="hooked-analytics",
        description="Hooked video ids in; a table, render times, credit usage and files out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=ha.__version__)
    verbose: dict[str, Any] = {"action": "count", "help": "show decisions; -vv requests"}
    parser.add_argument("-v", "--verbose", default=0, **verbose)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")
    for name, (about, options) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("-v", "--verbose", default=argparse.SUPPRESS, **verbose)
        for marked in options:
            words, settings = OPTIONS[key := marked.rstrip("!")]
            must = {"required": True} if marked.endswith("!") else {}
            command.add_argument(*(words or (flag(key),)), **settings | must)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the words of a command, and refuse an option without the one that it needs."""
    arguments = parser.parse_args(argv)
    given = {n: v for n, v in vars(arguments).items() if v is not None and v is not False}
    needs = NEEDS | ({"before": "period"} if given.get("before") == "previous" else {})
    for name, needed in needs.items():
        if name in given and needed not in given:
            parser.error(f"{flag(name)} needs {flag(needed)}")
    return arguments
