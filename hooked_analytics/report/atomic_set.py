"""
A set of files replaced at once: a crash leaves the old set or the new one.

New files are written to a folder of their own. Renaming that folder to ``.hooked-next`` is
the one moment in which the set changes: from then on a reader takes from it whatever is
still in it. The files move out of it one by one, the manifest last; the next writer moves
what a crash left in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hooked_analytics._internal.lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Loaded = TypeVar("Loaded")

NEXT = ".hooked-next"
_STAGE = ".hooked-stage-"
_LOCK = ".hooked-lock"
_ORPHAN_SECONDS = 3600.0
_MAX_WAIT_SECONDS, _PAUSE_SECONDS = 60.0, 0.02
_MAX_LOOKS = 100
_FILE = re.compile(r"[a-z0-9_]+\.(?:parquet|csv|json)")


class ChangedError(ValueError):
    """A file is not the one its manifest names."""


@contextmanager
def write_set(folder: Path, manifest: str) -> Iterator[Path]:
    """
    Hand out an empty folder and make its files the set of *folder* once the block ends well.

    Parameters
    ----------
    folder : where the files are to be
        Made if absent. Files that no manifest of ours names stay.
    manifest : name of the file that says which files belong to the set

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with write_set(Path(directory), "manifest.json") as stage:
    ...         _ = (stage / "a.csv").write_text("1")
    ...         _ = (stage / "manifest.json").write_text('{"tables": {"a": {"files": ["a.csv"]}}}')
    ...     sorted(path.name for path in Path(directory).iterdir())
    ['.hooked-lock', 'a.csv', 'manifest.json']
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    stage = folder / f"{_STAGE}{secrets.token_hex(8)}"
    stage.mkdir()
    try:
        yield stage
        for path in (*stage.iterdir(), stage):
            _sync(path)
        with _turn(folder):
            _settle(folder, manifest)
            stage.rename(folder / NEXT)
            _sync(folder)
            _settle(folder, manifest)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other process moves files here."""
    until = time.monotonic() + _MAX_WAIT_SECONDS
    while time.monotonic() < until:
        with try_lock(folder / _LOCK) as mine:
            if mine:
                yield
                return
        time.sleep(_PAUSE_SECONDS)
    raise OSError(f"another process has been writing to {folder} for {_MAX_WAIT_SECONDS:g} s")


def _settle(folder: Path, manifest: str) -> None:
    """Move what is in ``.hooked-next`` to its place, the manifest last."""
    coming = folder / NEXT
    if (coming / manifest).exists():
        new, old = _named(coming / manifest), _named(folder / manifest)
        for name in new:
            with suppress(FileNotFoundError):
                (coming / name).replace(folder / name)
        for name in old - new:
            (folder / name).unlink(missing_ok=True)
        (coming / manifest).replace(folder / manifest)
        _sync(folder)
    # with the manifest moved, what is still there belongs to nothing
    shutil.rmtree(coming, ignore_errors=True)


def _named(manifest: Path) -> set[str]:
    """Names of the files of a set; only plain names, for the file may come from anywhere."""
    try:
        tables = json.loads(manifest.read_text(encoding="utf-8"))["tables"].values()
        return {name for table in tables for name in table["files"] if _FILE.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _sweep(folder: Path) -> None:
    """Remove stages that killed processes left more than an hour ago."""
    for stage in folder.glob(f"{_STAGE}*"):
        with suppress(OSError):
            if time.time() - stage.stat().st_mtime > _ORPHAN_SECONDS:
                shutil.rmtree(stage)


def _sync(path: Path) -> None:
    # Windows can sync no folder; there the rename alone has to do.
    with suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class FileSet:
    """The files of one set, wherever they are at the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """Contents of one file, from what is still to be moved or from its place."""
        if not _FILE.fullmatch(name):
            raise ValueError(f"{self._folder} has no file {name[:80]!r}: that is no plain name")
        for place in (self._folder / NEXT, self._folder):
            with suppress(FileNotFoundError, NotADirectoryError):
                return (place / name).read_bytes()
        raise FileNotFoundError(2, "there is no such file", str(self._folder / name))

    def steady(self, manifest: str, load: Callable[[bytes], Loaded]) -> Loaded:
        """Load what a manifest names; anew when the set was replaced meanwhile."""
        for _ in range(_MAX_LOOKS):
            text = self.read(manifest)
            try:
                return load(text)
            except ChangedError:
                if self.read(manifest) == text:
                    raise
        raise OSError(f"{self._folder} is replaced again and again, so that it cannot be read")

    def checked(self, name: str, sha256: str) -> bytes:
        """Contents of one file if they are what the manifest says."""
        try:
            content = self.read(name)
        except FileNotFoundError:
            raise ChangedError(
                f"{self._folder / name} is missing; export the report again"
            ) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ChangedError(
                f"{self._folder / name} was changed after the report was exported; export it again"
            )
        return content
