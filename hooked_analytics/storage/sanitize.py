"""What happens to a table on its way into a file and back: types; links, formulas, times."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from operator import ne
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.extensions import ExtensionDtype
from pyarrow.parquet import ParquetWriter

from hooked_analytics.schema import (
    COLUMNS,
    LINKS,
    NAMES,
    VIDEOS_SCHEMA,
    empty_videos,
    ids_as_column,
    require_columns,
)
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# A spreadsheet takes a text for a formula when one of these comes first: the four signs, their
# full-width and small forms, and their doubles in mathematics and Hebrew.
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212\ufb29"

# Seen as nothing, so a sign behind them still comes first: controls, blanks, zero widths, text
# direction, fillers. Written out, since a file must read back alike whatever Unicode is current.
_BLANKS = (
    r"\x00-\x20\x7f-\xa0\xad\x{34f}\x{61c}\x{115f}\x{1160}\x{1680}\x{17b4}\x{17b5}"
    r"\x{180b}-\x{180f}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{2800}\x{3000}"
    r"\x{3164}\x{fe00}-\x{fe0f}\x{feff}\x{ffa0}\x{fff9}-\x{fffb}"
)
# Only a text that begins with one of these bytes can be a formula: what costs little to ask.
_FIRST_BYTES = tuple(
    bytes([b]) for b in b"'=+-@\x7f\xc2\xcd\xd8\xe1\xe2\xe3\xef" + bytes(range(33))
)
_FORMULA = f"(?:[{_BLANKS}]*[{_SIGNS}]|[\\t\\r\\n])"

# Names under which a link carries its signature, in S3, CloudFront and their like.
_SIGNED = (
    r"x-(?:amz|goog)-[a-z0-9-]+|[a-z0-9_.-]*(?:signature|token)|expires|key-pair-id|policy|sig"
)
_SIGNED_LINK = (
    r"(?i)([a-z][a-z0-9+.-]*:\\?/\\?/[^\s\"'<>?#]*)"
    rf"[?#](?:[^\s\"'<>]*(?:[?&;#]|%3f|%26|\\u0026))?(?:{_SIGNED})(?:=|%3d)[^\s\"'<>]*"
)
_LINK_MARK = rb":\\?/\\?/"
_USER = r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*)[^/\\]*@"
_PATHS = (  # behind a host; in an address without a scheme
    r"(?s)^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]{2,}[^/\\]+)[/\\].*$",
    r"(?s)^([^/\\]*)[/\\](?:[^/\\].*)?$",
)

_FULL_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$"
TIMES = tuple((_FULL_TIME, pa.timestamp(unit, tz="UTC")) for unit in ("us", "ns"))


def without_secrets(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Take the signature out of every link, and all but the host out of a webhook's."""
    columns = map(_without_secret, batch.schema.names, batch.columns)
    return pa.RecordBatch.from_arrays(list(columns), names=batch.schema.names)


def _without_secret(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type):
        return pa.array([_scrub_value(v) for v in column.to_pylist()], type=column.type)
    if not is_text(column.type):
        return column
    if name == "webhook":
        return _bare_hosts(column)
    return _bare_links(column) if name in LINKS else scrub_text(column)


def _bare_links(column: pa.Array) -> pa.Array:
    """Cut links down to scheme, host and path."""
    for mark in ("?", "#"):
        if _holds(column, re.escape(mark.encode())):
            column = pc.list_element(pc.split_pattern(column, mark, max_splits=1), 0)
    return pc.replace_substring_regex(column, _USER, r"\1") if _holds(column, b"@") else column


def _bare_hosts(column: pa.Array) -> pa.Array:
    """Cut links down to scheme and host: the path of a webhook is its password at many services."""
    column = _bare_links(column)
    for path in _PATHS if _holds(column, rb"[/\\]") else ():
        column = pc.replace_substring_regex(column, path, r"\1")
    return column


def scrub_text(column: pa.Array) -> pa.Array:
    """Take the query off signed links wherever they stand in a text; other links stay."""
    if not _holds(column, _LINK_MARK):
        return column
    return _change_where(
        column, _SIGNED_LINK, lambda text: pc.replace_substring_regex(text, _SIGNED_LINK, r"\1")
    )


