"""The sandbox's films and thumbnails: one real film, padded to the size each video states."""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import cache
from pathlib import Path

__all__ = ["mp4_file", "mp4_size", "png_file"]

# invented, so that longer videos have larger files [B]
FIXED_BYTES = 56_240
FRAME_BYTES = 14
THUMBNAIL_SHAPE = (9, 16)


@cache
def _sample() -> bytes:
    """Read a real film: one second of H.264, 18 x 32 pixels."""
    return Path(__file__).with_name("sample.mp4").read_bytes()


def mp4_file(video_id: str, frames: int) -> bytes:
    """
    Bytes of a video's MP4 file.

    The film plays for one second, whatever duration its record states. A ``free`` box behind
    it repeats the id, so that every video has other bytes.

    Parameters
    ----------
    video_id : fills the box
    frames : at 25 a second; they decide the size

    Examples
    --------
    >>> film = mp4_file("vid_abc123", 250)
    >>> film[4:12], len(film) == mp4_size(250)
    (b'ftypisom', True)
    """
    size = mp4_size(frames) - len(_sample())
    word = video_id.encode(errors="replace") + b"\0"
    padding = (word * (size // len(word) + 1))[: size - 8]
    return _sample() + struct.pack(">I4s", size, b"free") + padding


def mp4_size(frames: int) -> int:
    """
    Size of the file that `mp4_file` makes [B].

    Examples
    --------
    >>> mp4_size(7500)
    161240
    """
    return FIXED_BYTES + FRAME_BYTES * max(1, frames)


def png_file(video_id: str) -> bytes:
    r"""
    Bytes of a video's thumbnail: 9 x 16 pixels of one colour, which the id decides.

    Examples
    --------
    >>> png_file("vid_abc123")[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    width, height = THUMBNAIL_SHAPE
    colour = hashlib.sha256(video_id.encode(errors="replace")).digest()[:3]
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * width) * height)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
