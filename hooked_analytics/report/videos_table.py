"""The columns people want of a videos frame, in a notebook."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import render_seconds
from hooked_analytics.schema import COLUMNS
from hooked_analytics.schema.frames import usable_frame

if TYPE_CHECKING:
    import pandas as pd

# column -> heading
_SHOWN = {
    "name": "name", "type": "type", "status": "status", "progress": "progress",
    "created_at": "created", "duration_seconds": "duration", "render_seconds": "render",
    "used_credits": "credits",
}  # fmt: skip
_NEEDED = (
    "video_id", *(name for name in _SHOWN if name != "render_seconds"), "updated_at", "fetched_at",
)  # fmt: skip
_MAX_NAME = 60


def show(videos: pd.DataFrame) -> Any:
    """
    Show the columns that people want of a videos frame: no links, no scripts, no empty columns.

    Parameters
    ----------
    videos : DataFrame
        A videos frame. Columns of your own follow ours.

    Returns
    -------
    DataFrame or itables.ITable
        ``name, type, status, progress`` [%], ``created`` (UTC), ``duration`` [s], ``render`` [s],
        ``credits``. A table to sort and search where `itables` is installed.

    Raises
    ------
    ValueError
        A column is missing.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> table = show(videos_from_records([{"id": "vid_1", "name": "Spring", "usedCredits": 5}]))
    >>> getattr(table, "df", table)[["name", "credits"]].to_dict("records")
    [{'name': 'Spring', 'credits': 5.0}]
    """
    usable = usable_frame(videos, _NEEDED, what="show")
    ours = {*_SHOWN, *(column.name for column in COLUMNS)}
    table: pd.DataFrame = (
        usable.assign(
            name=usable["name"].map(lambda name: one_line(name, _MAX_NAME), na_action="ignore"),
            created_at=usable["created_at"].dt.floor("s"),
            render_seconds=render_seconds(usable),
        )
        .set_index("video_id")[[*_SHOWN, *(name for name in videos.columns if name not in ours)]]
        .rename(columns=_SHOWN)
    )
    if find_spec("itables") is None:
        return table
    from itables.widget import ITable

    return ITable(table)
