"""
The columns of a videos frame: one table of facts, and what follows from it.

The empty frame, the renaming, the dtypes, the Arrow schema, the validation and the table in
the README all come from `COLUMNS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["text", "link", "number", "integer", "boolean", "time"]


class Column(NamedTuple):
    """One column of the videos frame: where it comes from and what it means."""

    name: str
    fields: tuple[str, ...]  # names in the API's JSON, the first present one wins
    kind: Kind
    unit: str
    meaning: str
    max_value: float | None = None  # numbers above this are refused as absurd
    since: int = 1  # first schema version that has the column
    version_1_name: str | None = None  # what it was called in files of schema version 1


SCHEMA_VERSION = 2


COLUMNS: tuple[Column, ...] = (
    Column("video_id", ("id", "videoId"), "text", "", "the id, exactly as Hooked spells it"),
    Column("name", ("name", "title"), "text", "", "the title"),
    Column("type", ("type",), "text", "", "kind of video; open text, new types are kept"),
    Column(
        "status", ("status",), "text", "", "`STARTED`, `COMPLETED`, `FAILED`; others kept as sent"
    ),
    Column("progress", ("progress",), "number", "%", "how far the render is", 100),
    Column("message", ("message",), "text", "", "state of the render, or why it failed"),
    Column("created_at", ("createdAt",), "time", "UTC", "when the video was created"),
    Column("updated_at", ("updatedAt",), "time", "UTC", "last change of the record"),
    Column(
        "duration_seconds",
        ("durationInSeconds", "duration"),
        "number",
        "s",
        "length of the video, else frames / 25",
        1e9,
    ),
    Column(
        "duration_frames", ("durationInFrames",), "integer", "frames", "length at 25 a second", 1e9
    ),
    Column("used_credits", ("usedCredits",), "number", "credits", "what it cost; missing ≠ 0", 1e9),
    Column("avatar_id", ("avatarId",), "text", "", "avatar used"),
    Column("voice_id", ("voiceId",), "text", "", "voice used"),
    Column("music_id", ("musicId",), "text", "", "music used; text even when it looks a number"),
    Column("aspect_ratio", ("aspectRatio",), "text", "", "as `ratio_9_16`"),
    Column("caption_preset", ("captionPreset",), "text", "", "style of the captions"),
    Column("caption_disabled", ("captionDisabled",), "boolean", "", "captions switched off"),
    Column("script", ("script",), "text", "", "the spoken text"),
    Column("project_id", ("projectId",), "text", "", "project it belongs to"),
    Column("team_id", ("teamId",), "text", "", "team that owns it"),
    Column("size_bytes", ("size",), "integer", "B", "size of the file", 1e13),
    Column("url", ("url", "downloadUrl"), "link", "", "signed link, a secret for 24 h"),
    Column("thumbnail", ("thumbnail",), "link", "", "link to a still"),
    Column("webhook", ("webhook",), "link", "", "where Hooked reports the end"),
    Column("fetched_at", (), "time", "UTC", "when this was seen, by Hooked's clock"),
    Column(
        "fetch_error",
        (),
        "text",
        "",
        "why the fetch failed, missing when it went well",
        version_1_name="error",
    ),
    Column(
        "fetch_error_message",
        (),
        "text",
        "",
        "the same in a sentence",
        version_1_name="error_message",
    ),
    Column(
        "data_issues",
        (),
        "text",
        "",
        "what was repaired or refused in a value",
        version_1_name="quality",
    ),
    Column("extra", (), "text", "", "JSON of fields without a column"),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
LINKS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "link")

# large_string is what pandas holds Arrow text in, so frames cross over without a copy.
_ARROW = {
    "text": pa.large_string(),
    "link": pa.large_string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}

VIDEOS_SCHEMA: pa.Schema = pa.schema(
    [(column.name, _ARROW[column.kind]) for column in COLUMNS],
)

_TO_PANDAS = {
    "dask": "videos.compute()",
    "duckdb": "videos.df()",
    "pandas": "the whole frame, or rows of it as in videos.iloc[[0]]",
    "polars": "videos.to_pandas(), a lazy one after .collect()",
    "pyarrow": "videos.to_pandas()",
    "pyspark": "videos.toPandas()",
}

_SOURCES = {
    "observed_at": "VideoArchive.observations",
    "first_seen_final": "observed_renders",
}

FINAL_STATUSES = ("COMPLETED", "FAILED")

# Kinds of a failed fetch after which another request can change nothing.
ENDING_FAILURES = frozenset({"invalid_id", "not_found", "forbidden"})


def _pandas_dtype(arrow: pa.DataType) -> object:
    """Nullable dtypes, so that whole numbers stay whole and missing stays missing."""
    if pa.types.is_large_string(arrow) or pa.types.is_string(arrow):
        return pd.StringDtype("pyarrow")
    if pa.types.is_int64(arrow):
        return pd.Int64Dtype()
    if pa.types.is_float64(arrow):
        return pd.Float64Dtype()
    if pa.types.is_boolean(arrow):
        return pd.BooleanDtype()
    return None


def frame_from_arrow(table: pa.Table) -> pd.DataFrame:
    """Turn an Arrow table into a frame with the dtypes of a videos frame."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_pandas_dtype, use_threads=False)
    return frame


