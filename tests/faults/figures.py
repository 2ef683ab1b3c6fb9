"""
The table of figures: what is run, how often, and what must come of it.

A figure is a module of this folder with ``run(count, seed=0)``, which gives what it found, and
one line here. ``make faults`` runs the full counts; `make test` the short ones, where there is
no test of its own that does.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    zero: tuple[str, ...] = ()  # of what was found, each must be there, and 0
    at_least: Mapping[str, float] = {}
    at_most: Mapping[str, float] = {}
    in_time: Mapping[str, float] = {}  # at most; not asked of a busy machine's tests

    @property
    def needs(self) -> Path | None:
        """A program it cannot do without."""
        return getattr(import_module(f"tests.faults.{self.module}"), "PROGRAM", None)

    def run(self, count: int, seed: int = 0) -> Found:
        found: Found = import_module(f"tests.faults.{self.module}").run(count, seed)
        return found

    def met(self, found: Found) -> bool:
        most = {**dict.fromkeys(self.zero, 0), **self.at_most}
        least = self.at_least.items()
        return _below(found, most) and all(found[name] >= bound for name, bound in least)

    def met_in_time(self, found: Found) -> bool:
        return self.met(found) and _below(found, self.in_time)


def _below(found: Found, bounds: Mapping[str, float]) -> bool:
    return all(found[name] <= bound for name, bound in bounds.items())


FIGURES = (
    Figure(
        "canary key after a notebook run through success, 403, time-out, bad key, "
        "`%xmode Verbose`, pickling, logging at DEBUG",
        "canary", 3, "tests/client/test_canary.py",
        "0 hits in what it leaves, also unpacked, base64 and URL-encoded",
        zero=("hits",), at_least={"failures as expected": True},
    ),
    Figure(
        "hostile names in CSV and XLSX, opened by LibreOffice",
        "spreadsheets", 500, 60,
        "0 formula cells; the text is there",
        zero=("formula cells", "texts lost"), at_least={"formula cells without the guard": 1},
    ),
    Figure(
        "keys planted in files of every kind and writing, searched by `check`",
        "shared_files", 1000, "tests/secrets_scan/test_secrets_scan.py",
        "all found, 0 false alarms, no piece of a key shown",
        zero=("not found", "not found by their name", "pieces of a key shown", "false alarms"),
    ),
    Figure(
        "small files that hold much, searched by `check`: zip, XLSX, gzip, notebooks, deep JSON, "
        "Parquet, Arrow",
        "packed_bombs", 1, "tests/secrets_scan/test_secrets_scan.py",
        "0 over +200 MB, 0 tracebacks, what was not searched is said by status 2",
        zero=("over +200 MB", "tracebacks", "not said"),
    ),
    Figure(
        "hostile names in panel, report and frozen panel, in Chromium",
        "pages", 500, 10,
        "0 scripts run, 0 foreign elements",
        zero=("scripts run", "foreign elements", "requests", "names not there"),
    ),
    Figure(
        "the kernel's stop button at random moments after a cell that started a panel",
        "panel_interrupts", 200, "tests/panel/test_panel_kernel.py",
        "0 ignored",
        zero=("ignored",),
    ),
    Figure(
        "scripts that end while a panel (each second one), a receiver or a poll runs",
        "exits", 200, 3,
        "all end with status 0 and say nothing",
        zero=("failed",),
    ),
    Figure(
        "1,000 ids, 20 % faults of all kinds",
        "thousand_ids", 1000, "tests/fetch/test_fetch.py",
        "a row each, ≤ 1.5 requests per id, 0 exceptions",
        zero=("rows missing", "wrong rows", "without a reason", "requests to the other host"),
        at_least={"in order": True}, at_most={"requests per id": 1.5},
    ),
    Figure(
        "downloads: cut × kill × expire × range ignored × disk full",
        "download_matrix", 200, "tests/download/test_download_files.py",
        "every finished file's sha256 right, 0 half files under a final name, ≤ 1 refresh each",
        zero=("wrong_sha", "half_files", "unfilled", "left_behind"),
        at_least={"runs": 200}, at_most={"most_refreshes": 1},
    ),
    Figure(
        "kills during export, report, archive; of downloads in the line above",
        "kills", 100, 2,
        "old or new, never other; a tenth of the kills meets a write",
        zero=("neither old nor new",), in_time={"share that met no write": 0.9},
    ),
    Figure(
        "forged, replayed, duplicate and late webhooks",
        "webhook_storm", 1000, "tests/webhooks/test_webhooks.py",
        "0 wrong states; the receiver answers p99 ≤ 100 ms",
        zero=("wrong_states",), at_least={"calls": 1}, in_time={"p99_ms": 100},
    ),
    Figure(
        "gzip bomb, endless body, 10,000-field body",
        "bombs", 5, "tests/fetch/test_fetch.py",
        "memory up ≤ 50 MB, one row with the reason",
        zero=("rows missing", "reasons missing"),
        at_most={"memory up by one [MB]": 50, "memory up by 16 at once [MB]": 50},
    ),
    Figure(
        "headers and status lines made up by hypothesis, met by fetch, list, poll and download",
        "headers", 20_000, 200,
        "a row, or the header ignored; 0 other exceptions",
        zero=("other exceptions",), at_least={"answers": 200},
    ),
    Figure(
        "hostile answers, headers and status lines × signals × a full disk or a file in place of "
        "the folder, over fetch, list, poll, download and the command line",
        "generator", 2_000, 30,
        "0 rows lost, 0 bare exceptions, 0 requests begun more than 1 s after the stop",
        zero=("rows lost", "bare exceptions"), at_least={"runs": 30},
        in_time={"requests after the stop": 0},
    ),
    Figure(
        "24 h of polling in scaled time, 500 videos, 5 % faults",
        "long_watch", 180, 3,
        "no growth of memory or threads, all final",
        zero=("not final", "wrong ends", "threads up", "missing in the archive"),
        at_most={"memory up [MB]": 5, "objects up [%]": 5, "threads at the end": 1},
    ),
    Figure(
        "a day of polls, one a minute, each kept in an archive, by a virtual clock",
        "archive_day", 100, 5,
        "fewer than 600 files at any time, every video kept",
        zero=("missing in the archive",), at_least={"appends": 50}, at_most={"files at most": 599},
    ),
    Figure(
        "histories made up by a state machine over sandbox, archive, poll, downloads and webhooks, "
        "with faults, interrupts, kills, dead links, late and false calls",
        "machine", 60, 3,
        "one row per id, final stays final, credits once, requests within bounds, no half file, "
        "no key",
        zero=("broken promises",), at_least={"histories": 1},
    ),
)  # fmt: skip
