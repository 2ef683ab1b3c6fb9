"""
Safe, atomic files, and reading them back.

`FORMATS` is the list of formats. ``tables`` and ``sanitize`` hold what all of them share
(types; links, formulas, times), each ``*_format`` is one.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics.schema import frame_from_arrow
from hooked_analytics.storage import csv_format, jsonl_format, parquet_format, xlsx_format
from hooked_analytics.storage.sanitize import scrub, without_secrets
from hooked_analytics.storage.tables import ours_first, table_from_videos

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import pandas as pd

__all__ = ["FORMATS", "Format", "export_videos", "format_of", "read_videos"]

_BATCH_ROWS = 65_536


class Format(NamedTuple):
    """One format of a file: how it is written and read, and what else it is good for."""

    suffix: str
    write: Callable[..., None]
    read: Callable[[Path], pa.Table] | None  # None: for people, it cannot be read back
    holds_ids: bool  # may be handed to a command that takes a file of ids
    about: str


# the one list of formats; export, command line, help and tests come from it
FORMATS = {
    each.suffix: each
    for each in (
        Format(".parquet", parquet_format.write, parquet_format.read, True, "exact and small"),
        Format(".csv", csv_format.write, csv_format.read, True, "for any program"),
        Format(".xlsx", xlsx_format.write, None, False, "for people; cannot be read back"),
        Format(".jsonl", jsonl_format.write, jsonl_format.read, True, "one JSON object a row"),
    )
}


def export_videos(
    videos: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    include_urls: bool = False,
    formula_safe: bool = True,
) -> Path:
    """
    Write a videos frame to a file, whole or not at all.

    The suffix says the format: ``.parquet`` (exact and small, the one to keep), ``.csv``,
    ``.jsonl`` (one JSON object a row), ``.xlsx`` (for people; cannot be read back). An older
    file of that name stays as it was until the new one is complete.

    Parameters
    ----------
    videos : DataFrame
        One row per video. Needs every column of a videos frame. Other columns follow after them;
        the index is left out.
    path : str or Path
        File to write. Its folder is made if absent.
    include_urls : bool, default False
        Write links with their signatures. Whoever has such a file can download the videos for up to
        24 h, so a warning says so. By default links lose query, fragment and user, and so do signed
        links inside any other text.
    formula_safe : bool, default True
        Put ``'`` before text that a spreadsheet would run as a formula. In CSV and XLSX only.
        `read_videos` takes it off again; numbers are never touched.

    Returns
    -------
    the path that was written
        Missing is null in Parquet and JSON lines, and an empty cell in CSV and XLSX. Times
        are UTC. XLSX drops control characters and what is past 32,767 characters in a cell.

    Raises
    ------
    ValueError
        For an unknown suffix, a missing or doubled column, values that no file can hold, or
        more rows than a sheet of Excel has.
    OSError
        The disk is full or the folder cannot be written; an old file is as it was.

    See Also
    --------
    read_videos : The way back.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics.schema import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_abc123", "name": "=1+1", "usedCredits": 5}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_videos(videos, f"{folder}/videos.csv")
    ...     back = read_videos(path)
    >>> back[["video_id", "name", "used_credits"]].to_dict("records")
    [{'video_id': 'vid_abc123', 'name': '=1+1', 'used_credits': 5.0}]
    """
    target = Path(path)
    write = format_of(target).write
    if write is xlsx_format.write:
        xlsx_format.require_fits(len(videos))
    table = table_from_videos(videos)
    if include_urls:
        warnings.warn(
            f"{target} will hold signed links: whoever has it can download the videos for up "
            "to 24 h",
            stacklevel=2,
        )
    batches = iter(table.to_batches(max_chunksize=_BATCH_ROWS))
    with atomic_write(target) as beside:
        write(
            beside,
            table.schema,
            batches if include_urls else map(without_secrets, batches),
            formula_safe=formula_safe,
        )
    return target


def read_videos(path: str | os.PathLike[str]) -> pd.DataFrame:
    """
    Read a videos frame from Parquet, CSV or JSON lines.

    A CSV written by ``videos.to_csv(path, index=False)`` can be read too. There a text that
    starts with ``'`` and goes on like a formula loses that ``'``.

    Parameters
    ----------
    path : str or Path
        File of `export_videos`, ``.parquet``, ``.csv`` or ``.jsonl``.

    Returns
    -------
    a videos frame, same columns and dtypes whichever the format
        Other columns follow in the types Arrow finds; in CSV, what only looks like a number
        (``007``, ``1e5``) stays text. Missing is missing.

    Raises
    ------
    ValueError
        The file is broken, cut short or not a videos frame; says which file, and why.
    OSError
        There is no such file, or it must not be read.

    See Also
    --------
    export_videos : Writes such files.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics.schema import videos_from_records
    >>> videos = videos_from_records([{"id": "vid_abc123", "durationInFrames": 7500}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_videos(export_videos(videos, f"{folder}/videos.parquet"))
    >>> back["duration_frames"].tolist(), back.equals(videos)
    ([7500], True)
    """
    source = Path(path)
    read = format_of(source).read
    source.stat()
    if read is None:
        raise _unreadable(source, ValueError("it is for people; export to .parquet or .csv"))
    try:
        return frame_from_arrow(ours_first(read(source)))
    except OSError as cause:
        if cause.errno is not None:
            raise
        # Arrow raises it, without a number, for damaged contents.
        raise _unreadable(source, cause) from cause
    except (ValueError, pa.ArrowException) as cause:
        raise _unreadable(source, cause) from cause


def format_of(path: Path) -> Format:
    """Look up the format of a file by its suffix; a ValueError lists the suffixes there are."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(
            f"{path} must end in one of {', '.join(FORMATS)}: the suffix says the format"
        ) from None


def _unreadable(source: Path, cause: Exception) -> ValueError:
    # Arrow quotes the row it stopped at, and a row may hold a signed link.
    found = scrub(str(cause)[:2000]).strip().splitlines() or [type(cause).__name__]
    return ValueError(f"{source} cannot be read as videos: {found[0][:1000]}")
