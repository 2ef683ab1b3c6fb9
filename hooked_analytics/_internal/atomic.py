"""Write beside the target, then move over it: a reader finds the old file or the new one."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORPHAN_SECONDS = 3600.0
_PREFIX = ".hooked-"


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Hand out a temporary path and move it over *path* once the block ends well.

    Whatever ends the block early (an error, a full disk, the stop button) leaves the old file
    as it was and removes the temporary one. A killed process leaves its temporary file; the
    next write to the same target removes such orphans when they are older than an hour.

    Parameters
    ----------
    path : where the file is to be
        A missing folder is made. A link is followed: the file it points to is replaced. The
        new file's mode comes from the umask.

    Yields
    ------
    an empty file in the same folder, to be written by name
        It ends in ``.tmp``, so tell a library that goes by the suffix which format you want.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "new", "note.txt")
    ...     with atomic_write(target) as beside:
    ...         _ = beside.write_text("whole or not at all")
    ...     target.read_text(), [p.name for p in target.parent.iterdir()]
    ('whole or not at all', ['note.txt'])
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = _prefix(target)
    sweep_orphans(target.parent, prefix)
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

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.part").write_text("done")
    ...     move_into_place(Path(folder, "a.part"), Path(folder, "a"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['a']
    """
    _sync(beside, os.O_RDWR)
    beside.replace(target)
    # The new file is in place: a file system that cannot sync a folder is no reason to fail.
    with suppress(OSError):
        _sync(target.parent, os.O_RDONLY)


def _prefix(target: Path) -> str:
    """Name the target by a hash: its own name may already be as long as a name can be."""
    return f"{_PREFIX}{hashlib.blake2s(os.fsencode(target.name), digest_size=6).hexdigest()}-"


def sweep_orphans(folder: Path, prefix: str = _PREFIX) -> None:
    """
    Remove temporary files that killed processes left in a folder more than an hour ago.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     orphan = Path(folder, f"{_PREFIX}1-2.tmp")
    ...     orphan.touch()
    ...     os.utime(orphan, (0, 0))
    ...     sweep_orphans(Path(folder))
    ...     orphan.exists()
    False
    """
    for orphan in folder.glob(f"{prefix}*.tmp"):
        with suppress(OSError):
            if time.time() - orphan.stat().st_mtime > _ORPHAN_SECONDS:
                orphan.unlink()


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
