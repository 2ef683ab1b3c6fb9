"""
Any pandas frame a user can make of a videos frame, brought back to the schema, a video once.

Which row of a video counts: one that went well before a failed fetch, one that shows the end
before one that does not, and of those the last. So a failed fetch never hides what was known, and
a late response never takes an end back. `are_latest` marks it in memory, `epoch.latest_rows` on
an engine.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hooked_analytics.schema.columns import (
    COLUMNS,
    FINAL_STATUSES,
    empty_videos,
    require_columns,
    require_pandas,
    without_named_index,
)
from hooked_analytics.schema.values import NULL_WORDS, UNSEEN, parse_status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from numpy.typing import NDArray

# The first that is known counts; an archive's observations have the first, a videos frame not.
MOMENTS = ("observed_at", "fetched_at", "updated_at")
RANKED_BY = ("video_id", "status", "fetch_error", *MOMENTS)
NO_ID = "have no video_id"  # of the warning

_KINDS = {column.name: column.kind for column in COLUMNS} | {"observed_at": "time"}
_MAX_NUMBER = 1e9
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_MIN_TIME, _MAX_TIME = pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")
_REMEDIES = {
    "time": "pass times from 1900 to 2200, or text in ISO 8601 such as 2024-01-15T10:00:00Z",
    "number": "pass numbers up to 1e9, with a point before their decimals",
    "integer": "pass whole numbers",
    "boolean": "pass True and False",
}


def grouped(table: pd.DataFrame, keys: list[str]) -> Any:
    """Group by *keys*, keeping rows whose key is missing and only the groups that occur."""
    return table.groupby(keys, dropna=False, observed=True, sort=True)


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

    Only *needed* columns, and what tells the latest row, are converted; *keys* stay as they are.
    With *once* a warning says how many rows were left out, unless they are observations.

    >>> text = pd.DataFrame({"created_at": ["2024-01-15T10:00:00"], "used_credits": ["5"]})
    >>> usable_frame(text, ["created_at", "used_credits"], what="credit_usage").dtypes.tolist()
    [datetime64[us, UTC], Float64Dtype()]
    """
    require_pandas(videos, what=what)
    videos = without_named_index(videos, {*_KINDS, *needed, *keys})
    require_columns(videos.columns, [*needed, *(k for k in keys if k not in needed)], what=what)
    ranked = [name for name in RANKED_BY if name in videos.columns] if once else []
    wanted = dict.fromkeys([*needed, *ranked])
    twice = [name for name in [*wanted, *keys] if (videos.columns == name).sum() > 1]
    if twice:
        raise ValueError(f"{what}: the column {twice[0]!r} stands twice; keep one of them")
    for key in keys:
        if videos[key].dtype == "object" and not videos[key].map(pd.api.types.is_scalar).all():
            raise ValueError(f"{what}: the column {key!r} holds lists or the like; by takes texts")
    columns = {name: videos[name] for name in wanted if name in _KINDS}
    changed = {
        name: found
        for name, column in columns.items()
        if (found := _converted(column, what)) is not column
    }
    usable = videos.assign(**changed) if changed else videos
    return _once(usable, what) if once and "video_id" in wanted else usable


def _converted(column: pd.Series[Any], what: str) -> pd.Series[Any]:
    """Give the column in the dtype of the schema."""
    name = str(column.name)
    kind = _KINDS[name]
    convert = _CONVERTERS.get(name) or _CONVERTERS[kind]
    dtype = _dtypes().get(name, "datetime64[us, UTC]")
    if column.dtype != dtype and column.isna().all():
        return pd.Series(None, column.index, dtype, name=name)
    try:
        return convert(column)
    except _REFUSED:
        row = _first_refused(column, convert)
        remedy = _REMEDIES.get(kind, "pass text")
        raise ValueError(
            f"{what}: the column {column.name!r} holds in row {row!r} what is no {kind}; {remedy}"
        ) from None


