"""What a file is made of: cells of a notebook, columns of Parquet, packed members, or bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hooked_analytics.leaks.search import Find

DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile,
)  # fmt: skip

_UNPACKED_BYTES = 4 * 2**30  # of one packed file in all: a bomb ends here
_IN_MEMORY_BYTES = 64 * 2**20  # of what must be held whole: a notebook, a table in a .zip
_DEEPEST = 4
_BLOCK_BYTES = 2**20

_UNPACK: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
_CELL = re.compile(rb'<c r="([A-Z]{1,3}[0-9]{1,7})"')


class Part(NamedTuple):
    """A stream to search, and what a place in it is called."""

    stream: BinaryIO
    place: Callable[[Find], str]
    lines: Callable[[bytes], bytes] | None = None  # puts breaks where a file has none


class Unread(NamedTuple):
    """What was not searched, and why."""

    place: str
    why: str


def parts(
    name: str, stream: BinaryIO, *, inside: str = "", depth: int = 0
) -> Iterator[Part | Unread]:
    """
    Take a file apart into what can be searched.

    Parameters
    ----------
    name : its suffix tells a notebook
    stream : can be sought in, stands at its beginning
    inside : what comes before every place, as in ``member a.csv, ``
    """
    head = stream.read(8)
    stream.seek(0)
    unpack = next((unpack for magic, unpack in _UNPACK.items() if head.startswith(magic)), None)
    try:
        if depth == _DEEPEST:
            yield Unread(inside, "it is packed too many times over")
        elif head.startswith(b"PK") and zipfile.is_zipfile(stream):
            yield from _members(stream, inside, depth)
        elif unpack is not None:
            plain = cast("BinaryIO", unpack(stream))
            yield from _inner(name.rsplit(".", 1)[0], _Budget().capped(plain), inside, depth)
        else:
            yield from _whole(name, head, stream, inside)
    except DAMAGED as cause:
        yield Unread(inside, reason(cause))


def reason(cause: Exception) -> str:
    """Say shortly why something could not be read, without quoting what it holds."""
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(cause, _TooMuchError):
        return str(cause)
    if isinstance(cause, RuntimeError) and "encrypted" in str(cause):
        return "it is encrypted"
    return f"its contents are damaged ({type(cause).__name__})"


def _whole(name: str, head: bytes, stream: BinaryIO, inside: str) -> Iterator[Part | Unread]:
    """Take apart what is not packed: a table, a notebook, or a text of lines."""
    from hooked_analytics.leaks.notebook import notebook_texts
    from hooked_analytics.leaks.table import table_texts

    structured: Iterator[tuple[str, bytes, Callable[[str, Find], str]]] | None = None
    if head.startswith(b"PAR1"):
        structured = table_texts(stream)
    elif name.lower().endswith(".ipynb"):
        body = stream.read(_IN_MEMORY_BYTES)
        structured = notebook_texts(body) if len(body) < _IN_MEMORY_BYTES else None
    if structured is not None:
        try:
            for place, text, name_place in structured:
                yield Part(io.BytesIO(text), partial(name_place, inside + place))
            return
        except DAMAGED as cause:
            # what looks like a table or a notebook and is none is still searched, as bytes
            if head.startswith(b"PAR1"):
                yield Unread(inside, reason(cause))
    stream.seek(0)
    yield plain_part(stream, head, inside)


def plain_part(stream: BinaryIO, head: bytes, inside: str) -> Part:
    """Search a stream as it is; places are lines, and bytes where there are no lines."""
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    binary = (any(byte < 9 for byte in head) and not utf16) or head.startswith(b"\x80")

    def place(find: Find) -> str:
        return f"{inside}near byte {find.byte:,}" if binary else f"{inside}line {find.line:,}"

    return Part(stream, place)


def _members(stream: BinaryIO, inside: str, depth: int) -> Iterator[Part | Unread]:
    budget = _Budget()
    with zipfile.ZipFile(stream) as archive:
        for number, member in enumerate(archive.infolist(), 1):
            name = f"{inside}member {member.filename}, "
            written = member.filename.encode(errors="replace") + b"\n" + member.comment
            yield Part(io.BytesIO(written), lambda _, n=number: f"{inside}name of member {n}")  # type: ignore[misc]
            if member.is_dir():
                continue
            try:
                with archive.open(member) as plain:
                    yield from _inner(
                        member.filename, budget.capped(cast("BinaryIO", plain)), name, depth
                    )
            except DAMAGED as cause:
                yield Unread(name, reason(cause))
        yield Part(io.BytesIO(archive.comment), lambda _: f"{inside}comment of the archive")


def _inner(name: str, plain: io.BufferedReader, inside: str, depth: int) -> Iterator[Part | Unread]:
    head = plain.peek(8)[:8]
    held = head.startswith((b"PK\x03", b"PAR1", *_UNPACK)) or name.lower().endswith(".ipynb")
    if not held:
        part = plain_part(cast("BinaryIO", plain), head, inside)
        yield _sheet(part, inside) if "worksheets/" in name else part
        return
    body = plain.read(_IN_MEMORY_BYTES + 1)
    if len(body) > _IN_MEMORY_BYTES:
        yield Unread(inside, f"it has more than {_IN_MEMORY_BYTES // 2**20} MiB; unpack it first")
    else:
        yield from parts(name, io.BytesIO(body), inside=inside, depth=depth + 1)


def _sheet(part: Part, inside: str) -> Part:
    """A sheet of Excel is one long line: break it before each cell, and call places by cell."""

    def place(find: Find) -> str:
        cell = _CELL.match(find.text)
        return f"{inside}cell {cell[1].decode('ascii')}" if cell else part.place(find)

    return Part(part.stream, place, lambda block: block.replace(b"<c ", b"\n<c "))


class _TooMuchError(ValueError):
    pass


class _Budget:
    """How much one packed file may unpack to, over all its members."""

    def __init__(self) -> None:
        self.left = _UNPACKED_BYTES

    def capped(self, plain: BinaryIO) -> io.BufferedReader:
        return io.BufferedReader(_Capped(plain, self), _BLOCK_BYTES)


class _Capped(io.RawIOBase):
    def __init__(self, plain: BinaryIO, budget: _Budget) -> None:
        self._plain = plain
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # one step at a time, or a cut file loses what came before the cut
        piece: bytes = self._plain.read1(len(buffer))  # type: ignore[attr-defined]
        self._budget.left -= len(piece)
        if self._budget.left < 0:
            raise _TooMuchError(
                f"it unpacks to more than {_UNPACKED_BYTES // 2**30} GiB, of which the rest was "
                "left out"
            )
        buffer[: len(piece)] = piece
        return len(piece)
