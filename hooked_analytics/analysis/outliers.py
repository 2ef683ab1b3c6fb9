"""Finished videos whose credits are far from what their type costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import collected, column_names
from hooked_analytics.schema.engines import like
from hooked_analytics.schema.outcomes import has_status

if TYPE_CHECKING:
    from hooked_analytics.schema.engines import FrameT

MIN_COMPARED = 20
FARTHEST = 3.5
# The median absolute deviation of a normal law is this share of its standard deviation.
MAD_OF_NORMAL = 0.6744897501960817
# Where at least so many have one price, whatever differs from it is an outlier.
FLAT_SHARE = 0.9
_SAME = 1e-12
_SHOWN = ["video_id", "name", "type", "used_credits"]


def credit_outliers(videos: FrameT) -> FrameT:
    """
    Finished videos that cost far more or far less than others of their type.

    Only COMPLETED videos with a figure are compared: a failed one that was refunded is no
    outlier, and credits of a render under way may still change. A type whose durations are
    mostly known is compared by credits per minute, else by credits. A type with fewer than 20
    such videos has no outliers. Where nine in ten have one and the same price, every other price
    is an outlier; where only half have, none is.

    Parameters
    ----------
    videos : DataFrame
        One row per video, of any engine (collected: at most 5 million rows). Needs ``video_id,
        name, type, status, updated_at, used_credits``, and takes ``duration_seconds``.

    Returns
    -------
    one row per outlier, the farthest first; the kind of frame that was given
        ``video_id, name, type, used_credits`` [credits], ``median_credits`` of its type and
        ``robust_z``, beyond 3.5 either way; missing, and last, where the price is flat.

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
    length = ["duration_seconds"] if "duration_seconds" in column_names(videos) else []
    rows = collected(videos, [*_SHOWN, "status", "updated_at", *length], what="credit_outliers")
    finished = rows[has_status(rows, "COMPLETED")].reindex(columns=[*_SHOWN, "duration_seconds"])
    compared = (
        finished.astype({"used_credits": "float64", "duration_seconds": "float64"})
        .dropna(subset=["used_credits"])
        .assign(figure=_figure)
        .dropna(subset=["figure"])
    )
    types = compared.groupby("type", dropna=False)
    middle = types["figure"].transform("median")
    off = compared["figure"] - middle
    deviation = off.abs().groupby(compared["type"], dropna=False).transform("median")
    differs = off.abs() > 1e-9 * middle.abs() + _SAME
    flat = (1 - differs.groupby(compared["type"], dropna=False).transform("mean")) >= FLAT_SHARE
    enough, spread = types["figure"].transform("size") >= MIN_COMPARED, deviation > _SAME
    found = (
        compared[_SHOWN]
        .assign(
            median_credits=types["used_credits"].transform("median"),
            robust_z=(MAD_OF_NORMAL * off / deviation.where(enough & spread)).astype("float64"),
        )
        .loc[lambda each: (each["robust_z"].abs() > FARTHEST) | (enough & flat & differs & ~spread)]
        .sort_values("robust_z", key=lambda z: -z.abs(), kind="stable", ignore_index=True)
    )
    return like(found, videos)


def _figure(rows: pd.DataFrame) -> pd.Series[float]:
    """Log of what is compared: credits per minute where most of a type have a duration."""
    minutes = rows["duration_seconds"].where(rows["duration_seconds"] > 0) / 60
    measured = minutes.notna().groupby(rows["type"], dropna=False).transform("mean") >= 0.5
    price = (rows["used_credits"] / minutes).where(measured, rows["used_credits"])
    return price.where(price > -1).map(np.log1p)
