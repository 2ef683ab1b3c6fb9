"""The Arrow table between a frame and a file: one kind of text, our columns first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from hooked_analytics.schema import NAMES, VIDEOS_SCHEMA, arrow_from_frame, require_columns

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
    Check that a file has every column of a videos frame.

    Raises
    ------
    ValueError
        Names the columns that are missing, and what is there instead.
    """
    missing = [name for name in NAMES if name not in names]
    if missing:
        there = ", ".join(str(name)[:40] for name in list(names)[:12]) or "none"
        raise ValueError(
            f"it is not a file of export_videos: missing are the columns {', '.join(missing)}; "
            f"its own are {there}"
        )
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"it has two columns of the name {', '.join(twice)}")


def ours_first(table: pa.Table) -> pa.Table:
    """Put our columns first, in their order and types; the others follow as they are."""
    names = [*NAMES, *(name for name in table.column_names if name not in NAMES)]
    table = table.select(names).replace_schema_metadata(None)
    return table.cast(pa.schema([(f.name, plain_kind(f.name, f.type)) for f in table.schema]))
