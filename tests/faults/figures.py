"""
The table of figures: what is run, how often, and what must come of it.

A figure is a module of this folder with ``run(count, seed=0)``, which gives what it found, and
one line here. ``make faults`` runs the full counts; `make test` the short ones, where there is
no test of its own that does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

Found = dict[str, object]


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    module: str
    count: int
    short: int | str  # a count, or the test that is the short form
    target: str
    met: Callable[[Found], bool]
    in_time: Callable[[Found], bool] = lambda found: True  # not asked of a busy machine's tests

    @property
    def needs(self) -> Path | None:
        """A program it cannot do without."""
        module = import_module(f"tests.faults.{self.module}")
        return getattr(module, "CHROMIUM", None)

    def run(self, count: int, seed: int = 0) -> Found:
        found: Found = import_module(f"tests.faults.{self.module}").run(count, seed)
        return found


def none(*names: str) -> Callable[[Found], bool]:
    """All of these are there, and 0."""
    return lambda found: all(found[name] == 0 for name in names)


FIGURES = (
    Figure(
        "canary key after a notebook run through success, 403, time-out, bad key, "
        "`%xmode Verbose`, pickling, logging at DEBUG",
        "canary",
        3,
        "tests/client/test_canary.py",
        "0 hits in what it leaves, also unpacked, base64 and URL-encoded",
        lambda f: f["hits"] == 0 and f["failures as expected"],
    ),
    Figure(
        "hostile ids, listed and made up by hypothesis",
        "hostile_ids",
        1000,
        "tests/client/test_video_id.py",
        "≥ 24 and ≥ 500; 0 requests off `/v1/video/{id}`",
        lambda f: (
            none("requests for them", "requests off the path")(f)
            and f["listed ids"] >= 24
            and f["made-up ids"] >= 500
        ),
    ),
    Figure(
        "hostile names in CSV and XLSX, opened by LibreOffice and converted back",
        "spreadsheets",
        500,
        "tests/faults/test_spreadsheets.py",
        "0 formula cells; the text is there",
        lambda f: (
            none("formula cells", "texts lost")(f) and f["formula cells without the guard"] > 0
        ),
    ),
    Figure(
        "keys planted in files of every kind and writing, searched by `check`",
        "shared_files",
        1000,
        "tests/secrets_scan/test_secrets_scan.py",
        "all found, 0 false alarms, no piece of a key shown",
        lambda f: (
            f["found"] == f["found by their name alone"] == f["keys planted"]
            and none("pieces of a key shown", "false alarms")(f)
        ),
    ),
    Figure(
        "hostile names in panel, report and frozen panel, in Chromium",
        "pages",
        500,
        25,
        "0 scripts run, 0 foreign elements",
        none("scripts run", "foreign elements", "requests", "names not there"),
    ),
    Figure(
        "the kernel's stop button at random moments after a cell that started a panel",
        "panel_interrupts",
        200,
        10,
        "0 ignored",
        none("ignored"),
    ),
    Figure(
        "scripts that end while a panel in them polls",
        "panel_exits",
        100,
        4,
        "all end with status 0 and say nothing",
        none("failed", "complaints"),
    ),
    Figure(
        "1,000 ids, 20 % faults of all kinds",
        "thousand_ids",
        1000,
        60,
        "a row each, ≤ 1.5 requests per id, 0 exceptions",
        lambda f: (
            f["rows missing"] == 0
            and f["in order"]
            and f["requests per id"] <= 1.5
            and none("wrong rows", "without a reason", "requests to the other host")(f)
        ),
    ),
    Figure(
        "downloads: cut × kill × expire × range ignored × disk full",
        "download_matrix",
        200,
        "tests/download/test_download_files.py",
        "every finished file's sha256 right, 0 half files under a final name, ≤ 1 refresh each",
        lambda f: (
            f["runs"] >= 200
            and none("wrong_sha", "half_files", "unfilled", "left_behind")(f)
            and f["most_refreshes"] <= 1
        ),
    ),
    Figure(
        "kills during export, report, archive, download",
        "kills",
        100,
        2,
        "old or new, never other",
        none("neither old nor new"),
        in_time=lambda f: f["met a write under way"] >= f["kills"] / 10,
    ),
    Figure(
        "forged, replayed, duplicate and late webhooks",
        "webhook_storm",
        1000,
        "tests/webhooks/test_webhooks.py",
        "0 wrong states; the receiver answers p99 ≤ 100 ms",
        lambda f: f["wrong_states"] == 0 and f["calls"] > 0,
        in_time=lambda f: f["p99_ms"] <= 100,
    ),
    Figure(
        "gzip bomb, endless body, 10,000-field body",
        "bombs",
        5,
        1,
        "memory up ≤ 50 MB, one row with the reason",
        lambda f: (
            none("rows missing", "reasons missing")(f)
            and f["memory up by one [MB]"] <= 50
            and f["memory up by 16 at once [MB]"] <= 50
        ),
    ),
    Figure(
        "headers and status lines made up by hypothesis, met by fetch, list, poll and download",
        "headers",
        20_000,
        200,
        "a row, or the header ignored; 0 other exceptions",
        lambda f: f["answers"] >= 200 and f["other exceptions"] == 0,
    ),
    Figure(
        "hostile answers × signals × a full disk or a file in place of the folder, over fetch, "
        "list, poll, download and the command line",
        "generator",
        2_000,
        "tests/cli/test_interrupts.py",
        "0 rows lost, 0 bare exceptions, 0 requests begun more than 1 s after the stop",
        lambda f: f["runs"] >= 40 and none("rows lost", "bare exceptions")(f),
        in_time=none("requests after the stop"),
    ),
    Figure(
        "scripts that end while a poll or a receiver runs in a thread",
        "script_ends",
        100,
        4,
        "all exit with status 0 and say nothing",
        lambda f: f["scripts"] == f["exited"],
    ),
    Figure(
        "24 h of polling in scaled time, 500 videos, 5 % faults",
        "long_watch",
        180,
        5,
        "no growth of memory or threads, all final",
        lambda f: (
            none("not final", "wrong ends", "threads up", "missing in the archive")(f)
            and f["memory up [MB]"] <= 5
            and f["objects up [%]"] <= 5
            and f["threads at the end"] == 1
        ),
    ),
    Figure(
        "histories made up by a state machine over sandbox, archive, poll, downloads and webhooks, "
        "with faults, interrupts, kills, dead links, late and false calls",
        "machine",
        60,
        3,
        "one row per id, final stays final, credits once, requests within bounds, no half file, "
        "no key",
        lambda f: f["histories"] > 0 and f["broken promises"] == 0,
    ),
)
