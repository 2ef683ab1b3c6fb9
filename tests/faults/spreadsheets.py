"""Hostile names in CSV and XLSX, opened by LibreOffice without a screen and converted back."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

from hooked_analytics.schema import videos_from_records
from hooked_analytics.storage import export_videos

PROGRAM = Path(shutil.which("soffice") or shutil.which("libreoffice") or "soffice")

SIGNS = ["=", "+", "-", "@", "\uff1d", "\uff0b", "\u2212"]
BEFORE = [
    "", "", "", " ", "\t", "\r", "\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u202e", "'", '"',
    "a\n", "a\r\n", 'a"\n', "{", "a,", "a\t", "of:", "\x00", "_x003D_", "a_x000D_",
]  # fmt: skip
BODIES = [
    "1+1", "SUM(A1:A9)", 'HYPERLINK("http://127.0.0.1:9/"&A2;"click")', "cmd|' /C calc'!A0",
    'WEBSERVICE("http://127.0.0.1:9/")', 'DDE("soffice";"/etc/passwd";"a1")', "1+1,=2+2",
    '1+1",=2+2,"', "1+1\n=2+2", "IMPORTXML(1)", "-1",
]  # fmt: skip
# In a CSV a spreadsheet takes these for numbers and dates: not wanted, and no formula.
NUMBERS = ["007", "1e5", "TRUE", "2024-01-15", "50 %"]
PLAIN = ["Product Tutorial", 'Über, "alles"', "#N/A", *NUMBERS]
# comma, quote, UTF-8: without it LibreOffice, like Excel, guesses a Windows code page
AS_UTF8 = "--infilter=CSV:44,34,76,1"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def hostile_names(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    parts = (BEFORE, SIGNS, BODIES, ["", "\n", "x"])
    made = ("".join(map(draw.choice, parts)) for _ in range(count - len(PLAIN)))
    return [*PLAIN, *made]


def convert(files: list[Path], to: str, folder: Path, *options: str) -> list[Path]:
    """Open files in LibreOffice, one start for all, and have it write them in another format."""
    command = [
        PROGRAM, "--headless", "--norestore", "--nologo", "--nolockcheck",
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        *options, "--convert-to", to, "--outdir", folder / to, *files,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    made = [folder / to / f"{file.stem}.{to}" for file in files]
    if not all(file.exists() for file in made):
        raise RuntimeError(f"LibreOffice did not write {to}: {done.stdout} {done.stderr}")
    return made


def cells(path: Path) -> Iterator[tuple[bool, str]]:
    """Whether each filled cell of a converted file is a formula, and its text."""
    with ZipFile(path) as book:
        if path.suffix == ".ods":
            for cell in ET.parse(book.open("content.xml")).iter(f"{_TABLE}table-cell"):
                text = "\n".join("".join(p.itertext()) for p in cell.iter(f"{_TEXT}p"))
                yield f"{_TABLE}formula" in cell.attrib, text
            return
        shared = ET.parse(book.open("xl/sharedStrings.xml")).iter(f"{_MAIN}si")
        texts = [_plain("".join(t.text or "" for t in item.iter(f"{_MAIN}t"))) for item in shared]
        for cell in ET.parse(book.open("xl/worksheets/sheet1.xml")).iter(f"{_MAIN}c"):
            value = cell.findtext(f"{_MAIN}v") or ""
            formula = cell.find(f"{_MAIN}f") is not None
            yield formula, texts[int(value)] if cell.get("t") == "s" else value


def _plain(text: str) -> str:
    """Read the signs that XLSX spells by their numbers."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda sign: chr(int(sign[1], 16)), text)


def letters(text: str) -> str:
    """What a person reads: spreadsheets keep no controls, and their own breaks and blanks."""
    return "".join(re.findall(r"\w|[=+@-]", text)).lstrip("_")


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Write *count* names, convert them (large counts to two formats), and read every cell."""
    names = hostile_names(count, seed)
    videos = videos_from_records([{"id": f"vid_{i}", "name": n} for i, n in enumerate(names)])
    formulas, lost, seen, unguarded = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        book = export_videos(videos, folder / "book.xlsx")
        texts = [
            export_videos(videos, folder / "guarded.csv"),
            export_videos(videos, folder / "bait.csv", formula_safe=False),
        ]
        for to in ("ods", "xlsx")[: 1 + (count >= 100)]:
            guarded, bait = convert(texts, to, folder, AS_UTF8)
            unguarded += sum(formula for formula, _ in cells(bait))
            for file in (guarded, *convert([book], to, folder)):
                found = list(cells(file))
                formulas += sum(formula for formula, _ in found)
                seen += len(found)
                there = {letters(text) for _, text in found}
                lost += sum(letters(name) not in there for name in names if name not in NUMBERS)
    return {
        "names": len(names),
        "cells read": seen,
        "formula cells": formulas,
        "texts lost": lost,
        "formula cells without the guard": unguarded,
    }