@cache
def _dtypes() -> pd.Series[Any]:
    """Give the dtypes of the schema; they are pandas' own, and known once it has been asked."""
    return empty_videos().dtypes


_REFUSED = (ValueError, TypeError, OverflowError, pa.ArrowException)


def _first_refused(column: pd.Series[Any], convert: Callable[[Any], Any]) -> object:
    """Index of the first value that is refused, by halving."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(column.iloc[low:middle])
            low = middle
        except _REFUSED:
            high = middle
    return column.index[low]


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Times in UTC; those without a zone are taken as UTC."""
    if column.dtype != "datetime64[us, UTC]":
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            if pd.api.types.is_numeric_dtype(column.dtype):
                raise ValueError("a number is no time")
            if not pd.api.types.is_datetime64_dtype(column.dtype):
                column = column.astype("object").map(_time, na_action="ignore")
            column = pd.to_datetime(column, utc=True, format="ISO8601")
        column = column.dt.tz_convert("UTC").dt.as_unit("us")
    if column.min() < _MIN_TIME or column.max() > _MAX_TIME:
        raise ValueError("no time of a video")
    return column


def _time(value: object) -> object:
    """Give text as pandas reads it, for which "now" would be the present."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in {"now", "today"}:
        raise ValueError("no time of a video")
    return value.replace(",", ".")


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Finite numbers, none beyond what a video can have; truth values are none."""
    if str(column.dtype) not in {"Float64", "float64", "Int64", "int64"}:
        if column.astype("object").map(lambda value: isinstance(value, bool | np.bool_)).any():
            raise ValueError("a truth value is no number")
        column = _from_objects(column).astype("Float64")
    if (column.abs() > _MAX_NUMBER).any():
        raise ValueError("no number of a video")
    return column


def _integers(column: pd.Series[Any]) -> pd.Series[Any]:
    if str(column.dtype) == "Int64":
        return column
    return _from_objects(column).astype("Int64")


