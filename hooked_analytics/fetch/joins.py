"""Tables joined by id: details to a table of one's own, names of avatars, voices and music."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pandas as pd

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics.client import HookedClient, check_parts
from hooked_analytics.errors import AuthenticationError, HookedError
from hooked_analytics.fetch.fetch import fetch_videos
from hooked_analytics.fetch.fetch_job import checked_id
from hooked_analytics.fetch.video_state import Archive
from hooked_analytics.schema import NAMES, ids_as_column, require_pandas

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
NAMES_FILE = "_names.json"  # readers of a folder of Parquet files pass over a leading "_"


class _Folder(Protocol):
    """What is used of an archive."""

    directory: Path


class _NameList(NamedTuple):
    key: str  # column of the videos frame
    method: str  # of the client
    columns: dict[str, str]  # new column -> field of the API


_LISTS = (
    _NameList("avatar_id", "list_avatars", {"avatar_name": "name"}),
    _NameList("voice_id", "list_voices", {"voice_name": "name", "voice_language": "language"}),
    _NameList("music_id", "list_music", {"music_name": "name"}),
)


def add_details(
    frame: pd.DataFrame,
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
) -> pd.DataFrame:
    """
    Join the details of each video to a table of one's own.

    Parameters
    ----------
    frame : DataFrame
        Any table with a column ``video_id``. Every row is kept, in order, with its index.
    client : HookedClient, optional
        Whose key, limit and connections to use. A new one for this call when missing.
    archive : VideoArchive, optional
        As in `fetch_videos`.

    Returns
    -------
    DataFrame
        The own columns, then those of `fetch_videos`; missing where the row has no id. An own
        column with the name of one of these is kept as ``<name>_own``; those of a videos frame are
        brought up to date. An id in several rows has its details in each, with a warning.

    Raises
    ------
    TypeError, ValueError
        *frame* is no pandas table, or has no ``video_id``. Nothing was requested.
    HookedError, FetchInterrupted
        As from `fetch_videos`.

    Examples
    --------
    >>> import pandas as pd
    >>> from hooked_analytics import Sandbox
    >>> table = pd.DataFrame({"video_id": ["vid_abc123"], "campaign": ["spring"]})
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     videos = add_details(table, client=client)
    >>> videos[["video_id", "campaign", "used_credits"]].values.tolist()
    [['vid_abc123', 'spring', 5.0]]
    """
    frame = ids_as_column(require_pandas(frame, what="add_details"))
    check_parts(client=client, archive=archive)
    if list(frame.columns).count("video_id") != 1:
        raise ValueError("add_details needs one column video_id: rename the column of the ids")
    with nullcontext(client) if client else HookedClient() as used:
        shown = [checked_id(value, used).shown for value in frame["video_id"]]
        ids = pd.Series(shown, frame.index, dtype=object)
        _say_repeated(frame, ids)
        details = fetch_videos(list(dict.fromkeys(shown)), client=used, archive=archive)
    return join_details(frame.assign(video_id=ids), details)


def join_details(frame: pd.DataFrame, details: pd.DataFrame) -> pd.DataFrame:
    """Join what a fetch gave to a table with the same ids; rows without an id stay rows."""
    ids = [_or_none(video_id) for video_id in frame["video_id"]]
    by_id = details.set_axis(pd.Index(map(_or_none, details["video_id"]), dtype=object))
    joined = by_id.reindex(pd.Index(ids, dtype=object)).set_axis(frame.index)
    own_ids: pd.Series[Any] = pd.Series(ids, frame.index, dtype=object)
    joined["video_id"] = own_ids.astype(details["video_id"].dtype)
    own = frame.drop(columns="video_id")
    if set(NAMES) <= set(frame.columns):
        own = own.drop(columns=list(NAMES), errors="ignore")
    own = own.rename(columns={name: f"{name}_own" for name in own if name in NAMES})
    return pd.concat([joined[["video_id"]], own, joined.drop(columns="video_id")], axis=1)


def add_names(
    videos: pd.DataFrame,
    *,
    client: HookedClient | None = None,
    archive: _Folder | None = None,
) -> pd.DataFrame:
    """
    Join the names of avatars, voices and music to a videos frame.

    Parameters
    ----------
    videos : DataFrame
        Any of the columns ``avatar_id``, ``voice_id``, ``music_id``; one that is not there gets no
        names.
    client : HookedClient, optional
        Made from the environment when missing.
    archive : VideoArchive, optional
        Keeps the names in its folder. A list is then requested only when an id is new.

    Returns
    -------
    DataFrame
        A new frame with ``avatar_name``, ``voice_name``, ``voice_language``, ``music_name``. An id
        without a name keeps its row, and the name is missing.

    Raises
    ------
    AuthenticationError
        The key is missing or refused.

    Warns
    -----
    UserWarning
        A list could not be had, so its names are missing.

    Examples
    --------
    >>> from hooked_analytics import Sandbox, fetch_videos
    >>> with Sandbox(videos=5) as sandbox, sandbox.client() as client:
    ...     videos = fetch_videos(["vid_abc123"], client=client)
    ...     named = add_names(videos, client=client)
    >>> named[["avatar_id", "avatar_name"]].to_dict("records")
    [{'avatar_id': 'avatar_sarah_01', 'avatar_name': 'Sarah'}]
    """
    videos = ids_as_column(require_pandas(videos, what="add_names"))
    check_parts(client=client, archive=archive)
    path = None if archive is None else archive.directory / NAMES_FILE
    known = _read(path)
    wanted = [each for each in _LISTS if each.key in videos and _is_new(videos[each.key], known)]
    if wanted:
        with nullcontext(client) if client else HookedClient() as used:
            found = {each.key: rows for each in wanted if (rows := _requested(used, each))}
        for key, rows in found.items():
            # an id without a name is kept as such, so that it is not new for ever
            nameless: dict[str, dict[str, str]] = {str(each): {} for each in videos[key].dropna()}
            known[key] = nameless | known.get(key, {}) | rows
        if found and path is not None:
            _write(path, known)
    columns = {
        column: videos[each.key].map(
            {key: row.get(field) for key, row in known.get(each.key, {}).items()}
        )
        for each in _LISTS
        if each.key in videos
        for column, field in each.columns.items()
    }
    return videos.assign(**{name: names.astype("string") for name, names in columns.items()})


def _is_new(ids: pd.Series[Any], known: dict[str, Any]) -> bool:
    """Whether an id is not among the names kept."""
    return not set(ids.dropna()) <= set(known.get(str(ids.name), {}))


def _requested(client: HookedClient, wanted: _NameList) -> dict[str, dict[str, str]]:
    """One list of the API by id; empty, with a warning, where it cannot be had."""
    try:
        rows = getattr(client, wanted.method)()
    except AuthenticationError:
        raise
    except HookedError as error:
        warnings.warn(f"no names for {wanted.key}: {error}", stacklevel=3)
        return {}
    _log.debug("%s: %d names", wanted.method, len(rows))
    fields = wanted.columns.values()
    return {
        str(row["id"]): {field: str(row[field]) for field in fields if row.get(field)}
        for row in rows
        if isinstance(row, dict) and row.get("id")
    }


def _read(path: Path | None) -> dict[str, dict[str, dict[str, str]]]:
    """Names kept by an archive; a file that makes no sense is as none."""
    try:
        found = json.loads(path.read_bytes()) if path else {}
        return {
            each.key: {
                str(key): {str(field): str(text) for field, text in row.items()}
                for key, row in found.get(each.key, {}).items()
            }
            for each in _LISTS
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _write(path: Path, known: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as beside:
        beside.write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")


def _say_repeated(frame: pd.DataFrame, shown: pd.Series[Any]) -> None:
    """Warn of ids in several rows, and name the own columns in which these differ."""
    repeated = shown.duplicated(keep=False) & shown.notna()
    if not repeated.any():
        return
    rows, ids = frame[repeated.to_numpy()].drop(columns="video_id"), shown[repeated]
    own = rows.drop(columns=[name for name in rows if name in NAMES])
    differing = [name for name in own if own[name].astype(str).groupby(ids).nunique().gt(1).any()]
    under = f", with different {', '.join(map(str, differing))}" if differing else ""
    warnings.warn(
        f"{ids.nunique():,} video ids stand in several rows{under}, the first {ids.iloc[0]}: the "
        "details, credits included, are in each of them",
        stacklevel=3,
    )


def _or_none(value: Any) -> str | None:
    return None if pd.isna(value) else value
