"""
Any frame a user can make of a videos frame, brought back to the columns of the schema.

Frames get merged, cut, read back by `pandas.read_csv` or from a database, and repeat videos.
Every function of the package takes them through `usable_frame`.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from hooked_analytics.schema.columns import COLUMNS, require_columns
from hooked_analytics.schema.latest import RANKED_BY, are_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_KINDS = {column.name: column.kind for column in COLUMNS}
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_REMEDIES = {
    "time": "pass times, or text in ISO 8601 such as 2024-01-15T10:00:00Z",
    "number": "pass numbers",
    "integer": "pass whole numbers",
    "boolean": "pass True and False",
}


def usable_frame(
    videos: pd.DataFrame,
    needed: Sequence[str],
    *,
    what: str,
    keys: Sequence[str] = (),
    once: bool = True,
) -> pd.DataFrame:
    """
    Check a frame, give its columns the dtypes of the schema, and keep each video once.

    Parameters
    ----------
    videos : DataFrame
        Rows of videos; columns that are not in the schema stay as they are.
    needed : sequence of str
        Columns that must be there. Only these, and what tells the latest row, are converted.
    what : str
        Function that is called, for the message of an error.
    keys : sequence of str, optional
        Columns that must be there, too, and stay as they are.
    once : bool, default True
        Keep the latest row of each video. A warning says how many rows were left out, unless
        the frame is an archive's observations, where several rows a video are the rule.

    Raises
    ------
    ValueError
        A column is missing, stands twice, or holds what cannot be converted.

    Examples
    --------
    >>> text = pd.DataFrame({"created_at": ["2024-01-15T10:00:00"], "used_credits": ["5"]})
    >>> usable_frame(text, ["created_at", "used_credits"], what="credit_usage").dtypes.tolist()
    [datetime64[us, UTC], Float64Dtype()]
    """
    require_columns(videos.columns, [*needed, *(k for k in keys if k not in needed)], what=what)
    ranked = [name for name in RANKED_BY if name in videos.columns] if once else []
    wanted = dict.fromkeys([*needed, *ranked])
    twice = [name for name in [*wanted, *keys] if (videos.columns == name).sum() > 1]
    if twice:
        raise ValueError(f"{what}: the column {twice[0]!r} stands twice; keep one of them")
    changed = {
        name: column
        for name in wanted
        if name in _KINDS and (column := _converted(videos[name], what)) is not None
    }
    usable = videos.assign(**changed) if changed else videos
    return _once(usable, what) if once and "video_id" in wanted else usable


def _converted(column: pd.Series[Any], what: str) -> pd.Series[Any] | None:
    """Give the column in the dtype of the schema; None where it has that already."""
    kind = _KINDS[str(column.name)]
    try:
        found = _CONVERTERS[kind](column)
        return None if found is column else found
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        remedy = _REMEDIES.get(kind, "pass text")
        raise ValueError(
            f"{what}: the column {column.name!r} holds what is no {kind}; {remedy}"
        ) from None


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Times in UTC; those without a zone are taken as UTC."""
    if column.dtype == "datetime64[us, UTC]":
        return column
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        plain = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
        if pd.api.types.is_numeric_dtype(plain.dtype) and plain.notna().any():
            raise ValueError("a number is no time")
        column = pd.to_datetime(plain, utc=True, format="ISO8601")
    utc: pd.Series[Any] = column.dt.tz_convert("UTC").dt.as_unit("us")
    return utc


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    if str(column.dtype) in {"Float64", "float64", "Int64", "int64"}:
        return column
    plain = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    return pd.to_numeric(plain).astype("Float64")


def _integers(column: pd.Series[Any]) -> pd.Series[Any]:
    return column if str(column.dtype) == "Int64" else _numbers(column).astype("Int64")


def _booleans(column: pd.Series[Any]) -> pd.Series[Any]:
    if str(column.dtype) in {"boolean", "bool"}:
        return column
    found = column.astype("object").map(str, na_action="ignore").str.lower().map(_TRUTHS)
    if (found.isna() & column.notna()).any():
        raise ValueError("neither true nor false")
    return found.astype("boolean")


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.StringDtype):
        return column
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(pd.StringDtype("pyarrow"))


_CONVERTERS: dict[str, Callable[[pd.Series[Any]], pd.Series[Any]]] = {
    "time": _times,
    "number": _numbers,
    "integer": _integers,
    "boolean": _booleans,
    "text": _texts,
    "link": _texts,
}


def _once(videos: pd.DataFrame, what: str) -> pd.DataFrame:
    """Keep the latest row of each video, in the order of the frame."""
    ids = videos["video_id"]
    repeats = int(ids.duplicated().sum() - max(0, int(ids.isna().sum()) - 1))
    if not repeats:
        return videos
    kept = videos[are_latest(pa.table({n: _arrow(videos[n]) for n in RANKED_BY if n in videos}))]
    if "observed_at" not in videos.columns:
        own = [c for c in videos.columns if c not in _KINDS and not videos[c].isna().all()]
        differ = [
            str(name)
            for name in own
            if videos.groupby("video_id", sort=False)[name].nunique(dropna=False).gt(1).any()
        ]
        also = f"; the rows of one video differ in {', '.join(differ)}" if differ else ""
        warnings.warn(
            f"{what}: {repeats:,} of {len(videos):,} rows repeat a video; the latest row of each "
            f"counts{also}",
            stacklevel=_stacklevel(),
        )
    return kept


def _stacklevel() -> int:
    """Frames from the one that warns to the user's line: the first outside the package."""
    frame: FrameType | None = sys._getframe(1)
    level, package = 1, __name__.partition(".")[0] + "."
    while frame and str(frame.f_globals.get("__name__")).startswith(package):
        frame, level = frame.f_back, level + 1
    return level


def _arrow(column: pd.Series[Any]) -> pa.Array:
    return pa.array(column, from_pandas=True)
