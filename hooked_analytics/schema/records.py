"""
One API record to one row: every value parsed by hand, nothing guessed, nothing raised.

A value that cannot be right becomes missing and is named in ``data_issues``. Public material
disagrees about many fields (envelope or flat, names, spelling of the status); what is
accepted here is the tolerant reading of all of it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from hooked_analytics.schema.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hooked_analytics.schema.columns import Column

Row = tuple[Any, ...]

FRAMES_PER_SECOND = 25
_FRAME_SECONDS = 1 / FRAMES_PER_SECOND

# Lower-case spellings come from the list filter, the create replies and webhooks.
STATUS_SPELLINGS = {
    "started": "STARTED",
    "processing": "STARTED",
    "completed": "COMPLETED",
    "failed": "FAILED",
}

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s?(Z|z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CLOCKS_MAY_DIFFER = timedelta(minutes=5)
# What an answer adds beyond this is no new field, and every archive would carry it on.
_MAX_EXTRA_CHARACTERS = 65_536


def clean_text(text: str) -> str:
    r"""
    Replace lone surrogates, which no file format takes.

    Examples
    --------
    >>> clean_text("a\ud800b") == "a\ufffdb"
    True
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def parse_text(value: object) -> str | None:
    """
    Text as it is; a whole number as its digits; empty as missing.

    Raises
    ------
    ValueError
        For anything else: it is not text.
    """
    if isinstance(value, str):
        return clean_text(value) or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    raise ValueError("bad_text")


def parse_number(value: object, most: float) -> float:
    """Read a finite number from 0 to *most*; truth values and other text are refused."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("bad_number")
    if not 0 <= value <= most:
        raise ValueError("bad_number")
    return float(value)


def parse_integer(value: object, most: float) -> int:
    """Whole number from 0 to *most*; 7500.0 is whole, 7500.5 is refused."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= most:
            return value
        raise ValueError("bad_number")
    number = parse_number(value, most)
    if not number.is_integer():
        raise ValueError("bad_number")
    return int(number)


def parse_boolean(value: object) -> bool:
    """True or False, nothing that merely looks like it."""
    if isinstance(value, bool):
        return value
    raise ValueError("bad_boolean")


def parse_time(value: object) -> datetime:
    """
    ISO 8601 to UTC; a time without a zone is taken as UTC by `parse_record`, which says so.

    Examples
    --------
    >>> parse_time("2024-01-15T12:00:00+02:00").isoformat()
    '2024-01-15T10:00:00+00:00'
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError("bad_timestamp")
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone in {None, "Z", "z"} else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}")
    except ValueError:
        raise ValueError("bad_timestamp") from None
    if not 2000 <= moment.year <= 2100:
        raise ValueError("bad_timestamp")
    return moment.astimezone(UTC)


def parse_status(value: object) -> str | None:
    """
    Known spellings to the three known words; everything else as it came.

    Examples
    --------
    >>> parse_status("processing"), parse_status("archived")
    ('STARTED', 'archived')
    """
    text = parse_text(value)
    return None if text is None else STATUS_SPELLINGS.get(text.strip().lower(), text)


def parse_aspect_ratio(value: object) -> str | None:
    """
    One spelling for the shape of the picture.

    Examples
    --------
    >>> parse_aspect_ratio("9:16"), parse_aspect_ratio("ratio_1_1")
    ('ratio_9_16', 'ratio_1_1')
    """
    text = parse_text(value)
    found = _RATIO.fullmatch(text) if text else None
    return f"ratio_{found[1]}_{found[2]}" if found else text


_PARSERS: dict[str, Callable[..., object]] = {
    "text": parse_text,
    "link": parse_text,
    "number": parse_number,
    "integer": parse_integer,
    "boolean": parse_boolean,
    "time": parse_time,
    "status": parse_status,
    "aspect_ratio": parse_aspect_ratio,
}


def _parser(column: Column) -> Callable[[Any], object]:
    parser = _PARSERS.get(column.name, _PARSERS[column.kind])
    return parser if column.max_value is None else partial(parser, most=column.max_value)


# (column, API fields, parser), once, so that a record costs one short loop
_PLAN = tuple((column.name, column.fields, _parser(column)) for column in COLUMNS)
_KNOWN_FIELDS = frozenset(field for c in COLUMNS for field in c.fields) | {"videoSettings"}
_AT = {c.name: position for position, c in enumerate(COLUMNS)}


def unwrap(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Take the record out of its envelope, where it has one.

    Examples
    --------
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

    Examples
    --------
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

    Parameters
    ----------
    record : dict of object
        The ``data`` of a details answer, or an item of the list.
    fetched_at : datetime
        Aware time at which it was seen.
    flags : tuple[str, ...], default ()
        What is already known to be odd about it.

    Returns
    -------
    values in the order of the columns

    Examples
    --------
    >>> now = datetime(2024, 1, 15, 11, tzinfo=UTC)
    >>> row = parse_record({"id": "vid_abc123", "usedCredits": -5}, fetched_at=now)
    >>> row[0], row[_AT["used_credits"]], row[_AT["data_issues"]]
    ('vid_abc123', None, 'bad_number(used_credits)')
    """
    settings, spare = _flat_settings(record)
    fields = {**settings, **record}
    quality = list(flags)
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
                quality.append(f"{refused}({name})")
        row.append(value)
    _check_times(row, fields, fetched_at, quality)
    _check_duration(row, quality)
    spare.update((key, value) for key, value in record.items() if key not in _KNOWN_FIELDS)
    extra = _json(spare) if spare else None
    if extra is not None and len(extra) > _MAX_EXTRA_CHARACTERS:
        extra = None
        quality.append("too_large(extra)")
    row[_AT["fetched_at"]] = fetched_at
    row[_AT["data_issues"]] = ", ".join(quality) or None
    row[_AT["extra"]] = extra
    return tuple(row)


def failed_row(
    video_id: str | None, kind: str, message: str, *, fetched_at: datetime | None
) -> Row:
    """
    Make the row of a video that could not be fetched.

    Examples
    --------
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
    row: list[Any], fields: Mapping[str, Any], fetched_at: datetime, quality: list[str]
) -> None:
    created, updated = row[_AT["created_at"]], row[_AT["updated_at"]]
    for name, field in (("created_at", "createdAt"), ("updated_at", "updatedAt")):
        if row[_AT[name]] is not None and not _TIME.fullmatch(fields[field])[4]:  # type: ignore[index]
            quality.append(f"no_time_zone({name})")
    if created is not None and created > fetched_at + _CLOCKS_MAY_DIFFER:
        row[_AT["created_at"]] = None
        quality.append("future_timestamp(created_at)")
    elif created is not None and updated is not None and updated < created:
        quality.append("negative_render_time")


def _check_duration(row: list[Any], quality: list[str]) -> None:
    seconds, frames = row[_AT["duration_seconds"]], row[_AT["duration_frames"]]
    if frames is None:
        return
    if seconds is None:
        row[_AT["duration_seconds"]] = frames / FRAMES_PER_SECOND
    elif abs(seconds - frames / FRAMES_PER_SECOND) > _FRAME_SECONDS + 1e-9:
        quality.append("duration_mismatch")


def _json(fields: Mapping[str, Any]) -> str:
    return clean_text(json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str))
