"""Lists of videos that the tests of the report share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from hooked_analytics import Report, build_report, videos_from_records

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)


def record(number, **fields):
    day = f"2026-10-{1 + number % 28:02}"
    return {
        "id": f"vid_{number}",
        "name": f"Video {number}",
        "type": "class",
        "status": "COMPLETED",
        "usedCredits": 5,
        "durationInSeconds": 120,
        "createdAt": f"{day}T10:00:00Z",
        "updatedAt": f"{day}T10:05:00Z",
        **fields,
    }


def videos(*records, seen=NOW):
    return videos_from_records(records, fetched_at=seen)


def created(*moments, seen=NOW):
    return videos(
        *[record(n, createdAt=at, updatedAt=at) for n, at in enumerate(moments)], seen=seen
    )


OCTOBER = videos(
    record(0, type="ugc_ads", usedCredits=8),
    record(1, type="ugc_ads", usedCredits=2, status="FAILED", message="Voice lost"),
    record(2, usedCredits=None),
    record(3, usedCredits=None, status="STARTED"),
    record(30),
)
SEPTEMBER = videos(
    *[record(n, createdAt=f"2026-09-{n + 1:02}T10:00:00Z", type="ugc_ads") for n in range(2)]
)


@cache
def october() -> Report:
    """The report of October, built once: it is frozen, and its tables are copies."""
    return build_report(OCTOBER)


@cache
def october_compared() -> Report:
    return build_report(OCTOBER, before=SEPTEMBER)
