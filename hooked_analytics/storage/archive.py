"""The archive: every observation a row in Parquet, nothing ever overwritten."""

from __future__ import annotations

import warnings
from collections.abc import Sized
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hooked_analytics._internal.atomic import local_path, require_space
from hooked_analytics.schema import (
    NAMES,
    frame_from_arrow,
    ids_as_column,
    is_final,
    require_columns,
    require_pandas,
)
from hooked_analytics.storage import layout, parquet_parts
from hooked_analytics.storage.sanitize import table_from_videos, without_secrets

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from hooked_analytics import HookedClient

MAX_PARTS = 500  # an append that finds more merges them


class VideoArchive:
    """
    A directory that keeps every observation, so that no finished video is requested twice.

    Each `append` adds one Parquet file; any number of processes may append, read and compact at
    the same time. Links are kept without their signature. Pandas, Dask and Spark read the directory
    as it is (``pd.read_parquet(directory)``), Polars and DuckDB ``directory/*.parquet``; during a
    `compact`, or after one was killed, they may count rows twice; this class never does. A damaged
    file is named in a warning; the rest is read.

    Parameters
    ----------
    directory : str or Path
        An archive, an empty directory, or none yet: the first `append` makes it.

    Attributes
    ----------
    directory : Path
        Where it is.
    requests_saved : int
        Videos that `sync` of this object did not request.

    Raises
    ------
    ValueError
        The directory holds something else; says what was found and touches nothing.

    See Also
    --------
    observed_renders : Finish, stalls and speed of each render, from `observations`.

    Examples
    --------
    >>> import tempfile
    >>> from hooked_analytics import Sandbox
    >>> folder = tempfile.TemporaryDirectory()
    >>> archive = VideoArchive(folder.name)
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     first = archive.sync(["vid_abc123"], client=client)
    ...     again = archive.sync(["vid_abc123"], client=client)
    ...     again["status"].tolist(), client.requests_sent, archive.requests_saved
    (['COMPLETED'], 1, 1)
    >>> folder.cleanup()
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = local_path(directory).absolute()  # a notebook may go to another folder
        self.requests_saved = 0
        layout.require_archive(self.directory)

    def __repr__(self) -> str:
        return f"VideoArchive({str(self.directory)!r})"

    def sync(
        self,
        video_ids: str | Iterable[object] | None = None,
        *,
        client: HookedClient | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """
        Request what can still change, keep it, and return the newest row of every id.

        Parameters
        ----------
        video_ids : str or iterable, optional
            Ids, or one id; every known video when missing.
        client : HookedClient, optional
            Whose key, limit and connections to use. A new one for this call when missing.
        progress : bool, optional
            Whether to show a bar. When missing, only in a notebook and on a terminal.

        Returns
        -------
        DataFrame
            As from `fetch_videos`. Where the fetch failed but an earlier one went well, that
            earlier row, with a warning; ``fetched_at`` tells its age.

        Raises
        ------
        HookedError, FetchInterrupted
            As from `fetch_videos`; what arrived is kept and in ``.videos``.
        OSError
            The disk is full; nothing was requested.

        Examples
        --------
        >>> import tempfile
        >>> from hooked_analytics import Sandbox
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Sandbox(videos=1) as sandbox, sandbox.client() as client:
        ...         videos = VideoArchive(folder).sync(["vid_abc123", "no/id"], client=client)
        >>> videos["fetch_error"].fillna("").tolist()
        ['', 'invalid_id']
        """
        import hooked_analytics as ha  # a short name for a fetch with this archive

        known = self.videos()
        requested = known["video_id"].tolist() if video_ids is None else video_ids
        require_space(self.directory, len(requested) if isinstance(requested, Sized) else 1)
        read_once: Any = SimpleNamespace(videos=lambda: known, append=self.append)
        fetched = ha.fetch_videos(requested, client=client, archive=read_once, progress=progress)
        finished = known.loc[is_final(known) & known["fetch_error"].isna(), "video_id"]
        self.requests_saved += int(fetched["video_id"].isin(finished).sum())
        return _last_good(fetched, known)

    def append(self, videos: pd.DataFrame) -> None:
        """
        Keep each row as one observation; once this returns, a crash cannot take it away.

        Parameters
        ----------
        videos : DataFrame
            Needs every column of a videos frame. ``observed_at`` [UTC] is taken as given when there
            is such a column; else it is ``fetched_at``, and now where that is missing. Other
            columns and rows without a ``video_id`` are left out. An observation that is there
            already (same video, time and content) counts once. Rows of `list_videos` have no
            credits: keep details.

        Raises
        ------
        ValueError
            A column is missing, or a value fits no file. Nothing was written.
        OSError
            The disk is full or the folder cannot be written. Nothing was written.

        Examples
        --------
        >>> import tempfile
        >>> from hooked_analytics.schema import videos_from_records
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive = VideoArchive(folder)
        ...     for status in ("STARTED", "COMPLETED"):
        ...         archive.append(videos_from_records([{"id": "vid_1", "status": status}]))
        ...     archive.videos()["status"].tolist(), len(archive.observations())
        (['COMPLETED'], 2)
        """
        videos = ids_as_column(require_pandas(videos, what="VideoArchive.append"))
        table = _observed(videos)
        if not layout.require_archive(self.directory):
            layout.write_marker(self.directory)
        elif layout.is_older(self.directory):
            parquet_parts.upgrade_parts(self.directory)
        if len(table):
            batches = table.to_batches(max_chunksize=parquet_parts.ROW_GROUP_ROWS)
            name = layout.new_name("observed")
            parquet_parts.write_part(self.directory / name, map(without_secrets, batches))
            if len(layout.part_names(self.directory)) > MAX_PARTS:
                parquet_parts.merge_parts(self.directory)

    def videos(self) -> pd.DataFrame:
        """
        Read the newest row of each video.

        An observation that went well counts before a failed one, one that shows the end before
        one that does not, and of those the last by ``observed_at``.

        Returns
        -------
        DataFrame
            In the order in which rows arrived. A video never seen well is its last failure.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(VideoArchive(folder).videos())
        0
        """
        table = parquet_parts.whole(self.directory, parquet_parts.latest_rows)
        return frame_from_arrow(table.drop_columns(["observed_at"]))

    def observations(self) -> pd.DataFrame:
        """
        Read the whole history, failed fetches included.

        Returns
        -------
        DataFrame
            ``video_id, observed_at`` and the other columns of a videos frame, oldest first.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     VideoArchive(folder).observations().columns[:3].tolist()
        ['video_id', 'observed_at', 'name']
        """
        return frame_from_arrow(parquet_parts.whole(self.directory, parquet_parts.all_rows))

    def compact(self) -> int:
        """
        Merge many small files into one, which is faster to read; `append` does so past 500 files.

        Safe at any time: readers and writers go on, and a kill loses nothing. A damaged file stays.

        Returns
        -------
        int
            Number of files merged; 0 also when another process is merging right now.

        Examples
        --------
        >>> import tempfile
        >>> from hooked_analytics.schema import videos_from_records
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive = VideoArchive(folder)
        ...     for video_id in ("vid_1", "vid_2", "vid_3"):
        ...         archive.append(videos_from_records([{"id": video_id}]))
        ...     archive.compact(), len(list(archive.directory.glob("*.parquet")))
        (3, 1)
        """
        exists = layout.require_archive(self.directory)
        return parquet_parts.merge_parts(self.directory) if exists else 0


def _observed(videos: pd.DataFrame) -> pa.Table:
    """Shape rows for a part: our columns in their types, and when each was observed."""
    import pyarrow.compute as pc

    require_columns(videos.columns, NAMES, what="VideoArchive.append")
    table = table_from_videos(videos[list(NAMES)], what="VideoArchive.append")
    field = parquet_parts.SCHEMA.field("observed_at")
    given = videos.get("observed_at", videos["fetched_at"])
    moments = pc.coalesce(
        pa.array(given, type=field.type, from_pandas=True),
        table["fetched_at"].combine_chunks(),
        pa.scalar(datetime.now(UTC), field.type),
    )
    table = table.add_column(1, field, moments)
    return table.filter(table["video_id"].is_valid())


def _last_good(fetched: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Show what was last seen well where the fetch failed, and say so."""
    good = known[known["fetch_error"].isna()]
    at = pd.Index(good["video_id"]).get_indexer(fetched["video_id"])
    failed = fetched["fetch_error"].notna().to_numpy() & (at >= 0)
    if not failed.any():
        return fetched
    reason = fetched.loc[failed, "fetch_error_message"].iloc[0]
    count = f"{failed.sum()} of {len(fetched)} videos"
    said = f"{count} could not be fetched and are shown as last seen, the first: {reason}"
    warnings.warn(said, stacklevel=3)
    rows = np.where(failed, len(fetched) + at, np.arange(len(fetched)))
    return pd.concat([fetched, good], ignore_index=True).iloc[rows].reset_index(drop=True)
