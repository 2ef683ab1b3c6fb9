"""Hostile names in CSV and XLSX, opened by LibreOffice without a screen."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
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


def hostile_names(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    parts = (BEFORE, SIGNS, BODIES, ["", "\n", "x"])
    made = ("".join(map(draw.choice, parts)) for _ in range(count - len(PLAIN)))
    return [*PLAIN, *made]


def opened(files: list[Path], folder: Path, *options: str) -> list[Path]:
    """Open files in LibreOffice, one start for all, and have it write what it made of them."""
    command = [
        PROGRAM, "--headless", "--norestore", "--nologo", "--nolockcheck", *options,
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--convert-to", "ods", "--outdir", folder, *files,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    made = [folder / f"{file.stem}.ods" for file in files]
    if not all(file.exists() for file in made):
        raise RuntimeError(f"LibreOffice wrote nothing: {done.stdout} {done.stderr}")
    return made


def cells(path: Path) -> list[tuple[bool, str]]:
    """Whether each filled cell is a formula, and its text."""
    with ZipFile(path) as book:
        found = ET.parse(book.open("content.xml")).iter(f"{_TABLE}table-cell")
    return [
        (
            f"{_TABLE}formula" in cell.attrib,
            "\n".join("".join(line.itertext()) for line in cell.iter(f"{_TEXT}p")),
        )
        for cell in found
    ]


def letters(text: str) -> str:
    """What a person reads: spreadsheets keep no controls, and their own breaks and blanks."""
    return "".join(re.findall(r"\w|[=+@-]", text)).lstrip("_")


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Write *count* names, open them in LibreOffice, and read every cell."""
    names = hostile_names(count, seed)
    videos = videos_from_records([{"id": f"vid_{i}", "name": n} for i, n in enumerate(names)])
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        book = export_videos(videos, folder / "book.xlsx")
        guarded = export_videos(videos, folder / "guarded.csv")
        bait = export_videos(videos, folder / "bait.csv", formula_safe=False)
        seen = [
            cells(file)
            for file in opened([guarded, bait], folder, AS_UTF8) + opened([book], folder)
        ]
    unguarded = sum(formula for formula, _ in seen.pop(1))
    lost = sum(
        letters(name) not in there
        for there in ({letters(text) for _, text in found} for found in seen)
        for name in names
        if name not in NUMBERS
    )
    formulas = sum(formula for found in seen for formula, _ in found)
    return {
        "names": len(names),
        "cells read": sum(map(len, seen)),
        "formula cells": formulas,
        "texts lost": lost,
        "formula cells without the guard": unguarded,
    }
