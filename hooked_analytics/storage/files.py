"""Frames to files, whole or not at all, and back; `FORMATS` at the end lists the formats."""

from __future__ import annotations

import json
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics import __version__
from hooked_analytics._internal.atomic import atomic_write, local_path
from hooked_analytics.schema import (
    NAMES,
    SCHEMA_VERSION,
    VIDEOS_SCHEMA,
    current_names,
    frame_from_arrow,
    require_pandas,
)
from hooked_analytics.schema.values import parse_time
from hooked_analytics.storage import spreadsheets as sheets
from hooked_analytics.storage.layout import MARKER
from hooked_analytics.storage.sanitize import (
    TIMES,
    cast_text,
    check_schema,
    reorder_columns,
    scrub,
    table_from_videos,
    times_as_text,
    without_secrets,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

_BATCH_ROWS = 65_536
# what to do about an error, by a word of it
_REMEDIES = {
    "codec": "; it is no UTF-8 text: save it as UTF-8, in a spreadsheet as 'CSV UTF-8'",
    "columns name, type": "; fetch the videos of its ids first",
    "conversion error": "; a spreadsheet may have rewritten it: read the file it was exported to",
}
_INDEXES = {"__null_dask_index__", "__index_level_0__"}


def export_videos(
    videos: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    include_urls: bool = False,
    formula_safe: bool = True,
) -> Path:
    """
    Write a videos frame to a file, whole or not at all.

    The suffix says the format: ``.parquet`` (exact and small, the one to keep), ``.csv``,
    ``.jsonl`` (one JSON object a row), ``.xlsx`` (for people; cannot be read back).

    Parameters
    ----------
    videos : DataFrame
        Needs every column of a videos frame. Others follow after them; the index is left out.
    path : str or Path
        File to write; ``~`` is expanded, an address is refused. Its folder is made if absent.
    include_urls : bool, default False
        Keep the signatures of links, with which anyone can download the videos for up to 24 h; a
        warning says so. By default links, also inside other text, lose query, fragment and user.
    formula_safe : bool, default True
        Put ``'`` before text that a spreadsheet would run as a formula. In CSV and XLSX only;
        `read_videos` takes it off again.

    Returns
    -------
    Path
        The file. Missing is null in Parquet and JSON lines, an empty cell in CSV and XLSX. Times
        are UTC. XLSX drops control characters and cuts a cell to 32,767 characters.

    Raises
    ------
    ValueError
        For an unknown suffix, a missing or doubled column, values that no file can hold, or
        more rows than a sheet of Excel has.
    OSError
        The disk is full or the folder cannot be written; an old file is as it was.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics.schema import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_abc123", "name": "=1+1", "usedCredits": 5}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_videos(videos, f"{folder}/videos.csv")
    ...     back = read_videos(path)
    >>> back[["video_id", "name", "used_credits"]].to_dict("records")
    [{'video_id': 'vid_abc123', 'name': '=1+1', 'used_credits': 5.0}]
    """
    require_pandas(videos, what="export_videos")
    target = local_path(path)
    form = format_of(target)
    if len(videos) > form.max_rows:  # before an hour goes into writing them
        held = f"a {form.suffix} file holds {form.max_rows:,} rows and these are {len(videos):,}"
        raise ValueError(f"{held}; export to .csv or .parquet")
    table = table_from_videos(videos)
    if include_urls:
        holder = "whoever has it can download the videos for up to 24 h"
        warnings.warn(f"{target} will hold signed links: {holder}", stacklevel=2)
    batches = iter(table.to_batches(max_chunksize=_BATCH_ROWS))
    with atomic_write(target) as beside:
        safe = batches if include_urls else map(without_secrets, batches)
        try:
            form.write(beside, table.schema, safe, formula_safe=formula_safe)
        except pa.ArrowNotImplementedError as cause:
            raise ValueError(f"a {form.suffix} file cannot hold a column: {cause}") from cause
    return target


def read_videos(path: str | os.PathLike[str]) -> pd.DataFrame:
    """
    Read a videos frame from Parquet, CSV or JSON lines.

    A CSV that pandas, a database or a spreadsheet saved is read too: cells divided by ``;``,
    decimal commas, ``NULL`` for missing, whole numbers as ``161240.0``; rows without a video, such
    as sums, are left out with a warning. A text that starts with ``'`` and goes on like a formula
    loses that ``'``.

    Parameters
    ----------
    path : str or Path
        File of `export_videos`, or a folder into which Spark or Dask wrote such files.

    Returns
    -------
    DataFrame
        A videos frame, same columns and dtypes whichever the format. Other columns follow in the
        types Arrow finds; in CSV, what only looks like a number (``007``, ``1e5``) stays text.

    Raises
    ------
    ValueError
        The file is broken, cut short or not a videos frame; says which file, and why.
    OSError
        There is no such file, or it must not be read.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics.schema import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_abc123", "durationInFrames": 7500}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_videos(export_videos(videos, f"{folder}/videos.parquet"))
    >>> back["duration_frames"].tolist(), back.equals(videos)
    ([7500], True)
    """
    source = local_path(path)
    read = _read_folder if source.is_dir() else format_of(source).read
    if read is None:
        raise ValueError(f"{source} is for people and cannot be read; export to .parquet or .csv")
    source.stat()
    try:
        return frame_from_arrow(reorder_columns(read(source)))
    except (OSError, ValueError, OverflowError, pa.ArrowException) as cause:
        # Arrow raises an OSError, without a number, for damaged contents
        if getattr(cause, "errno", None) is not None:
            raise
        found = first_line(cause)
        remedy = next((each for word, each in _REMEDIES.items() if word in found), "")
        raise ValueError(f"{source} cannot be read as videos: {found[:1000]}{remedy}") from cause


def first_line(cause: Exception) -> str:
    """Say what an error says first; it may quote a row, and a row may hold a signed link."""
    return (scrub(str(cause)[:2000]).strip().splitlines() or [type(cause).__name__])[0]


def _read_folder(folder: Path) -> pa.Table:
    """Read the parts of one table that Spark or Dask has written into a folder."""
    if (folder / MARKER).exists():
        raise ValueError("it is an archive: read it by VideoArchive(...).videos()")
    tables = [
        reorder_columns(read(path))
        for path in sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
        if path.suffix in FORMATS and not path.name.startswith(("_", "."))
        if (read := FORMATS[path.suffix].read)
    ]
    if not tables:
        raise ValueError("it is a folder without a file of videos in it")
    table = pa.concat_tables(tables, promote_options="permissive")
    return table.drop_columns([name for name in table.column_names if name in _INDEXES])


def format_of(path: Path) -> Format:
    """Look up the format of a file by its suffix; a ValueError lists the suffixes there are."""
    if form := FORMATS.get(path.suffix.lower()):
        return form
    raise ValueError(f"{path} must end in one of {', '.join(FORMATS)}: the suffix says the format")


# -- Parquet: the fixed schema, zstd, checked pages ----------------------------------------


def write_parquet(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    notes: Mapping[str, str] | None = None,
    **_: bool,
) -> None:
    """Write the batches, one row group each; version and *notes* go beside the schema."""
    from pyarrow.parquet import ParquetWriter

    about = {"hooked_analytics": __version__, "hooked_schema": str(SCHEMA_VERSION)}
    schema = schema.with_metadata(about | dict(notes or {}))
    with ParquetWriter(str(path), schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))


