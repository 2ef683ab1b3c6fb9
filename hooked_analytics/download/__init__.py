"""
Finished videos to disk: several at once, checked, whole or not at all.

``plan`` reads the frame, ``names`` names the files, ``links`` judges links, ``courier`` and
``pace`` ask for them, ``ranges`` reads the answer's headers, ``part`` holds the unfinished
file, ``kinds`` knows what a whole one looks like, ``job`` does one video with all of these.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics._internal.worker_pool import WorkerPool
from hooked_analytics.client import CancelToken, HookedClient
from hooked_analytics.download.downloader import Courier
from hooked_analytics.download.failure import KINDS
from hooked_analytics.download.formats import FILE_KINDS
from hooked_analytics.download.job import Jobs
from hooked_analytics.download.links import ALLOWED_HOSTS, LinkRules
from hooked_analytics.download.plan import Outcome, require_directory, require_room, wanted_files
from hooked_analytics.errors import FetchInterrupted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from hooked_analytics.download.plan import Wanted

__all__ = ["ALLOWED_HOSTS", "KINDS", "download_videos"]

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 0.8  # for the threads to let go of their files after an interrupt


def download_videos(
    videos: pd.DataFrame,
    directory: str | os.PathLike[str],
    *,
    client: HookedClient | None = None,
    max_workers: int = 4,
    asset: Literal["video", "thumbnail"] = "video",
    progress: bool | None = None,
    allowed_hosts: Iterable[str] = (),
    timeout_seconds: float = 30,
) -> pd.DataFrame:
    """
    Download the files of finished videos into a folder, several at a time.

    A file is called ``<video_id>.mp4`` and gets that name only when it is whole: it begins
    as an MP4, and two of server, API and the file itself agree on its length. Until then it
    is a ``.part`` beside it, which a later call goes on with, if the server still has the
    same file. What is whole already costs no request. A link that has died, or has a minute
    left, is asked for anew once.

    Parameters
    ----------
    videos : one row per video
        Needs ``video_id``, ``status``, ``url`` and ``size_bytes``, or ``thumbnail`` instead
        of the last two. Links of exported files have lost their signature and are asked for
        anew.
    directory : folder to fill; made if absent
        Two processes may fill one folder: each file is downloaded by one of them.
    client : asked for fresh links, whose key and limit to use
        A new `HookedClient` when missing. Its key goes to the API alone, never to a link.
    max_workers : most files at the same time
    asset : ``"video"``, or ``"thumbnail"`` for pictures, named ``<video_id>.png`` and the like
    progress : whether to show a bar, in bytes; when missing, only where somebody watches
    allowed_hosts : hosts to trust besides ``*.amazonaws.com`` and ``*.hooked.so``
        As ``cdn.example.com`` or ``*.example.com``. Links and redirects elsewhere, to private
        addresses and over plain http are refused; a client of this machine's sandbox may be
        led to this machine.
    timeout_seconds : in every stretch as long, 64 KiB must arrive [s]
        Else the connection is given up; three attempts, each going on where the last ended.

    Returns
    -------
    one row per distinct video, in the order given
        ``video_id, path, size_bytes, resumed, sha256, error, error_message``. *error* is
        missing where the file is there; else it is one of ``invalid_id, no_link, not_ready,
        link_refused, forbidden, not_found, rate_limited, timeout, network, server,
        bad_response, disk, in_use, not_fetched``. *resumed*: whether it went on with a part.
        Files that are longer or shorter than ``size_bytes``, but whole, are warned of.

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
    >>> from hooked_analytics import Sandbox, fetch_videos
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     videos = fetch_videos(["vid_abc123"], client=client)
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         files = download_videos(videos, folder, client=client)
    >>> Path(files["path"][0]).name, files["size_bytes"].tolist(), files["error"].tolist()
    ('vid_abc123.mp4', [161240], [<NA>])
    """
    if asset not in FILE_KINDS:
        raise ValueError(f"asset is 'video' or 'thumbnail', not {asset!r}")
    if max_workers < 1 or not timeout_seconds > 0:
        raise ValueError("max_workers is at least 1, timeout_seconds is above 0")
    folder = Path(directory)
    require_directory(folder)
    with contextlib.nullcontext(client) if client else HookedClient() as used:
        rules = LinkRules(allowed_hosts, local=used.is_local)
        wanted = wanted_files(videos, folder, FILE_KINDS[asset], used)
        require_room(wanted, folder)
        batch = CancelToken()
        courier = Courier(
            rules, batch.stop, stretch_seconds=timeout_seconds, connections=max_workers
        )
        jobs = Jobs(used, courier, rules, batch, patience_seconds=timeout_seconds)
        with contextlib.closing(courier):
            files = _finish(wanted, jobs, batch.stop, max_workers, progress)
    _warn_of_sizes(wanted)
    return files


def _finish(
    wanted: list[Wanted],
    jobs: Jobs,
    stop: threading.Event,
    max_workers: int,
    progress: bool | None,
) -> pd.DataFrame:
    """Run to the end, to the first fault, or to the interrupt."""
    todo = [each for each in wanted if each.outcome is None]
    threads = min(max_workers, len(todo))
    crew: WorkerPool | None = None
    try:
        with ProgressBar(_bytes(wanted)[1], shown=progress, unit="B") as bar:
            crew = WorkerPool(
                [partial(jobs.do, each) for each in todo], stop, threads=threads, name="hooked-file"
            )
            while threads and not crew.done.wait(_LOOK_SECONDS):
                done, total = _bytes(wanted)
                bar.show(done, total=total)
            if crew.fault is not None:
                raise crew.fault
            files = _frame(wanted)
            bar.close(_summary(files))
        return files
    except KeyboardInterrupt:
        stop.set()
        if crew is not None and threads:
            crew.done.wait(_GRACE_SECONDS)
        files = _frame(wanted)
    finally:
        stop.set()
    raise FetchInterrupted(
        f"Stopped after {int(files['error'].isna().sum())} of {len(files)} files. What was done "
        "is in .videos of this error; ask again with the same frame to go on from there.",
        videos=files,
    )


def _bytes(wanted: list[Wanted]) -> tuple[int, int]:
    """Bytes that are there, and bytes in all as far as known."""
    done = sum(each.done_bytes for each in wanted)
    total = sum(
        max(each.total_bytes or each.stated_bytes or 0, each.done_bytes)
        for each in wanted
        if each.outcome is None or each.outcome.error is None
    )
    return done, max(done, total)


def _frame(wanted: list[Wanted]) -> pd.DataFrame:
    stopped = Outcome(error="not_fetched", error_message="stopped first; ask again to go on")
    rows = [(each.video_id, each.outcome or stopped) for each in wanted]
    text = pd.StringDtype("pyarrow")
    return pd.DataFrame(
        {
            "video_id": pd.array([video_id for video_id, _ in rows], text),
            "path": pd.array([str(o.path) if o.path else None for _, o in rows], text),
            "size_bytes": pd.array([o.size_bytes for _, o in rows], "Int64"),
            "resumed": pd.array([o.resumed for _, o in rows], "boolean"),
            "sha256": pd.array([o.sha256 for _, o in rows], text),
            "error": pd.array([o.error for _, o in rows], text),
            "error_message": pd.array([o.error_message for _, o in rows], text),
        }
    )


def _summary(files: pd.DataFrame) -> str:
    kinds = Counter(files["error"].dropna())
    failed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    megabytes = files["size_bytes"].sum() / 1e6
    return (
        f"{len(files) - kinds.total():,} of {len(files):,} files, {megabytes:,.1f} MB"
        f"{f' · {failed}' if failed else ''}"
    )


def _warn_of_sizes(wanted: list[Wanted]) -> None:
    differ = [each.video_id for each in wanted if each.size_differs]
    if differ:
        warnings.warn(
            f"{len(differ):,} of {len(wanted):,} files are whole but not of the size the API gave, "
            f"the first: {differ[0]}",
            stacklevel=3,
        )
