"""Each video once, where a video counted twice would be a wrong answer."""

from __future__ import annotations

import pandas as pd


def once(videos: pd.DataFrame) -> pd.DataFrame:
    """
    Keep the row of each video that was updated last, in an order of its own: by id.

    Examples
    --------
    >>> videos = pd.DataFrame({
    ...     "video_id": ["vid_2", "vid_1", "vid_2"],
    ...     "updated_at": pd.to_datetime(["2024-01-16", "2024-01-15", "2024-01-15"], utc=True),
    ...     "used_credits": [3.0, 1.0, 2.0],
    ... })
    >>> once(videos)["used_credits"].tolist()
    [1.0, 3.0]
    """
    return videos.sort_values(
        ["video_id", "updated_at"], kind="stable", na_position="first"
    ).drop_duplicates("video_id", keep="last", ignore_index=True)
