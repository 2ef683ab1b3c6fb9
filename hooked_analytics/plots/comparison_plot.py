"""Picture of which groups differ from the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hooked_analytics._internal.formatting import count, duration, number, share
from hooked_analytics.analysis import compare_groups
from hooked_analytics.plots.style import INK, PALETTE, beside, labels, note, rows
from hooked_analytics.schema import require_pandas
from hooked_analytics.schema.checks import group_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

MAX_GROUPS_DRAWN = 40
_METRICS = {
    "credits_per_minute": ("Credits per finished minute", "credits per minute", number),
    "failure_rate": ("How often renders fail", "share of finished renders that failed", share),
    "render_seconds": ("How long renders take", "median time to the end [s]", duration),
}


def plot_comparison(
    videos: pd.DataFrame,
    *,
    by: str | Sequence[str] = "type",
    metric: str = "credits_per_minute",
    ax: Axes | None = None,
) -> Axes:
    """
    Draw a figure of each group with its 95 % interval, sorted by its shrunk form.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs the columns `compare_groups` needs.
    by : str or list of str, default "type"
        One column or several; of more than forty groups the forty with most videos are drawn.
    metric : str, default "credits_per_minute"
        As in `compare_groups`.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a row per group: a dot with its interval, and a line at the shrunk figure
        A filled dot is different from the rest; a hollow one is not, or has too few videos.

    Raises
    ------
    ValueError
        `compare_groups` refuses.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED"},
    ...     {"id": "vid_2", "type": "class", "status": "FAILED"}])
    >>> plot_comparison(videos, metric="failure_rate", ax=Figure().subplots()).get_title(loc="left")
    'How often renders fail'
    """
    require_pandas(videos, what="plot_comparison")
    keys = group_keys(by)
    table = compare_groups(videos, by=by, metric=metric)
    title, unit, written = _METRICS[metric]
    known = table.dropna(subset=["value"])
    drawn = known.loc[known["videos"].nlargest(MAX_GROUPS_DRAWN).index.sort_values()]
    ax = rows(ax, labels(drawn, keys, ax), title)
    for at, row in enumerate(drawn.to_dict("records")):
        value, shrunk, found = row["value"], row["shrunk"], row["different"] is True
        colour = PALETTE["failed" if found else "rendering"]
        low, high = (value if np.isnan(end) else end for end in (row["low"], row["high"]))
        ax.plot([low, high], [at, at], color=colour, lw=1.6, alpha=0.7)
        ax.plot([shrunk] * 2, [at - 0.28, at + 0.28], color=INK, lw=1.2)
        ax.plot([value], [at], "o", color=colour, ms=7, mew=1.6, mfc=colour if found else "none")
        beside(ax, f"{written(value)}  of {row['videos']:,}", max(high, shrunk), at)
    left_out = len(table) - len(drawn)
    few = f" · {count(left_out, 'group')} left out" if left_out else ""
    note(
        ax,
        "filled: different from the rest by more than chance · line: 95 % interval\n"
        f"upright mark: drawn to the figure of all as far as chance explains it{few}",
    )
    ax.set_xlabel(unit, color=INK)
    ax.margins(x=0.18)
    return ax
