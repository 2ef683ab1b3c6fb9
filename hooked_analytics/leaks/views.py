"""
The same bytes as a reader may meet them: unescaped, untagged, without what wraps long lines.

Every view but the last keeps the line breaks, so that a find in a view has a line in the file.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Between two halves of a wrapped base64 text, or of a text in pieces in a JSON list.
_GLUE = b" \t\r\n\"',\\"
_BREAKS = bytes.maketrans(b"\r\n", b"  ")

_TAG = re.compile(rb"</?[A-Za-z!?][^<>\n]{0,4000}>")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,6}|#[xX][0-9a-fA-F]{1,5}|[A-Za-z]{2,12});")
_CODE = re.compile(rb"\\(?:u00|x)([0-9a-fA-F]{2})")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,20}m")
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")

_BYTES = {
    spelled.encode(): bytes([byte]).translate(_BREAKS)
    for byte in range(256)
    for spelled in {f"{byte:02x}", f"{byte:02X}", f"{byte:02x}".capitalize()}
}
# by C, for there may be millions of them
_SIMPLE_ESCAPES = (
    (rb"\n", b" "), (rb"\r", b" "), (rb"\t", b" "), (rb"\"", b'"'), (rb"\'", b"'"), (rb"\/", b"/"),
)  # fmt: skip


def _without_entities(text: bytes) -> bytes:
    def plain(match: re.Match[bytes]) -> bytes:
        return html.unescape(match[0].decode("ascii")).encode(errors="replace").translate(_BREAKS)

    return _ENTITY.sub(plain, text)


def _without_codes(text: bytes) -> bytes:
    return _decoded(_CODE, text.replace(b"\\\\", b"\0")).replace(b"\0", b"\\\\")


def _without_escapes(text: bytes) -> bytes:
    text = text.replace(b"\\\\", b"\0")  # which \\n is no break
    for escape, plain in _SIMPLE_ESCAPES:
        text = text.replace(escape, plain)
    return text.replace(b"\0", b"\\")


def _decoded(form: re.Pattern[bytes], text: bytes) -> bytes:
    return form.sub(lambda match: _BYTES.get(match[1]) or _BYTES[match[1].lower()], text)


# (what a text must hold to be worth it, how it is read)
_READINGS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\0", lambda text: text.translate(None, b"\0")),  # UTF-16, as Windows writes logs
    (b"\x1b[", lambda text: _COLOUR.sub(b"", text)),  # tracebacks of a notebook
    (b'""', lambda text: text.replace(b'""', b'"')),  # CSV
    (b"</", lambda text: _TAG.sub(b"", text)),  # coloured code
    (b"&", _without_entities),
    (b"\\", _without_codes),
    (b"\\", _without_escapes),
    (b"%", lambda text: _decoded(_PERCENT, text)),
)


def views(text: bytes) -> Iterator[bytes]:
    r"""
    Give a text as it is, then with one layer of writing after the other taken off.

    Examples
    --------
    >>> list(views(b"a%20b &amp; \\u0063"))
    [b'a%20b &amp; \\u0063', b'a%20b & \\u0063', b'a%20b & c', b'a b & c']
    """
    yield text
    for _ in range(2):  # a log of JSON in JSON is common, three layers are not
        before = text
        for mark, reading in _READINGS:
            if mark in text and (read := reading(text)) != text:
                text = read
                yield text
        if text == before:
            break


def unwrapped(text: bytes) -> bytes:
    r"""
    Join what line breaks, quotes and commas keep apart.

    Examples
    --------
    >>> unwrapped(b'["c2Vj", \n "cmV0"]')
    b'[c2VjcmV0]'
    """
    return text.translate(None, _GLUE)


def line_of(text: bytes, joined_at: int) -> int:
    r"""
    Count the line breaks before a place in the joined text.

    Examples
    --------
    >>> line_of(b"ab\ncd\nef", 4)
    2
    """
    passed = 0
    lines = text.split(b"\n")
    for number, line in enumerate(lines):
        passed += len(unwrapped(line))
        if passed > joined_at:
            return number
    return len(lines) - 1
