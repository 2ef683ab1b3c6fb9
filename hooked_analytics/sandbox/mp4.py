"""
A real, playable MP4 made without an encoder: one H.264 picture, then "nothing changed" frames.

The picture is sent as raw samples (I_PCM macroblocks), every later frame skips all its
macroblocks, so a file of any duration is a few dozen kilobytes and its size is known beforehand.
"""

from __future__ import annotations

import hashlib
import struct
import zlib

from hooked_analytics.sandbox.facts import FRAMES_PER_SECOND

__all__ = ["mp4_file", "mp4_size", "png_file"]

# aspect ratio: width and height in macroblocks of 16 x 16 pixels, 144 in each
MACROBLOCKS = {"ratio_9_16": (9, 16), "ratio_16_9": (16, 9), "ratio_1_1": (12, 12)}
MACROBLOCK_COUNT = 144
MACROBLOCK = 16
TIMESCALE = 12_800
FRAME_TICKS = TIMESCALE // FRAMES_PER_SECOND
FRAME_NUMBERS = 16
I_PCM = 25

# one picture and all headers; then each frame with its row in the table of sizes [B]
FIXED_BYTES = 56_240
FRAME_BYTES = 14


class _Bits:
    """Bits in the order H.264 wants them, with its Exp-Golomb numbers."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def fixed(self, value: int, width: int) -> _Bits:
        self.text.append(f"{value:0{width}b}")
        return self

    def golomb(self, *values: int) -> _Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self.text.append("0" * (len(digits) - 1) + digits)
        return self

    def aligned(self) -> bytes:
        joined = "".join(self.text)
        joined += "0" * (-len(joined) % 8)
        return int(joined, 2).to_bytes(len(joined) // 8, "big") if joined else b""


def _unit(header: int, payload: bytes) -> bytes:
    # Two zero bytes in a row would look like the start of the next unit.
    escaped = bytearray([header])
    zeros = 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)


def _sequence_parameters(aspect_ratio: str) -> bytes:
    width, height = MACROBLOCKS.get(aspect_ratio, MACROBLOCKS["ratio_9_16"])
    bits = _Bits().fixed(66, 8).fixed(0xC0, 8).fixed(30, 8)  # Baseline, level 3.0
    bits.golomb(0, 0, 2, 1).fixed(0, 1)  # 4-bit frame numbers, output in decoding order
    bits.golomb(width - 1, height - 1).fixed(0b1100, 4).fixed(1, 1)
    return _unit(0x67, bits.aligned())


def _picture_parameters() -> bytes:
    bits = _Bits().golomb(0, 0).fixed(0, 2).golomb(0, 0, 0).fixed(0, 3).golomb(0, 0, 0)
    return _unit(0x68, bits.fixed(0b100, 3).fixed(1, 1).aligned())


def _colours(video_id: str) -> list[tuple[int, int, int]]:
    """Y, Cb, Cr of each macroblock: a soft gradient of the video's own colour."""
    red, blue, *_ = hashlib.sha256(video_id.encode(errors="replace")).digest()
    cb, cr = 64 + blue // 2, 64 + red // 2
    return [(64 + index, cb, cr) for index in range(MACROBLOCK_COUNT)]


def _key_frame(video_id: str) -> bytes:
    header = _Bits().golomb(0, 7, 0).fixed(0, 4).golomb(0).fixed(0, 2).golomb(0, 1)
    payload = bytearray()
    for index, (y, cb, cr) in enumerate(_colours(video_id)):
        lead = header if index == 0 else _Bits()
        payload += lead.golomb(I_PCM).aligned()
        payload += bytes([y]) * 256 + bytes([cb]) * 64 + bytes([cr]) * 64
    # No sample is 0, so nothing but the short header could need escaping.
    return b"\x65" + bytes(payload) + b"\x80"


def _same_frame(number: int) -> bytes:
    bits = _Bits().golomb(0, 5, 0).fixed(number % FRAME_NUMBERS, 4).fixed(0, 3).golomb(0, 1)
    return _unit(0x61, bits.golomb(MACROBLOCK_COUNT).fixed(1, 1).aligned())


