"""
The same bytes as a reader may meet them: unescaped, untagged, without what wraps long lines.

Every view but the last keeps the line breaks, so that a find in a view has a line in the file.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Between two halves of a wrapped base64 text, or of a text in pieces in a JSON list.
_GLUE = b" \t\r\n\"',\\"
_BREAKS = bytes.maketrans(b"\r\n", b"  ")

_TAG = re.compile(rb"</?[A-Za-z!?][^<>\n]{0,4000}>")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,6}|#[xX][0-9a-fA-F]{1,5}|[A-Za-z]{2,12});")
_ESCAPE = re.compile(rb"\\(?:u00([0-9a-fA-F]{2})|x([0-9a-fA-F]{2})|(.))")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,20}m")
_PERCENT = re.compile(rb"(?:%[0-9a-fA-F]{2})+")


def _without_tags(text: bytes) -> bytes:
    return _TAG.sub(b"", text)


def _without_entities(text: bytes) -> bytes:
    def plain(match: re.Match[bytes]) -> bytes:
        return html.unescape(match[0].decode("ascii")).encode(errors="replace").translate(_BREAKS)

    return _ENTITY.sub(plain, text)


def _without_escapes(text: bytes) -> bytes:
    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1] or match[2]
        if code:
            return bytes.fromhex(code.decode("ascii")).translate(_BREAKS)
        return b" " if match[3] in b"nrt" else match[3]

    return _ESCAPE.sub(plain, text)


def _without_percents(text: bytes) -> bytes:
    return _PERCENT.sub(lambda match: unquote_to_bytes(match[0]).translate(_BREAKS), text)


# (what a text must hold to be worth it, how it is read)
_READINGS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\0", lambda text: text.replace(b"\0", b"")),  # UTF-16, as Windows writes logs
    (b"\x1b[", lambda text: _COLOUR.sub(b"", text)),  # tracebacks of a notebook
    (b'""', lambda text: text.replace(b'""', b'"')),  # CSV
    (b"</", _without_tags),  # coloured code: a name and its value in tags of their own
    (b"&", _without_entities),
    (b"\\", _without_escapes),
    (b"%", _without_percents),
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
