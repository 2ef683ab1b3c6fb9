"""How each render ended and after how long, as plain columns, and the same per group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hooked_analytics.videos.columns import require_columns
from hooked_analytics.videos.groups import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def with_ends(videos: pd.DataFrame, keys: list[str], *, what: str) -> pd.DataFrame:
    """
    Lay out each render's end: the keys, one count per known status, and its time.

    Parameters
    ----------
    videos : one row per video
    keys : columns to keep
    what : the function asking, for the message when a column is missing

    Returns
    -------
    same rows, columns *keys*, ``completed, failed, rendering`` (0 or 1) and ``seconds``
        From ``created_at`` to ``updated_at`` where the render is over, to ``fetched_at``
        where it is under way; missing where that cannot be told.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "status": "STARTED", "createdAt": "2024-01-15T10:00:00Z"}],
    ...     fetched_at=datetime(2024, 1, 15, 10, 2, tzinfo=UTC))
    >>> with_ends(videos, [], what="render_times").to_dict("records")
    [{'completed': 0, 'failed': 0, 'rendering': 1, 'seconds': 120.0}]
    """
    require_columns(videos.columns, [*END_COLUMNS, *keys], what=what)
    counts = {name: _is(videos, status) for status, (name, _) in STATUS_COLUMNS.items()}
    stops = [(status, end) for status, (_, end) in STATUS_COLUMNS.items()]
    seconds = [seconds_between(videos, "created_at", end, status) for status, end in stops]
    return videos[keys].assign(
        **{name: known.astype("int64") for name, known in counts.items()},
        seconds=seconds[0].fillna(seconds[1]).fillna(seconds[2]),
    )


def by_group(ends: pd.DataFrame, keys: list[str]) -> Iterator[pd.DataFrame]:
    """
    Cut a table into its groups, in the order `grouped` gives them, missing keys included.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"type": ["b", None, "b", "a"], "credits": [1, 2, 3, 4]})
    >>> [part["credits"].tolist() for part in by_group(table, ["type"])]
    [[4], [1, 3], [2]]
    """
    number = grouped(ends, keys).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order])) + 1
    for rows in np.split(order, starts) if len(order) else []:
        yield ends.iloc[rows]


def _is(videos: pd.DataFrame, status: str) -> pd.Series[bool]:
    return videos["status"].eq(status).fillna(False).astype(bool)