def scrub(text: str) -> str:
    """Do the same for one text, in linear time, which Python's expressions would not."""
    scrubbed: str = scrub_text(pa.array([text], pa.large_string()))[0].as_py()
    return scrubbed


def _holds(column: pa.Array, pattern: bytes) -> bool:
    # One pass over the whole buffer costs a tenth of asking each row.
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return False
    starts = memoryview(offsets).cast("q")
    first, last = starts[column.offset], starts[column.offset + len(column)]
    return re.search(pattern, memoryview(data)[first:last]) is not None


def _scrub_value(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {_scrub_value(key): _scrub_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_scrub_value(inner) for inner in value)
    return value


def guard_formulas(column: pa.Array, *, formula_safe: bool) -> pa.Array:
    """
    Put ``'`` before every text that a spreadsheet would take for a formula.

    A text that already looks guarded gets one more, so that `unguard_formulas` is the exact
    way back; that much is done even without *formula_safe*.

    >>> cells = pa.array(["=1+1", "'=1+1", "it's"], pa.large_string())
    >>> guard_formulas(cells, formula_safe=True).to_pylist()
    ["'=1+1", "''=1+1", "it's"]
    >>> guard_formulas(cells, formula_safe=False).to_pylist()
    ['=1+1', "''=1+1", "it's"]
    """
    first = pc.binary_slice(column.cast(pa.large_binary()), 0, 1)
    if not pc.any(pc.is_in(first, pa.array(_FIRST_BYTES, pa.large_binary()))).as_py():
        return column
    form = f"^'{'*' if formula_safe else '+'}{_FORMULA}"
    return _change_where(column, form, lambda text: _join(pa.scalar("'", text.type), text))


def unguard_formulas(column: pa.Array) -> pa.Array:
    """Take the ``'`` off again."""
    return _change_where(column, f"^'+{_FORMULA}", lambda text: pc.utf8_slice_codeunits(text, 1))


def _change_where(column: pa.Array, form: str, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    mask = pc.match_substring_regex(column, form)
    if not pc.any(mask).as_py():
        return column
    chosen = mask.fill_null(False)
    return pc.replace_with_mask(column, chosen, change(column.filter(chosen)))


def _join(before: pa.Array | pa.Scalar, after: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(before, after, pa.scalar("", pa.large_string()))


_PLAIN = (
    pa.types.is_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_boolean,
    pa.types.is_large_string, pa.types.is_null, pa.types.is_date,
)  # fmt: skip


def plain_cells(column: pa.Array) -> pa.Array:
    """Turn what a CSV cell cannot hold (times, lists, durations) into text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return times_as_text(column)
    if any(is_plain(kind) for is_plain in _PLAIN):
        return column
    as_json = partial(json.dumps, ensure_ascii=False, default=str)
    spell = as_json if pa.types.is_nested(kind) else str
    return pa.array([v if v is None else spell(v) for v in column.to_pylist()], pa.large_string())


def times_as_text(column: pa.Array) -> pa.Array:
    """Spell times as ISO 8601, those with a zone in UTC."""
    # Arrow spells zoned times twenty times slower than plain ones
    clock = column.cast(pa.timestamp(column.type.unit, "UTC" if column.type.tz else None))
    text = clock.cast(pa.timestamp(column.type.unit)).cast(pa.large_string())
    text = pc.replace_substring(text, " ", "T", max_replacements=1)
    return text if column.type.tz is None else _join(text, pa.scalar("Z", text.type))


def cast_text(column: pa.ChunkedArray, forms: Iterable[tuple[str, pa.DataType]]) -> pa.ChunkedArray:
    """Cast text to the first type whose form every value has; a column without one stays text."""
    if column.null_count == len(column):
        return column
    for form, kind in forms:
        if pc.all(pc.match_substring_regex(column, form)).as_py():
            with suppress(pa.ArrowInvalid):
                return column.cast(kind)
    return column


# -- the table ----------------------------------------------------------------------


_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError)


def table_from_videos(videos: pd.DataFrame, *, what: str = "export_videos") -> pa.Table:
    """Turn a frame into a table in which text has one type and every name occurs once."""
    videos = ids_as_column(videos)
    require_columns(videos.columns, NAMES, what=what)
    if twice := _repeated([str(name) for name in videos.columns]):
        raise ValueError(f"a file holds one column of a name; given twice: {twice}")
    # what has the dtype of the schema is written as it is, whatever its values
    dtypes = empty_videos().dtypes
    others = [name for name in NAMES if videos[name].dtype != dtypes[name]]
    videos = usable_frame(videos, others, what=what, once=False)
    names = [*NAMES, *(name for name in videos.columns if name not in NAMES)]
    return pa.table({str(name): _stored(videos[name]) for name in names})


def _stored(column: pd.Series[Any]) -> pa.Array:
    """Give a column in a type of files; a ValueError names one that has none."""
    name, dtype = str(column.name), column.dtype
    kind = VIDEOS_SCHEMA.field(name).type if name in NAMES else None
    try:
        if isinstance(dtype, pd.SparseDtype):
            column = pd.Series(column.to_numpy())
        elif kind is None and isinstance(dtype, ExtensionDtype) and not _has_type(column):
            column = column.astype("string")
        found = pa.array(column, type=kind, from_pandas=True)
        return found.cast(storage_type(name, found.type))
    except _REFUSED as cause:
        raise ValueError(f"column {name!r} fits no file: {cause}") from cause


def _has_type(column: pd.Series[Any]) -> bool:
    """Whether files hold the values of an extension dtype; Arrow keeps months as numbers."""
    try:
        kind = pa.array(column.iloc[:0], from_pandas=True).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        ParquetWriter(pa.BufferOutputStream(), pa.schema([("", kind)])).close()
    except _REFUSED:
        return False
    return not isinstance(kind, pa.BaseExtensionType)


def _repeated(names: Sequence[str]) -> str:
    return ", ".join(sorted({name for name in names if list(names).count(name) > 1}))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, in the one type `storage_type` leaves of several."""
    return bool(pa.types.is_large_string(kind))


def storage_type(name: str, kind: pa.DataType) -> pa.DataType:
    """Look up the type in which a column is written and handed back."""
    if name in NAMES:
        return VIDEOS_SCHEMA.field(name).type
    if pa.types.is_dictionary(kind):
        return storage_type(name, kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return storage_type(name, kind.storage_type)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    return kind


def check_schema(names: Sequence[str]) -> None:
    """
    Check that a file has every column of version 1; those that came later may be absent.

    A name that differs from one of those in one sign is damage, and refused by a ValueError, too.
    """
    absent = [column for column in COLUMNS if column.name not in names]
    missing = [
        c.name for c in absent if c.since == 1 or any(_is_misspelt(c.name, n) for n in names)
    ]
    if missing:
        there = ", ".join(str(name)[:40] for name in list(names)[:12]) or "none"
        lacks = f"missing are the columns {', '.join(missing)}; its own are {there}"
        raise ValueError(f"it is not a file of export_videos: {lacks}")
    if twice := _repeated(names):
        raise ValueError(f"it has two columns of the name {twice}")


def _is_misspelt(name: str, found: str) -> bool:
    """Whether one sign of a name was replaced."""
    return len(name) == len(found) and sum(map(ne, name, found)) == 1


def in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give the columns of a schema in its order and types; those the table lacks are missing."""
    if table.schema.equals(schema):
        return table
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def reorder_columns(table: pa.Table) -> pa.Table:
    """Put our columns first, and all into the types in which they are handed back."""
    others = [f for f in table.schema if f.name not in NAMES]
    kinds = [pa.field(f.name, storage_type(f.name, f.type)) for f in others]
    # without pandas' own notes, which would change dtypes
    table = in_schema(table.replace_schema_metadata(None), pa.schema([*VIDEOS_SCHEMA, *kinds]))
    for at, name in enumerate(NAMES):  # a text of no characters is how some programs say missing
        if is_text(table[name].type) and pc.any(empty := pc.equal(table[name], "")).as_py():
            filled = pc.if_else(empty, None, table[name])
            table = table.set_column(at, table.schema.field(at), filled)
    return table
