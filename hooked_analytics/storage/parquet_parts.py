"""
One part is one Parquet file: how it is written, how all are read as one table, how many become one.

A part never changes. A merged part is published whole and names in its footer the parts it stands
for; only then are those deleted. Who finds both counts the merged one alone, so no row is missing
or double at any moment, also after a kill; the next merge deletes what was left behind.
"""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from itertools import dropwhile, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from hooked_analytics._internal.atomic import atomic_write, sweep_orphans, try_lock
from hooked_analytics.schema import VIDEOS_SCHEMA, current_names
from hooked_analytics.schema.frames import are_latest
from hooked_analytics.storage import layout
from hooked_analytics.storage.files import first_line, write_parquet
from hooked_analytics.storage.sanitize import in_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SCHEMA: pa.Schema = VIDEOS_SCHEMA.insert(1, pa.field("observed_at", pa.timestamp("us", tz="UTC")))
NAMES = tuple(SCHEMA.names)
ROW_GROUP_ROWS = 65_536
FULL_ROWS = 1_000_000  # beyond this a merge would copy much to gain little
UPGRADE_WAIT_SECONDS = 60.0  # for another process that merges

_REPLACES = "hooked_replaces"
_NEEDED = ("video_id", "observed_at")
_KEYS = (*_NEEDED, "status", "fetch_error")
_MAX_TRIES = 100

_Made = TypeVar("_Made")


class DamagedPartError(Exception):
    """A part cannot be read; the others can."""

    def __init__(self, name: str, cause: Exception) -> None:
        super().__init__(first_line(cause)[:300])
        self.name = name


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Name the part in which Arrow finds damage."""
    try:
        yield
    except (ValueError, OSError, LookupError, pa.ArrowException) as cause:
        # its bytes are in memory: an OSError here is Arrow's word for broken contents
        raise DamagedPartError(name, cause) from cause


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
        chosen = list(range(self.file.num_row_groups)) if groups is None else groups
        with _reading(self.name):
            found = self.file.read_row_groups(chosen, there, use_threads=threads)
            found = found.rename_columns(current_names(found.column_names))
            for name in _NEEDED:
                if name in names and found[name].null_count:
                    raise ValueError(f"a row has no {name}")
            return in_schema(found, pa.schema([SCHEMA.field(name) for name in names]))

    def read_where(self, chosen: NDArray[np.bool_]) -> pa.Table:
        """Read the chosen rows; row groups without one are passed over."""
        about = self.file.metadata
        sizes = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        spans = [chosen[slice(*span)] for span in pairwise(np.cumsum([0, *sizes]))]
        groups = [at for at, span in enumerate(spans) if span.any()]
        wanted = np.concatenate([chosen[:0], *(spans[at] for at in groups)])
        table = self.read(groups=groups)
        return table if wanted.all() else table.filter(pa.array(wanted))

    def is_mergeable(self) -> bool:
        """Whether all of it is sound and known to this version; else it is left as it is."""
        if not self.stored.keys() <= set(NAMES):
            return False
        try:
            self.read()
        except DamagedPartError:
            return False  # readers name it in a warning
        return True


def write_part(
    path: Path, batches: Iterable[pa.RecordBatch], *, replaces: Sequence[str] = ()
) -> None:
    """Publish one part in one move; once this returns, its rows survive a crash."""
    notes = {_REPLACES: json.dumps(list(replaces))} if replaces else {}
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
            joined = pa.concat_tables(waiting).combine_chunks()
            full = rows - rows % ROW_GROUP_ROWS
            yield from joined.slice(0, full).to_batches(max_chunksize=ROW_GROUP_ROWS)
            waiting, rows = [joined.slice(full)], rows - full
    if rows:
        yield from pa.concat_tables(waiting).combine_chunks().to_batches()


# -- reading ------------------------------------------------------------------------------


def live_parts(folder: Path) -> list[Part]:
    """Open every part that counts, oldest first; a warning names each damaged one."""
    for _ in range(_MAX_TRIES):
        try:
            parts = _opened(folder, layout.part_names(folder))
        except FileNotFoundError as error:
            gone = error  # merged since it was listed: its rows are in another part now
        else:
            replaced = _replaced_by(parts)
            return [part for part in parts if part.name not in replaced]
    raise gone


def _opened(folder: Path, names: list[str]) -> list[Part]:
    # merged ones first: what they stand for need not be opened
    parts: list[Part] = []
    replaced: set[str] = set()
    for name in sorted(names, key=lambda name: "merged-" in name, reverse=True):
        if name in replaced:
            continue
        try:
            part = _open(folder / name, frozenset(names))
        except DamagedPartError as damage:
            _warn_of(folder, damage, stacklevel=6)
        else:
            parts.append(part)
            replaced |= part.replaces
    return sorted(parts, key=lambda part: names.index(part.name))


def _open(path: Path, there: frozenset[str]) -> Part:
    from pyarrow.parquet import ParquetFile

    # before it is opened: a pipe would wait for ever
    if not path.is_file() and (path.exists() or path.is_symlink()):
        raise DamagedPartError(path.name, ValueError("it is no file"))
    data = path.read_bytes()
    with _reading(path.name):
        file = ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        schema = file.schema_arrow
        if missing := [name for name in _NEEDED if name not in schema.names]:
            raise ValueError(f"it has no column {missing[0]!r}")
        stored = dict(zip(current_names(schema.names), schema.names, strict=True))
        replaces = json.loads((schema.metadata or {}).get(_REPLACES.encode(), b"[]"))
        part = Part(path.name, file, stored, frozenset(replaces))
        if part.replaces & there:
            part.read()  # it is believed over other parts only if all of it is sound
    return part


def _replaced_by(parts: list[Part]) -> frozenset[str]:
    return frozenset[str]().union(*(part.replaces for part in parts))


def whole(folder: Path, read: Callable[[list[Part]], _Made]) -> _Made:
    """Make something of all parts that count, without those found damaged on the way."""
    parts = live_parts(folder)
    while True:
        try:
            return read(parts)
        except DamagedPartError as damage:
            _warn_of(folder, damage, stacklevel=4)
            parts = [part for part in parts if part.name != damage.name]


def _warn_of(folder: Path, damage: DamagedPartError, *, stacklevel: int) -> None:
    # so that it points at the line that called the archive
    warnings.warn(
        f"{folder / damage.name} is damaged and left out ({damage}); the other parts are read",
        stacklevel=stacklevel,
    )


def all_rows(parts: list[Part]) -> pa.Table:
    """Read every row, in the order of time; of the same moment, in the order of arrival."""
    table = _read_marked(parts, _mark_distinct(parts))
    moments = table["observed_at"].cast(pa.int64()).to_numpy()
    if (moments[1:] >= moments[:-1]).all():
        return table
    return table.take(np.argsort(moments, kind="stable"))


def latest_rows(parts: list[Part]) -> pa.Table:
    """Read the row that counts of each video, in the order in which they arrived."""
    return _read_marked(parts, _mark_latest(parts))


def _read_marked(parts: list[Part], marks: list[NDArray[np.bool_]]) -> pa.Table:
    found = (part.read_where(chosen) for part, chosen in zip(parts, marks, strict=True))
    return pa.concat_tables([SCHEMA.empty_table(), *found])


def _mark_latest(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Mark the rows that count; only the narrow columns are read."""
    return _split(parts, are_latest(_columns(parts, _KEYS)))


