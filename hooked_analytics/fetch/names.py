"""Names instead of ids: avatars, voices and music, one request for each list."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pandas as pd

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics.client import HookedClient
from hooked_analytics.errors import AuthenticationError, HookedError

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
