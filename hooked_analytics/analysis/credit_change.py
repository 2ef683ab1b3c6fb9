"""Why one period cost more than another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics.analysis.collected import column_names
from hooked_analytics.analysis.survival import percentiles
from hooked_analytics.schema.checks import group_keys
from hooked_analytics.schema.engines import known, like, open_frame, small_frame
from hooked_analytics.schema.epoch import with_microseconds
from hooked_analytics.schema.frames import grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals.stable.v2 as nw
    from numpy.typing import NDArray

    from hooked_analytics.schema.engines import FrameT

    Floats = NDArray[np.float64]
    Parts = tuple[Floats, Floats, Floats]

RESAMPLES = 1000
_PERIODS = ("before", "after")
_PARTS = ("volume", "mix", "rate")
_COLUMNS = [
    "credits_before", "credits_after", "change", *_PARTS, "unknown_before", "unknown_after",
    "days_before", "days_after", *(f"{part}_{end}" for part in _PARTS for end in ("low", "high")),
]  # fmt: skip
_DAY = 24 * 3600 * 1_000_000  # [µs]
_SUMS = ["credits", "squares", "known", "unknown"]


def credit_change(before: FrameT, after: FrameT, *, by: str | Sequence[str] = "type") -> FrameT:
    """
    Split the change between two periods into volume, mix and rate, exactly.

    *Volume*: more videos, made like before. *Mix*: a shift between the groups. *Rate*: dearer
    videos within a group. The shares and rates of *before* are the yardstick.

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
        The keys, ``credits_before``, ``credits_after``, ``change``, ``volume``, ``mix``, ``rate``
        [credits] with ``volume + mix + rate == change`` in every row and in the totals;
        ``unknown_before``, ``unknown_after``: videos without a figure, which are in no other
        column; ``days_before``, ``days_after``: from the first to the last day (UTC) of each
        period, missing without ``created_at``; and the 95 % interval of each part, ``volume_low``
        and so on: one that holds 0 is within the usual variation. Credits of a group are missing
        where no figure is known, the parts throughout where a period has none.
        A group that is new or has ended is mix alone, for there is no second rate.

    Raises
    ------
    ValueError
        A needed column is not there.

    Notes
    -----
    With N videos, m a group's share of them and r its credits per video, 0 before and 1
    after: (N1 - N0) m0 r0, N1 (m1 - m0) r0 and N1 m1 (r1 - r0). The intervals are of resampled
    videos, a Poisson number of them in each group, with sums that have the normal law.

    Examples
    --------
    >>> before = pd.DataFrame({"type": ["class", "ugc"], "used_credits": [4.0, 2.0]})
    >>> after = pd.DataFrame({"type": ["class"] * 3 + ["ugc"], "used_credits": [5.0, 5, 5, 2]})
    >>> change = credit_change(before, after)
    >>> change[["type", "change", "volume", "mix", "rate"]].to_dict("records")
    [{'type': 'class', 'change': 11.0, 'volume': 4.0, 'mix': 4.0, 'rate': 3.0},
     {'type': 'ugc', 'change': 0.0, 'volume': 2.0, 'mix': -2.0, 'rate': 0.0}]
    """
    keys = group_keys(by, ["videos", "credits", "squares", *_COLUMNS])
    sums, days = _sums([before, after], keys)
    credits, parts, drawn = _split_and_resampled(sums)
    table: pd.DataFrame = (
        sums.assign(
            credits_before=credits[0],
            credits_after=credits[1],
            change=credits[1] - credits[0],
            **_with_ends(parts, drawn),
            **days,
        )
        .reindex(columns=[*keys, *_COLUMNS])
        .astype({f"unknown_{n}": "int64" for n in _PERIODS} | dict.fromkeys(days, "Int64"))
        .sort_values("change", ascending=False, key=abs, kind="stable", ignore_index=True)
    )
    return like(table, before)


def change_of_total(
    before: pd.DataFrame, after: pd.DataFrame, *, by: str | Sequence[str]
) -> pd.DataFrame:
    """Sum the parts over the groups, in one row with the intervals of the sums."""
    sums, _ = _sums([before, after], group_keys(by))
    _, parts, drawn = _split_and_resampled(sums)
    total, totals = (_summed(np.array(each))[..., None] for each in (parts, drawn))
    return pd.DataFrame(_with_ends(total, totals))


def _summed(parts: Floats) -> Floats:
    """Sum over the groups, the last axis, that have a figure; missing where none has one."""
    return np.where(np.isnan(parts).all(axis=-1), np.nan, np.nansum(parts, axis=-1))


def _sums(periods: list[Any], keys: list[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Sums of both periods per group, 0 where it is in one alone, and the days of each."""
    import narwhals.stable.v2 as nw

    tables, days = [], {}
    for frame, name in zip(periods, _PERIODS, strict=True):
        dated = ["created_at"] if "created_at" in column_names(frame) else []
        videos = open_frame(frame, ["used_credits", *dated], keys, what="credit_change")
        rows = videos.rows.with_columns(credits=known("used_credits"))
        rows = rows.with_columns(squares=nw.col("credits") * nw.col("credits"))
        sums = videos.sums(rows, keys, ["credits", "squares"]).assign(
            known=lambda each: each["credits_known"],
            unknown=lambda each: each["videos"] - each["credits_known"],
        )
        tables.append(sums[[*keys, *_SUMS]].rename(columns={n: f"{n}_{name}" for n in _SUMS}))
        days[f"days_{name}"] = _days(rows) if dated else pd.NA
    both = pd.concat(tables, ignore_index=True)
    filled = both.fillna({f"{n}_{name}": 0 for n in _SUMS for name in _PERIODS})
    return grouped(filled, keys).sum().reset_index(), days


