"""
The unfinished file of one download, beside its target, and what is needed to resume it.

The lock is on the open ``.part`` and not a `filelock`, which wants a file of its own beside every
video: this lock moves into place with the file and ends with the process, so none is ever left.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hooked_analytics.client import Cancelled
from hooked_analytics.download.tasks import HEAD_BYTES, fail
from hooked_analytics.storage import move_into_place

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

CHUNK_BYTES = 512 * 1024  # twice as much costs a tenth more CPU, half as much as well
_POLL_SECONDS = 0.1
_WINDOWS = os.name == "nt"  # where an open file can be neither moved nor removed
# what file systems say that have no locks
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_OPEN_FLAGS = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | int(getattr(os, "O_BINARY", 0))
)
_STRONG_TAG = re.compile(r'"[!#-~]{1,200}"', re.ASCII)


@dataclass(frozen=True, slots=True)
class ResumeInfo:
    """Which file of the server a part belongs to: kept beside it, to resume from there."""

    place: str  # of the link, without its signature
    total: int  # of the whole file [B]
    validator: str  # strong ETag

    @classmethod
    def of(cls, place: str, total: int | None, headers: Mapping[str, str]) -> ResumeInfo | None:
        """Read an answer's headers; without a length and a strong ETag nothing is resumed."""
        # a date has whole seconds, in which a file may change twice
        tag = headers.get("ETag", "").strip()
        return cls(place, total, tag) if total and _STRONG_TAG.fullmatch(tag) else None

    @classmethod
    def read(cls, path: Path) -> ResumeInfo | None:
        """Read what an earlier download kept; None where that makes no sense."""
        try:
            kept = json.loads(path.read_bytes()[:10_000])
            info = cls(str(kept["place"]), int(kept["total"]), str(kept["validator"]))
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return info if _STRONG_TAG.fullmatch(info.validator) and info.total > 0 else None


class Part:
    """
    A locked ``.part`` file: what has arrived so far, and its hash.

    Another owner is waited for as long as its file grows within *patience_seconds*.
    """

    def __init__(self, path: Path, stop: threading.Event, *, patience_seconds: float) -> None:
        self.path = path
        self._info_path = info_path(path)
        self._stop = stop
        self.file = self._owned(patience_seconds)
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.head = b""
        self.info: ResumeInfo | None = None
        self.announced: int | None = None  # how long the server said the whole file is [B]
        self.resumed = False
        try:
            self._take_over()
        except BaseException:
            self.file.close()
            raise

    def _owned(self, patience_seconds: float) -> BinaryIO:
        size, until = -1, time.monotonic() + patience_seconds
        while True:
            file = os.fdopen(os.open(self.path, _OPEN_FLAGS, 0o666), "r+b", buffering=0)
            if _lock(file) and _is_at(file, self.path):
                return file
            now_size = os.fstat(file.fileno()).st_size
            file.close()
            if now_size != size:
                size, until = now_size, time.monotonic() + patience_seconds
            if time.monotonic() > until:
                said = "belongs to another download that does not move on; try again later"
                fail("in_use", f"{self.path.name} {said}")
            if self._stop.wait(_POLL_SECONDS):
                raise Cancelled

    def _take_over(self) -> None:
        """Take in what an earlier download left, if it can be resumed."""
        info = ResumeInfo.read(self._info_path)
        if info is None or os.fstat(self.file.fileno()).st_size > info.total:
            self.restart(None)
            return
        hash_file(self.file, self.sha256, self._stop)
        self.info, self.announced, self.size = info, info.total, self.file.tell()
        self.file.seek(0)
        self.head = self.file.read(HEAD_BYTES)

    def continues_with(self, headers: Mapping[str, str]) -> bool:
        """Whether the answer is the rest of the same file, to its end."""
        if self.info is None:
            return False
        # one without a tag may belong to a file that has changed since
        same_tag = headers.get("ETag") == self.info.validator
        rest = f"bytes {self.size}-{self.info.total - 1}/{self.info.total}"
        return same_tag and (headers.get("Content-Range") or "").strip() == rest

    def restart(self, info: ResumeInfo | None) -> None:
        """Drop what is there; what follows belongs to the file of *info*."""
        # in this order: a kill in between leaves nothing that looks like a beginning
        self.file.seek(0)
        self.file.truncate(0)
        self._info_path.unlink(missing_ok=True)
        self.info, self.size, self.head, self.resumed = info, 0, b"", False
        self.sha256 = hashlib.sha256()
        self.announced = info.total if info else None
        if info is not None:
            self._info_path.write_text(json.dumps(asdict(info)), encoding="utf-8")

    def write(self, chunk: bytes) -> None:
        """Add what arrived."""
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + chunk)[:HEAD_BYTES]
        self.file.seek(self.size)
        view = memoryview(chunk)
        while view:  # a file may take less than it is given, as when the disk is nearly full
            taken = self.file.write(view)
            self.sha256.update(view[:taken])
            self.size += taken
            view = view[taken:]

    def finish(self, target: Path) -> None:
        """Move the whole file to its name; the lock is held until it is there."""
        if _WINDOWS:
            self.file.close()
        move_into_place(self.path, target)
        self._info_path.unlink(missing_ok=True)
        self.file.close()

    def close(self) -> None:
        """Let go; what can be resumed stays."""
        if self.file.closed:
            return
        if _WINDOWS:
            self.file.close()
        if self.info is None or not self.size:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self._info_path.unlink(missing_ok=True)
        self.file.close()


def info_path(part: Path) -> Path:
    """Where the `ResumeInfo` of a part is."""
    return part.with_name(part.name + ".json")


def hash_file(file: BinaryIO, digest: Any, stop: threading.Event) -> None:
    """Read an open file to its end into *digest*, unless stopped."""
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        if stop.is_set():
            raise Cancelled
        digest.update(chunk)


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
