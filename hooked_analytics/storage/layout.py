"""
The directory of an archive: whether it is one, and what is in it.

====================================  =====================================================
``_hooked_archive.json``              says that the directory is an archive, and of which kind
``observed-<time>-<token>.parquet``   rows of one `append`
``merged-<time>-<token>.parquet``     rows of the parts it names in its footer
``_merges``                           changes before parts are deleted
``_lock``                             held by the one process that merges
``.event-<hash>.txt``                 a webhook event that waits for `WebhookReceiver.listen`
====================================  =====================================================

What is no Parquet begins with ``_`` or ``.``, so that every engine passes it over.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "_hooked_archive.json"
MERGES = "_merges"
LOCK = "_lock"
VERSION = 2  # 2: parts hold the column names of schema version 2

# a sync service may have put its own words around the name: "Copy of …", "… (conflicted copy)"
_PART = re.compile(
    r"(?:[^._].*)?(observed|merged)-(\d{19})-[0-9a-f]{16}(?![0-9a-f]).*\.parquet", re.I | re.S
)
_LAST = 10**19 - 1  # [ns], the last moment of nineteen digits, in 2286
_FOREIGN = frozenset({"Thumbs.db", "desktop.ini"})  # and what is hidden
_MAX_NAMED = 5
_MAX_LISTINGS = 100


def require_archive(folder: Path) -> bool:
    """
    Whether a directory is an archive; False for what is empty or does not exist.

    A ValueError says what was found where it is something else. Nothing is touched.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; an archive is a directory")
    found = {name for name in _listed(folder) if not name.startswith(".")} - _FOREIGN
    if MARKER in found or any(map(_PART.fullmatch, found)):
        _versions(folder)
        return True
    if found:
        named = ", ".join(repr(name[:60]) for name in sorted(found)[:_MAX_NAMED])
        more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
        raise ValueError(
            f"{folder} is not an archive of videos: it has no {MARKER}, but {named}{more}. "
            "Nothing was touched; choose an empty or a new directory."
        )
    return False


def _versions(folder: Path) -> tuple[int, int]:
    """Read the version of the archive and that of the columns in its parts."""
    marker = folder / MARKER
    try:
        about = json.loads(marker.read_text(encoding="utf-8"))
        version, schema = int(about["hooked_archive"]), int(about.get("schema", 1))
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, FileNotFoundError):
        if any(map(_PART.fullmatch, _listed(folder))):
            said = f"{marker} is missing or damaged; the parts are read without it"
            warnings.warn(said, stacklevel=4)
            return 1, 1  # the next append writes it anew
        raise ValueError(
            f"{marker} does not say which kind of archive this is; nothing was touched"
        ) from None
    if version > VERSION:
        raise ValueError(
            f"{folder} was written by a newer hooked_analytics (archive version "
            f"{version}, this one knows {VERSION}); nothing was touched"
        )
    return version, schema


def write_marker(folder: Path) -> None:
    """Mark a directory as an archive whose parts have the columns of today."""
    about = {"hooked_archive": VERSION, "schema": SCHEMA_VERSION}
    with atomic_write(folder / MARKER) as beside:
        beside.write_text(json.dumps(about) + "\n", encoding="utf-8")


def is_older(folder: Path) -> bool:
    """Whether parts may have the columns of an older version."""
    version, schema = _versions(folder)
    return version < VERSION or schema < SCHEMA_VERSION


def new_name(kind: Literal["observed", "merged"], when: int | None = None) -> str:
    """Name a part so that no other process makes the same name, and names sort by time."""
    when = min(max(time.time_ns() if when is None else when, 0), _LAST)
    return f"{kind}-{when:019d}-{secrets.token_hex(8)}.parquet"


def stamp(name: str) -> int:
    """Read when a part, or the newest part in it, was published [ns]."""
    return int(_PART.sub(r"\2", name))


def part_names(folder: Path) -> list[str]:
    """
    List the parts there are, oldest first, as they were at one moment.

    A listing takes a while: it can miss a merged part that appears behind it and also the
    parts this one stands for, which vanish before it. Then `_merges` has changed meanwhile.
    """
    for _ in range(_MAX_LISTINGS):
        before = _merges(folder)
        names = [name for name in _listed(folder) if _PART.fullmatch(name)]
        if _merges(folder) == before:
            return sorted(names, key=lambda name: (stamp(name), name))
    raise OSError(f"{folder} is merged again and again, so that it cannot be listed")


def _listed(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _merges(folder: Path) -> bytes:
    try:
        return (folder / MERGES).read_bytes()
    except FileNotFoundError:
        return b""


def remove_parts(folder: Path, names: list[str]) -> None:
    """Delete parts for which another one stands; one that is in use stays until next time."""
    with atomic_write(folder / MERGES) as beside:
        beside.write_text(secrets.token_hex(16), encoding="ascii")
    for name in names:
        with suppress(FileNotFoundError, PermissionError):
            (folder / name).unlink()
