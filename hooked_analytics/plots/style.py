"""What all pictures share: one palette, axes without clutter, and text that stays text."""

from __future__ import annotations

from statistics import fmean
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from hooked_analytics._internal.formatting import MINUS
from hooked_analytics._internal.safe_text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

# One palette, by meaning; the first five are 12 or more (CIEDE2000) apart in three deficiencies.
PALETTE = {
    "completed": "#0b8f7a",
    "rendering": "#2366db",
    "failed": "#c8500a",
    "unknown": "#7d8797",
    "fourth": "#aa88dd",
    "fifth": "#cc9a00",
    "sixth": "#5b6b7f",
}
# The same colours for groups, which have no meaning of their own, the most distinct first.
SERIES = tuple(PALETTE[name] for name in ("completed", "rendering", "fourth", "failed", "fifth"))
# Greys that read on a light and on a dark ground, for pictures are transparent: a contrast of 4.5
# on white and of 4.1 on #111. No colour of the palette has both, so text is never in one.
INK = "#6f7682"
RULE = "#8a93a033"
MAX_LABEL, _FIGURE_INCHES = 28, 8.0
LABEL_POINTS, _POINTS_A_CHARACTER = 9.0, 5.2
_MIN_DAYS = 8  # of an axis of dates: the bar of one day is no wall, and no hour is marked
# Axes take up this share of their cell until a layout engine gives them all but head and foot.
_SHARE_WITHOUT_LAYOUT, _HEAD_AND_FOOT_POINTS = 0.77, 90.0
_TICK_SECONDS = (
    1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600,
    43_200, 86_400,
)  # fmt: skip


def canvas(
    ax: Axes | None, title: str, *, height: float = 4.0, grid: Literal["x", "y"] = "x"
) -> Axes:
    """Give clean axes with a title and room for a note; a new figure [inches] when missing."""
    ax = ax if ax is not None else _new_axes(height)
    _title(ax, title)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(RULE)
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, length=0)
    ax.grid(axis=grid, color=RULE)
    ax.set_axisbelow(True)
    return ax


def rows(ax: Axes | None, labels: list[str], title: str) -> Axes:
    """Axes with one labelled row per group, or a sentence where there is nothing to draw."""
    ax = canvas(ax, title, height=1.6 + 0.38 * max(len(labels), 3))
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    if not labels:
        nothing(ax)
    return ax


