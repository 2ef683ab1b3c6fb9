"""What is to be downloaded: the frame's rows, the files' names and kinds, room on the disk."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn

import pandas as pd

from hooked_analytics.errors import HookedError, InvalidVideoIdError
from hooked_analytics.schema import clean_text, require_pandas
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from hooked_analytics.client import HookedClient

HEAD_BYTES = 12
_MAX_BOXES = 100_000
_MAX_STEM = 100
# names that Windows keeps for devices, whatever suffix follows
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)


class DownloadError(HookedError):
    """One file could not be had, which becomes a row whose ``error`` is *kind*."""

    def __init__(
        self, kind: str, message: str, *, retryable: bool = False, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.kind = kind  # type: ignore[misc]
        self.retry_after_seconds = retry_after_seconds


def fail(kind: str, message: str, *, retryable: bool = False) -> NoReturn:
    """Raise the error, from no other error: those may quote a whole link."""
    raise DownloadError(kind, message, retryable=retryable) from None


class FileKind(NamedTuple):
    """What is downloaded, and what makes it a whole one of its kind."""

    name: str
    column: str  # of the videos frame, with the link
    size_column: str | None
    part_suffix: str
    suffixes: tuple[str, ...]
    suffix_of: Callable[[bytes], str | None]  # by the first bytes
    is_complete: Callable[[BinaryIO, int], bool]  # whether the file itself says that it ends here
    max_bytes: int
    expected: str


def mp4_is_complete(file: BinaryIO, size: int) -> bool:
    """Whether the boxes of an MP4 end exactly where the file does."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at == size:
            return True
        file.seek(at)
        head = file.read(16)
        length, smallest = int.from_bytes(head[:4]), 8
        if length == 1:
            length, smallest = int.from_bytes(head[8:]), 16
        # a length of 0 means "to the end, wherever that is", which proves nothing
        if len(head) < smallest or length < smallest or at + length > size:
            return False
        at += length
    return False


# suffix -> how a picture begins, how it ends
_PICTURES = {
    ".png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    ".jpg": (b"\xff\xd8\xff", b"\xff\xd9"),
    ".gif": (b"GIF8", b";"),
    ".webp": (b"RIFF", b""),
}


def _picture_suffix(head: bytes) -> str | None:
    suffix = next((s for s, (first, _) in _PICTURES.items() if head.startswith(first)), None)
    return None if suffix == ".webp" and head[8:12] != b"WEBP" else suffix


