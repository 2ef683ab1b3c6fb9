"""What a bug report needs to name."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from re import match

# used when they are there, required by nothing
_ENGINES = ("polars", "duckdb", "dask", "pyspark", "itables")


def show_versions() -> None:
    """
    Print the versions of this package, Python, the system and every dependency.

    Nothing else is printed: no path, no environment variable, no key.

    Examples
    --------
    >>> show_versions()
    hooked-analytics ...
    python           3...
    """
    found = requires("hooked-analytics") or []
    names = sorted({m[0].lower() for line in found if (m := match(r"[\w.-]+", line))})
    others = [name for name in (*names, *_ENGINES) if name != "hooked-analytics"]
    rows = {
        "hooked-analytics": _version("hooked-analytics"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in others},
    }
    width = max(map(len, rows))
    sys.stdout.write("".join(f"{name:{width}} {known}\n" for name, known in rows.items()))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