def _mark_distinct(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Mark each observation once, by video, moment and content, wherever copies of it lie."""
    keys = _columns(parts, _NEEDED)
    coded = keys["video_id"].combine_chunks().dictionary_encode()
    pair = [coded.indices.to_numpy(), keys["observed_at"].cast(pa.int64()).to_numpy()]
    order = np.lexsort(pair)
    same = np.logical_and(*(column[order][1:] == column[order][:-1] for column in pair))
    again = np.zeros(len(keys), np.bool_)
    again[order[1:][same]] = again[order[:-1][same]] = True
    kept = ~again
    if again.any():
        rows = _read_marked(parts, _split(parts, again))
        first = rows.append_column("_at", pa.array(np.flatnonzero(again))).group_by(
            rows.column_names, use_threads=False
        )
        kept[first.aggregate([("_at", "min")])["_at_min"].to_numpy()] = True
    return _split(parts, kept)


def _columns(parts: list[Part], names: Sequence[str]) -> pa.Table:
    nothing = SCHEMA.empty_table().select(names)
    return pa.concat_tables([nothing, *(part.read(names) for part in parts)])


def _split(parts: list[Part], marks: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    return np.split(marks, np.cumsum([part.file.metadata.num_rows for part in parts]))[:-1]


# -- merging ------------------------------------------------------------------------------


def merge_parts(folder: Path) -> int:
    """Merge all parts but the oldest full ones; count those merged."""
    with try_lock(folder / layout.LOCK) as allowed:
        if not allowed:
            return 0
        sweep_orphans(folder)
        parts = live_parts(folder)
        mergeable = (part for part in parts if part.is_mergeable())
        sources = list(dropwhile(lambda part: part.file.metadata.num_rows >= FULL_ROWS, mergeable))
        try:
            return _rewrite(folder, sources if len(sources) > 1 else [], parts)
        except FileNotFoundError:
            logger.info("a part disappeared while it was merged; nothing was changed")
            return 0


def upgrade_parts(folder: Path) -> None:
    """Rewrite parts of an older version once: programs that read all as one table need that."""
    with try_lock(folder / layout.LOCK, wait_seconds=UPGRADE_WAIT_SECONDS) as allowed:
        if allowed and layout.is_older(folder):
            parts = live_parts(folder)
            older = [p for p in parts if any(p.stored.get(name) != name for name in NAMES)]
            _rewrite(folder, [part for part in older if part.is_mergeable()], parts)
            layout.write_marker(folder)


def _rewrite(folder: Path, sources: list[Part], parts: list[Part]) -> int:
    """Publish one part for several, then delete them and what a kill left behind; count them."""
    left = _replaced_by(parts).intersection(layout.part_names(folder))
    done = [*(part.name for part in sources), *left]  # covered until it is gone
    if sources:
        name = layout.new_name("merged", max(layout.stamp(part.name) for part in sources))
        write_part(folder / name, row_groups(_overtaken_first(sources)), replaces=done)
        logger.info("%d parts of an archive merged into one", len(sources))
    if done:
        layout.remove_parts(folder, done)
    return len(sources)


def _overtaken_first(parts: list[Part]) -> Iterator[pa.Table]:
    """Put what has been overtaken into row groups of its own, which readers can pass over."""
    distinct, latest = _mark_distinct(parts), _mark_latest(parts)
    for part, chosen, last in zip(parts, distinct, latest, strict=True):
        yield part.read_where(chosen & ~last)
    for part, last in zip(parts, latest, strict=True):
        yield part.read_where(last)
