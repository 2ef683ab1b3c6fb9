"""The Arrow table between a frame and a file: one kind of text, our columns first."""

from __future__ import annotations

from operator import ne
from typing import TYPE_CHECKING

import pyarrow as pa

from hooked_analytics.schema import (
    COLUMNS,
    NAMES,
    VIDEOS_SCHEMA,
    arrow_from_frame,
    require_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, in the one type `plain_kind` leaves of several."""
    return bool(pa.types.is_large_string(kind))


def table_from_videos(videos: pd.DataFrame) -> pa.Table:
    """Turn a frame into a table in which text has one type and every name occurs once."""
    require_columns(videos.columns, NAMES, what="export_videos")
    names = [str(name) for name in videos.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"a file holds one column of a name; given twice: {', '.join(twice)}")
    try:
        table = arrow_from_frame(videos)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as cause:
        raise ValueError(f"column {_refused(videos)!r} fits no file: {cause}") from cause
    return table.cast(pa.schema([(f.name, plain_kind(f.name, f.type)) for f in table.schema]))


def plain_kind(name: str, kind: pa.DataType) -> pa.DataType:
    """Look up the type in which a column is written and handed back."""
    if name in NAMES:
        return VIDEOS_SCHEMA.field(name).type
    if pa.types.is_dictionary(kind):
        return plain_kind(name, kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_kind(name, kind.storage_type)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    return kind


def _refused(videos: pd.DataFrame) -> str | None:
    for name in videos.columns:
        kind = VIDEOS_SCHEMA.field(name).type if name in NAMES else None
        try:
            pa.array(videos[name], type=kind, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
            return str(name)
    return None


def require_ours(names: Sequence[str]) -> None:
    """
    Check that a file has every column a videos frame had from the first version on.

    Columns of younger versions may be absent; a name that differs from one of them in one
    sign is damage and is refused, too.

    Raises
    ------
    ValueError
        Names the columns that are missing, and what is there instead.
    """
    absent = [column for column in COLUMNS if column.name not in names]
    missing = [
        c.name for c in absent if c.since == 1 or any(_is_misspelt(c.name, n) for n in names)
    ]
    if missing:
        there = ", ".join(str(name)[:40] for name in list(names)[:12]) or "none"
        raise ValueError(
            f"it is not a file of export_videos: missing are the columns {', '.join(missing)}; "
            f"its own are {there}"
        )
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"it has two columns of the name {', '.join(twice)}")


def _is_misspelt(name: str, found: str) -> bool:
    """Whether one sign of a name was replaced."""
    return len(name) == len(found) and sum(map(ne, name, found)) == 1


def ours_first(table: pa.Table) -> pa.Table:
    """
    Put our columns first, in their order and types; the others follow as they are.

    Columns that the version of the file did not have yet are missing in every row.
    """
    for field in VIDEOS_SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    names = [*NAMES, *(name for name in table.column_names if name not in NAMES)]
    table = table.select(names).replace_schema_metadata(None)
    return table.cast(pa.schema([(f.name, plain_kind(f.name, f.type)) for f in table.schema]))
