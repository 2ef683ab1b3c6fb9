"""
One API record to one row: every value parsed by hand, nothing guessed, nothing raised.

A value that cannot be right becomes missing and is named in ``data_issues``. Public material
disagrees about many fields (envelope or flat, names, spelling of the status); what is
accepted here is the tolerant reading of all of it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hooked_analytics.schema.columns import (
    COLUMNS,
    VIDEOS_SCHEMA,
    empty_videos,
    frame_from_arrow,
)
from hooked_analytics.schema.values import PARSERS, TIME, clean_text, parse_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from hooked_analytics.schema.columns import Column

Row = tuple[Any, ...]

FRAMES_PER_SECOND = 25
_FRAME_SECONDS = 1 / FRAMES_PER_SECOND

_CLOCKS_MAY_DIFFER = timedelta(minutes=5)
# What a response adds beyond this is no new field, and every archive would carry it on.
_MAX_EXTRA_CHARACTERS = 65_536


def _parser(column: Column) -> Callable[[Any], object]:
    parser = PARSERS.get(column.name, PARSERS[column.kind])
    return parser if column.max_value is None else partial(parser, most=column.max_value)


# (column, API fields, parser), once, so that a record costs one short loop
_PLAN = tuple((column.name, column.fields, _parser(column)) for column in COLUMNS)
_KNOWN_FIELDS = frozenset(field for c in COLUMNS for field in c.fields) | {"videoSettings"}
_AT = {c.name: position for position, c in enumerate(COLUMNS)}


def unwrap(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Take the record out of its envelope, where it has one.

    >>> unwrap({"success": True, "data": {"id": "vid_abc123"}})
    {'id': 'vid_abc123'}
    >>> unwrap({"id": "vid_abc123"})
    {'id': 'vid_abc123'}
    """
    inner = body.get("data")
    return inner if isinstance(inner, dict) else body


def record_id(record: Mapping[str, Any]) -> str | None:
    """
    Read the id of a record, under either of its names.

    >>> record_id({"videoId": "vid_abc123"}), record_id({"name": "no id"})
    ('vid_abc123', None)
    """
    value = record.get("id")
    value = record.get("videoId") if value is None else value
    try:
        return parse_text(value)
    except ValueError:
        return None


def parse_record(
    record: Mapping[str, Any], *, fetched_at: datetime, flags: tuple[str, ...] = ()
) -> Row:
    """
    Turn one API record into one row of a videos frame.

    *record* is the ``data`` of a response with details, or an item of the list; *flags* is what
    is already known to be odd about it. Values come in the order of the columns.

    >>> now = datetime(2024, 1, 15, 11, tzinfo=UTC)
    >>> row = parse_record({"id": "vid_abc123", "usedCredits": -5}, fetched_at=now)
    >>> row[0], row[_AT["used_credits"]], row[_AT["data_issues"]]
    ('vid_abc123', None, 'bad_number(used_credits)')
    """
    settings, spare = _flat_settings(record)
    fields = {**settings, **record}
    issues = list(flags)
    row: list[Any] = []
    for name, sources, parser in _PLAN:
        value = None
        for source in sources:
            value = fields.get(source)
            if value is not None:
                break
        if value is not None:
            try:
                value = parser(value)
            except ValueError as refused:
                value = None
                issues.append(f"{refused}({name})")
        row.append(value)
    _check_times(row, fields, fetched_at, issues)
    _check_duration(row, issues)
    spare.update((key, value) for key, value in record.items() if key not in _KNOWN_FIELDS)
    extra = _json(spare) if spare else None
    if extra is not None and len(extra) > _MAX_EXTRA_CHARACTERS:
        extra = None
        issues.append("too_large(extra)")
    row[_AT["fetched_at"]] = fetched_at
    row[_AT["data_issues"]] = ", ".join(issues) or None
    row[_AT["extra"]] = extra
    return tuple(row)


