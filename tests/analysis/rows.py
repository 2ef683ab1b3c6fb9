"""Tiny videos frames from rows of literals, and what is missing as None."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from hooked_analytics import videos_from_records

START = pd.Timestamp("2024-01-15T10:00Z")


def after(seconds: float | None) -> str | None:
    """The moment so many seconds after the start, as the API writes it."""
    return None if seconds is None else (START + pd.Timedelta(seconds, "s")).isoformat()


def listed(
    fields: str, rows: Iterable[tuple], *, seen: float | None = None, **same: object
) -> pd.DataFrame:
    """One video per row, its values in these fields of the API, fetched after *seen* seconds."""
    names = fields.split()
    records = [
        {"id": f"vid_{n}", **same, **dict(zip(names, row, strict=True))}
        for n, row in enumerate(rows)
    ]
    at = None if seen is None else (START + pd.Timedelta(seen, "s")).to_pydatetime()
    return videos_from_records(records, fetched_at=at)


def none(values: Iterable) -> list[object]:
    return [None if pd.isna(value) else value for value in values]
