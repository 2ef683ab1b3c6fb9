"""
One part is one Parquet file; here is how it is written, and how all are read as one table.

A part never changes. A merged part names in its footer the parts it stands for; who finds
both counts the merged one alone, so there is no moment at which a row is missing or double.
"""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics.schema import VIDEOS_SCHEMA, current_names
from hooked_analytics.schema.frames import are_latest
from hooked_analytics.storage.files import write_parquet
from hooked_analytics.storage.layout import is_merged, part_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA: pa.Schema = VIDEOS_SCHEMA.insert(1, pa.field("observed_at", pa.timestamp("us", tz="UTC")))
KEYS = ("video_id", "observed_at", "status", "fetch_error")

ROW_GROUP_ROWS = 65_536
_REPLACES = b"hooked_replaces"
NAMES = tuple(SCHEMA.names)
_NEEDED = ("video_id", "observed_at")
_NO_KEYS = SCHEMA.empty_table().select(_NEEDED)
_MAX_TRIES = 100

_Made = TypeVar("_Made")


class Part(NamedTuple):
    """One part, its bytes in memory, so that nobody can take it away while it is read."""

    name: str
    file: Any  # pyarrow.parquet.ParquetFile
    stored: dict[str, str]  # our name of each column: its name in the file
    replaces: frozenset[str]

    def read(self, names: Sequence[str] = NAMES, groups: list[int] | None = None) -> pa.Table:
        """Read some columns of all rows, or of some row groups, in our order and types."""
        there = [self.stored[name] for name in names if name in self.stored]
        # for a small part, sharing the work out takes longer than the work
        threads = self.file.metadata.num_rows >= ROW_GROUP_ROWS
        with reading(self.name):
            if groups is None:
                found = self.file.read(there, use_threads=threads)
            else:
                found = self.file.read_row_groups(groups, there, use_threads=threads)
            return _in_our_types(found.rename_columns(current_names(found.column_names)), names)

    def read_where(self, chosen: NDArray[np.bool_]) -> pa.Table:
        """Read the chosen rows; row groups without one are passed over."""
        borders = np.cumsum([0, *self.group_rows()])
        spans = [slice(*span) for span in pairwise(borders)]
        groups = [at for at, span in enumerate(spans) if chosen[span].any()]
        wanted = np.concatenate([chosen[:0], *(chosen[spans[at]] for at in groups)])
        table = self.read(groups=groups)
        return table if wanted.all() else table.filter(pa.array(wanted))

    def group_rows(self) -> list[int]:
        """Count the rows of each row group."""
        about = self.file.metadata
        return [about.row_group(group).num_rows for group in range(about.num_row_groups)]

    def is_newer(self) -> bool:
        """Whether it has columns of a later version, which a merge by this one would lose."""
        return not self.stored.keys() <= set(NAMES)

    def is_older(self) -> bool:
        """Whether it lacks columns of this version, or has them under older names."""
        return any(self.stored.get(name) != name for name in NAMES)


