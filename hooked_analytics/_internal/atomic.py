"""Files whole or not at all: written beside the target, moved over it; and locks of processes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MIN_FREE_BYTES, _ROW_BYTES = 2**20, 2**10
_ORPHAN_SECONDS = 3600.0
_PREFIX = ".hooked-"
_MAX_SWAPS, _PAUSE_SECONDS = 100, 0.02
_IN_THE_WAY = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY}


def local_path(path: str | os.PathLike[str]) -> Path:
    """
    Expand ``~``, and refuse an address with a ValueError.

    >>> local_path("~/videos.csv") == Path.home() / "videos.csv"
    True
    """
    text = os.fsdecode(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):  # one letter is a drive of Windows
        raise ValueError(f"{text} is an address: name a file of this machine, and copy it there")
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path's own fails without a home


def nearest_existing(path: Path) -> Path:
    """Give the path, or where it is not there yet the nearest folder above it that is."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _is_file_in_the_way(directory: Path) -> bool:
    """Whether the path is there and no folder; looked at once, for another process may swap it."""
    try:
        return not stat.S_ISDIR(directory.stat().st_mode)
    except OSError:
        return False


def require_directory(directory: Path) -> None:
    """Make the folder if absent; an `OSError` says that no file can be made in it."""
    if _is_file_in_the_way(directory):
        said = "is a file, not a folder; choose another"
        raise NotADirectoryError(errno.ENOTDIR, said, str(directory))
    directory.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=directory).close()


def require_space(path: Path, rows: int = 0) -> None:
    """
    Raise an OSError where the disk is plainly full, before anything is requested for a file.

    >>> require_space(Path("no", "such", "folder", "videos.csv"), 1_000)
    """
    places = (path.absolute(), *path.absolute().parents)
    folder = next(place for place in places if place.is_dir())
    usage = shutil.disk_usage(folder)
    needed = _MIN_FREE_BYTES + rows * _ROW_BYTES
    if usage.total and usage.free < needed:  # some file systems do not say
        said = f"the disk has {usage.free:,} bytes free, {needed:,} are needed: make room"
        raise OSError(errno.ENOSPC, said, str(path))


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Hand out a temporary path and move it over *path* once the block ends well.

    Whatever ends the block early (an error, a full disk, the stop button) leaves the old file
    as it was and removes the temporary one. A killed process leaves its temporary file; the
    next write to the same target removes such orphans when they are older than an hour.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "new", "note.txt")
    ...     with atomic_write(target) as beside:
    ...         _ = beside.write_text("whole or not at all")
    ...     target.read_text(), [p.name for p in target.parent.iterdir()]
    ('whole or not at all', ['note.txt'])
    """
    target = Path(os.path.realpath(local_path(path)))
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = _prefix(target)
    sweep_orphans(target.parent, f"{prefix}*.tmp")
    beside = target.parent / f"{prefix}{secrets.token_hex(6)}.tmp"
    # tempfile would make it 0600; a report is to be as readable as any other new file
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield beside
        move_into_place(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def move_into_place(beside: Path, target: Path) -> None:
    """
    Bring a finished file to the disk and move it over *target*, in the same folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.part").write_text("done")
    ...     move_into_place(Path(folder, "a.part"), Path(folder, "a"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['a']
    """
    _sync(beside, os.O_RDWR)
    beside.replace(target)
    _sync_directory(target.parent)


def write_through(path: Path, text: str) -> None:
    """Write a small file that is on the disk afterwards; it may be cut short until then."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)


@contextmanager
def atomic_directory(path: Path, owned: Callable[[Path], set[str]]) -> Iterator[Path]:
    """
    Hand out a new directory and swap it with *path* once the block ends well.

    The old directory is renamed away, the new one takes its place, the old one is removed. What
    a killed process left is put right by the next call; `read_swapped` finds it until then.
    *owned* gives the names in a directory that the new one replaces; anything else moves over.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "set")
    ...     with atomic_directory(target, lambda _: set()) as new:
    ...         _ = (new / "a.csv").write_text("1")
    ...     read_swapped(target, "a.csv"), [p.name for p in Path(folder).iterdir()]
    (b'1', ['set'])
    """
    target = Path(os.path.realpath(local_path(path)))
    if target in (here := Path.cwd(), *here.parents):
        raise ValueError(f"{path} holds the working directory; choose a folder of its own")
    if _is_file_in_the_way(target):
        raise NotADirectoryError(errno.ENOTDIR, "this is a file", str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_orphans(target.parent, _prefix(target) + "?" * 12)
    _settle(target, owned)
    stage = target.parent / f"{_prefix(target)}{secrets.token_hex(6)}"
    stage.mkdir()
    try:
        yield stage
        for file in stage.iterdir():
            _sync(file, os.O_RDWR)
        _sync_directory(stage)
        _swap(stage, target, owned)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        _settle(target, owned)


def read_swapped(path: Path, name: str) -> bytes:
    """Read a file of a directory that may be swapped just now, or whose writer was killed."""
    target = Path(os.path.realpath(path))
    for place in (target, _old(target)) * 3:
        with suppress(FileNotFoundError, NotADirectoryError):
            return (place / name).read_bytes()
    raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path / name))


def _swap(stage: Path, target: Path, owned: Callable[[Path], set[str]]) -> None:
    for _ in range(_MAX_SWAPS):
        try:
            if target.exists():
                shutil.copymode(target, stage)
                target.rename(_old(target))
            stage.rename(target)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            time.sleep(_PAUSE_SECONDS)  # another process swaps it too
            _settle(target, owned)
        else:
            _sync_directory(target.parent)
            return
    raise OSError(f"{target} is replaced again and again by another process")


def _settle(target: Path, owned: Callable[[Path], set[str]]) -> None:
    """Finish a swap: the old directory comes back, or what was not replaced moves over."""
    old = _old(target)
    if not old.exists():
        return
    if not target.exists():
        with suppress(OSError):  # another process was faster
            old.rename(target)
        return
    replaced = owned(old)
    with suppress(FileNotFoundError):  # another process settles it too
        kept = [entry for entry in old.iterdir() if entry.name not in replaced]
        for entry in kept:
            if not (target / entry.name).exists():
                with suppress(FileNotFoundError):
                    entry.rename(target / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.parent / f"{_prefix(target)}old"


def _prefix(target: Path) -> str:
    """Name the target by a hash: its own name may already be as long as a name can be."""
    return f"{_PREFIX}{hashlib.blake2s(os.fsencode(target.name), digest_size=6).hexdigest()}-"


def sweep_orphans(folder: Path, pattern: str = f"{_PREFIX}*.tmp") -> None:
    """Remove what killed processes left in a folder more than an hour ago."""
    for orphan in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - orphan.stat().st_mtime > _ORPHAN_SECONDS:
                shutil.rmtree(orphan) if orphan.is_dir() else orphan.unlink()


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_directory(directory: Path) -> None:
    # a file system that cannot sync a directory is no reason to fail
    with suppress(OSError):
        _sync(directory, os.O_RDONLY)


@contextmanager
def try_lock(path: Path, *, wait_seconds: float = 0) -> Iterator[bool]:
    """
    Hold a lock, or learn that another process holds it. The system frees it when its holder ends.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "_lock")
    ...     with try_lock(path) as first, try_lock(path) as second:
    ...         first, second
    (True, False)
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