def _sample(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit


def _box(kind: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, kind.encode()) + content


def _full_box(kind: str, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _movie(frames: int, aspect_ratio: str, sizes: list[int], offset: int) -> bytes:
    width, height = (
        MACROBLOCK * side for side in MACROBLOCKS.get(aspect_ratio, MACROBLOCKS["ratio_9_16"])
    )
    duration = frames * FRAME_TICKS
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie_header = _full_box(
        "mvhd",
        struct.pack(">4IIH10x", 0, 0, TIMESCALE, duration, 0x10000, 0x0100),
        matrix,
        struct.pack(">24xI", 2),
    )
    track_header = _full_box(
        "tkhd",
        struct.pack(">5I16x", 0, 0, 1, 0, duration),
        matrix,
        struct.pack(">2I", width << 16, height << 16),
        flags=3,
    )
    media_header = _full_box("mdhd", struct.pack(">4I2H", 0, 0, TIMESCALE, duration, 0x55C4, 0))
    handler = _full_box("hdlr", struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\0")
    reference = _box("dinf", _full_box("dref", struct.pack(">I", 1), _full_box("url ", flags=1)))
    table = _sample_table(frames, aspect_ratio, (width, height), sizes, offset)
    media = _box("minf", _full_box("vmhd", bytes(8), flags=1), reference, table)
    track = _box("trak", track_header, _box("mdia", media_header, handler, media))
    return _box("moov", movie_header, track)


def _sample_table(
    frames: int, aspect_ratio: str, shape: tuple[int, int], sizes: list[int], offset: int
) -> bytes:
    sequence, picture = _sequence_parameters(aspect_ratio), _picture_parameters()
    configuration = _box(
        "avcC",
        b"\x01" + sequence[1:4] + b"\xff\xe1",
        struct.pack(">H", len(sequence)) + sequence,
        b"\x01" + struct.pack(">H", len(picture)) + picture,
    )
    entry = _box(
        "avc1",
        struct.pack(">6xH16x2H2I4xH32xHh", 1, *shape, 0x480000, 0x480000, 1, 24, -1),
        configuration,
    )
    return _box(
        "stbl",
        _full_box("stsd", struct.pack(">I", 1), entry),
        _full_box("stts", struct.pack(">3I", 1, frames, FRAME_TICKS)),
        _full_box("stss", struct.pack(">2I", 1, 1)),
        _full_box("stsc", struct.pack(">4I", 1, 1, frames, 1)),
        _full_box("stsz", struct.pack(f">2I{len(sizes)}I", 0, len(sizes), *sizes)),
        _full_box("stco", struct.pack(">2I", 1, offset)),
    )


def mp4_file(video_id: str, frames: int, aspect_ratio: str) -> bytes:
    """
    Bytes of a video's MP4 file.

    Parameters
    ----------
    video_id : gives the picture its colour
    frames : at 25 a second
    aspect_ratio : the API's word for it; unknown ones come out as 9:16

    Returns
    -------
    H.264 in MP4, header first, so that it plays while it loads

    Examples
    --------
    >>> film = mp4_file("vid_abc123", 250, "ratio_9_16")
    >>> film[4:12]
    b'ftypisom'
    >>> len(film) == mp4_size(250)
    True
    """
    frames = max(1, frames)
    same = [_sample(_same_frame(number)) for number in range(FRAME_NUMBERS)]
    samples = [_sample(_key_frame(video_id))]
    samples += [same[number % FRAME_NUMBERS] for number in range(1, frames)]
    sizes = [len(sample) for sample in samples]
    brand = _box("ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    start = len(brand) + len(_movie(frames, aspect_ratio, sizes, 0)) + 8
    return brand + _movie(frames, aspect_ratio, sizes, start) + _box("mdat", *samples)


def mp4_size(frames: int) -> int:
    """
    Size of the file that `mp4_file` makes, without making it.

    Parameters
    ----------
    frames : at 25 a second

    Returns
    -------
    size of the whole file, the same for every aspect ratio [B]

    Examples
    --------
    >>> mp4_size(7500)
    161240
    """
    return FIXED_BYTES + FRAME_BYTES * max(1, frames)


def png_file(video_id: str, aspect_ratio: str) -> bytes:
    r"""
    Bytes of a video's thumbnail, in the same colour as the video.

    Parameters
    ----------
    video_id : gives the picture its colour
    aspect_ratio : the API's word for it; unknown ones come out as 9:16

    Returns
    -------
    a PNG picture with one pixel for each macroblock

    Examples
    --------
    >>> png_file("vid_abc123", "ratio_9_16")[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    width, height = MACROBLOCKS.get(aspect_ratio, MACROBLOCKS["ratio_9_16"])
    pixels = [_rgb(*colour) for colour in _colours(video_id)]
    rows = b"".join(
        b"\0" + b"".join(pixels[row * width : (row + 1) * width]) for row in range(height)
    )
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _rgb(y: int, cb: int, cr: int) -> bytes:
    # BT.601, the colours H.264 assumes for pictures this small
    luma = 1.164 * (y - 16)
    red = luma + 1.596 * (cr - 128)
    green = luma - 0.813 * (cr - 128) - 0.392 * (cb - 128)
    blue = luma + 2.017 * (cb - 128)
    return bytes(max(0, min(255, round(value))) for value in (red, green, blue))
