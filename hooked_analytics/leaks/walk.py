"""The files of a folder: all that could be shared with it, and none outside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Made by tools from what is elsewhere; nobody shares them, and they are large.
_MADE_BY_TOOLS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"}
)


class Unsearched(NamedTuple):
    """A path that could not be gone through, and why."""

    path: Path
    why: str


def files(paths: Iterable[Path]) -> Iterator[Path | Unsearched]:
    """
    Walk through files and folders in order of their names.

    A link that was asked for by name is followed, one that lies in a folder is not: it leads
    to a file that is in the folder anyway, or to one that will not be shared with it.

    Examples
    --------
    >>> [path.why for path in files([Path("nowhere")])]
    ['there is no such file']
    """
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _inside(path)
        elif path.exists():
            yield Unsearched(path, "it is neither a file nor a folder")
        else:
            yield Unsearched(path, "there is no such file")


def _inside(folder: Path) -> Iterator[Path | Unsearched]:
    refused: list[OSError] = []
    for directory, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _MADE_BY_TOOLS and not Path(directory, name, "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                yield path
    for error in refused:
        yield Unsearched(Path(error.filename), (error.strerror or "it cannot be read").lower())