def read_parquet(path: Path) -> pa.Table:
    """Read one file, whatever its folder is called."""
    from pyarrow.parquet import ParquetFile

    # read_table would take a folder named type=ugc for a column
    with ParquetFile(str(path), page_checksum_verification=True) as file:
        names = current_names(file.schema_arrow.names)
        check_schema(names)
        return file.read().rename_columns(names)


# -- JSON lines: one object a row, missing as null, numbers and text exact --------------------


def write_jsonl(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], **_: bool
) -> None:
    """Write the batches, an object to a line."""
    rows = 0
    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for batch in batches:
            rows += batch.num_rows
            columns = [c.to_pylist() for c in map(_json_column, schema.names, batch.columns)]
            for values in zip(*columns, strict=True):
                lines.write(encode(dict(zip(schema.names, values, strict=True))) + "\n")
        if not rows:
            lines.write("\n")  # a file of no bytes is what a failed copy leaves


def _json_column(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return times_as_text(column)
    if pa.types.is_floating(column.type) and pc.any(pc.is_inf(column)).as_py():
        infinite = f"column {name!r} holds an infinite number, for which JSON has no word"
        raise ValueError(f"{infinite}; export to .parquet or .csv")
    return column


def read_jsonl(path: Path) -> pa.Table:
    """Read the objects, our fields in their types, the others in those Arrow finds."""
    parts: list[pa.Table] = []
    others: list[dict[str, Any]] = []
    seen: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        objects = _objects(lines)
        while rows := list(islice(objects, _BATCH_ROWS)):
            names = list(dict.fromkeys(name for row in rows for name in row))
            today = dict(zip(names, current_names(names), strict=True))
            if list(today.values()) != names:  # of an older version
                rows = [{today[name]: value for name, value in row.items()} for row in rows]
            seen |= dict.fromkeys(today.values())
            parts.append(pa.table([_column(rows, name) for name in NAMES], schema=VIDEOS_SCHEMA))
            others += ({k: row[k] for k in row.keys() - set(NAMES)} for row in rows)
    if not parts:
        return VIDEOS_SCHEMA.empty_table()
    check_schema(list(seen))
    table = pa.concat_tables(parts)
    for name in [name for name in seen if name not in NAMES]:
        column = pa.array([row.get(name) for row in others])
        typed = cast_text(column, TIMES) if pa.types.is_string(column.type) else column
        table = table.append_column(name, typed)
    return table


def _any_jsonl(path: Path) -> pd.DataFrame:
    kinds = {"video_id": str}
    return pd.read_json(path, lines=True, dtype=kinds, convert_dates=False, encoding="utf-8-sig")


def _objects(lines: TextIO) -> Iterator[dict[str, Any]]:
    number, decode = 0, json.JSONDecoder(parse_constant=_refuse).decode
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row = decode(line)
        except (ValueError, RecursionError) as cause:
            raise ValueError(f"line {number} is not JSON ({cause})") from cause
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not a JSON object")
        yield row
    if not number:
        raise ValueError("it is empty")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _column(rows: list[dict[str, Any]], name: str) -> pa.Array:
    kind = VIDEOS_SCHEMA.field(name).type
    values = [row.get(name) for row in rows]
    try:
        if not pa.types.is_timestamp(kind):
            return pa.array(values, kind)
        # pandas may have written milliseconds since 1970
        texts = (parse_time(v).isoformat() if isinstance(v, int) else v for v in values)
        return pa.array(texts, pa.large_string()).cast(kind)
    except (ValueError, pa.ArrowTypeError) as cause:
        raise ValueError(f"a value of {name} is not {kind} ({cause})") from cause


class Format(NamedTuple):
    """One format of a file: how it is written and read, and what else it is good for."""

    suffix: str
    write: Callable[..., None]
    read: Callable[[Path], pa.Table] | None  # None: for people, it cannot be read back
    read_any: Callable[[Path], pd.DataFrame | None] | None  # a table of ids; None: it holds none
    searched: bool  # `hooked-analytics check` finds a secret in it
    max_rows: float = float("inf")


# export, reading, the command line, its help and the tests come from this list
FORMATS = {
    each.suffix: each
    for each in (
        Format(".parquet", write_parquet, read_parquet, pd.read_parquet, searched=True),
        Format(".csv", sheets.write_csv, sheets.read_csv, sheets.table_of_text, searched=True),
        Format(".xlsx", sheets.write_xlsx, None, None, searched=True, max_rows=sheets.MAX_ROWS),
        Format(".jsonl", write_jsonl, read_jsonl, _any_jsonl, searched=True),
    )
}
