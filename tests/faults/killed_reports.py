"""Reports to be killed while they are written: the page, and the folder of tables."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import hooked_analytics as ha

REPEATS = 300_000


@cache
def _report() -> Any:
    videos = ha.videos_from_records([{"id": "vid_1", "type": "class", "usedCredits": 5}])
    return ha.build_report(videos)


def page_written(folder: Path, number: int) -> None:
    # a page in its place: to draw the real one takes seconds, to write it a moment
    with mock.patch("hooked_analytics.report.page.page_html", return_value=_page(number)):
        _report().to_html(folder / "report.html")


def page_found(folder: Path) -> set[int]:
    text = (folder / "report.html").read_text()
    number = int(text[:9])
    if text != _page(number):
        raise AssertionError("a page is not whole")
    return {number}


def _page(number: int) -> str:
    return f"{number:09d}" * REPEATS


def tables_written(folder: Path, number: int) -> None:
    replace(_report(), title=str(number)).export(folder / "tables")


def tables_found(folder: Path) -> set[int]:
    found = ha.read_report(folder / "tables")
    if set(found.tables) != set(_report().tables):
        raise AssertionError("a table is missing")
    return {int(found.title)}
