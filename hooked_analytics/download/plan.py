"""Which files are wanted, what they are called, and whether the disk has room for them."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics.download.names import file_stems
from hooked_analytics.errors import InvalidVideoIdError
from hooked_analytics.schema import clean_text, require_columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hooked_analytics.client import HookedClient
    from hooked_analytics.download.formats import FileKind


@dataclass(slots=True)
class Outcome:
    """How one download ended: a row of the result."""

    path: Path | None = None
    size_bytes: int | None = None
    resumed: bool | None = None
    sha256: str | None = None
    error: str | None = None
    error_message: str | None = None


@dataclass(slots=True)
class Wanted:
    """One video: its link, its file, and how far it is."""

    video_id: str | None
    url: str | None
    fetched_at: datetime | None
    stated_bytes: int | None  # by the API
    kind: FileKind
    stem: Path | None = None  # the path of the file without its suffix
    outcome: Outcome | None = None
    total_bytes: int = 0  # of the file, as far as known
    done_bytes: int = 0
    size_differs: bool = False  # the whole file is not as long as the API said

    @property
    def part(self) -> Path:
        """The path of the unfinished file."""
        stem = self.stem or Path()
        return stem.with_name(stem.name + self.kind.part_suffix)

    def target(self, suffix: str) -> Path:
        """The path of the finished file."""
        stem = self.stem or Path()
        return stem.with_name(stem.name + suffix)

    def whole_file(self) -> tuple[Path, int] | None:
        """Return the finished file and its size, where it is there already."""
        for suffix in self.kind.suffixes:
            path = self.target(suffix)
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    begins = self.kind.suffix_of(file.read(12)) == suffix
                    if begins and (size == self.stated_bytes or self.kind.adds_up(file, size)):
                        return path, size
        return None


def wanted_files(
    videos: pd.DataFrame, directory: Path, kind: FileKind, client: HookedClient
) -> list[Wanted]:
    """Read the frame: every distinct video, those without a file with their reason."""
    sizes = [kind.size_column] if kind.size_column else []
    needed = ["video_id", "status", kind.column, *sizes]
    require_columns(videos, needed, what="download_videos")
    columns = [
        c
        for c in ("video_id", "status", "fetched_at", "fetch_error_message", kind.column, *sizes)
        if c in videos
    ]
    records = videos[columns].astype(object).where(videos[columns].notna(), None).to_dict("records")
    wanted: dict[str | None, Wanted] = {}
    for record in records:
        each = _wanted(record, kind, client)
        wanted.setdefault(each.video_id, each)
    if folded := len(records) - len(wanted):
        warnings.warn(f"{folded} of {len(records)} rows are of a video given before", stacklevel=4)
    open_ones = [each for each in wanted.values() if each.outcome is None]
    endings = [*kind.suffixes, kind.part_suffix.removesuffix(".part")]
    ids = [each.video_id or "" for each in open_ones]
    stems = file_stems(ids, sorted(path.name for path in directory.iterdir()), endings)
    for each in open_ones:
        each.stem = directory / stems[each.video_id or ""]
    return list(wanted.values())


def _wanted(record: dict[Any, Any], kind: FileKind, client: HookedClient) -> Wanted:
    url, status = record[kind.column], record["status"]
    fetched_at = record.get("fetched_at")
    stated = record.get(kind.size_column)
    problem: tuple[str, str] | None = None
    try:
        shown: str | None = client.check_video_id(record["video_id"])
    except InvalidVideoIdError as error:
        shown = clean_text(str(record["video_id"])) if record["video_id"] is not None else None
        problem = "invalid_id", str(error)
    if problem is None and status is not None and status != "COMPLETED":
        problem = "not_ready", f"{shown} is {status}, so there is no file; ask when it is COMPLETED"
    elif problem is None and not url:
        why = record.get("fetch_error_message") or "fetch its details first"
        problem = "no_link", f"{shown} has no link to its {kind.name}: {why}"
    return Wanted(
        video_id=shown,
        url=url,
        fetched_at=fetched_at.to_pydatetime() if isinstance(fetched_at, pd.Timestamp) else None,
        stated_bytes=int(stated) if stated is not None and stated > 0 else None,
        kind=kind,
        outcome=Outcome(error=problem[0], error_message=problem[1]) if problem else None,
    )


def require_directory(directory: Path) -> None:
    """
    Make the folder if absent, and see that files can be made in it.

    Raises
    ------
    OSError
        It is a file, or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(
            errno.ENOTDIR, "is a file, not a folder; choose another", str(directory)
        ) from None
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise type(error)(
            error.errno, f"no file can be made in this folder ({error.strerror})", str(directory)
        ) from None


def require_room(wanted: Iterable[Wanted], directory: Path) -> None:
    """
    See that what is still missing fits on the disk, as far as sizes are known.

    Raises
    ------
    OSError
        It does not; nothing was asked for.
    """
    missing = sum(
        max(0, each.stated_bytes - _size(each.part))
        for each in wanted
        if each.stated_bytes and each.outcome is None and not _size(each.target(".mp4"))
    )
    free = shutil.disk_usage(directory).free
    if missing > free:
        raise OSError(
            errno.ENOSPC,
            f"the files need {missing:,} bytes more and the disk has {free:,} free; "
            "make room or choose another folder",
            str(directory),
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
