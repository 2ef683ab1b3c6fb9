"""Thumbnails in a grid: which videos these are, how long, and what they cost."""

from __future__ import annotations

import math
import os
import unicodedata
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hooked_analytics.plots.canvas import INK, LABEL_POINTS, PALETTE, canvas, clock, note, nothing
from hooked_analytics.videos import require_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

# as files begin and as Pillow calls them; no other reader meets a file from outside
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
MOST_PICTURES = 60
_MOST_PIXELS = 40_000_000
_PICTURE_PIXELS = 320
_COLUMNS = 6
_SMALLEST_POINTS = 4.0
_TITLE = "Contact sheet"
# Of a cell: the picture is a square of 1 by 1, the words stand below it.
_CELL_WIDTH, _CELL_HEIGHT = 1.12, 1.42
_CELL_INCHES = 1.75
_WORDS = ("video_id", "name", "duration_seconds", "used_credits")


class _Cell(NamedTuple):
    path: Path
    name: str
    about: str


def plot_contact_sheet(
    thumbnails: str | os.PathLike[str] | pd.DataFrame,
    *,
    videos: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw thumbnails in a grid, with name, length and credits under each.

    Parameters
    ----------
    thumbnails : the folder that ``download_videos(..., what="thumbnail")`` filled, or its result
        Of a folder every PNG, JPEG, GIF and WebP is drawn, by name; of a frame the column
        ``path``, in its order.
    videos : where names, lengths and credits come from, by ``video_id``
        When missing, a frame's own columns; without any, the ids stand for the names.
    ax : where to draw; a new figure when missing

    Returns
    -------
    the Axes, at most 60 pictures; the note under the title counts what is left out

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from hooked_analytics import Sandbox, download_videos, fetch_videos
    >>> with tempfile.TemporaryDirectory() as folder, Sandbox(videos=1) as sandbox:
    ...     with sandbox.client() as client:
    ...         videos = fetch_videos(["vid_abc123"], client=client)
    ...         _ = download_videos(videos, folder, client=client, what="thumbnail")
    ...     ax = plot_contact_sheet(folder, videos=videos, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts if "min" in text.get_text()]
    ['5:00 min · 5 credits']
    """
    listed = _listed(thumbnails)
    cells = [_cell(row) for row in _with_words(listed, videos)]
    shown = cells[:MOST_PICTURES]
    ax, sheet = _sheet(ax, len(shown))
    broken = sum(not _draw(ax, cell, sheet, n) for n, cell in enumerate(shown))
    if not shown:
        nothing(ax)
    missing = len(thumbnails) - len(cells) if isinstance(thumbnails, pd.DataFrame) else 0
    parts = [f"{len(shown):,} of {len(cells):,}" if len(cells) > len(shown) else f"{len(shown):,}"]
    parts += [f"{broken:,} cannot be shown"] * bool(broken)
    parts += [f"{missing:,} without a picture"] * bool(missing)
    note(ax, f"pictures: {' · '.join(parts)}")
    return ax


def _listed(thumbnails: str | os.PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    if isinstance(thumbnails, pd.DataFrame):
        require_columns(thumbnails, ["video_id", "path"], what="plot_contact_sheet")
        return thumbnails[thumbnails["path"].notna()]
    folder = Path(thumbnails)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of thumbnails")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return pd.DataFrame(
        {
            "video_id": pd.array([path.stem for path in paths], "string"),
            "path": pd.array([str(path) for path in paths], "string"),
        }
    )


def _with_words(listed: pd.DataFrame, videos: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """Put what is known of each video beside its picture; missing is None."""
    source = listed if videos is None else videos
    words = source[[column for column in _WORDS if column in source]]
    known = {row["video_id"]: row for row in words.to_dict("records") if "video_id" in row}
    for video_id, path in listed[["video_id", "path"]].itertuples(index=False):
        row = known.get(video_id, {})
        present = {str(key): value for key, value in row.items() if not pd.isna(value)}
        yield {"video_id": video_id, **present, "path": path}


def _cell(row: dict[str, Any]) -> _Cell:
    words = []
    if "duration_seconds" in row:
        words.append(f"{clock(row['duration_seconds'])} min")
    if "used_credits" in row:
        count = row["used_credits"]
        words.append(f"{count:,.6g} {'credit' if count == 1 else 'credits'}")
    return _Cell(Path(row["path"]), str(row.get("name", row["video_id"])), " · ".join(words))


def _line(text: object, most: int) -> str:
    """Text as one line that fits, without control and direction characters."""
    plain = "".join(c for c in str(text) if unicodedata.category(c)[0] != "C").strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


class _Sheet(NamedTuple):
    """The grid: how many columns, how large the letters, how many fit under a picture."""

    columns: int
    points: float
    letters: int


def _sheet(ax: Axes | None, pictures: int) -> tuple[Axes, _Sheet]:
    """Clean axes in units of a picture's side, and the grid that suits them."""
    if ax is None:
        columns = min(_COLUMNS, max(pictures, 2))
        rows = max(1, math.ceil(pictures / columns))
        ax = canvas(None, _TITLE, height=0.9 + rows * _CELL_HEIGHT * _CELL_INCHES)
        figure: Any = ax.figure
        figure.set_size_inches(columns * _CELL_WIDTH * _CELL_INCHES, figure.get_figheight())
        inches = _CELL_INCHES
    else:
        ax = canvas(ax, _TITLE)
        size = ax.get_window_extent()
        width, height = size.width / ax.figure.dpi, size.height / ax.figure.dpi
        columns, inches = _best_columns(max(pictures, 1), width, height)
        rows = max(1, math.ceil(pictures / columns))
    ax.set_xlim(0, columns * _CELL_WIDTH)
    ax.set_ylim(rows * _CELL_HEIGHT, 0)
    ax.set_aspect("equal", anchor="NW")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    # a line takes 0.14 of a picture's side, a letter two thirds of its height
    points = max(_SMALLEST_POINTS, min(LABEL_POINTS, 0.1 * inches * 72))
    return ax, _Sheet(columns, points, max(4, int(_CELL_WIDTH * inches * 72 / (0.66 * points))))


def _best_columns(pictures: int, width: float, height: float) -> tuple[int, float]:
    """How many columns make the pictures largest in so many inches, and how large that is."""
    sizes = {
        columns: min(
            width / (columns * _CELL_WIDTH),
            height / (math.ceil(pictures / columns) * _CELL_HEIGHT),
        )
        for columns in range(1, pictures + 1)
    }
    best = max(sizes, key=lambda columns: sizes[columns])
    return best, sizes[best]


def _draw(ax: Axes, cell: _Cell, sheet: _Sheet, number: int) -> bool:
    """Draw one picture and its words; False when the file is no picture that can be shown."""
    row, column = divmod(number, sheet.columns)
    left, top = column * _CELL_WIDTH, row * _CELL_HEIGHT
    pixels = _pixels(cell.path)
    if pixels is None:
        _place_holder(ax, left, top, sheet.points)
    else:
        height, width = pixels.shape[:2]
        scale = 1 / max(height, width)
        x, y = left + (1 - width * scale) / 2, top + (1 - height * scale)
        ax.imshow(
            pixels,
            extent=(x, x + width * scale, y + height * scale, y),
            aspect="equal",
            interpolation="antialiased",
            zorder=2,
        )
    for line, (text, weight, size) in enumerate(
        (
            (_line(cell.name, sheet.letters), "bold", sheet.points),
            (cell.about, "normal", sheet.points - 0.5),
        )
    ):
        ax.text(
            left + 0.5,
            top + 1.05 + 0.14 * line,
            text,
            ha="center",
            va="top",
            color=INK,
            fontsize=size,
            fontweight=weight,
            parse_math=False,
        )
    return pixels is not None


def _place_holder(ax: Axes, left: float, top: float, points: float) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle(
            (left + 0.22, top), 0.56, 1, fill=False, edgecolor=PALETTE["unknown"], linestyle=":"
        )
    )
    ax.text(left + 0.5, top + 0.5, "no picture", color=INK, ha="center", fontsize=points)


def _pixels(path: Path) -> Any:
    """Read a small version of a picture; None when it is none, or too large to be one."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    return None
                picture.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
                return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError):
        return None
