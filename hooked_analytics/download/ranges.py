"""What an answer's headers say about the file, and whether one can go on from its middle."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from hooked_analytics.download.part import Note

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_STRONG = re.compile(r'"[!#-~]{1,200}"', re.ASCII)
# A file changed twice within the second of an HTTP date would keep its date.
_SETTLED = timedelta(seconds=60)


def content_range(header: str | None) -> tuple[int, int] | None:
    """
    Where a part begins and how long the whole file is, if the part goes on to the end.

    Examples
    --------
    >>> content_range("bytes 400-999/1000"), content_range("bytes 400-500/1000")
    ((400, 1000), None)
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None:
        return None
    first, last, total = map(int, match.groups())
    return (first, total) if first <= last == total - 1 else None


def content_length(header: str | None) -> int | None:
    """
    Read a length, where one is given.

    Examples
    --------
    >>> content_length("1000"), content_length("-1"), content_length(None)
    (1000, None, None)
    """
    text = (header or "").strip()
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def note_of(headers: Mapping[str, str], place: str) -> Note | None:
    """
    Keep what is needed to go on with this file later; None where one could not.

    That takes a length and a strong validator: an ETag that is not weak, or a Last-Modified
    at least a minute older than the answer.

    Examples
    --------
    >>> note_of({"Content-Length": "9", "ETag": '"a1"'}, "here").validator
    '"a1"'
    >>> note_of({"Content-Length": "9", "ETag": 'W/"a1"'}, "here") is None
    True
    """
    total = content_length(headers.get("Content-Length"))
    if not total:
        return None
    tag = (headers.get("ETag") or "").strip()
    if _STRONG.fullmatch(tag):
        return Note(place, total, tag)
    changed = (headers.get("Last-Modified") or "").strip()
    then, now = _date(changed), _date(headers.get("Date"))
    if then is None or now is None or now - then < _SETTLED:
        return None
    return Note(place, total, changed)


def _date(header: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header or "")
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else None
