"""Values of an API response: JSON decoded strictly, and each value brought to its type."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The list filter, responses to a creation and webhooks spell them in lower case.
STATUS_SPELLINGS = {
    spelling: status
    for status, spellings in {
        "STARTED": "started processing pending queued rendering running in_progress",
        "COMPLETED": "completed complete succeeded success finished done",
        "FAILED": "failed failure error errored canceled cancelled",
    }.items()
    for spelling in spellings.split()
}

TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,30})?)?)"
    r"\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_MIN_YEAR, _MAX_YEAR = 2000, 2100
# Numbers above this are milliseconds since 1970, below it seconds.
_MIN_MILLISECONDS = 1e11
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
# How programs write missing where text is expected; none of them is a word of `fetch_error`.
NULL_WORDS = frozenset(
    {"", "NA", "N/A", "#N/A", "NaN", "nan", "NaT", "NULL", "null", "None", "<NA>", "\\N"}
)
# They come along when an id is copied from a web page, a chat or joined files, and show nothing.
UNSEEN = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(body: bytes) -> Any:
    """
    Decode JSON strictly: no NaN, no repeated keys, no numbers or nesting beyond reason.

    A ValueError says what it is instead, without quoting it.
    """
    start = body[:64].lstrip()
    if not start:
        raise ValueError("an empty body")
    if start[:1] == b"<":
        raise ValueError("a web page instead of JSON")
    try:
        text = body.decode("utf-8-sig")
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise ValueError("text that is not UTF-8") from None
    except RecursionError:
        raise ValueError("JSON nested beyond reason") from None
    except _RefusedError as refused:
        raise ValueError(str(refused)) from None
    except ValueError:
        raise ValueError("text that is not JSON") from None
    return _clean(value) if "\\ud" in text or "\\uD" in text else value


class _RefusedError(ValueError):
    pass


def _refuse(constant: str) -> None:
    raise _RefusedError(f"JSON with the number {constant}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RefusedError("JSON that gives a field twice")
    return made


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value


def clean_text(text: str) -> str:
    r"""
    Replace lone surrogates, which no file format takes.

    >>> clean_text("a\ud800b") == "a\ufffdb"
    True
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def parse_text(value: object) -> str | None:
    """
    Text as it is; a whole number as its digits; empty as missing.

    Anything else is a ValueError: it is not text.
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
    """True or False, and nothing else that Python takes for it."""
    if isinstance(value, bool):
        return value
    raise ValueError("bad_boolean")


def parse_time(value: object) -> datetime:
    """
    ISO 8601, or a number since 1970 [s or ms], to UTC; without a zone it is taken as UTC.

    >>> parse_time("2024-01-15T12:00:00+02:00").isoformat(), parse_time(1705312800000).isoformat()
    ('2024-01-15T10:00:00+00:00', '2024-01-15T10:00:00+00:00')
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value >= _MIN_MILLISECONDS else value
            moment = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(value, str) and (found := TIME.fullmatch(value)):
            moment = datetime.fromisoformat(found[1] + (found[2] or "Z").upper())
        else:
            raise ValueError("neither text nor number")
    except (ValueError, OverflowError, OSError):
        raise ValueError("bad_timestamp") from None
    if not _MIN_YEAR <= moment.year <= _MAX_YEAR:
        raise ValueError("bad_timestamp")
    return moment.astimezone(UTC)


def clean_id(text: str) -> str:
    r"""
    Take off an id what comes along when it is copied: blanks around it, characters not seen.

    >>> clean_id(" vid_\u200babc123\xa0\n")
    'vid_abc123'
    """
    return (text if text.isascii() else re.sub(UNSEEN, "", text)).strip()


def parse_status(value: object) -> str | None:
    """
    Known spellings to the three known words; everything else as it came.

    >>> parse_status("processing"), parse_status("Canceled"), parse_status("archived")
    ('STARTED', 'FAILED', 'archived')
    """
    text = parse_text(value)
    if text is None:
        return None
    spelling = text.strip().lower().replace("-", "_").replace(" ", "_")
    return STATUS_SPELLINGS.get(spelling, text)


def parse_aspect_ratio(value: object) -> str | None:
    """One spelling for the shape of the picture: "9:16" is ``ratio_9_16``."""
    text = parse_text(value)
    found = _RATIO.fullmatch(text) if text else None
    return f"ratio_{found[1]}_{found[2]}" if found else text


PARSERS: dict[str, Callable[..., object]] = {
    "text": parse_text,
    "link": parse_text,
    "number": parse_number,
    "integer": parse_integer,
    "boolean": parse_boolean,
    "time": parse_time,
    "status": parse_status,
    "aspect_ratio": parse_aspect_ratio,
}
