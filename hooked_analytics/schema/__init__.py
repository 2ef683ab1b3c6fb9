"""
The videos frame: one row per distinct video, fixed columns, fixed dtypes.

``columns`` is the table of columns and what follows from it, ``records`` turns API records into
rows (its field names are known here and nowhere else), ``frames`` and ``engines`` bring any frame
to the schema, ``outcomes`` counts how renders ended.
"""

from hooked_analytics.schema.columns import (
    COLUMNS,
    ENDING_FAILURES,
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
    ids_as_column,
    require_columns,
    require_pandas,
)
from hooked_analytics.schema.outcomes import is_final
from hooked_analytics.schema.records import (
    Row,
    failed_row,
    frame_from_rows,
    parse_record,
    record_id,
    unwrap,
    videos_from_records,
)
from hooked_analytics.schema.values import NULL_WORDS, clean_id, clean_text, decode

__all__ = [
    "COLUMNS",
    "ENDING_FAILURES",
    "FINAL_STATUSES",
    "LINKS",
    "NAMES",
    "NULL_WORDS",
    "SCHEMA_VERSION",
    "VIDEOS_SCHEMA",
    "Row",
    "arrow_from_frame",
    "clean_id",
    "clean_text",
    "columns_table",
    "current_names",
    "decode",
    "empty_videos",
    "failed_row",
    "frame_from_arrow",
    "frame_from_rows",
    "ids_as_column",
    "is_final",
    "parse_record",
    "record_id",
    "require_columns",
    "require_pandas",
    "unwrap",
    "videos_from_records",
]
