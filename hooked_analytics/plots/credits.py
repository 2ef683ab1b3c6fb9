"""Pictures of what videos cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics.credits import credit_usage
from hooked_analytics.plots.canvas import INK, PALETTE, beside, labels, note, percent, rows
from hooked_analytics.videos.groups import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

MOST_BARS = 20


def plot_credits(
    videos: pd.DataFrame, *, by: str | Sequence[str] = "type", ax: Axes | None = None
) -> Axes:
    """
    Draw where the credits went: on finished videos and on failed ones, per group.

    Parameters
    ----------
    videos : one row per video
        Needs the columns `credit_usage` needs.
    by : one column or several
    ax : where to draw; a new figure when missing

    Returns
    -------
    the Axes, a bar per group, the dearest on top, credits along x
        Videos without a credit figure are counted in the note under the title.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5}])
    >>> plot_credits(videos, ax=Figure().subplots()).get_xlabel()
    'credits'
    """
    keys = group_keys(by)
    usage = credit_usage(videos, by=by)
    known = usage.dropna(subset=["credits"]).head(MOST_BARS)
    ax = rows(ax, labels(known, keys), "Where the credits went")
    wasted = known["wasted_credits"].fillna(0)
    bars = {"completed": known["credits"] - wasted, "failed": wasted}
    left = pd.Series(0.0, index=known.index)
    for meaning, credits in bars.items():
        ax.barh(known.index, credits, left=left, height=0.62, color=PALETTE[meaning])
        left = left + credits
    for at, (credits, share) in enumerate(zip(known["credits"], known["share"], strict=True)):
        beside(ax, f"{credits:,.6g}  {percent(share)}", credits, at)
    ax.set_xlabel("credits", color=INK)
    unknown = int(usage["credits_unknown"].sum())
    note(
        ax,
        f"green: finished · orange: failed, {wasted.sum():,.6g} credits\n"
        f"{unknown:,} of {len(videos):,} videos without a figure, left out",
    )
    ax.margins(x=0.18)
    return ax
