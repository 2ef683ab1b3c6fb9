"""Finished videos whose credits are far from what their type costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hooked_analytics.schema.frames import usable_frame

MIN_COMPARED = 20
FARTHEST = 3.5
# The median absolute deviation of a normal law is this share of its standard deviation.
MAD_OF_NORMAL = 0.6744897501960817
_SAME = 1e-12
_SHOWN = ["video_id", "name", "type", "used_credits"]


def credit_outliers(videos: pd.DataFrame) -> pd.DataFrame:
    """
    Finished videos that cost far more or far less than others of their type.

    Only COMPLETED videos with a figure are compared: a failed one that was refunded is no
    outlier, and credits of a render under way may still change. A type with fewer than 20 of
    them, or at least half of them at one and the same price, has no outliers.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs ``video_id``, ``name``, ``type``, ``status``, ``updated_at`` and
        ``used_credits``. A video counts once, its latest row.

    Returns
    -------
    one row per outlier, the farthest first
        ``video_id, name, type, used_credits`` [credits], ``median_credits`` of its type and
        ``robust_z``, beyond 3.5 either way.

    Raises
    ------
    ValueError
        A needed column is not there.

    Notes
    -----
    Modified z-score of Iglewicz and Hoaglin (1993) on log(1 + credits): the distance from the
    median over the median absolute deviation, times 0.6745.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": f"vid_{n}", "type": "class", "status": "COMPLETED", "usedCredits": credits}
    ...     for n, credits in enumerate([4, 5, 6] * 10 + [60])])
    >>> credit_outliers(videos)[["video_id", "used_credits", "median_credits"]].values.tolist()
    [['vid_30', 60.0, 5.0]]
    """
    finished = usable_frame(videos, [*_SHOWN, "status", "updated_at"], what="credit_outliers").pipe(
        lambda each: each[each["status"].eq("COMPLETED").fillna(False).astype(bool)]
    )
    compared = (
        finished[_SHOWN]
        .astype({"used_credits": "float64"})
        .dropna(subset=["used_credits"])
        .assign(log=lambda each: np.log1p(each["used_credits"]))
    )
    types = compared.groupby("type", dropna=False)
    off = compared["log"] - types["log"].transform("median")
    deviation = off.abs().groupby(compared["type"], dropna=False).transform("median")
    known = (types["log"].transform("size") >= MIN_COMPARED) & (deviation > _SAME)
    return (
        compared.drop(columns="log")
        .assign(
            median_credits=types["used_credits"].transform("median"),
            robust_z=(MAD_OF_NORMAL * off / deviation.where(known)).astype("float64"),
        )
        .pipe(lambda each: each[each["robust_z"].abs() > FARTHEST])
        .sort_values("robust_z", key=lambda z: -z.abs(), kind="stable", ignore_index=True)
    )
