"""
Merge parts into one while others read and append.

The order of the steps is what makes it safe: the merged part is published whole and names
the parts it stands for; only then are those deleted. Killed between any two steps, readers
find every row once, and the next merge deletes what was left behind.
"""

from __future__ import annotations

import logging
from itertools import dropwhile
from typing import TYPE_CHECKING

from hooked_analytics._internal.atomic import sweep_orphans
from hooked_analytics._internal.lock import try_lock
from hooked_analytics.storage.layout import (
    LOCK,
    is_older,
    new_name,
    part_names,
    remove_parts,
    stamp,
    write_marker,
)
from hooked_analytics.storage.parquet_parts import (
    DamagedPartError,
    Part,
    live_parts,
    mark_distinct,
    mark_latest,
    row_groups,
    write_part,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

logger = logging.getLogger(__name__)

# Beyond this a merge would copy much to gain little; a reader opens such parts one by one.
FULL_ROWS = 1_000_000
# An append that finds more parts than this merges them.
MAX_PARTS = 500
# How long an append waits for another process that merges [s].
UPGRADE_WAIT_SECONDS = 60.0


def merge_parts(folder: Path) -> int:
    """Merge all parts but the oldest full ones; count those merged."""
    with try_lock(folder / LOCK) as allowed:
        if not allowed:
            return 0
        sweep_orphans(folder)
        parts = live_parts(folder)
        left = _left_behind(folder, parts)
        sources = list(dropwhile(_is_full, (part for part in parts if _is_mergeable(part))))
        if len(sources) > 1:
            try:
                _rewrite(folder, sources, left)
            except FileNotFoundError:
                logger.info("a part disappeared while it was merged; nothing was changed")
                return 0
            return len(sources)
        if left:
            remove_parts(folder, left)
        return 0


def upgrade_parts(folder: Path) -> None:
    """Rewrite parts of an older version once: programs that read all as one table need that."""
    with try_lock(folder / LOCK, wait_seconds=UPGRADE_WAIT_SECONDS) as allowed:
        if not allowed or not is_older(folder):
            return
        parts = live_parts(folder)
        sources = [part for part in parts if part.is_older() and _is_mergeable(part)]
        left = _left_behind(folder, parts)
        if sources:
            _rewrite(folder, sources, left)
        elif left:
            remove_parts(folder, left)
        write_marker(folder)


def _rewrite(folder: Path, sources: list[Part], left: list[str]) -> None:
    """Publish one part for several, then delete them."""
    # what a kill left behind stays covered until it is gone
    done = [*(part.name for part in sources), *left]
    name = new_name("merged", max(stamp(part.name) for part in sources))
    write_part(folder / name, row_groups(_overtaken_first(sources)), replaces=done)
    logger.info("%d parts of an archive merged into one", len(sources))
    remove_parts(folder, done)


def _overtaken_first(parts: list[Part]) -> Iterator[pa.Table]:
    """Put what has been overtaken into row groups of its own, which readers can pass over."""
    distinct = mark_distinct(parts)
    latest = mark_latest(parts)
    for part, chosen, last in zip(parts, distinct, latest, strict=True):
        yield part.read_where(chosen & ~last)
    for part, last in zip(parts, latest, strict=True):
        yield part.read_where(last)


def _left_behind(folder: Path, parts: list[Part]) -> list[str]:
    covered = frozenset[str]().union(*(part.replaces for part in parts))
    return [name for name in part_names(folder) if name in covered]


def _is_full(part: Part) -> bool:
    return sum(part.group_rows()) >= FULL_ROWS


def _is_mergeable(part: Part) -> bool:
    """Whether all of a part is sound and known; what is damaged is left for its owner."""
    if part.is_newer():
        return False
    try:
        part.read()
    except DamagedPartError:
        return False  # readers name it in a warning
    return True
