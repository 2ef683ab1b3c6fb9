"""Why one period cost more than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics.schema.engines import known, like, open_frame
from hooked_analytics.schema.groups import group_keys, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hooked_analytics.schema.engines import FrameT, Opened

_COLUMNS = [
    "credits_before", "credits_after", "change", "volume", "mix", "rate", "unknown_before",
    "unknown_after",
]  # fmt: skip


_PERIODS = ("before", "after")
_SUMS = [f"{what}_{name}" for what in ("credits", "known", "unknown") for name in _PERIODS]


def credit_change(before: FrameT, after: FrameT, *, by: str | Sequence[str] = "type") -> FrameT:
    """
    Split the change between two periods into volume, mix and rate, exactly.

    *Volume*: more videos, made like before. *Mix*: a shift between the groups. *Rate*:
    dearer videos within a group. The shares and rates of *before* are the yardstick; taking
    those of *after* would move credits between the three parts.

    Parameters
    ----------
    before, after : DataFrame
        One row per video of each period; pandas, Polars, PyArrow, DuckDB, Dask or Spark. Need
        ``used_credits`` and the columns of *by*.
    by : str or list of str, default "type"
        One column or several; a missing key is a group of its own.

    Returns
    -------
    one row per group, the largest change first; the kind of frame that *before* is
        The keys, ``credits_before``, ``credits_after``, ``change``, ``volume``, ``mix``,
        ``rate`` [credits] with ``volume + mix + rate == change`` in every row and in the
        totals, and ``unknown_before``, ``unknown_after``: videos without a figure, which
        are in no other column. A group with such videos only has missing credits. A group
        that is new or has ended is mix alone, for there is no second rate. The three parts
        are missing throughout where one period has no video with a figure.

    Raises
    ------
    ValueError
        A needed column is not there.

    Notes
    -----
    With N videos, m a group's share of them and r its credits per video, 0 before and 1
    after: (N1 - N0) m0 r0, N1 (m1 - m0) r0 and N1 m1 (r1 - r0).

    Examples
    --------
    >>> before = pd.DataFrame({"type": ["class", "ugc"], "used_credits": [4.0, 2.0]})
    >>> after = pd.DataFrame({"type": ["class"] * 3 + ["ugc"], "used_credits": [5.0, 5, 5, 2]})
    >>> change = credit_change(before, after)
    >>> change[["type", "change", "volume", "mix", "rate"]].to_dict("records")
    [{'type': 'class', 'change': 11.0, 'volume': 4.0, 'mix': 4.0, 'rate': 3.0},
     {'type': 'ugc', 'change': 0.0, 'volume': 2.0, 'mix': -2.0, 'rate': 0.0}]
    """
    keys = group_keys(by)
    opened = [
        open_frame(each, ["used_credits"], keys, what="credit_change") for each in (before, after)
    ]
    sums = pd.concat(
        [_one_period(each, keys, name) for each, name in zip(opened, _PERIODS, strict=True)],
        ignore_index=True,
    ).fillna(dict.fromkeys(_SUMS, 0))
    table: pd.DataFrame = (
        grouped(sums, keys)
        .sum()
        .reset_index()
        .pipe(_split)
        .reindex(columns=[*keys, *_COLUMNS])
        .astype(dict.fromkeys(["unknown_before", "unknown_after"], "int64"))
        .sort_values("change", ascending=False, key=abs, kind="stable", ignore_index=True)
    )
    return like(table, before)


def _one_period(videos: Opened, keys: list[str], name: str) -> pd.DataFrame:
    """Plain columns to sum, zero in the other period."""
    rows = videos.rows.with_columns(credits=known("used_credits"))
    sums = videos.sums(rows, keys, ["credits"])
    return sums[keys].assign(
        **{
            f"credits_{name}": sums["credits"],
            f"known_{name}": sums["credits_known"],
            f"unknown_{name}": sums["videos"] - sums["credits_known"],
        }
    )


def _split(sums: pd.DataFrame) -> pd.DataFrame:
    n0, n1 = (sums[f"known_{name}"].astype("float64") for name in ("before", "after"))
    c0, c1 = (
        sums[f"credits_{name}"].mask(sums[f"known_{name}"].eq(0) & sums[f"unknown_{name}"].gt(0))
        for name in ("before", "after")
    )
    total0, total1 = (n.sum() if n.sum() else float("nan") for n in (n0, n1))
    rate0 = (c0 / n0.where(n0 > 0)).fillna(c1 / n1.where(n1 > 0))
    change = c1 - c0
    known = change.notna()
    return sums.assign(
        credits_before=c0,
        credits_after=c1,
        change=change,
        volume=((total1 - total0) * c0 / total0).where(known),
        mix=((n1 - total1 * n0 / total0) * rate0).where(known),
        rate=(c1 - n1 * rate0).where(known & pd.notna(total0 + total1)),
    )
