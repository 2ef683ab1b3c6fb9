"""
Find API keys and live links in files before they are shared.

Text, notebooks, zip-based files, gzip, Parquet and Arrow are searched; anything else is named as
not searched. No secret is part of a result, and memory does not grow with a file.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import itertools
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pyarrow as pa

from hooked_analytics._internal.net import signed_link_ends_at
from hooked_analytics.client.key import KEY_VARIABLE

__all__ = ["Checked", "SearchedKeys", "check_files", "key_of_environment"]

MAX_FINDS = 20  # of one file
MAX_UNPACKED_BYTES = 2**29  # of one packed file in all
MAX_HELD_BYTES = 2**25  # of what must be held whole: a table in a .zip, a column of a row group
MAX_INDEX_BYTES = 2**22  # of the list of members or columns at the end of a file
MAX_DEPTH = 1
MIN_KEY = 8
WINDOW_BYTES = 2**20
OVERLAP_BYTES = 2**14  # more than the longest key, written in the longest way
PUBLIC_KEYS = frozenset({"sandbox-key"})  # it is in the sandbox's documentation
SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"}
)
DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError, zlib.error,
    struct.error, zipfile.BadZipFile, pa.ArrowException,
)  # fmt: skip


class Checked(NamedTuple):
    """Lines to print, and how many files and expired links there were."""

    leaks: list[str]
    unread: list[str]
    files: int
    dead_links: int


class SearchedKeys:
    """
    Keys in every form in which they may lie in a file; none is ever shown.

    Parameters
    ----------
    *keys : str
        Visible ASCII characters, at least eight.

    Examples
    --------
    >>> keys = SearchedKeys("a-key-of-no-one")
    >>> keys, keys.find(b"x=a-key-of-no-one"), keys.mask("debug-a-key-of-no-one.log")
    (***, 2, 'debug-***.log')
    """

    __slots__ = ("_needles", "_pieces")

    def __init__(self, *keys: str) -> None:
        written = {form(key) for key in keys for form in _WRITINGS}
        twice = {form(text) for text in written for form in _WRITINGS}
        packed = {part for text in written for part in _packed(text.encode("ascii"))}
        self._needles = tuple({text.encode("ascii") for text in written | twice} | packed)
        self._pieces = {key[at : at + 6] for key in keys for at in range(len(key) - 5)}

    def find(self, text: bytes, begin: int = 0) -> int:
        """Say where the first form of a key begins, -1 when there is none."""
        places = (text.find(needle, begin) for needle in self._needles)
        return min((place for place in places if place >= 0), default=-1)

    def mask(self, text: str) -> str:
        """Put ``***`` for every piece of a key."""
        places = [at for at in range(len(text) - 5) if text[at : at + 6] in self._pieces]
        hidden = {at + further for at in places for further in range(6)}
        return re.sub("\0+", "***", "".join("\0" if i in hidden else c for i, c in enumerate(text)))

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled")


_WRITINGS: tuple[Callable[[str], str], ...] = (
    str, quote, quote_plus, lambda key: quote(key, safe=""), lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(key)[1:-1].replace("/", "\\/"), lambda key: repr(f'"{key}')[2:-1],
    html.escape, lambda key: html.escape(key, quote=False),
    lambda key: html.escape(key, quote=False).replace('"', "&quot;"),
    lambda key: html.escape(key).replace("&#x27;", "&#39;"),
)  # fmt: skip


def _packed(key: bytes) -> Iterator[bytes]:
    """Give base64 of the key wherever it stands in a longer text: what its bits alone decide."""
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + key)
        middle = packed[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        if len(middle) >= MIN_KEY:
            yield from (middle, middle.translate(bytes.maketrans(b"+/", b"-_")))


def key_of_environment() -> SearchedKeys | None:
    """
    Take the keys of ``HOOKED_API_KEY`` and every ``HOOKED_API_KEY_*`` from the environment.

    Raises
    ------
    ValueError
        One of them cannot be searched for.
    """
    keys = []
    for name in sorted(os.environ):
        key = os.environ[name].strip()
        if not (name == KEY_VARIABLE or name.startswith(f"{KEY_VARIABLE}_")):
            continue
        if not key or key in PUBLIC_KEYS:
            continue
        if len(key) < MIN_KEY or not re.fullmatch(r"[\x21-\x7e]{1,512}", key):
            del key
            raise ValueError(
                f"{KEY_VARIABLE if name == KEY_VARIABLE else KEY_VARIABLE + '_*'} is no key that "
                f"can be searched for: it has fewer than {MIN_KEY} characters, or some that no "
                "header can carry"
            )
        keys.append(key)
    return SearchedKeys(*keys) if keys else None


# -- what a secret looks like; every repetition is bounded or cannot be read in two ways --------

_NAME = re.compile(rb"api[-_]?key")
_BEHIND = re.compile(
    rb"(?P<quoted>(?:\\{0,3}[\"'])?)\]?(?:[ \t]{0,9}:[ \t]{0,9}[A-Za-z][\w .|\[\]]{0,40}?(?==))?"
    rb"[ \t]{0,20}(?P<mark>[:=]{1,2}>?|[, \t])[ \t]{0,20}b?(?P<opened>(?:\\{0,3}[\"'])?)"
    rb"(?P<value>[A-Za-z0-9$%_+/~-][!#$%*+./0-9:=?@A-Z^_a-z~|-]{0,511})"
)
_PASSWORD = re.compile(rb'"PasswordModel".{0,1000}?"value":\s{0,9}"[^"]{8}', re.DOTALL)
_WORDS = (
    "undefined|placeholder|sandbox|redacted|optional|required|example|default|missing|invalid"
    "|string|secret|sample|dummy|hidden|change|hooked|insert|token|false|value|paste|wrong|other"
    "|your|here|goes|test|fake|none|null|true|real|good|some|our|the|own|api|key|bad|any|not|my|an"
    "|me|a"
)
_PLACEHOLDER = re.compile(
    rf"(?i)[$%].*|.*(?:\.\.\.|\*\*\*|x{{6}}).*|(?:your|my|insert|paste)[-_].*"
    rf"|(?:(?:{_WORDS})[-_.]?)++|(.)\1+"
    r"|(?:os\.environ|os\.getenv|getenv|getpass|process\.env|secrets\.|env\.).*"
)
_EXPRESSION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.?")
_LINK = re.compile(rb"(?i)https?:\\{0,2}/\\{0,2}/[^\s\"'<>`]{1,8000}")
_FIELD = re.compile(
    rb"(?i)(?:[?&;#]|\\u0026|%3f|%26)(x-(?:amz|goog)-(?:signature|date|expires)|signature|sig"
    rb"|expires|se|policy)(?:=|%3d)([^&;#\\]+)"
)


def _named_keys(text: bytes) -> Iterator[tuple[int, int, str]]:
    """Find values behind ``x-api-key:``, ``api_key=``, ``HOOKED_API_KEY=`` and their like."""
    lower = text.lower()
    for name in _NAME.finditer(lower):
        before = lower[max(name.start() - 7, 0) : name.start()]
        shown = "x-api-key" if before.endswith((b"x-", b"x_")) else "api_key"
        shown = KEY_VARIABLE if before == b"hooked_" else shown
        behind = _BEHIND.match(text, name.end())
        if behind and _is_key(behind, text, shown != "api_key", name.start()):
            yield name.start(), behind.end(), f"a value behind {shown}"
    for typed in _PASSWORD.finditer(text):
        yield typed.start(), typed.end(), "a value in a password field"


def _is_key(behind: re.Match[bytes], text: bytes, header: bool, start: int) -> bool:
    value = behind["value"].decode("ascii").rstrip(".:,?!")
    if len(value) < MIN_KEY or value in PUBLIC_KEYS or _PLACEHOLDER.fullmatch(value):
        return False
    if behind["mark"] in b", \t":  # a pair in a list of headers, %env NAME value, or only words
        pair = behind["quoted"] and behind["opened"] if behind["mark"] == b"," else header
        return bool(pair) and len(value) >= 16 and not value.isalpha()
    if behind["opened"] or text[start - 1 : start] in {b"?", b"&"}:
        return True
    if text[behind.end() : behind.end() + 1] in {b"(", b"["}:  # a call in code
        return False
    if header and not behind["quoted"] and not (value.islower() and value.isalpha()):
        return True
    drawn = any(map(str.isdigit, value)) or (len(value) >= 16 and "_" not in value)
    return not _EXPRESSION.fullmatch(value) or ("." not in value and drawn)


def _links(text: bytes) -> Iterator[tuple[int, int, bytes, datetime | None]]:
    """Find links signed for S3, CloudFront, Google or Azure, and when they end."""
    for match in _LINK.finditer(text):
        said = {name.decode().lower(): value for name, value in _FIELD.findall(match[0])}
        names = ("x-amz-signature", "x-goog-signature", "signature", "sig")
        signature = next((said[name] for name in names if name in said), b"")
        if len(signature) >= 16:
            fields = {name: value.decode("ascii", "replace") for name, value in said.items()}
            yield (
                match.start(),
                match.end(),
                unquote_to_bytes(signature),
                signed_link_ends_at(fields),
            )


def _plain(match: re.Match[bytes]) -> bytes:
    text = html.unescape(match[0].decode("ascii")).encode(errors="replace")
    return text.translate(_NO_BREAKS)


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]).translate(_NO_BREAKS)


def _unescaped(text: bytes) -> bytes:
    text = text.replace(b"\\\\", b"\0")
    for escape, plain in zip(rb"\n \r \t \" \' \/".split(), (b" ", b" ", b" ", b'"', b"'", b"/"),
                             strict=True):  # fmt: skip
        text = text.replace(escape, plain)
    return text.replace(b"\0", b"\\")


_NO_BREAKS = bytes.maketrans(b"\r\n", b"  ")  # a find in a view has the line it has in the file
_READINGS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\0", lambda text: text.translate(None, b"\0")),  # UTF-16
    (b"\x1b[", lambda text: re.sub(rb"\x1b\[[0-9;]{0,20}m", b"", text)),
    (b'""', lambda text: text.replace(b'""', b'"')),  # CSV
    (b"</", lambda text: re.sub(rb"</?[A-Za-z!?][^<>\n]{0,4000}>", b"", text)),
    (b"&", lambda t: re.sub(rb"&(?:#\d{1,6}|#[xX][\da-fA-F]{1,5}|[A-Za-z]{2,12});", _plain, t)),
    (b"\\", lambda text: re.sub(rb"\\(?:u00|x)([0-9a-fA-F]{2})", _byte,
                                text.replace(b"\\\\", b"\0")).replace(b"\0", b"\\\\")),
    (b"\\", _unescaped),
    (b"%", lambda text: re.sub(rb"%([0-9a-fA-F]{2})", _byte, text)),
)  # fmt: skip


def _views(text: bytes) -> Iterator[bytes]:
    """Give a text as it is, then with one layer of writing after the other taken off."""
    yield text
    for mark, reading in _READINGS * 2:
        if mark in text and (read := reading(text)) != text:
            text = read
            yield text


class _Scan:
    """The search through parts of files, a window at a time."""

    def __init__(self, keys: SearchedKeys | None) -> None:
        self.keys = keys
        self.now = datetime.now(UTC)
        self.dead_links = 0
        self.counted: tuple[set[bytes], set[bytes]] = (set(), set())

    def shown(self, name: str) -> str:
        """Make a name fit to print: no part of a secret, nothing that steers a terminal."""
        plain = "".join(sign if sign.isprintable() else "?" for sign in name)
        masked = self.keys.mask(plain) if self.keys else plain
        pieces = "/".join("***" if self.holds(piece) else piece for piece in masked.split("/"))
        return "***" if self.holds(pieces) else pieces

    def holds(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return any(self.window(text.encode(errors="replace"), True))

    def stream(self, pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes, str]]:
        """Give the line, its text before the find (never shown) and what it is."""
        first, tail, reported = 1, b"", set[tuple[int, str]]()
        self.counted = (set(), set())
        for block, last, fault in _blocks(pieces):
            window, self.counted = tail + block, (set(), self.counted[0])
            for line, before, what in self.window(window, last):
                if (first + line, what) not in reported:
                    reported.add((first + line, what))
                    yield first + line, before, what
            if fault:
                raise fault
            cut = max(len(window) - OVERLAP_BYTES, 0)
            first, tail = first + window.count(b"\n", 0, cut), window[cut:]
            reported = {find for find in reported if find[0] >= first}

    def window(self, window: bytes, last: bool) -> Iterator[tuple[int, bytes, str]]:
        lines: set[int] = set()
        for view in _views(window):
            for at, what in self.finds(view, last):
                if (line := view.count(b"\n", 0, at)) not in lines:
                    lines.add(line)
                    yield line, view[view.rfind(b"\n", 0, at) + 1 : at], what
        # base64 in lines, or a text in pieces in a JSON list
        if self.keys and not lines and self.keys.find(view.translate(None, b" \t\r\n\"',\\")) >= 0:
            yield 0, b"", "the API key of this environment, over several lines from here"

    def finds(self, view: bytes, last: bool) -> Iterator[tuple[int, str]]:
        at = self.keys.find(view) if self.keys else -1
        while self.keys and at >= 0:
            yield at, "the API key of this environment"
            end = view.find(b"\n", at)
            at = self.keys.find(view, end) if end >= 0 else -1
        for at, end, what in _named_keys(view):
            if last or end < len(view):
                yield at, what
        for at, end, signature, ends in _links(view):
            if not last and end == len(view):
                continue
            if ends is None:
                yield at, "a signed link that does not say when it ends"
            elif ends > self.now:
                yield at, f"a signed link that opens until {ends:%Y-%m-%d %H:%M} UTC"
            elif signature not in self.counted[0]:
                self.counted[0].add(signature)
                self.dead_links += signature not in self.counted[1]


def _blocks(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool, Exception | None]]:
    """Join pieces to blocks; what came before a fault is given with it."""
    source, block, fault, going = iter(pieces), bytearray(), None, True
    while going:
        try:
            piece = next(source, None)
            going = piece is not None
            block += piece or b""
        except DAMAGED as cause:
            fault, going = cause, False
        while len(block) > WINDOW_BYTES:
            yield bytes(block[:WINDOW_BYTES]), False, None
            del block[:WINDOW_BYTES]
    yield bytes(block), True, fault


class _Unread(NamedTuple):
    place: str
    why: str


class _Part(NamedTuple):
    pieces: Iterable[bytes]
    place: Callable[[int, bytes], str]


def _parts(name: str, stream: BinaryIO, inside: str = "", depth: int = 0) -> Iterator[Any]:
    """Take a file apart into what can be searched and what cannot."""
    head = stream.read(4096)
    stream.seek(0)
    if depth > MAX_DEPTH:
        yield _Unread(inside, "it is packed too many times over")
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _members(stream, inside, depth)
    elif head.startswith(b"\x1f\x8b"):
        plain = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
        yield from _inner(name.removesuffix(".gz"), plain, [MAX_UNPACKED_BYTES], inside, depth)
    elif head.startswith(b"PAR1"):
        yield from _parquet(stream, inside)
    elif head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        yield from _arrow(stream, inside)
    else:
        yield _text(name, head, iter(lambda: stream.read(WINDOW_BYTES), b""), inside)


def _text(name: str, head: bytes, pieces: Iterable[bytes], inside: str) -> _Part | _Unread:
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not utf16 and re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]|\A\x80", head):
        return _Unread(inside, "only text, notebooks, .zip, .gz, Parquet and Arrow are searched")
    if "worksheets/" in name:  # a sheet of Excel is one long line
        pieces = (piece.replace(b"<c ", b"\n<c ") for piece in pieces)

    def place(line: int, before: bytes) -> str:
        cell = re.match(rb'<c r="([A-Z]{1,3}[0-9]{1,7})"', before)
        return f"{inside}cell {cell[1].decode()}" if cell else f"{inside}line {line:,}"

    return _Part(pieces, place)


def _inner(
    name: str, plain: BinaryIO, left: list[int], inside: str, depth: int
) -> Iterator[_Part | _Unread]:
    """Search what is packed in a file, within what the whole file may unpack to."""

    def pieces() -> Iterator[bytes]:
        while piece := plain.read1(2**16):  # type: ignore[attr-defined]
            left[0] -= len(piece)
            if left[0] < 0:
                raise _TooMuchError(f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
            yield piece

    source = pieces()
    head = next(source, b"")
    if not head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"ARROW1")):
        yield _text(name, head, itertools.chain([head], source), inside)
        return
    body = io.BytesIO()
    for piece in itertools.chain([head], source):
        if body.tell() + len(piece) > MAX_HELD_BYTES:
            raise _TooMuchError(f"it has more than {MAX_HELD_BYTES:,} bytes; unpack it first")
        body.write(piece)
    body.seek(0)
    yield from _parts(name, body, inside, depth + 1)


def _members(stream: BinaryIO, inside: str, depth: int) -> Iterator[_Part | _Unread]:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(size - 2**16 - 22, 0))
    tail = stream.read()
    ends = [match.start() for match in re.finditer(rb"PK\x05\x06", tail)]
    sizes = [int.from_bytes(tail[at + 12 : at + 16], "little") for at in ends]
    if b"PK\x06\x07" in tail or max(sizes, default=0) > MAX_INDEX_BYTES:
        raise _TooMuchError("it has too many members")
    left = [MAX_UNPACKED_BYTES]
    with zipfile.ZipFile(stream) as archive:
        for number, member in enumerate(archive.infolist(), 1):
            written = member.filename.encode(errors="replace") + b"\n" + member.comment
            yield _Part([written], lambda *_, n=number: f"{inside}name of member {n}")
            name = f"{inside}member {member.filename}, "
            try:
                if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    yield _Unread(name, "it is packed in a way that is not searched")
                elif not member.is_dir():
                    with archive.open(member) as plain:
                        packed = cast("BinaryIO", plain)
                        yield from _inner(member.filename, packed, left, name, depth)
            except DAMAGED as cause:
                yield _Unread(name, _reason(cause))
        yield _Part([archive.comment], lambda *_: f"{inside}comment of the archive")


def _parquet(stream: BinaryIO, inside: str) -> Iterator[_Part | _Unread]:
    from pyarrow.parquet import ParquetFile

    stream.seek(-8, io.SEEK_END)
    if int.from_bytes(stream.read(4), "little") > MAX_INDEX_BYTES:
        raise _TooMuchError("its list of columns is too long")
    stream.seek(0)
    with ParquetFile(pa.PythonFile(stream, mode="r")) as file:
        columns = [file.schema.column(n) for n in range(len(file.schema))]
        yield from _notes(file.schema_arrow, file.metadata.metadata, inside)
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    stream.seek(0)
    source = pa.PythonFile(stream, mode="r")
    # a dictionary is read as one: a long text in a million rows stays one text
    with ParquetFile(source, read_dictionary=texts, buffer_size=WINDOW_BYTES) as file:
        first = 1
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            for number, column in enumerate(columns):
                place, size = f"{inside}column {column.path}", about.column(number)
                if not column.physical_type.endswith("BYTE_ARRAY"):
                    continue
                if size.total_uncompressed_size > MAX_HELD_BYTES:
                    yield _Unread(place, f"a row group has more than {MAX_HELD_BYTES:,} bytes")
                    continue
                batches = file.iter_batches(4096, row_groups=[group], columns=[column.path])
                yield from _columns(batches, inside, first)
            first += about.num_rows


def _arrow(stream: BinaryIO, inside: str) -> Iterator[_Part | _Unread]:
    body = stream.read(MAX_HELD_BYTES + 1)
    start = 8 if body.startswith(b"ARROW1") else 0  # a file is a stream with a head and an index
    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body).slice(start))
    held = len(body) + sum(map(_unpacked_bytes, messages))
    if held > MAX_HELD_BYTES:
        raise _TooMuchError(f"it holds more than {MAX_HELD_BYTES:,} bytes")
    with pa.ipc.open_stream(pa.py_buffer(body).slice(start)) as batches:
        yield from _notes(batches.schema, None, inside)
        yield from _columns(batches, inside, 1)


def _unpacked_bytes(message: Any) -> int:
    """Say what the buffers of one message of Arrow unpack to, as their heads tell."""
    data = memoryview(message.metadata)

    def field(table: int, number: int) -> int:
        offsets = table - struct.unpack_from("<i", data, table)[0]
        known = 4 + 2 * number < struct.unpack_from("<H", data, offsets)[0]
        at = struct.unpack_from("<H", data, offsets + 4 + 2 * number)[0] if known else 0
        return table + at if at else 0

    def follow(place: int) -> int:
        return place + int(struct.unpack_from("<I", data, place)[0])

    if message.type not in {"record batch", "dictionary"}:
        return 0
    table = follow(field(follow(0), 2))
    table = follow(field(table, 1)) if message.type == "dictionary" else table
    buffers, total = follow(field(table, 2)), 0
    if field(table, 3):  # it is compressed
        for number in range(struct.unpack_from("<I", data, buffers)[0]):
            at, size = struct.unpack_from("<qq", data, buffers + 4 + 16 * number)
            total += max(struct.unpack_from("<q", message.body, at)[0], 0) if size else 0
    return total


def _notes(schema: pa.Schema, metadata: Any, inside: str) -> Iterator[_Part]:
    held = [metadata, schema.metadata, *(field.metadata for field in schema)]
    notes = {name + b": " + note for pairs in held for name, note in (pairs or {}).items()}
    yield _Part(
        ["\n".join(schema.names).encode(errors="replace")],
        lambda *_: f"{inside}names of the columns",
    )
    yield _Part([b"\n".join(notes)], lambda *_: f"{inside}metadata of the file")


def _columns(batches: Iterable[Any], inside: str, first: int) -> Iterator[_Part]:
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            rows = f"rows {first:,} to {first + batch.num_rows - 1:,}"
            place = f"{inside}column {name}, {rows}"
            yield _Part(_values(column, name), lambda *_, place=place: place)
        first += batch.num_rows


def _values(column: pa.Array, name: str) -> Iterator[bytes]:
    """Give each text of a column; numbers, times and the like hold no secret."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray | pa.DictionaryArray):
        inner = column.dictionary if isinstance(column, pa.DictionaryArray) else column.storage
        yield from _values(inner, name)
    elif pa.types.is_struct(kind):
        for number, field in enumerate(kind):
            yield from _values(column.field(number), field.name)
    elif pa.types.is_map(kind):
        yield from itertools.chain(_values(column.keys, name), _values(column.items, name))
    elif pa.types.is_nested(kind):
        yield from _values(column.flatten(), name)
    elif any(word in str(kind) for word in ("string", "binary")):
        label = b'"' + name.encode(errors="replace") + b'": "' if "key" in name.lower() else b""
        for value in column:
            if (held := value.as_buffer()) is not None:
                yield label
                for at in range(0, held.size, WINDOW_BYTES):
                    yield held.slice(at, min(WINDOW_BYTES, held.size - at)).to_pybytes()
                yield b'"\n' if label else b"\n"


