"""
Look for keys and live links in files before they are shared.

``walk`` finds the files, ``contents`` (with ``notebook`` and ``table``) takes them apart,
``search`` goes through each part; ``forms``, ``named`` and ``links`` know what a secret looks
like and ``views`` how it may be written. A secret is never part of what is returned: places
are names, and names are masked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hooked_analytics.leaks.contents import DAMAGED, Unread, parts, reason
from hooked_analytics.leaks.forms import key_of_environment
from hooked_analytics.leaks.search import Search
from hooked_analytics.leaks.walk import Unsearched, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from hooked_analytics.leaks.forms import KeyForms

__all__ = ["Checked", "check_files", "key_of_environment"]

_MAX_PER_FILE = 20


class Checked(NamedTuple):
    """What a check saw: lines to print, and how many of what."""

    leaks: list[str]
    unread: list[str]
    files: int
    dead_links: int


def check_files(paths: Iterable[Path], key: KeyForms | None) -> Checked:
    r"""
    Search files and folders.

    Parameters
    ----------
    paths : files, or folders to walk through
        Links inside a folder are not followed.
    key : the key to look for, if it is known

    Returns
    -------
    a line for each place that holds a secret and for each that was not searched

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "notes.txt").write_text("well\nx-api-key: " + "9f86d081" * 4)
    ...     checked = check_files([Path(folder)], None)
    >>> [line.rsplit("/", 1)[1] for line in checked.leaks], checked.files
    (['notes.txt: line 2: a value behind x-api-key'], 1)
    """
    search = Search(key)
    shown = _Shown(search, key)
    leaks: list[str] = []
    unread: list[str] = []
    searched = 0
    for path in files(paths):
        if isinstance(path, Unsearched):
            unread.append(f"{shown(str(path.path))}: {path.why}")
            continue
        searched += 1
        if search.text(str(path)):
            leaks.append(f"{shown(str(path))}: its name")
        for place, what in _leaks(path, search):
            line = ": ".join(filter(None, [shown(str(path)), shown(place), shown(what)]))
            (unread if isinstance(place, _Gap) else leaks).append(line)
    return Checked(leaks, unread, searched, search.dead_links)


class _Gap(str):
    """A place that was not searched."""

    __slots__ = ()


def _leaks(path: Path, search: Search) -> Iterator[tuple[str, str]]:
    found = 0
    try:
        with path.open("rb") as stream:
            for part in parts(path.name, stream):
                if isinstance(part, Unread):
                    yield _Gap(part.place.rstrip(", ")), part.why
                    continue
                try:
                    for find in search.stream(part.stream, lines=part.lines):
                        yield part.place(find), find.what
                        found += 1
                        if found == _MAX_PER_FILE:
                            yield "", "and perhaps more; the rest was not searched"
                            return
                except DAMAGED as cause:
                    yield _Gap(), reason(cause)
    except OSError as cause:
        yield _Gap(), reason(cause)


class _Shown:
    """Make a name fit to print: no part of a secret, nothing that steers a terminal."""

    def __init__(self, search: Search, key: KeyForms | None) -> None:
        self._holds = search.text
        self._mask: Callable[[str], str] = key.mask if key is not None else str

    def __call__(self, name: str) -> str:
        plain = "".join(sign if sign.isprintable() else "?" for sign in name)
        masked = self._mask(plain)
        if not self._holds(masked):
            return masked
        pieces = ["***" if self._holds(piece) else piece for piece in masked.split("/")]
        return "/".join(pieces) if not self._holds("/".join(pieces)) else "***"
