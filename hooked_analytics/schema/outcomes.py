"""How each render ended, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# How the status is counted, and where the clock of such a render stops.
STATUS_COLUMNS = {
    "COMPLETED": ("completed", "updated_at"),
    "FAILED": ("failed", "updated_at"),
    "STARTED": ("rendering", "fetched_at"),
}
END_COLUMNS = ("status", "created_at", "updated_at", "fetched_at")


def seconds_between(videos: pd.DataFrame, start: str, end: str, status: str) -> pd.Series[float]:
    """
    Time from one column to another where the status is as given [s].

    Missing for any other status, where a time is missing, and where the clock ran backwards.
    """
    took = (videos[end] - videos[start]).dt.total_seconds()
    usable = _is(videos, status) & took.ge(0)
    return took.where(usable).astype("float64")


def _is(videos: pd.DataFrame, status: str) -> pd.Series[bool]:
    return videos["status"].eq(status).fillna(False).astype(bool)
