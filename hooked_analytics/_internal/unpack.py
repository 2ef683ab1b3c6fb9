"""
The texts in a file: plain text, zip-based files, gzip, Parquet and Arrow, within bounded memory.

What cannot be read is a part that says why. On Linux the system itself refuses what a file wants
beyond `MAX_MEMORY_BYTES`; elsewhere the bounds on rows and unpacked bytes must do.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

MAX_MEMORY_BYTES = 180 * 2**20
MAX_UNPACKED_BYTES = 2**29  # of one packed file in all
MAX_HELD_BYTES = 2**25  # of a table or a workbook inside a packed file
MAX_ROWS = 2**26  # of a table
MAX_DEPTH = 1
_WINDOW_BYTES = 2**20
_PACKED = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]|\A\x80")
_NOT_SEARCHED = "only text, notebooks, .zip, .gz, Parquet and Arrow are searched"


class Part(NamedTuple):
    """Texts that lie at one place of a file, or why they could not be read."""

    place: str
    pieces: Iterable[bytes] = ()
    numbered: bool = False  # its lines are lines of a file
    why: str = ""


class TooMuchError(ValueError):
    """A file is larger inside than it may be."""


def parts_of(path: Path) -> Generator[Part]:
    """Take a file apart; whatever a damaged one raises is the last part."""
    try:
        with path.open("rb") as stream:
            if stream.peek(8).startswith(_PACKED):
                import pyarrow.parquet  # noqa: F401 - its own memory is not the file's
            with _bounded_memory():
                yield from _parts(path.name, stream, "", [float("inf")], 0)
    except Exception as cause:  # noqa: BLE001
        yield Part("", why=reason(cause))


def reason(cause: Exception) -> str:
    """Say shortly why something could not be read, without quoting what it holds."""
    if isinstance(cause, TooMuchError):
        return str(cause)
    if isinstance(cause, MemoryError):
        return f"it needs more than {MAX_MEMORY_BYTES:,} bytes of memory"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    encrypted = isinstance(cause, RuntimeError) and "encrypted" in str(cause)
    return "it is encrypted" if encrypted else f"its contents are damaged ({type(cause).__name__})"


def _parts(name: str, stream: Any, place: str, left: list[float], depth: int) -> Iterator[Part]:
    head = stream.peek(4096)[:4096]
    if head.startswith(_PACKED) and depth > MAX_DEPTH:
        yield Part(place, why="it is packed too many times over")
    elif head.startswith(b"\x1f\x8b"):
        left[0] = min(left[0], MAX_UNPACKED_BYTES)
        plain = gzip.GzipFile(fileobj=stream, mode="rb")
        yield from _parts(name.removesuffix(".gz"), plain, place, left, depth + 1)
    elif head.startswith(_PACKED):
        if depth:
            held = b"".join(_read(stream, [MAX_HELD_BYTES]))
            stream = io.BufferedReader(io.BytesIO(held))
        if head.startswith(b"PK"):
            yield from _members(stream, place, [min(left[0], MAX_UNPACKED_BYTES)], depth + 1)
        else:
            yield from (_parquet if head.startswith(b"PAR1") else _arrow)(stream, place)
    elif not head.startswith(_UTF16) and _BINARY.search(head):
        yield Part(place, why=_NOT_SEARCHED)
    else:
        pieces = _read(stream, left)
        if head.startswith(_UTF16):
            pieces = (piece.translate(None, b"\0") for piece in pieces)
        if "worksheets/" in name:  # a sheet of Excel is one long line
            pieces = (piece.replace(b"<c ", b"\n<c ") for piece in pieces)
        yield Part(place, pieces, numbered=True)


def _read(stream: Any, left: list[float]) -> Iterator[bytes]:
    """Read in windows, within what a file may unpack to; what came before a fault counts."""
    block: list[bytes] = []
    held = 0
    try:
        while piece := stream.read1(_WINDOW_BYTES):
            left[0] -= len(piece)
            if left[0] < 0:
                raise TooMuchError("it unpacks to more than is searched")
            block.append(piece)
            held += len(piece)
            if held >= _WINDOW_BYTES:
                yield b"".join(block)
                block, held = [], 0
    except Exception:
        yield b"".join(block)
        raise
    yield b"".join(block)


def _members(stream: Any, place: str, left: list[float], depth: int) -> Iterator[Part]:
    with zipfile.ZipFile(stream) as archive:
        yield Part(f"{place}comment of the archive", [archive.comment])
        for number, member in enumerate(archive.infolist(), 1):
            written = member.filename.encode(errors="replace") + b"\n" + member.comment
            yield Part(f"{place}name of member {number}", [written])
            name = f"{place}member {member.filename}, "
            try:
                if not member.is_dir():
                    with archive.open(member) as plain:
                        yield from _parts(member.filename, plain, name, left, depth)
            except Exception as cause:  # noqa: BLE001 - the other members are read
                yield Part(name, why=reason(cause))


def _parquet(stream: Any, place: str) -> Iterator[Part]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    schema = ParquetFile(pa.PythonFile(stream, "r")).schema
    stream.seek(0)
    # a dictionary is read as one: a long text in a million rows stays one text
    texts = [column.path for column in schema if column.physical_type.endswith("BYTE_ARRAY")]
    file = ParquetFile(pa.PythonFile(stream, "r"), read_dictionary=texts, buffer_size=_WINDOW_BYTES)
    if file.metadata.num_rows > MAX_ROWS:
        raise TooMuchError(f"it has more than {MAX_ROWS:,} rows")
    yield _about(file.schema_arrow, file.metadata.metadata, place)
    for text in texts:
        yield from _columns(file.iter_batches(4096, columns=[text], use_threads=False), place)


def _arrow(stream: Any, place: str) -> Iterator[Part]:
    import pyarrow as pa

    if stream.peek(6).startswith(b"ARROW1"):
        stream.read(8)  # a file is a stream with a head and an index
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_stream(pa.PythonFile(stream, "r"), options=options) as batches:
        yield _about(batches.schema, None, place)
        yield from _columns(batches, place)


def _about(schema: Any, metadata: Any, place: str) -> Part:
    held = [metadata, schema.metadata, *(field.metadata for field in schema)]
    notes = {name + b": " + note for pairs in held for name, note in (pairs or {}).items()}
    names = "\n".join(schema.names).encode(errors="replace")
    return Part(f"{place}names and notes of the table", [b"\n".join([names, *notes])])


def _columns(batches: Iterable[Any], place: str) -> Iterator[Part]:
    first = 1
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            rows = f"rows {first:,} to {first + batch.num_rows - 1:,}"
            yield Part(f"{place}column {name}, {rows}", _texts(name, column))
        first += batch.num_rows


def _texts(name: str, column: Any) -> Iterator[bytes]:
    """Give each value a line behind the name of its column."""
    label = f'"{name}": '.encode(errors="replace")
    for value in getattr(column, "dictionary", column):
        plain = value.as_py()
        if plain is not None:
            text = plain if isinstance(plain, bytes) else str(plain).encode(errors="replace")
            yield label + text + b"\n"


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let the system refuse what a file wants beyond the bound."""
    if sys.platform != "linux":
        yield
        return
    import resource

    arrow = sys.modules.get("pyarrow")
    pool = arrow.default_memory_pool() if arrow else None
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    bound = used + MAX_MEMORY_BYTES
    if arrow:  # its own pool may hold a gigabyte of addresses, which would count as used
        arrow.set_memory_pool(arrow.system_memory_pool())
    resource.setrlimit(resource.RLIMIT_AS, (bound if soft < 0 else min(soft, bound), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        if arrow:
            arrow.set_memory_pool(pool)