def nothing(ax: Axes) -> None:
    """Say that there is nothing to draw, on an empty ground."""
    ax.xaxis.set_visible(False)
    ax.yaxis.set_visible(False)
    ax.text(0.5, 0.5, "nothing to draw yet", transform=ax.transAxes, color=INK, ha="center")


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """
    Move labels apart until none overlaps, each as near to its place as the others let it.

    >>> apart([10.0, 50.0, 51.0], 10), apart([5.0, 5.0, 5.0], 2)
    ([10.0, 45.5, 55.5], [3.0, 5.0, 7.0])
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[list[float]] = []  # wanted bottoms of labels that touch
    for step, n in enumerate(order):
        blocks.append([heights[n] - gap * step])
        while len(blocks) > 1 and fmean(blocks[-2]) >= fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    placed = [fmean(block) for block in blocks for _ in block]
    moved = np.empty(len(order))
    moved[order] = placed + gap * np.arange(len(order))
    return [float(height) for height in moved]


def line_height(ax: Axes) -> float:
    """Height of a line of small text as a share of the axes, room for head and foot taken off."""
    figure: Any = ax.figure
    height: float = ax.bbox.height * 72 / figure.dpi
    if figure.get_layout_engine() is not None:
        height = height / _SHARE_WITHOUT_LAYOUT - _HEAD_AND_FOOT_POINTS
    return 1.35 * LABEL_POINTS / max(height, 60.0)


def legend(ax: Axes, names: list[str], colours: Sequence[str]) -> None:
    """Names right of the bars, in the order and the colours of the stack."""
    options: dict[str, Any] = {
        "xycoords": "axes fraction", "va": "center", "fontsize": LABEL_POINTS,
        "annotation_clip": False, "parse_math": False, "textcoords": "offset points",
    }  # fmt: skip
    for n, (name, colour) in enumerate(zip(names, colours, strict=False)):
        at = (1.02, 0.97 - line_height(ax) * (len(names) - 1 - n))
        ax.annotate("■", at, (0, 0), color=colour, **options)
        ax.annotate(name, at, (11, 0), color=INK, **options)


def _new_axes(height: float) -> Axes:
    try:
        from matplotlib import pyplot as plt
    except ImportError as missing:
        raise ImportError(
            'pictures need matplotlib: pip install "hooked-analytics[plot]"'
        ) from missing
    figure, ax = plt.subplots(figsize=(_FIGURE_INCHES, height), layout="constrained")
    # Not made transparent: Jupyter lays a white ground under a figure whose colour is.
    figure.patch.set_visible(False)
    return ax


def time_axis(ax: Axes, until: float, *, max_ticks: int = 6) -> None:
    """Mark a few times [s] from 0 on along x, all in one unit."""
    step = next((each for each in _TICK_SECONDS if until / each <= max_ticks), until / max_ticks)
    size, unit = (1, "s") if until < 120 else (60, "min") if until < 7200 else (3600, "h")
    ax.set_xticks(np.arange(0, until + 1e-9, step))
    ax.xaxis.set_major_formatter(lambda at, _: f"{at / size:.3g} {unit}" if at else "0")
    ax.set_xlim(0, until)


def credit_axis(axis: Any) -> None:
    """Mark credits in full, millions as such: matplotlib would write 1e6 beside the axis."""

    def written(at: float, _place: object) -> str:
        figure = f"{at / 1e6:,.10g}M" if abs(at) >= 1e6 else f"{at:,.10g}"
        return figure.replace("-", MINUS)

    axis.set_major_formatter(written)


def with_headroom(ax: Axes) -> None:
    """Hold 0, and leave a line above everything drawn, where the mark is written."""
    ax.set_ylabel("credits", color=INK)
    credit_axis(ax.yaxis)
    low = min(0.0, 1.05 * float(np.nan_to_num(ax.dataLim.y0, posinf=0.0)))  # of refunds
    high = 1.12 * ax.get_ylim()[1] if ax.dataLim.y1 > 0 else float(low == 0)
    ax.set_ylim(low, high)


def share_axis(ax: Axes, *, of: float = 1.0) -> None:
    """Mark the quarters of *of* along y, in per cent."""
    quarters = (0.0, 0.25, 0.5, 0.75, 1.0)
    ax.set_yticks([of * each for each in quarters], [f"{each:.0%}" for each in quarters])


def date_axis(ax: Axes) -> None:
    """Mark a few dates along x, each as short as it can be."""
    from matplotlib import dates

    mdates: Any = dates  # it has no types
    low, high = ax.get_xlim()
    if (more := (_MIN_DAYS - (high - low)) / 2) > 0:
        ax.set_xlim(low - more, high + more)
    locator = mdates.AutoDateLocator(minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))


def beside(ax: Axes, text: str, x: float, y: float) -> None:
    """Write *text* right of a point."""
    ax.annotate(text, (x, y), (9, 0), textcoords="offset points", va="center", color=INK,
                fontsize=LABEL_POINTS)  # fmt: skip


def note(ax: Axes, text: str) -> None:
    """Write a few lines under the title, wrapped so that they stay beside no other axes."""
    lines = [part for line in text.splitlines() for part in wrap(line, _characters(ax))]
    _title(ax, ax.get_title(loc="left"), lines=len(lines))
    # the title holds the room above; the width must not push the axes together
    ax.annotate("\n".join(lines), (0, 1), (0, 2), xycoords="axes fraction", va="bottom", color=INK,
                textcoords="offset points", fontsize=LABEL_POINTS, linespacing=1.4,
                in_layout=False)  # fmt: skip


def _title(ax: Axes, title: str, *, lines: int = 2) -> None:
    ax.set_title(title, loc="left", pad=8 + 13 * lines, fontweight="bold", color=INK)


def _cell_inches(ax: Axes | None) -> float:
    """Width of the cell of a grid that the axes are in; of new axes when missing."""
    if ax is None:
        return _FIGURE_INCHES
    spec, figure = ax.get_subplotspec(), cast("Any", ax.figure)
    part = len(spec.colspan) / spec.get_gridspec().ncols if spec else ax.get_position().width
    return float(part * figure.get_figwidth())


def _characters(ax: Axes) -> int:
    """How many of small text fit above the axes, right of the labels of the rows of a column."""
    cell = _cell_inches(ax) * 72 / _POINTS_A_CHARACTER
    spec = ax.get_subplotspec()
    labelled = max((len(label.get_text()) for label in ax.get_yticklabels()), default=0)
    aligned = MAX_LABEL if spec and spec.get_gridspec().nrows > 1 else 0
    return max(int(cell) - max(labelled, aligned) - 4, 24)


def labels(table: pd.DataFrame, keys: list[str], ax: Axes | None = None) -> list[str]:
    """Write the keys of each row as one line, shorter in a narrow cell of a grid."""
    spec = ax.get_subplotspec() if ax is not None else None
    narrow = ax is not None and spec is not None and spec.get_gridspec().ncols > 1
    longest = int(np.clip(6.4 * _cell_inches(ax) - 12, 9, MAX_LABEL)) if narrow else MAX_LABEL
    parts = table[keys].astype("string").fillna("(unknown)")
    return [
        " · ".join(shortened(each, longest) for each in row)
        for row in parts.itertuples(index=False)
    ]


def shortened(text: str, longest: int = MAX_LABEL) -> str:
    """
    Write one line, cut in the middle: names of a series differ at their ends.

    >>> shortened("Autumn campaign, portrait, take 17")
    'Autumn campaig…rait, take 17'
    """
    line = one_line(text, 10_000) or "(blank)"
    end = (longest - 1) // 2
    return line if len(line) <= longest else f"{line[: longest - 1 - end]}…{line[-end:]}"
