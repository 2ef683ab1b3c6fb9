"""A lock between processes that is never stale: the system frees it when its holder ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def try_lock(path: Path, *, wait_seconds: float = 0) -> Iterator[bool]:
    """
    Hold a lock, or learn that another process holds it.

    >>> import tempfile
    >>> from pathlib import Path
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