def picture_is_complete(file: BinaryIO, size: int) -> bool:
    """
    Whether a picture has its end.

    >>> import io
    >>> [picture_is_complete(io.BytesIO(p), len(p)) for p in (b"GIF89a......;", b"GIF89a")]
    [True, False]
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    suffix = _picture_suffix(head)
    if suffix is None or suffix == ".webp":
        return suffix is not None and size == int.from_bytes(head[4:8], "little") + 8
    end = _PICTURES[suffix][1]
    file.seek(max(0, size - len(end)))
    return file.read(len(end)) == end


FILE_KINDS = {
    "video": FileKind(
        name="video",
        column="url",
        size_column="size_bytes",
        part_suffix=".mp4.part",
        suffixes=(".mp4",),
        suffix_of=lambda head: ".mp4" if head[4:8] == b"ftyp" else None,
        is_complete=mp4_is_complete,
        max_bytes=64 * 1024**3,
        expected="an MP4",
    ),
    "thumbnail": FileKind(
        name="thumbnail",
        column="thumbnail",
        size_column=None,
        part_suffix=".picture.part",
        suffixes=tuple(_PICTURES),
        suffix_of=_picture_suffix,
        is_complete=picture_is_complete,
        max_bytes=32 * 1024**2,
        expected="a picture (PNG, JPEG, WebP or GIF)",
    ),
}


@dataclass(slots=True)
class DownloadResult:
    """How one download ended: a row of the result."""

    path: str | None = None
    size_bytes: int | None = None
    resumed: bool | None = None
    sha256: str | None = None
    error: str | None = None
    error_message: str | None = None


@dataclass(slots=True)
class DownloadTask:
    """One video: its link, its file, and how far it is."""

    video_id: str
    url: str
    fetched_at: datetime | None
    api_bytes: int | None  # the size that the API gives
    kind: FileKind
    stem: Path = Path()  # the path of the file without its suffix
    result: DownloadResult | None = None
    total_bytes: int = 0  # of the file, as far as known
    done_bytes: int = 0
    size_differs: bool = False  # the whole file is not as long as the API says

    def is_newer(self, other: DownloadTask) -> bool:
        """Whether its link was given later than that of another row."""
        return self.fetched_at is not None and (
            other.fetched_at is None or self.fetched_at > other.fetched_at
        )

    def path(self, suffix: str) -> Path:
        """Where the finished file is to be, or with ``kind.part_suffix`` the unfinished one."""
        return self.stem.with_name(self.stem.name + suffix)

    def finished_file(self) -> tuple[Path, int] | None:
        """Return the finished file and its size, where it is there already."""
        for path in map(self.path, self.kind.suffixes):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    begins = self.kind.suffix_of(file.read(HEAD_BYTES)) == path.suffix
                    if begins and (size == self.api_bytes or self.kind.is_complete(file, size)):
                        return path, size
        return None


def read_tasks(
    videos: pd.DataFrame, directory: Path, kind: FileKind, client: HookedClient
) -> list[DownloadTask]:
    """Read the frame: every distinct video, those without a file with their reason."""
    require_pandas(videos, what="download_videos")
    sizes = [kind.size_column] if kind.size_column else []
    known = [name for name in ("fetched_at", "fetch_error_message") if name in videos]
    needed = ["video_id", "status", kind.column, *sizes, *known]
    table = usable_frame(videos, needed, what="download_videos", once=False)[needed]
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    tasks: dict[str, DownloadTask] = {}
    for record in records:
        task = _task(record, kind, client)
        if task.is_newer(tasks.setdefault(task.video_id, task)):
            tasks[task.video_id] = task  # in the first one's place
    if repeated := len(records) - len(tasks):
        warnings.warn(
            f"{repeated} of {len(records)} rows are of a video given before; the latest counts",
            stacklevel=4,
        )
    open_tasks = [task for task in tasks.values() if task.result is None]
    suffixes = (*kind.suffixes, kind.part_suffix.removesuffix(".part"))
    there = sorted(path.name for path in directory.iterdir())
    stems = file_stems([task.video_id for task in open_tasks], there, suffixes)
    for task, stem in zip(open_tasks, stems, strict=True):
        task.stem = directory / stem
    return list(tasks.values())


def _task(record: dict[Any, Any], kind: FileKind, client: HookedClient) -> DownloadTask:
    url, status, size = record[kind.column], record["status"], record.get(kind.size_column)
    fetched_at = record.get("fetched_at")
    error = said = None
    try:
        video_id = client.check_video_id(record["video_id"])
        if status not in {None, "COMPLETED"}:
            error, said = "not_ready", f"{video_id} is {status}, so there is no file yet"
        elif not url:
            why = record.get("fetch_error_message") or "fetch its details first"
            error, said = "no_link", f"{video_id} has no link to its {kind.name}: {why}"
    except InvalidVideoIdError as refused:
        video_id = clean_text(str(record["video_id"] or ""))
        error, said = "invalid_id", str(refused)
    return DownloadTask(
        video_id=video_id,
        url=str(url),
        fetched_at=fetched_at.to_pydatetime() if isinstance(fetched_at, pd.Timestamp) else None,
        api_bytes=int(size) if size is not None and size > 0 else None,
        kind=kind,
        result=DownloadResult(error=error, error_message=said) if error else None,
    )


def file_stems(
    video_ids: Iterable[str], there: Iterable[str], suffixes: tuple[str, ...]
) -> list[str]:
    """
    Name the file of each video, without its suffix: the id, or the id made safe and marked.

    An id is marked where a device or, on a disk that does not tell ``A`` from ``a``, another
    video would have the same name: one of *video_ids*, or one with a file among *there*.

    >>> file_stems(["vid_a", "vid_B", "nul"], ["vid_b.mp4"], (".mp4",))
    ['vid_a', 'vid_B~fb59de5c', 'nul~8a303139']
    """
    owners: dict[str, set[str]] = {}
    for name in there:
        whole = name.removesuffix(".json").removesuffix(".part")
        for stem in [whole.removesuffix(s) for s in suffixes if whole.endswith(s)][:1]:
            owners.setdefault(stem.casefold(), set()).add(stem)
    stems = []
    for video_id in video_ids:
        taken_by = owners.setdefault(video_id.casefold(), set())
        free = not taken_by or video_id in taken_by
        if free and _PLAIN_ID.fullmatch(video_id) and not _DEVICES.fullmatch(video_id):
            taken_by.add(video_id)
            stems.append(video_id)
        else:
            mark = hashlib.blake2s(video_id.encode(errors="replace"), digest_size=4).hexdigest()
            stems.append(f"{re.sub(r'[^A-Za-z0-9_-]', '_', video_id)[:_MAX_STEM]}~{mark}")
    return stems


def require_room(tasks: Iterable[DownloadTask], directory: Path) -> None:
    """Raise an `OSError` where what is missing does not fit on the disk, as far as known."""
    missing = sum(
        max(0, task.api_bytes - _size(task.path(task.kind.part_suffix)))
        for task in tasks
        if task.api_bytes and task.result is None and not _size(task.path(".mp4"))
    )
    free = shutil.disk_usage(directory).free
    if missing > free:
        said = f"the files need {missing:,} bytes more and the disk has {free:,} free; make room"
        raise OSError(errno.ENOSPC, said, str(directory))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
