"""Where a secret could have got to: every file, unpacked as far as a finder would unpack it."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pyarrow.parquet as pq


def forms(secret: str) -> list[bytes]:
    """A secret as it stands, URL-encoded, and in base64 at each of the three offsets."""
    packed = [base64.b64encode(b"\0" * n + secret.encode())[4:-4] for n in range(3)]
    return [secret.encode(), quote(secret, safe="").encode(), *packed]


def leaks(secret: str, *places: Path | object) -> list[str]:
    """Name the files, and the values by their type, that hold a secret in any form."""
    return [
        name
        for place in places
        for name, content in _contents(place)
        if any(form in content for form in forms(secret))
    ]


def _contents(place: Path | object) -> Iterator[tuple[str, bytes]]:
    if not isinstance(place, Path):
        yield type(place).__name__, _shown(place).encode(errors="replace")
    elif place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.is_file():
                yield from _contents(path)
    else:
        raw = place.read_bytes()
        yield place.name, str(place).encode() + raw
        yield from ((f"{place.name}: {inner}", data) for inner, data in _unpacked(place, raw))


def _shown(value: object) -> str:
    """All that a print, a log or a debugger shows of it; a frame shows but a part of itself."""
    if isinstance(value, pd.DataFrame):
        return f"{value.to_csv()}\n{value.attrs}"
    return f"{value!r}\n{value}\n{getattr(value, '__dict__', '')}"


def _unpacked(path: Path, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """What compression hides: the members of a workbook, the columns and notes of Parquet."""
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            yield from ((name, packed.read(name)) for name in packed.namelist())
    elif raw[:4] == raw[-4:] == b"PAR1":
        table = pq.read_table(io.BytesIO(raw))
        yield "columns", "\n".join(map(str, table.to_pylist())).encode(errors="replace")
        yield "notes", repr(table.schema.metadata).encode()
