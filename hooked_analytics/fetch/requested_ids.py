"""The ids somebody hands in, in whatever container, checked before any request."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics.errors import InvalidVideoIdError
from hooked_analytics.schema import clean_text

if TYPE_CHECKING:
    from hooked_analytics.client import HookedClient

_FILE_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
_RECORD_KEYS = frozenset({"id", "videoId", "video_id"})
_WANTED = "hand in a list of ids such as ['vid_abc123'], or a table with a column video_id"


class RequestedId(NamedTuple):
    """One distinct id as given, and why it cannot be requested where that is so."""

    shown: str | None
    problem: str | None


def validate_ids(video_ids: object, client: HookedClient) -> list[RequestedId]:
    """
    Check every id and fold those given twice, in the order first seen.

    Raises
    ------
    TypeError, ValueError
        The container can hold no ids; the message says what to hand in. One wrong id among
        others is no error: it comes back with its problem.
    """
    given = listed_ids(video_ids)
    tasks: dict[str | None, RequestedId] = {}
    for value in given:
        task = checked_id(value, client)
        tasks.setdefault(task.shown, task)
    if folded := len(given) - len(tasks):
        warnings.warn(
            f"{folded:,} of {len(given):,} video ids were given before and are requested once",
            stacklevel=3,
        )
    return list(tasks.values())


def checked_id(value: object, client: HookedClient) -> RequestedId:
    """Check one id; a missing one stays missing."""
    try:
        return RequestedId(client.check_video_id(value), None)
    except InvalidVideoIdError as error:
        shown = None if _is_missing(value) else clean_text(str(value)) or None
        return RequestedId(shown, str(error))


def listed_ids(video_ids: object) -> list[object]:
    """Take the ids out of one text, an iterable, a column or a table."""
    if isinstance(video_ids, str):
        if video_ids.strip().lower().endswith(_FILE_SUFFIXES):
            raise ValueError(
                f"{video_ids.strip()[:80]!r} is a file, not a video id: read it first, for example "
                "pd.read_csv(...), and hand in the ids or the table"
            )
        return [video_ids]
    columns = column_names(video_ids)
    if columns is not None:
        if "video_id" not in columns:
            raise ValueError(
                f"the table has no column video_id, only {', '.join(map(str, columns))[:200]}: "
                "rename the column that holds the ids"
            )
        video_ids = _column(video_ids)
    if hasattr(video_ids, "to_pylist"):
        video_ids = video_ids.to_pylist()
    record = isinstance(video_ids, Mapping) and not _RECORD_KEYS.isdisjoint(video_ids)
    unfit = isinstance(video_ids, (bytes, bytearray, os.PathLike)) or record
    if unfit or not isinstance(video_ids, Iterable):
        raise TypeError(f"video_ids is a {type(video_ids).__name__}: {_WANTED}")
    given = list(video_ids)
    known = [value for value in given if not _is_missing(value)]
    for kinds, name in ((Number, "numbers"), ((Mapping, list, tuple), "records or lists")):
        if known and all(isinstance(value, kinds) for value in known):
            raise TypeError(f"video_ids holds {name}, which are no video ids: {_WANTED}")
    return given


def column_names(table: object) -> list[Any] | None:
    """Columns of a table of any engine; None for what is no table."""
    names = getattr(table, "column_names", None)  # PyArrow
    if names is None and not isinstance(table, Mapping):
        names = getattr(table, "columns", None)
    return None if names is None or isinstance(names, str) else list(names)


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _column(table: Any) -> Any:
    if hasattr(table, "__arrow_c_stream__") and not hasattr(table, "iloc"):
        import pyarrow as pa

        return pa.RecordBatchReader.from_stream(table).read_all()["video_id"]
    if hasattr(table, "toPandas"):  # Spark
        return table.select("video_id").toPandas()["video_id"]
    return table["video_id"]
