"""The file of results: one section for each set of figures, each written on its own."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
NOTES = Path(__file__).with_name("NOTES.md")
PACKAGES = ("pandas", "pyarrow", "requests", "urllib3", "numpy", "scipy", "narwhals")


def keep(name: str, table: str, *, order: Iterable[str] = ()) -> None:
    """Put one table into the results, in place of its older one; sections not in *order* last."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    found = re.findall(r"^## ([^\n]+)\n\n(.*?)(?=^## |\Z)", old, re.MULTILINE | re.DOTALL)
    notes = NOTES.read_text()
    sections = {name: text for name, text in found if f"## {name}\n" not in notes}
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    sections[name] = (
        f"{table}\n\nMeasured on {datetime.now(UTC):%Y-%m-%d} with Python "
        f"{platform.python_version()}, {packages}; {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}."
    )
    names = dict.fromkeys([*(n for n in order if n in sections), *sections])
    written = [f"## {n}\n\n{sections[n].strip()}\n" for n in names]
    RESULTS.write_text("\n".join([notes, *written]))
