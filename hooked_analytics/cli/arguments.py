"""What may be written after `hooked-analytics`: commands, options and exit statuses as tables."""

from __future__ import annotations

import argparse
import os
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hooked_analytics as ha
from hooked_analytics._internal.atomic import require_space

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def count(text: str) -> int:
    """Read a whole number above 0."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def seconds(text: str) -> float:
    """Read a finite time above 0 [s]."""
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time in seconds")
    return number


def file_to_write(text: str) -> Path:
    """Check before the first request that a file can be written here."""
    import tempfile

    path = Path(os.path.expanduser(text))  # noqa: PTH111 - Path's own fails without a home
    problem = None
    if "://" in text:
        problem = f"{text} is an address: name a file of this machine"
    elif path.is_dir():
        problem = f"{path} is a folder: name a file in it"
    elif not path.parent.is_dir():
        problem = f"there is no folder {path.parent}: make it first"
    elif path.exists() and not os.access(path, os.W_OK):
        problem = f"{path} must not be written"
    else:
        try:
            require_space(path)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            problem = f"nothing can be written in {path.parent}: {error.strerror}"
    if problem:
        raise argparse.ArgumentTypeError(problem)
    return path


def table_to_write(text: str) -> Path:
    """Check the same for a table, whose suffix says its format."""
    from hooked_analytics.storage import format_of

    try:
        format_of(Path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return file_to_write(text)


def workbook_to_write(text: str) -> Path:
    """Check the same for a workbook."""
    if not text.lower().endswith(".xlsx"):
        raise argparse.ArgumentTypeError(f"a workbook ends in .xlsx, {text} does not")
    return file_to_write(text)


def option(*words: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Note the words and settings of `add_argument`."""
    return words, settings


