"""The unfinished file of one download, beside its target, owned by whoever holds its lock."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hooked_analytics.client import Cancelled
from hooked_analytics.download.failure import fail
from hooked_analytics.download.formats import HEAD_BYTES
from hooked_analytics.storage import move_into_place

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

CHUNK_BYTES = 512 * 1024  # twice as much costs a tenth more CPU, half as much as well
_LOOK_SECONDS = 0.1
_WINDOWS = os.name == "nt"  # where an open file can be neither moved nor removed
# what file systems say that have no locks
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_LINK_FOLLOWED: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Note:
    """Which file of the server a part belongs to: kept beside it, to go on from there."""

    place: str  # of the link, without its signature
    total: int  # of the whole file [B]
    validator: str  # strong ETag, or Last-Modified where that is as good


class Part:
    """
    A locked ``.part`` file: what has arrived so far, and its hash.

    The lock belongs to the open file, so it ends with the process, whatever ends that; a
    system without such locks has none. A part that nobody could go on from is removed on
    closing.

    Parameters
    ----------
    path : of the part; its note is beside it, with ``.json``
    stop : looked at while waiting and hashing
    patience_seconds : how long to wait for another owner whose file does not grow [s]
    over : whether the wait is over because the target is complete now

    Raises
    ------
    DownloadFailed
        ``in_use``
    """

    def __init__(
        self,
        path: Path,
        stop: threading.Event,
        *,
        patience_seconds: float,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._note_path = note_path(path)
        self._stop = stop
        self._file = self._owned(patience_seconds, over)
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.head = b""
        self.note: Note | None = None
        self.announced: int | None = None  # how long the server said the whole file is [B]
        self.resumed = False
        try:
            self._take_up()
        except BaseException:
            self._file.close()
            raise

    def _owned(self, patience_seconds: float, over: Callable[[], bool]) -> BinaryIO:
        """Open and lock the file, waiting while another owner makes headway."""
        size, until = -1, time.monotonic() + patience_seconds
        while True:
            file = _open(self.path)
            if _lock(file) and _is_at(file, self.path):
                return file
            now_size = os.fstat(file.fileno()).st_size
            file.close()
            if now_size != size:
                size, until = now_size, time.monotonic() + patience_seconds
            if over():
                raise TargetIsThere
            if time.monotonic() > until:
                fail(
                    "in_use",
                    f"{self.path.name} belongs to another download that does not move on; "
                    "ask again when that has ended",
                )
            if self._stop.wait(_LOOK_SECONDS):
                raise Cancelled

    def _take_up(self) -> None:
        """Take in what an earlier download left, if one can go on from there."""
        note = _read_note(self._note_path)
        size = os.fstat(self._file.fileno()).st_size
        if note is None or size > note.total:
            self.restart(None)
            return
        hash_file(self._file, self.sha256, self._stop)
        self.note, self.announced, self.size = note, note.total, self._file.tell()
        self._file.seek(0)
        self.head = self._file.read(HEAD_BYTES)
        self._file.seek(self.size)

    @property
    def file(self) -> BinaryIO:
        """The open file, to be looked at."""
        return self._file

    def restart(self, note: Note | None) -> None:
        """Drop what is there; what follows belongs to the file of *note*."""
        # in this order: a kill in between leaves nothing that looks like a beginning
        self._file.seek(0)
        self._file.truncate(0)
        self._note_path.unlink(missing_ok=True)
        self.note, self.size, self.head = note, 0, b""
        self.sha256 = hashlib.sha256()
        self.announced = note.total if note else None
        self.resumed = False
        if note is not None:
            self._note_path.write_text(json.dumps(asdict(note)), encoding="utf-8")

    def write(self, chunk: bytes) -> None:
        """Add what arrived."""
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + chunk)[:HEAD_BYTES]
        self._file.seek(self.size)
        view = memoryview(chunk)
        while view:  # a file may take less than it is given, as when the disk is nearly full
            taken = self._file.write(view)
            self.sha256.update(view[:taken])
            self.size += taken
            view = view[taken:]

    def finish(self, target: Path) -> None:
        """Move the whole file to its name; the lock is held until it is there."""
        if _WINDOWS:
            self._file.close()
        move_into_place(self.path, target)
        self._note_path.unlink(missing_ok=True)
        self._file.close()

    def close(self) -> None:
        """Let go; what can be gone on from stays."""
        if self._file.closed:
            return
        if _WINDOWS:
            self._file.close()
        if self.note is None or not self.size:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self._note_path.unlink(missing_ok=True)
        self._file.close()


def note_path(part: Path) -> Path:
    """Where the note of a part is."""
    return part.with_name(part.name + ".json")


class TargetIsThere(Exception):  # noqa: N818
    """While this one waited, another owner finished the file."""


def hash_file(file: BinaryIO, digest: Any, stop: threading.Event) -> None:
    """Read an open file to its end into *digest*, unless stopped."""
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        if stop.is_set():
            raise Cancelled
        digest.update(chunk)


def _open(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK_FOLLOWED, 0o666)
    return os.fdopen(handle, "r+b", buffering=0)


def _lock(file: BinaryIO) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: one download per folder at a time
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the name still means this file, and not one made after it was moved away."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read_note(path: Path) -> Note | None:
    try:
        said = json.loads(path.read_bytes()[:10_000])
        note = Note(str(said["place"]), int(said["total"]), str(said["validator"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return note if note.validator.isprintable() and note.total > 0 else None