def _from_objects(column: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_numeric(column.astype("object").where(column.notna(), None))


def _booleans(column: pd.Series[Any]) -> pd.Series[Any]:
    if str(column.dtype) in {"boolean", "bool"}:
        return column
    found = column.astype("object").map(str, na_action="ignore").str.lower().map(_TRUTHS)
    if (found.isna() & column.notna()).any():
        raise ValueError("neither true nor false")
    return found.astype("boolean")


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    if not isinstance(column.dtype, pd.StringDtype):
        if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
            column = column.astype("Int64")
        column = column.astype(pd.StringDtype("pyarrow"))
    blank = column.eq("")
    return column.mask(blank.fillna(False).astype(bool)) if blank.any() else column


def _ids(column: pd.Series[Any]) -> pd.Series[Any]:
    """Ids as `clean_id` has them: what is not seen makes two of one video."""
    texts = _texts(column)
    is_plain = pc.all(pc.string_is_ascii(pa.array(texts, from_pandas=True))).as_py()
    stripped = (texts if is_plain else texts.str.replace(UNSEEN, "", regex=True)).str.strip()
    return texts if stripped.equals(texts) else _texts(stripped)


def _errors(column: pd.Series[Any]) -> pd.Series[Any]:
    """Kinds of errors; a word for missing is none."""
    texts = _texts(column)
    missing = texts.isin(NULL_WORDS)
    return texts.mask(missing) if missing.any() else texts


def _statuses(column: pd.Series[Any]) -> pd.Series[Any]:
    """Known spellings as the three known words."""
    texts = _texts(column)
    words = {text: parse_status(text) for text in texts.dropna().unique()}
    if all(text == word for text, word in words.items()):
        return texts
    return texts.map(words).astype(texts.dtype)


_CONVERTERS: dict[str, Callable[[pd.Series[Any]], pd.Series[Any]]] = {
    "time": _times,
    "number": _numbers,
    "integer": _integers,
    "boolean": _booleans,
    "text": _texts,
    "video_id": _ids,
    "fetch_error": _errors,
    "link": _texts,
    "status": _statuses,
}


def _once(videos: pd.DataFrame, what: str) -> pd.DataFrame:
    """Keep the latest row of each video, in the order of the frame."""
    ids = videos["video_id"]
    without = int(ids.isna().sum())
    repeats = int(ids.duplicated().sum()) - max(0, without - 1)
    if "observed_at" not in videos.columns:
        also = _said_of_own(videos) if repeats else ""
        warn_of_rows(what, len(videos), repeats, without, also)
    if not repeats:
        return videos
    ranked = {n: pa.array(videos[n], from_pandas=True) for n in RANKED_BY if n in videos}
    return videos[are_latest(pa.table(ranked))]


def _said_of_own(videos: pd.DataFrame) -> str:
    """Name the caller's own columns in which the rows of one video differ."""
    ids = videos["video_id"].array
    own = [c for c in videos.columns.drop_duplicates(keep=False) if c not in _KINDS]
    differ = [
        str(name)
        for name in own
        if not videos[name].isna().all()
        and videos[name].astype(str).groupby(ids).nunique(dropna=False).gt(1).any()
    ]
    return f"; the rows of one video differ in {', '.join(differ)}" if differ else ""


def warn_of_rows(what: str, rows: int, repeats: int, without: int, also: str = "") -> None:
    """Say at the user's line that a frame repeats videos, or has rows without an id."""
    if repeats:
        said = f"{what}: {repeats:,} of {rows:,} rows repeat a video; the latest row of each counts"
        warnings.warn(said + also, stacklevel=_stacklevel())
    if without:
        # not with *what*: from all functions that a picture calls the same text is shown once
        said = f"{without:,} of {rows:,} rows {NO_ID}; each counts as a video of its own"
        warnings.warn(said, stacklevel=_stacklevel())


def _stacklevel() -> int:
    """Frames from the one that warns to the user's line: the first outside the package."""
    frame: FrameType | None = sys._getframe(1)
    level, package = 1, __name__.partition(".")[0] + "."
    while frame and str(frame.f_globals.get("__name__")).startswith(package):
        frame, level = frame.f_back, level + 1
    return level


def are_latest(rows: pa.Table) -> NDArray[np.bool_]:
    """
    Mark the one row of each video that counts; rows without an id are all marked.

    >>> rows = pa.table({
    ...     "video_id": ["v", "v", "v", "v"], "status": ["STARTED", "COMPLETED", "STARTED", None],
    ...     "fetch_error": [None, None, None, "timeout"], "observed_at": [1, 4, 2, 5]})
    >>> are_latest(rows).tolist()
    [False, True, False, False]
    """
    coded = rows["video_id"].combine_chunks().dictionary_encode()
    without: NDArray[np.bool_] = coded.is_null().to_numpy(zero_copy_only=False)
    videos = coded.indices.fill_null(0).to_numpy()
    rank = _rank(rows)
    times = [rows[name].cast(pa.int64()) for name in MOMENTS if name in rows.column_names]
    moments = pc.coalesce(*times, pa.scalar(0, pa.int64())).to_numpy() if times else rank
    in_time = np.argsort(moments, kind="stable")
    in_time = in_time[~without[in_time]]
    counts = np.zeros(len(coded.dictionary), np.int64)
    for level in (0, 1, 2):
        at = in_time[rank[in_time] == level]
        counts[videos[at]] = at  # the last assignment to a video stays
    marked = without.copy()
    marked[counts] = True
    return marked


def _rank(rows: pa.Table) -> NDArray[np.int64]:
    """0 for a failed fetch, 1 for a row that went well, 2 for one at the end."""
    well = final = np.ones(len(rows), np.bool_)
    if "fetch_error" in rows.column_names:
        well = rows["fetch_error"].is_null().to_numpy()
    if "status" in rows.column_names:
        texts = rows["status"].cast(pa.large_string())
        final = pc.is_in(texts, pa.array(FINAL_STATUSES, pa.large_string())).to_numpy()
    return well * (1 + final)
