"""Rows of any engine brought into memory, where a function needs them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics.schema.engines import open_frame, small_frame
from hooked_analytics.schema.frames import RANKED_BY, usable_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import narwhals.stable.v2 as nw

MAX_ROWS = 5_000_000


def collected(
    videos: Any,
    columns: Sequence[str],
    keys: Sequence[str] = (),
    *,
    what: str,
    only: Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]] | None = None,
) -> pd.DataFrame:
    """
    Collect the columns needed, and the *keys* as they are, as pandas, each video once.

    *only* chooses rows on the engine, before they are counted and collected.
    """
    wanted = list(dict.fromkeys([*columns, *keys]))
    if not isinstance(videos, pd.DataFrame):
        import narwhals.stable.v2 as nw

        there = column_names(videos)
        ranked = [name for name in RANKED_BY if name in there and "video_id" in there]
        # all of them as columns, not as keys: their values are needed as they are
        rows = open_frame(videos, list(dict.fromkeys([*wanted, *ranked])), [], what=what).rows
        rows = rows if only is None else only(rows)
        count = int(small_frame(rows.select(n=nw.len()))["n"].iloc[0])
        if count > MAX_ROWS:
            raise ValueError(
                f"{what} takes at most {MAX_ROWS:,} rows into memory, and there are {count:,}; "
                "choose a period first"
            )
        videos = small_frame(rows)
    return usable_frame(videos, columns, what=what, keys=keys)[wanted].reset_index(drop=True)


def column_names(videos: Any) -> list[str]:
    """Names of the columns of a frame of any engine; none of what is no frame."""
    if isinstance(videos, pd.DataFrame):
        return [*videos.columns, *videos.index.names]
    import narwhals.stable.v2 as nw

    frame = nw.from_native(videos, pass_through=True)
    known = isinstance(frame, nw.DataFrame | nw.LazyFrame)
    return frame.lazy().collect_schema().names() if known else []
