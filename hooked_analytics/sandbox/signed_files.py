"""Download links that are signed and end after a day, as S3's do, and the files behind them."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from hooked_analytics.sandbox.video import FIXED_BYTES, FRAME_BYTES, Video, iso_time

LINK_LIFE_SECONDS = 86_400
ALGORITHM = "AWS4-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
THUMBNAIL_SHAPE = (9, 16)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class File(NamedTuple):
    """A response with bytes: status, headers, body."""

    status_code: int
    headers: dict[str, str]
    content: bytes


class SignedLinks:
    """Writes links and checks those that come back; the signing key is made from the seed."""

    def __init__(self, base_url: str, *, seed: int) -> None:
        self.base_url = base_url
        self._key = hashlib.sha256(f"hooked sandbox {seed}".encode()).digest()

    def download(self, video_id: str, now: float) -> str:
        """Fresh link to a video's file, good for 24 h."""
        date = datetime.fromtimestamp(now, UTC).strftime(DATE_FORMAT)
        signature = self._signature(video_id, date, str(LINK_LIFE_SECONDS))
        return (
            f"{self.base_url}/hooked-videos/{quote(video_id, safe='')}.mp4"
            f"?X-Amz-Algorithm={ALGORITHM}&X-Amz-Date={date}"
            f"&X-Amz-Expires={LINK_LIFE_SECONDS}&X-Amz-Signature={signature}"
        )

    def thumbnail(self, video_id: str) -> str:
        """Address of a video's picture, which needs no signature."""
        return f"{self.base_url}/thumbnails/{quote(video_id, safe='')}.png"

    def refusal(self, video_id: str, query: Mapping[str, str], now: float) -> File | None:
        """Check the query of a link: None when it is good, else S3's 403."""
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signature = query.get("X-Amz-Signature", "")
        expected = self._signature(video_id, date, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return s3_error(403, "SignatureDoesNotMatch", "The request signature does not match.")
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
        ends_at = signed_at + int(expires)
        if now < ends_at:
            return None
        more = f"<Expires>{iso_time(ends_at)}</Expires><ServerTime>{iso_time(now)}</ServerTime>"
        return s3_error(403, "AccessDenied", "Request has expired", more)

    def _signature(self, video_id: str, date: str, expires: str) -> str:
        text = f"{ALGORITHM}\n{video_id}\n{date}\n{expires}"
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


def s3_error(status_code: int, code: str, message: str, more: str = "") -> File:
    """Error in the XML of S3."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    )
    return File(status_code, {"Content-Type": "application/xml"}, body.encode())


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """
    Read a Range header: the first byte and the one after the last.

    None where the header means nothing and the whole file is sent. An empty range cannot be
    satisfied.

    >>> byte_range("bytes=0-9", 100), byte_range("bytes=-10", 100), byte_range("bytes=90-", 100)
    ((0, 10), (90, 100), (90, 100))
    >>> byte_range("lines=1-2", 100), byte_range("bytes=100-", 100)
    (None, (100, 100))
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return min(int(first), size), min(int(last) + 1, size) if last else size


def video_file(video: Video, headers: Mapping[str, str]) -> File:
    """Whole file of a video, or the part that the request's headers name."""
    content = mp4_file(video.id, video.duration_frames)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    modified = formatdate(video.ended_at, usegmt=True)
    sent = {
        "Content-Type": "video/mp4",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": modified,
    }
    part = byte_range(headers.get("range", ""), len(content))
    if part is None or headers.get("if-range", etag) not in (etag, modified):
        return File(200, sent, content)
    first, end = part
    if first >= end:
        return File(416, {**sent, "Content-Range": f"bytes */{len(content)}"}, b"")
    sent["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
    return File(206, sent, content[first:end])


@cache
def _sample() -> bytes:
    """Read a real film: one second of H.264, 18 x 32 pixels."""
    return Path(__file__).with_name("sample.mp4").read_bytes()


def mp4_file(video_id: str, frames: int) -> bytes:
    """
    Bytes of a video's MP4 file: a real film, padded to the size that *frames* decides.

    It plays for one second, whatever duration its record states. A ``free`` box behind the film
    repeats the id, so that every video has other bytes.

    >>> film = mp4_file("vid_abc123", 7500)
    >>> film[4:12], len(film)
    (b'ftypisom', 161240)
    """
    size = FIXED_BYTES + FRAME_BYTES * max(1, frames) - len(_sample())
    word = video_id.encode(errors="replace") + b"\0"
    padding = (word * (size // len(word) + 1))[: size - 8]
    return _sample() + struct.pack(">I4s", size, b"free") + padding


def png_file(video_id: str) -> bytes:
    """Bytes of a video's thumbnail: 9 x 16 pixels of one colour, which the id decides."""
    width, height = THUMBNAIL_SHAPE
    colour = hashlib.sha256(video_id.encode(errors="replace")).digest()[:3]
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * width) * height)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