def _in_our_types(found: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in _NEEDED:
        if name in names and found[name].null_count:
            raise ValueError(f"a row has no {name}")
    wanted = pa.schema([SCHEMA.field(name) for name in names])
    if found.schema.equals(wanted):
        return found
    # a part of an older version lacks the columns that came later
    columns = [
        found[field.name] if field.name in found.column_names else pa.nulls(len(found), field.type)
        for field in wanted
    ]
    return pa.table(columns, names=list(names)).cast(wanted)


class DamagedPartError(Exception):
    """A part cannot be read; the others can."""

    def __init__(self, name: str, cause: Exception) -> None:
        found = str(cause).strip().splitlines() or [type(cause).__name__]
        super().__init__(found[0][:300])
        self.name = name


def write_part(
    path: Path, batches: Iterable[pa.RecordBatch], *, replaces: Sequence[str] = ()
) -> None:
    """Publish one part in one move; once this returns, its rows survive a crash."""
    notes = {_REPLACES.decode(): json.dumps(list(replaces))} if replaces else {}
    with atomic_write(path) as beside:
        write_parquet(beside, SCHEMA, batches, notes=notes)
        for name in replaces:  # one may be gone: another host, without our lock, has merged it
            (path.parent / name).stat()


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Cut tables of any size into batches of one size, holding little more than one."""
    waiting, rows = [SCHEMA.empty_table()], 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        if rows >= ROW_GROUP_ROWS:
            whole = pa.concat_tables(waiting).combine_chunks()
            full = rows - rows % ROW_GROUP_ROWS
            yield from whole.slice(0, full).to_batches(max_chunksize=ROW_GROUP_ROWS)
            waiting, rows = [whole.slice(full)], rows - full
    if rows:
        yield from pa.concat_tables(waiting).combine_chunks().to_batches()


def live_parts(folder: Path) -> list[Part]:
    """Open every part that counts, oldest first; a warning names each damaged one."""
    for _ in range(_MAX_TRIES):
        try:
            parts = _opened(folder, part_names(folder))
        except FileNotFoundError as error:
            gone = error  # merged since it was listed: its rows are in another part now
        else:
            replaced = frozenset[str]().union(*(part.replaces for part in parts))
            return [part for part in parts if part.name not in replaced]
    raise gone


def _opened(folder: Path, names: list[str]) -> list[Part]:
    there = frozenset(names)
    parts: list[Part] = []
    # before anything is opened: a pipe would wait for ever
    for name in [name for name in names if not (folder / name).is_file()]:
        if (folder / name).exists() or (folder / name).is_symlink():
            _warn_of(folder, DamagedPartError(name, ValueError("it is no file")), stacklevel=6)
            names.remove(name)
    replaced: set[str] = set()
    # merged ones first: what they stand for need not be opened
    for name in sorted(names, key=is_merged, reverse=True):
        if name in replaced:
            continue
        try:
            parts.append(_open(folder / name, there))
        except DamagedPartError as damage:
            _warn_of(folder, damage, stacklevel=6)
        else:
            replaced |= parts[-1].replaces
    order = {name: at for at, name in enumerate(names)}
    return sorted(parts, key=lambda part: order[part.name])


def _open(path: Path, there: frozenset[str]) -> Part:
    from pyarrow.parquet import ParquetFile

    data = path.read_bytes()
    with reading(path.name):
        file = ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow
        missing = [name for name in _NEEDED if name not in schema.names]
        if missing:
            raise ValueError(f"it has no column {missing[0]!r}")
        replaces = json.loads((schema.metadata or {}).get(_REPLACES, b"[]"))
        part = Part(
            path.name,
            file,
            dict(zip(current_names(schema.names), schema.names, strict=True)),
            frozenset(replaces),
        )
        if part.replaces & there:
            part.read()  # it is believed over other parts only if all of it is sound
    return part


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Name the part in which Arrow finds damage."""
    try:
        yield
    except (ValueError, OSError, pa.ArrowException) as cause:
        # its bytes are in memory: an OSError here is Arrow's word for broken contents
        raise DamagedPartError(name, cause) from cause


def whole(folder: Path, read: Callable[[list[Part]], _Made]) -> _Made:
    """Make something of all parts that count, without those found damaged on the way."""
    parts = live_parts(folder)
    while True:
        try:
            return read(parts)
        except DamagedPartError as damage:
            _warn_of(folder, damage, stacklevel=4)
            parts = [part for part in parts if part.name != damage.name]


def all_rows(parts: list[Part]) -> pa.Table:
    """Read every row, in the order of time; of the same moment, in the order of arrival."""
    marks = mark_distinct(parts)
    read = [part.read_where(chosen) for part, chosen in zip(parts, marks, strict=True)]
    table = pa.concat_tables([SCHEMA.empty_table(), *read])
    moments = table["observed_at"].cast(pa.int64()).to_numpy()
    if (moments[1:] >= moments[:-1]).all():
        return table
    return table.take(np.argsort(moments, kind="stable"))


def mark_distinct(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Mark each observation once, by video, moment and content, wherever copies of it lie."""
    keys = pa.concat_tables([part.read(_NEEDED) for part in parts] or [_NO_KEYS])
    coded = keys["video_id"].combine_chunks().dictionary_encode()
    pair = [coded.indices.to_numpy(), keys["observed_at"].cast(pa.int64()).to_numpy()]
    order = np.lexsort(pair)
    same = np.logical_and(*(column[order][1:] == column[order][:-1] for column in pair))
    again = np.zeros(len(keys), np.bool_)
    again[order[1:][same]] = again[order[:-1][same]] = True
    borders = np.cumsum([sum(part.group_rows()) for part in parts])
    kept = ~again
    if again.any():
        rows = pa.concat_tables(
            part.read_where(mask)
            for part, mask in zip(parts, np.split(again, borders[:-1]), strict=True)
        )
        places = np.flatnonzero(again)
        first = rows.append_column("_at", pa.array(places)).group_by(
            rows.column_names, use_threads=False
        )
        kept[first.aggregate([("_at", "min")])["_at_min"].to_numpy()] = True
    return np.split(kept, borders[:-1]) if parts else []


def latest_rows(parts: list[Part]) -> pa.Table:
    """Read the row that counts of each video, in the order in which they arrived."""
    marks = mark_latest(parts)
    found = [part.read_where(chosen) for part, chosen in zip(parts, marks, strict=True)]
    return pa.concat_tables([SCHEMA.empty_table(), *found])


def mark_latest(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Mark, in each part, the rows that count; only the narrow columns are read."""
    keys = [part.read(KEYS) for part in parts]
    counts = are_latest(pa.concat_tables([SCHEMA.empty_table().select(KEYS), *keys]))
    return np.split(counts, np.cumsum([len(table) for table in keys]))[:-1]


def _warn_of(folder: Path, damage: DamagedPartError, *, stacklevel: int) -> None:
    # so that it points at the line that called the archive
    warnings.warn(
        f"{folder / damage.name} is damaged and left out ({damage}); the other parts are read",
        stacklevel=stacklevel,
    )
