"""
The videos frame: one row per distinct video, fixed columns, fixed dtypes.

``columns`` holds the table of columns and what follows from it, ``parse`` turns one API
record into one row. The API's field names live in this room and nowhere else.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hooked_analytics.schema.columns import (
    COLUMNS,
    FINAL_STATUSES,
    LINKS,
    NAMES,
    SCHEMA_VERSION,
    VIDEOS_SCHEMA,
    arrow_from_frame,
    columns_table,
    current_names,
    empty_videos,
    frame_from_arrow,
    is_final,
    require_columns,
)
from hooked_analytics.schema.records import (
    Row,
    clean_text,
    failed_row,
    parse_record,
    record_id,
    unwrap,
)
from hooked_analytics.schema.strict_json import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

__all__ = [
    "COLUMNS",
    "FINAL_STATUSES",
    "LINKS",
    "NAMES",
    "SCHEMA_VERSION",
    "VIDEOS_SCHEMA",
    "Row",
    "arrow_from_frame",
    "clean_text",
    "columns_table",
    "current_names",
    "decode",
    "empty_videos",
    "failed_row",
    "frame_from_arrow",
    "frame_from_rows",
    "is_final",
    "parse_record",
    "record_id",
    "require_columns",
    "unwrap",
    "videos_from_records",
]


def frame_from_rows(rows: Sequence[Row]) -> pd.DataFrame:
    """
    Stack parsed rows into a videos frame.

    Examples
    --------
    >>> row = failed_row("vid_x", "timeout", "", fetched_at=None)
    >>> frame_from_rows([row])["fetch_error"].tolist()
    ['timeout']
    """
    if not rows:
        return empty_videos()
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, VIDEOS_SCHEMA, strict=True)]
    return frame_from_arrow(pa.Table.from_arrays(arrays, schema=VIDEOS_SCHEMA))


def videos_from_records(
    records: Iterable[Mapping[str, Any]], *, fetched_at: datetime | None = None
) -> pd.DataFrame:
    """
    Make a videos frame of API records already at hand.

    Parameters
    ----------
    records : Iterable[dict of object]
        Details answers or list items, with or without their envelope. A video given twice is kept
        once, as last updated, with a warning.
    fetched_at : datetime, optional
        Aware time at which they were seen. Now when missing; renders under way are measured up to
        it.

    Returns
    -------
    one row per distinct video, in the order first seen
        A value that cannot be right is missing and named in ``data_issues``.

    Raises
    ------
    ValueError
        A record has no id, or *fetched_at* has no time zone.

    Examples
    --------
    >>> record = {"id": "vid_abc123", "status": "COMPLETED", "durationInFrames": 7500}
    >>> videos = videos_from_records([record])
    >>> videos[["video_id", "status", "duration_seconds"]].to_dict("records")
    [{'video_id': 'vid_abc123', 'status': 'COMPLETED', 'duration_seconds': 300.0}]
    """
    seen_at = datetime.now(UTC) if fetched_at is None else fetched_at
    if seen_at.tzinfo is None:
        raise ValueError("fetched_at needs a time zone, for example datetime.now(timezone.utc)")
    rows: dict[str, Row] = {}
    folded = 0
    for position, record in enumerate(records):
        plain = unwrap(record)
        video_id = record_id(plain)
        if video_id is None:
            raise ValueError(f"record {position} has no id, so it is not a Hooked video")
        row = parse_record(plain, fetched_at=seen_at.astimezone(UTC))
        folded += video_id in rows
        if video_id not in rows or _updated(row) >= _updated(rows[video_id]):
            rows[video_id] = row
    if folded:
        warnings.warn(f"{folded} records of a video given before were folded", stacklevel=2)
    return frame_from_rows(list(rows.values()))


def _updated(row: Row) -> datetime:
    moment: datetime | None = row[NAMES.index("updated_at")]
    return moment or datetime.min.replace(tzinfo=UTC)
