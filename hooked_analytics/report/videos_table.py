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

_SHOWN = ("name", "type", "status", "progress", "created_at", "duration_seconds")
_NEEDED = ("video_id", *_SHOWN, "updated_at", "fetched_at", "used_credits")
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
    >>> videos = videos_from_records([{"id": "vid_1", "name": "Spring", "type": "class",
    ...                                "status": "COMPLETED", "usedCredits": 5}])
    >>> shown_columns(videos)[["name", "status", "credits"]].to_dict("records")
    [{'name': 'Spring', 'status': 'COMPLETED', 'credits': 5.0}]
    """
    table = shown_columns(videos)
    if find_spec("itables") is None:
        return table
    from itables.widget import ITable

    return ITable(table)


def shown_columns(videos: pd.DataFrame) -> pd.DataFrame:
    """The same as a frame."""
    usable = usable_frame(videos, _NEEDED, what="show")
    own = [name for name in videos.columns if name not in {column.name for column in COLUMNS}]
    table: pd.DataFrame = (
        usable[list(_SHOWN)]
        .assign(
            name=usable["name"].map(lambda name: one_line(name, _MAX_NAME), na_action="ignore"),
            created_at=usable["created_at"].dt.floor("s"),
            render_seconds=render_seconds(usable),
            used_credits=usable["used_credits"],
            **{str(name): usable[name] for name in own},
        )
        .rename(
            columns={
                "created_at": "created",
                "duration_seconds": "duration",
                "render_seconds": "render",
                "used_credits": "credits",
            }
        )
        .set_index(usable["video_id"])
    )
    return table