FILE, FOLDER, TIME = {"metavar": "FILE"}, {"metavar": "DIR"}, {"metavar": "SECONDS"}
SWITCH = {"action": "store_true"}
OPTIONS = {
    "ids": option("ids", help="file with one id a line, or a table with a column video_id, whose "
                  "other columns are kept; - reads standard input"),
    "videos": option("videos", type=Path, help="table of fetch or list"),
    "paths": option("paths", type=Path, nargs="+", metavar="PATH", help="file or folder"),
    "output": option("-o", "--output", type=table_to_write, help="table to write: .parquet, "
                     ".csv, .xlsx or .jsonl", **FILE),
    "include_urls": option("--include-urls", help="keep the signed part of links, which is a "
                           "secret for 24 h", **SWITCH),
    "archive": option("--archive", help="keep rows there, half a minute after they came at the "
                      "latest; what has ended there is not requested again", **FOLDER),
    "profile": option("--profile", metavar="NAME", help="use the key HOOKED_API_KEY_NAME"),
    "limit_rate": option("--requests-per-minute", type=count, metavar="N", help="limit (60)"),
    "metrics": option("--metrics", type=file_to_write, help="counts and seconds for Prometheus",
                      **FILE),
    "json": option("--json", help="print JSON, one object a line", **SWITCH),
    "type": option("--type", help="only videos of this type"),
    "status": option("--status", help="draft, processing, completed or failed"),
    "limit": option("--limit", type=count, metavar="N", help="stop after so many videos"),
    "interval": option("--interval", type=seconds, default=5, help="between polls (5)", **TIME),
    "timeout": option("--timeout", type=seconds, help="of the whole (1800)", **TIME),
    "until_stuck": option("--until-stuck", help="end when a render is stuck", **SWITCH),
    "page": option("-o", "--output", dest="page", type=file_to_write, default=Path("report.html"),
                   help="page to write (report.html)", **FILE),
    "title": option("--title", help="of the page"),
    "by": option("--by", action="append", metavar="COLUMN", help="group by it (type); "
                 "repeatable, a section for each"),
    "period": option("--period", help="2026-10, 2026Q4, 2026 or a day; else all videos"),
    "before": option("--before", metavar="previous|FILE", help="compare with the period before, "
                     "or with another table"),
    "excel": option("--excel", type=workbook_to_write, help="write a workbook too", **FILE),
    "price": option("--price-per-credit", type=float, metavar="PRICE", help="adds the cost"),
    "currency": option("--currency", help="of the price, such as EUR"),
    "balance": option("--balance", type=float, metavar="CREDITS", help="adds when it is used up"),
    "budget": option("--budget", type=float, metavar="CREDITS", help="of a calendar month"),
    "timezone": option("--timezone", default="UTC", help="whose midnight begins a day (UTC)"),
    "tables": option("--tables", type=Path, help="write every table too, as files", **FOLDER),
    "fail_on_unusual": option("--fail-on-unusual", help="end with status 4 when the spend of a "
                              "day is unusual", **SWITCH),
    "fail_on_budget": option("--fail-on-budget", help="end with status 5 when the month will "
                             "probably exceed --budget", **SWITCH),
    "folder": option("-o", "--output", dest="directory", type=Path, required=True,
                     help="folder to fill", **FOLDER),
    "thumbnails": option("--thumbnails", help="the stills instead of the videos", **SWITCH),
    "workers": option("--workers", type=count, default=4, metavar="N", help="at a time (4)"),
    "allow_host": option("--allow-host", action="append", default=[], metavar="HOST", help="only "
                         "links to this host (repeatable), as cdn.example.com or *.example.com"),
    "demo_folder": option("-o", "--output", dest="directory", type=Path, default=DEMO_FOLDER,
                          help=f"folder to fill ({DEMO_FOLDER})", **FOLDER),
    "demo_videos": option("--videos", type=int, default=500, metavar="N", help="how many (500)"),
    "port": option("--port", type=int, default=8787, help="0 for any free one (8787)"),
    "api_key": option("--api-key", default="sandbox-key", help="the key it takes"),
    "sandbox_videos": option("--videos", type=int, default=200, metavar="N", help="invented (200)"),
    "seed": option("--seed", type=int, default=0, help="of what is invented (0)"),
    "time_scale": option("--time-scale", type=float, default=1.0, help="speed of its clock (1)"),
}  # fmt: skip
_CLIENT = ("profile", "limit_rate", "metrics", "json")
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
               ("videos", "page", "title", "by", "period", "before", "price", "currency", "balance",
                "budget", "timezone", "tables", "excel", "fail_on_unusual", "fail_on_budget",
                "metrics", "json")),
    "download": ("finished videos to a folder, going on later",
                 ("ids", "folder", "thumbnails", "workers", "allow_host", *_CLIENT)),
    "sandbox": ("the Hooked API on localhost, until Ctrl-C",
                ("port", "api_key", "sandbox_videos", "seed", "time_scale")),
    "check": ("files for keys and live links, before sharing them", ("paths",)),
}  # fmt: skip


# option -> the one that it needs
NEEDS = {"fail_on_budget": "budget", "currency": "price_per_credit"}


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands from the tables above."""
    parser = argparse.ArgumentParser(
        prog="hooked-analytics",
        description="Hooked video ids in; a table, render times, credit usage and files out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=ha.__version__)
    words, settings = option("-v", "--verbose", action="count", help="show decisions; -vv requests")
    parser.add_argument(*words, default=0, **settings)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")
    for name, (about, options) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument(*words, default=argparse.SUPPRESS, **settings)
        for wanted in options:
            its_words, its_settings = OPTIONS[wanted.rstrip("!")]
            must = {"required": True} if wanted.endswith("!") else {}
            command.add_argument(*its_words, **its_settings | must)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the words of a command, and refuse an option without the one that it needs."""
    arguments = parser.parse_args(argv)
    given = {name for name, value in vars(arguments).items() if value is not None}
    given -= {name for name in given if getattr(arguments, name) is False}  # 0 is given
    needs = NEEDS | ({"before": "period"} if vars(arguments).get("before") == "previous" else {})
    for name in given & set(needs):
        if needs[name] not in given:
            words = (f"--{each.replace('_', '-')}" for each in (name, needs[name]))
            parser.error(" needs ".join(words))
    return arguments