def failed_row(
    video_id: str | None, kind: str, message: str, *, fetched_at: datetime | None
) -> Row:
    """
    Make the row of a video that could not be fetched.

    >>> row = failed_row("vid_x", "not_found", "Hooked knows no vid_x", fetched_at=None)
    >>> row[_AT["fetch_error"]], row[_AT["status"]]
    ('not_found', None)
    """
    row: list[Any] = [None] * len(COLUMNS)
    row[_AT["video_id"]] = video_id
    row[_AT["fetched_at"]] = fetched_at
    row[_AT["fetch_error"]] = kind
    row[_AT["fetch_error_message"]] = message
    return tuple(row)


def _flat_settings(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Lift the three settings that have columns; what is left goes to ``extra``."""
    settings = record.get("videoSettings")
    if settings is None:
        return {}, {}
    if not isinstance(settings, dict):
        return {}, {"videoSettings": settings}
    caption = settings.get("caption")
    flat = {"aspectRatio": settings.get("aspectRatio")}
    left = {k: v for k, v in settings.items() if k not in {"aspectRatio", "caption"}}
    if isinstance(caption, dict):
        flat["captionPreset"] = caption.get("preset")
        flat["captionDisabled"] = caption.get("disabled")
        if rest := {k: v for k, v in caption.items() if k not in {"preset", "disabled"}}:
            left["caption"] = rest
    elif caption is not None:
        left["caption"] = caption
    return flat, {"videoSettings": left} if left else {}


def _check_times(
    row: list[Any], fields: Mapping[str, Any], fetched_at: datetime, issues: list[str]
) -> None:
    created, updated = row[_AT["created_at"]], row[_AT["updated_at"]]
    for name, field in (("created_at", "createdAt"), ("updated_at", "updatedAt")):
        if row[_AT[name]] is None:
            continue
        if not isinstance(value := fields[field], str):
            issues.append(f"epoch_number({name})")
        elif not TIME.fullmatch(value)[2]:  # type: ignore[index]
            issues.append(f"no_time_zone({name})")
    if created is not None and created > fetched_at + _CLOCKS_MAY_DIFFER:
        row[_AT["created_at"]] = None
        issues.append("future_timestamp(created_at)")
    elif created is not None and updated is not None and updated < created:
        issues.append("negative_render_time")


def _check_duration(row: list[Any], issues: list[str]) -> None:
    seconds, frames = row[_AT["duration_seconds"]], row[_AT["duration_frames"]]
    if frames is None:
        return
    if seconds is None:
        row[_AT["duration_seconds"]] = frames / FRAMES_PER_SECOND
    elif abs(seconds - frames / FRAMES_PER_SECOND) > _FRAME_SECONDS + 1e-9:
        issues.append("duration_mismatch")


def _json(fields: Mapping[str, Any]) -> str:
    return clean_text(json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str))


def frame_from_rows(rows: Sequence[Row]) -> pd.DataFrame:
    """
    Stack parsed rows into a videos frame.

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
    records : iterable of dict
        Responses with details, or list items, with or without their envelope. A video given twice
        is kept once, as last updated, with a warning.
    fetched_at : datetime, optional
        Aware time at which they were seen. Now when missing; renders under way are measured up to
        it.

    Returns
    -------
    DataFrame
        One row per distinct video, in the order first seen. A value that cannot be right is
        missing and named in ``data_issues``.

    Raises
    ------
    ValueError
        A record has no id, or *fetched_at* has no time zone.
    TypeError
        A record is no dict.

    Examples
    --------
    >>> record = {"id": "vid_abc123", "status": "COMPLETED", "durationInFrames": 7500}
    >>> videos = videos_from_records([record])
    >>> videos[["video_id", "status", "duration_seconds"]].to_dict("records")
    [{'video_id': 'vid_abc123', 'status': 'COMPLETED', 'duration_seconds': 300.0}]
    """
    seen_at = datetime.now(UTC) if fetched_at is None else fetched_at
    if not isinstance(seen_at, datetime) or seen_at.tzinfo is None:
        raise ValueError(
            "fetched_at is a datetime and needs a time zone, for example datetime.now(timezone.utc)"
        )
    rows: dict[str, Row] = {}
    folded = 0
    for position, record in enumerate(records):
        if not isinstance(record, Mapping):
            kind = type(record).__name__
            raise TypeError(f"record {position} is no dict, but a {kind}: pass a list of records")
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
    moment: datetime | None = row[_AT["updated_at"]]
    return moment or datetime.min.replace(tzinfo=UTC)
