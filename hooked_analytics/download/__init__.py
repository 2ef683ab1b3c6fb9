"""
Finished videos to disk: several at once, checked, whole or not at all.

``tasks`` reads the frame, ``downloader`` judges links and requests files, ``part`` holds the
unfinished file, ``worker`` does one video with all of these.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import Counter
from dataclasses import asdict, fields
from functools import partial
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hooked_analytics._internal.atomic import local_path, require_directory
from hooked_analytics._internal.cancel import WorkerPool, wait_for
from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics.client import (
    CancelToken,
    HookedClient,
    check_parts,
    check_seconds,
    check_whole,
)
from hooked_analytics.client.settings import MAX_WORKERS
from hooked_analytics.download.downloader import HTTPDownloader, LinkRules
from hooked_analytics.download.tasks import (
    FILE_KINDS,
    DownloadResult,
    read_tasks,
    require_room,
)
from hooked_analytics.download.worker import DownloadWorker
from hooked_analytics.errors import FetchInterrupted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from hooked_analytics.download.tasks import DownloadTask

__all__ = ["download_videos"]

_SHOW_SECONDS = 0.1
_GRACE_SECONDS = 0.8  # for the threads to let go of their files after an interrupt


def download_videos(
    videos: pd.DataFrame,
    directory: str | os.PathLike[str],
    *,
    client: HookedClient | None = None,
    max_workers: int = 4,
    asset: Literal["video", "thumbnail"] = "video",
    progress: bool | None = None,
    allowed_hosts: Iterable[str] | None = None,
    timeout_seconds: float = 30,
) -> pd.DataFrame:
    """
    Download the files of finished videos into a folder, several at a time.

    A file gets its name, ``<video_id>.mp4``, only when it is whole: it begins as an MP4, and two
    of server, API and the file itself agree on its length. Until then it is a ``.part``, which a
    later call resumes if the server still has the same file. What is there costs no request.

    Parameters
    ----------
    videos : pandas.DataFrame
        Needs ``video_id``, ``status``, ``url`` and ``size_bytes``, or ``thumbnail`` instead
        of the last two. A link that is refused, or has ended, is requested anew once.
    directory : path
        Folder to fill; made if absent. Two processes may fill one folder together.
    client : HookedClient, optional
        For fresh links. Its key goes to the API alone, never to a link.
    max_workers : int, optional
        How many files at the same time.
    asset : {"video", "thumbnail"}, optional
        Pictures are named ``<video_id>.png`` and the like.
    progress : bool, optional
        Whether to show a bar; when missing, only where somebody watches.
    allowed_hosts : iterable of str, optional
        The only hosts to follow links to, as ``cdn.example.com`` or ``*.example.com``. When
        missing, a link that the API gives in this call may lead to any public https host; a
        link of the frame is followed to ``*.hooked.so`` and Hooked's own bucket only. Private
        addresses and plain http are refused always, after a redirect too; a client of this
        machine's sandbox may be led to this machine.
    timeout_seconds : float, optional
        In every stretch as long, 64 KiB must arrive [s]; else one of three attempts has failed.

    Returns
    -------
    pandas.DataFrame
        One row per distinct video, in the order given: ``video_id, path, size_bytes, resumed,
        sha256, error, error_message``. *error* is missing where the file is there; else it is
        one of ``invalid_id, no_link, not_ready, link_refused, forbidden, not_found,
        rate_limited, timeout, network, server, bad_response, disk, in_use, not_fetched``.

    Raises
    ------
    AuthenticationError
        The key is missing or wrong.
    FetchInterrupted
        The stop button; ``.videos`` has every row of the result, parts are kept.
    OSError
        The folder is a file or cannot be written, or the disk has too little room for all.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from hooked_analytics import Sandbox, fetch_videos
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     videos = fetch_videos(["vid_abc123"], client=client)
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         files = download_videos(videos, folder, client=client)
    >>> Path(files["path"][0]).name, files["error"].tolist()
    ('vid_abc123.mp4', [<NA>])
    """
    if asset not in FILE_KINDS:
        raise ValueError(f"asset is 'video' or 'thumbnail', not {asset!r}")
    check_parts(client=client)
    check_whole(1, MAX_WORKERS, max_workers=max_workers)
    check_seconds(timeout_seconds=timeout_seconds)
    folder = local_path(directory)
    require_directory(folder)
    with contextlib.nullcontext(client) if client else HookedClient() as used:
        rules = LinkRules(allowed_hosts or (), is_local=used.is_local)
        tasks = read_tasks(videos, folder, FILE_KINDS[asset], used)
        require_room(tasks, folder)
        token = CancelToken()
        downloader = HTTPDownloader(
            rules, token.stop, stretch_seconds=timeout_seconds, connections=max_workers
        )
        worker = DownloadWorker(used, downloader, rules, token, patience_seconds=timeout_seconds)
        with contextlib.closing(downloader):
            files = _finish(tasks, worker, token.stop, max_workers, progress)
    differ = [task.video_id for task in tasks if task.size_differs]
    if differ:
        warnings.warn(
            f"{len(differ):,} of {len(tasks):,} files are whole but not of the size the API gave, "
            f"the first: {differ[0]}",
            stacklevel=2,
        )
    return files


def _finish(
    tasks: list[DownloadTask],
    worker: DownloadWorker,
    stop: threading.Event,
    max_workers: int,
    progress: bool | None,
) -> pd.DataFrame:
    """Run to the end, to the first fault, or to the interrupt."""
    jobs = [partial(worker.run, task) for task in tasks if task.result is None]
    threads = min(max_workers, len(jobs))
    pool: WorkerPool | None = None
    try:
        with ProgressBar(_bytes(tasks)[1], shown=progress, unit="B") as bar:
            pool = WorkerPool(jobs, stop, threads=threads, name="hooked-file")
            while not wait_for(pool.done, _SHOW_SECONDS):
                done, total = _bytes(tasks)
                bar.show(done, total=total)
            if pool.fault is not None:
                raise pool.fault
            files = _frame(tasks)
            bar.close(_summary(files))
        return files
    except KeyboardInterrupt:
        stop.set()
        if pool is not None:
            wait_for(pool.done, _GRACE_SECONDS)
        files = _frame(tasks)
    finally:
        stop.set()
    raise FetchInterrupted(
        f"Stopped after {int(files['error'].isna().sum())} of {len(files)} files. What was done "
        "is in .videos of this error; call again with the same frame to resume.",
        videos=files,
    )


def _bytes(tasks: list[DownloadTask]) -> tuple[int, int]:
    """Bytes that are there, and bytes in all as far as known."""
    done = sum(task.done_bytes for task in tasks)
    total = sum(
        max(task.total_bytes or task.api_bytes or 0, task.done_bytes)
        for task in tasks
        if task.result is None or task.result.error is None
    )
    return done, max(done, total)


def _frame(tasks: list[DownloadTask]) -> pd.DataFrame:
    stopped = DownloadResult(error="not_fetched", error_message="stopped first; call again")
    rows = [{"video_id": t.video_id or None, **asdict(t.result or stopped)} for t in tasks]
    names = ["video_id", *(field.name for field in fields(DownloadResult))]
    dtypes = dict.fromkeys(names, "string[pyarrow]")
    dtypes |= {"size_bytes": "Int64", "resumed": "boolean"}
    return pd.DataFrame(rows, columns=names, dtype=object).astype(dtypes)


def _summary(files: pd.DataFrame) -> str:
    kinds = Counter(files["error"].dropna())
    failed = "".join(f" · {count:,} {kind}" for kind, count in kinds.most_common())
    done, megabytes = len(files) - kinds.total(), files["size_bytes"].sum() / 1e6
    return f"{done:,} of {len(files):,} files, {megabytes:,.1f} MB{failed}"