class _TooMuchError(ValueError):
    pass


def _reason(cause: Exception) -> str:
    """Say shortly why something could not be read, without quoting what it holds."""
    if isinstance(cause, _TooMuchError):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    encrypted = isinstance(cause, RuntimeError) and "encrypted" in str(cause)
    return "it is encrypted" if encrypted else f"its contents are damaged ({type(cause).__name__})"


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Walk in order of names; a link inside a folder is not followed."""
    for path in paths:
        if not path.is_dir():
            kind = "it is neither a file nor a folder" if path.exists() else "there is no such file"
            yield path, "" if path.is_file() else kind
            continue
        refused: list[OSError] = []
        for directory, folders, names in os.walk(path, onerror=refused.append):
            folders[:] = sorted(
                name for name in folders
                if name not in SKIPPED_FOLDERS and not Path(directory, name, "pyvenv.cfg").is_file()
            )  # fmt: skip
            inside = (Path(directory, name) for name in sorted(names))
            yield from ((path, "") for path in inside if path.is_file() and not path.is_symlink())
        yield from ((Path(error.filename), _reason(error)) for error in refused)


def check_files(paths: Iterable[Path], keys: SearchedKeys | None) -> Checked:
    r"""
    Search files and folders.

    Parameters
    ----------
    paths : iterable of Path
        Files, or folders to walk through.
    keys : SearchedKeys, optional
        The keys to search for, if they are known.

    Returns
    -------
    Checked
        A line for each place that holds a secret and for each that was not searched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "notes.txt").write_text("well\nx-api-key: " + "9f86d081" * 4)
    ...     checked = check_files([Path(folder)], None)
    >>> [line.rsplit("/", 1)[1] for line in checked.leaks], checked.files
    (['notes.txt: line 2: a value behind x-api-key'], 1)
    """
    scan = _Scan(keys)
    leaks: list[str] = []
    unread: list[str] = []
    searched = 0
    for path, why in _files(paths):
        name = scan.shown(str(path))
        if why:
            unread.append(f"{name}: {why}")
            continue
        searched += 1
        if scan.holds(str(path)):
            leaks.append(f"{name}: its name")
        finds = _finds(path, scan)
        for leaked, place, what in itertools.islice(finds, MAX_FINDS):
            line = ": ".join(filter(None, [name, scan.shown(place.rstrip(", ")), what]))
            (leaks if leaked else unread).append(line)
        if next(finds, None):
            leaks.append(f"{name}: and perhaps more; the rest was not searched")
    return Checked(leaks, unread, searched, scan.dead_links)


def _finds(path: Path, scan: _Scan) -> Iterator[tuple[bool, str, str]]:
    try:
        with path.open("rb") as stream:
            for part in _parts(path.name, stream):
                if isinstance(part, _Unread):
                    yield False, *part
                    continue
                try:
                    for line, before, what in scan.stream(part.pieces):
                        yield True, part.place(line, before), what
                except DAMAGED as cause:
                    yield False, part.place(1, b"").rpartition("line ")[0], _reason(cause)
    except DAMAGED as cause:
        yield False, "", _reason(cause)