def _days(rows: nw.LazyFrame[Any]) -> Any:
    """Days from the first video to the last."""
    import narwhals.stable.v2 as nw

    moments = with_microseconds(rows, _at="created_at").select(
        first=nw.col("_at").min(), last=nw.col("_at").max()
    )
    first, last = small_frame(moments)[["first", "last"]].iloc[0] // _DAY
    return last - first + 1


def _split_and_resampled(sums: pd.DataFrame) -> tuple[Floats, Parts, Parts]:
    """Credits of both periods, the parts of each group's change, and those of resamples."""
    credits, squares, known, unknown = (
        np.array([sums[f"{what}_{n}"].to_numpy(dtype=float) for n in _PERIODS]) for what in _SUMS
    )
    credits = np.where((known == 0) & (unknown > 0), np.nan, credits)
    draw = np.random.default_rng(0)
    some = np.where(known > 0, known, np.nan)
    mean = credits / some
    variance = np.maximum(squares / some - mean**2, 0.0)
    number = draw.poisson(known, (RESAMPLES, *known.shape)).astype(float)
    noise = draw.standard_normal(number.shape)
    drawn = number * np.nan_to_num(mean) + noise * np.sqrt(number * np.nan_to_num(variance))
    drawn = np.where(np.isnan(credits), np.nan, drawn)
    resampled = _split(number[:, 0], number[:, 1], drawn[:, 0], drawn[:, 1])
    return credits, _split(*known, *credits), resampled


def _with_ends(parts: Any, drawn: Any) -> dict[str, Floats]:
    """Columns of each part and its interval."""
    columns = dict(zip(_PARTS, parts, strict=True))
    for name, each in zip(_PARTS, drawn, strict=True):
        columns[f"{name}_low"], columns[f"{name}_high"] = percentiles(each)
    return columns


def _split(n0: Floats, n1: Floats, c0: Floats, c1: Floats) -> Parts:
    """Give volume, mix and rate; groups along the last axis."""
    total0, total1 = (
        np.where((total := n.sum(axis=-1, keepdims=True)) > 0, total, np.nan) for n in (n0, n1)
    )
    rate0, rate1 = (c / np.where(n > 0, n, np.nan) for n, c in ((n0, c0), (n1, c1)))
    yardstick = np.where(np.isnan(rate0), rate1, rate0)
    # a group of which one draw has no video in either period has no change
    yardstick = np.where((n0 == 0) & (n1 == 0), 0.0, yardstick)
    given = np.where(np.isnan(c0 + c1), np.nan, 1.0)
    return (
        given * (total1 - total0) * c0 / total0,
        given * (n1 - total1 * n0 / total0) * yardstick,
        given * (c1 - n1 * yardstick) * (total0 + total1) / (total0 + total1),
    )
