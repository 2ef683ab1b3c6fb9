"""The two kinds of file: how each begins, and how one sees that it is whole."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

HEAD_BYTES = 12
_MAX_BOXES = 100_000


class FileKind(NamedTuple):
    """What is downloaded, and what makes it a whole one of its kind."""

    name: str
    column: str  # of the videos frame, with the link
    size_column: str | None
    part_suffix: str
    suffixes: tuple[str, ...]
    suffix_of: Callable[[bytes], str | None]  # by the first bytes
    adds_up: Callable[[BinaryIO, int], bool]  # whether the file itself says that it ends here
    witnesses: int  # of server, API and the file itself, so many must agree on the length
    largest_bytes: int
    expected: str


def _mp4_suffix(head: bytes) -> str | None:
    return ".mp4" if head[4:8] == b"ftyp" else None


def boxes_add_up(file: BinaryIO, size: int) -> bool:
    """
    Whether the boxes of an MP4 end exactly where the file does.

    Examples
    --------
    >>> import io
    >>> film = struct.pack(">I4s4x", 12, b"ftyp") + struct.pack(">I4s8x", 16, b"mdat")
    >>> boxes_add_up(io.BytesIO(film), 28), boxes_add_up(io.BytesIO(film), 20)
    (True, False)
    """
    at = 0
    for _ in range(_MAX_BOXES):
        if at == size:
            return True
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return False
        length: int = struct.unpack(">I", head[:4])[0]
        if length == 0:  # it runs to the end, wherever that is: no witness
            return False
        smallest = 8
        if length == 1:
            smallest = 16
            length = struct.unpack(">Q", head[8:].ljust(8, b"\0"))[0]
        if length < smallest or at + length > size:
            return False
        at += length
    return False


# how a picture begins, its suffix, how it ends
_PICTURES: tuple[tuple[bytes, str, bytes], ...] = (
    (b"\x89PNG\r\n\x1a\n", ".png", b"IEND\xaeB`\x82"),
    (b"\xff\xd8\xff", ".jpg", b"\xff\xd9"),
    (b"GIF8", ".gif", b";"),
    (b"RIFF", ".webp", b""),
)
PICTURE_SUFFIXES = tuple(suffix for _, suffix, _ in _PICTURES)


def _picture_suffix(head: bytes) -> str | None:
    suffix = next((suffix for first, suffix, _ in _PICTURES if head.startswith(first)), None)
    return None if suffix == ".webp" and head[8:12] != b"WEBP" else suffix


def picture_ends(file: BinaryIO, size: int) -> bool:
    r"""
    Whether a picture has its end.

    Examples
    --------
    >>> import io
    >>> picture_ends(io.BytesIO(b"GIF89a......;"), 13), picture_ends(io.BytesIO(b"GIF89a"), 6)
    (True, False)
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(b"RIFF"):
        length: int = struct.unpack("<I", head[4:8].ljust(4, b"\0"))[0]
        return size == length + 8
    end = next((end for first, _, end in _PICTURES if head.startswith(first)), None)
    if end is None or size < len(end):
        return False
    file.seek(size - len(end), os.SEEK_SET)
    return file.read(len(end)) == end


FILE_KINDS = {
    "video": FileKind(
        name="video",
        column="url",
        size_column="size_bytes",
        part_suffix=".mp4.part",
        suffixes=(".mp4",),
        suffix_of=_mp4_suffix,
        adds_up=boxes_add_up,
        witnesses=2,
        largest_bytes=64 * 1024**3,
        expected="an MP4",
    ),
    "thumbnail": FileKind(
        name="thumbnail",
        column="thumbnail",
        size_column=None,
        part_suffix=".picture.part",
        suffixes=PICTURE_SUFFIXES,
        suffix_of=_picture_suffix,
        adds_up=picture_ends,
        witnesses=1,
        largest_bytes=32 * 1024**2,
        expected="a picture (PNG, JPEG, WebP or GIF)",
    ),
}