def arrow_from_frame(videos: pd.DataFrame) -> pa.Table:
    """
    Turn a videos frame into an Arrow table, its own columns in their fixed types.

    Columns of the caller follow in the types Arrow finds for them.
    """
    ours = {
        column.name: pa.array(videos[column.name], type=_ARROW[column.kind], from_pandas=True)
        for column in COLUMNS
        if column.name in videos
    }
    theirs = {
        str(name): pa.array(videos[name], from_pandas=True)
        for name in videos.columns
        if name not in ours
    }
    return pa.table({**ours, **theirs})


def empty_videos() -> pd.DataFrame:
    """
    Make a videos frame without rows.

    >>> videos = empty_videos()
    >>> len(videos), str(videos["created_at"].dtype), str(videos["duration_frames"].dtype)
    (0, 'datetime64[us, UTC]', 'Int64')
    """
    return frame_from_arrow(VIDEOS_SCHEMA.empty_table())


def require_columns(columns: Iterable[object], needed: Sequence[str], *, what: str) -> None:
    """
    Check that a frame has the columns a function needs; a ValueError names those it lacks.

    >>> require_columns(["video_id"], ["video_id", "type"], what="credit_usage")
    Traceback (most recent call last):
    ValueError: credit_usage needs the column 'type', which is not there. A frame with it
    comes from fetch_videos, read_videos or videos_from_records.
    """
    there = list(columns)
    missing = [name for name in needed if name not in set(there)]
    if not missing:
        return
    listed = ", ".join(repr(name) for name in missing)
    s, are, them = ("", "is", "it") if len(missing) == 1 else ("s", "are", "them")
    lack = f"{what} needs the column{s} {listed}, which {are} not there."
    raise ValueError(f"{lack} {_remedy(missing, there, them)}")


def _remedy(missing: list[str], there: list[object], them: str) -> str:
    """Say where a column comes from, or what has become of it."""
    merged = [f"{name}{end}" for name in missing for end in ("_x", "_y") if f"{name}{end}" in there]
    if merged:
        return f"Perhaps a merge has made {', '.join(merged)} of {them}; rename one."
    for name, source in _SOURCES.items():
        if name in missing:
            return f"A frame with {them} comes from {source}."
    if set(missing) <= set(NAMES):
        return f"A frame with {them} comes from fetch_videos, read_videos or videos_from_records."
    names = [*sorted(map(str, set(there) - set(NAMES))), *(n for n in there if n in set(NAMES))]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"Its columns are {', '.join(map(str, names[:12]))[:300] or 'none'}{more}."


def ids_as_column(table: Any) -> Any:
    """
    Make ids that are the index of a pandas frame its column again, and collect Polars' LazyFrame.

    >>> ids_as_column(pd.DataFrame({"video_id": ["vid_1"], "n": 1}).set_index("video_id"))
      video_id  n
    0    vid_1  1
    """
    if type(table).__name__ == "LazyFrame":
        return table.collect()
    lost = isinstance(table, pd.DataFrame) and "video_id" not in table.columns
    return table.reset_index("video_id") if lost and "video_id" in table.index.names else table


def without_named_index(videos: pd.DataFrame, wanted: set[str]) -> pd.DataFrame:
    """Give levels of the index that are wanted as columns; no column is called like a level."""
    names = [n for n in videos.index.names if isinstance(n, str) and (n in wanted or n in videos)]
    if not names:
        return videos
    new = {name: videos.index.get_level_values(name) for name in names if name not in videos}
    return videos.assign(**new).rename_axis(index=lambda name: None if name in names else name)


def require_pandas(videos: object, *, what: str) -> pd.DataFrame:
    """
    Check that a frame is a pandas one, and give it.

    >>> require_pandas(pa.table({}), what="estimate_completion")
    Traceback (most recent call last):
    TypeError: estimate_completion takes a pandas DataFrame, not a pyarrow Table; pass
    videos.to_pandas()
    """
    if isinstance(videos, pd.DataFrame):
        return videos
    package = type(videos).__module__.partition(".")[0].strip("_")
    kind = f"{package} {type(videos).__name__}".removeprefix("builtins ")
    how = "what fetch_videos, read_videos or videos_from_records give"
    if hasattr(videos, "__arrow_c_stream__"):
        how = "pyarrow.table(videos).to_pandas()"
    raise TypeError(
        f"{what} takes a pandas DataFrame, not a {kind}; pass {_TO_PANDAS.get(package, how)}"
    )


def current_names(names: Sequence[str]) -> list[str]:
    """
    Give columns of schema version 1 their names of today; others keep theirs.

    >>> current_names(["video_id", "quality", "campaign"])
    ['video_id', 'data_issues', 'campaign']
    >>> current_names(["data_issues", "quality"])  # the second is the user's own
    ['data_issues', 'quality']
    """
    renamed = {c.version_1_name: c.name for c in COLUMNS if c.name not in names}
    return [renamed.get(name, name) for name in names]


def columns_table() -> str:
    """
    Write the columns as a Markdown table; the README's comes from here.

    >>> print(columns_table().splitlines()[2])
    | `video_id` | text |  | `id` | the id, exactly as Hooked spells it |
    """
    head = "| column | dtype | unit | API field | meaning |\n|---|---|---|---|---|\n"
    dtype = {"text": "text", "link": "text", "time": "time", "boolean": "boolean"}
    return head + "\n".join(
        f"| `{c.name}` | {dtype.get(c.kind, 'Int64' if c.kind == 'integer' else 'Float64')} "
        f"| {c.unit} | {f'`{c.fields[0]}`' if c.fields else ''} | {c.meaning} |"
        for c in COLUMNS
    )
