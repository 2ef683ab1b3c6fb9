"""One batch of details requests: threads leave rows, an archive takes them, a bar shows them."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics._internal.cancel import (
    BackgroundThread,
    WorkerPool,
    despite_interrupts,
    wait_for,
)
from hooked_analytics._internal.formatting import count
from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics.client import CancelToken, HookedClient
from hooked_analytics.errors import (
    FetchError,
    FetchInterrupted,
    HookedError,
    InvalidVideoIdError,
)
from hooked_analytics.fetch.video_state import Archive, is_settled, known_videos, require_room
from hooked_analytics.schema import (
    Row,
    clean_text,
    empty_videos,
    failed_row,
    frame_from_rows,
    ids_as_column,
    parse_record,
)

_log = logging.getLogger(__name__)
_WAIT_SECONDS = 0.1
KEEP_SECONDS = 30.0
_FILE_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
_RECORD_KEYS = frozenset({"id", "videoId", "video_id"})
_NO_IDS: dict[Any, str] = {
    Number: "numbers",
    bytes: "bytes",
    (Mapping, list, tuple): "records or lists",
}
_WANTED = "hand in a list of ids such as ['vid_abc123'], or a table with a column video_id"


class RequestedId(NamedTuple):
    """One distinct id as given, and why it cannot be requested where that is so."""

    shown: str | None
    problem: str | None


def validate_ids(video_ids: object, client: HookedClient) -> list[RequestedId]:
    """
    Check every id and fold those given twice, in the order first seen.

    A container that can hold no ids is a TypeError or ValueError; one wrong id among others comes
    back with its problem.
    """
    given = listed_ids(video_ids)
    tasks: dict[str | None, RequestedId] = {}
    for value in given:
        task = checked_id(value, client)
        tasks.setdefault(task.shown, task)
    if folded := len(given) - len(tasks):
        warnings.warn(
            f"{folded:,} of {len(given):,} video ids were given before and are requested once",
            stacklevel=3,
        )
    return list(tasks.values())


def checked_id(value: object, client: HookedClient) -> RequestedId:
    """Check one id; a missing one stays missing."""
    try:
        return RequestedId(client.check_video_id(value), None)
    except InvalidVideoIdError as error:
        shown = None if _is_missing(value) else clean_text(str(value)) or None
        return RequestedId(shown, str(error))


def listed_ids(video_ids: object) -> list[object]:
    """Take the ids out of one text, an iterable, a column or a table."""
    if isinstance(video_ids, str):
        if video_ids.strip().lower().endswith(_FILE_SUFFIXES):
            raise ValueError(
                f"{video_ids.strip()[:80]!r} is a file, not a video id: read it first, for example "
                "pd.read_csv(...), and hand in the ids or the table"
            )
        return [video_ids]
    video_ids = ids_as_column(video_ids)
    columns = column_names(video_ids)
    if columns is not None:
        if columns.count("video_id") > 1:
            raise ValueError("the table has several columns video_id: keep the one of the ids")
        if not columns.count("video_id"):
            raise ValueError(
                "the table has no column video_id, only "
                f"{', '.join(map(str, columns))[:200] or 'an index'}: rename the column that holds "
                "the ids"
            )
        video_ids = _column(video_ids)
    if hasattr(video_ids, "to_pylist"):
        video_ids = video_ids.to_pylist()
    record = isinstance(video_ids, Mapping) and not _RECORD_KEYS.isdisjoint(video_ids)
    unfit = isinstance(video_ids, (bytes, bytearray, os.PathLike)) or record
    unfit |= getattr(video_ids, "ndim", 1) != 1
    if unfit or not isinstance(video_ids, Iterable):
        raise TypeError(f"video_ids is a {type(video_ids).__name__}: {_WANTED}")
    given = list(video_ids)
    known = [value for value in given if not _is_missing(value)]
    for kinds, name in _NO_IDS.items():
        if known and all(isinstance(value, kinds) for value in known):
            raise TypeError(f"video_ids holds {name}, which are no video ids: {_WANTED}")
    return given


def column_names(table: object) -> list[Any] | None:
    """Columns of a table of any engine; None for what is no table."""
    names = getattr(table, "column_names", None)  # PyArrow
    if names is None and not isinstance(table, Mapping):
        names = getattr(table, "columns", None)
    return None if names is None or isinstance(names, str) else list(names)


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _column(table: Any) -> Any:
    if hasattr(table, "__arrow_c_stream__") and not hasattr(table, "iloc"):
        import pyarrow as pa

        return pa.RecordBatchReader.from_stream(table).read_all()["video_id"]
    if hasattr(table, "toPandas"):  # Spark
        return table.select("video_id").toPandas()["video_id"]
    return table["video_id"]


class Requested(NamedTuple):
    """Every distinct id in order, those to request, and the rows that are known to be settled."""

    order: list[str | None]
    tasks: list[RequestedId]
    held: pd.DataFrame

    def frame(self, rows: list[Row]) -> pd.DataFrame:
        """Put the rows of the tasks and the held ones into the order given."""
        fetched = frame_from_rows(rows)
        if self.held.empty:
            return fetched
        both = pd.concat([fetched, self.held], ignore_index=True)
        ids = [*(task.shown for task in self.tasks), *self.held["video_id"]]
        at = {video_id: row for row, video_id in enumerate(ids)}
        return both.iloc[[at[video_id] for video_id in self.order]].reset_index(drop=True)


def plan_requests(tasks: list[RequestedId], archive: Archive | None) -> Requested:
    """Leave out the videos that an archive knows to be settled."""
    order = [task.shown for task in tasks]
    if archive is None:
        return Requested(order, tasks, empty_videos())
    known = known_videos(archive)
    wanted = {task.shown for task in tasks if task.problem is None}
    # a set, one by one: isin of pandas 2.2 takes a second for 100,000 ids
    ours = known[np.fromiter((video_id in wanted for video_id in known["video_id"]), np.bool_)]
    held = ours[is_settled(ours)]
    settled = set(held["video_id"])
    tasks = [task for task in tasks if task.shown not in settled]
    require_room(archive, sum(task.problem is None for task in tasks))
    return Requested(order, tasks, held)


class BackgroundWriter:
    """
    Append rows to an archive every half minute and at the end; `fault` says what stopped it.

    It has its own thread because an interrupt reaches the main thread alone: there it could end
    an append just before or just after its file is in place, with no way to tell.
    """

    def __init__(self, archive: Archive | None) -> None:
        self.fault: Exception | None = None
        self._archive = archive
        self._rows: deque[Row] = deque()
        self._closing = threading.Event()
        # none without an archive: freeing one runs Python code, in which an interrupt is lost
        self._thread: BackgroundThread | None = None
        if archive is not None:
            self._thread = BackgroundThread(self._work, self._closing, name="hooked-writer")
            self._thread.start()

    def put(self, row: Row) -> None:
        """Take a row; any thread may."""
        if self._archive is not None:
            self._rows.append(row)

    def close(self) -> None:
        """Wait until every row taken so far is kept, or `fault` says why it is not."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(KEEP_SECONDS):
            self._append()
        self._append()

    def _append(self) -> None:
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        if not rows or self._archive is None or self.fault is not None:
            return
        try:
            self._archive.append(frame_from_rows(rows))
        except Exception as fault:  # noqa: BLE001 - raised on by the fetch, with every row
            self.fault = fault


class FetchJob:
    """Request every task once; rows are kept as they arrive, so an interrupt loses nothing."""

    def __init__(self, client: HookedClient, requested: Requested, archive: Archive | None) -> None:
        self.client = client
        self.requested = requested
        self.token = CancelToken(threading.Event())
        self.videos: pd.DataFrame | None = None  # once all was done
        self.rows: list[Row | None] = [
            failed_row(task.shown, "invalid_id", task.problem, fetched_at=None)
            if task.problem
            else None
            for task in requested.tasks
        ]
        self._writer = BackgroundWriter(archive)
        self._waiting = [at for at, row in enumerate(self.rows) if row is None]
        self._arrived: deque[int] = deque()

    def finish(self, progress: bool | None) -> pd.DataFrame:
        """Run to the end, to the first fault, or to the interrupt."""
        try:
            with ProgressBar(len(self.rows), shown=progress) as bar:
                if line := self._long_wait():
                    _log.info(line)
                    bar.say(line)
                self._work(bar)
                self._writer.close()
                self.videos = videos = self._so_far()
                failed = bool(videos["fetch_error"].notna().any()) or self._writer.fault is not None
                bar.close(self._summary(videos), failed=failed)
            self.token.stop.set()
            if self._writer.fault is None:
                return videos
            reason = str(self._writer.fault).rstrip(".")
            raise FetchError(
                f"What was fetched could not be kept in the archive: {reason}. "
                "Every row is in .videos of this error.",
                videos=videos,
            ) from self._writer.fault
        # no `finally`: an interrupt within it would leave without the rows
        except KeyboardInterrupt:
            self.token.stop.set()  # silence first: a long frame takes a while to make
            raise despite_interrupts(self._interrupted) from self._writer.fault
        except BaseException as error:
            self.token.stop.set()
            despite_interrupts(partial(self._keep, error))
            raise

    def _work(self, bar: ProgressBar) -> None:
        """Wait for the threads: until all is done, one failed, or the archive takes no more."""
        threads = min(self.client.max_workers, len(self._waiting))
        jobs = (partial(self._request, at) for at in self._waiting)
        pool = WorkerPool(jobs, self.token.stop, threads=threads, name="hooked-fetch")
        known = len(self.rows) - len(self._waiting)
        while not wait_for(pool.done, _WAIT_SECONDS):
            if pool.fault is not None or self._writer.fault is not None:
                self.token.stop.set()
                break
            bar.show(known + len(self._arrived))
        if pool.fault is not None:
            raise pool.fault

    def _request(self, at: int) -> None:
        video_id = self.requested.tasks[at].shown or ""
        try:
            response = self.client.request_video(video_id, cancel=self.token)
        except HookedError as error:
            if error.kind is None:
                raise
            row = failed_row(video_id, error.kind, str(error), fetched_at=datetime.now(UTC))
        else:
            seen_at, flags = response.seen_at, response.flags
            row = parse_record(response.record, fetched_at=seen_at, flags=flags)
        self._writer.put(row)  # first, so that what a frame shows has been kept
        self.rows[at] = row
        self._arrived.append(at)

    def _keep(self, error: BaseException) -> None:
        if isinstance(error, HookedError) and error.videos is None:
            error.videos = self._so_far()
        self._writer.close()

    def _interrupted(self) -> FetchInterrupted:
        # in this order: rows that come while the archive writes are in neither
        videos = self._so_far()
        self._writer.close()
        done = int(videos["fetch_error"].ne("not_fetched").fillna(True).sum())
        return FetchInterrupted(
            f"Stopped after {done:,} of {len(videos):,} videos. What arrived is in .videos of "
            "this error. Fetch the rows whose fetch_error is 'not_fetched' again.",
            videos=videos,
        )

    def _so_far(self) -> pd.DataFrame:
        rows = list(self.rows)
        return self.requested.frame(
            [
                row or failed_row(task.shown, "not_fetched", "stopped first", fetched_at=None)
                for row, task in zip(rows, self.requested.tasks, strict=True)
            ]
        )

    def _long_wait(self) -> str | None:
        """Say so when the rate limit stretches the batch beyond a minute."""
        limit, many = self.client.requests_per_minute, len(self._waiting)
        if not limit or (later := many - self.client.requests_left) <= limit:
            return None
        told = f"{many:,} videos at {limit:g} requests a minute"
        return f"{told}: about {round(later / limit):,} min"

    def _summary(self, videos: pd.DataFrame) -> str:
        kinds, held = Counter(videos["fetch_error"].dropna()), len(self.requested.held)
        failed = ", ".join(f"{many:,} {kind}" for kind, many in kinds.most_common())
        return (
            f"{count(len(videos), 'video')}: {len(videos) - kinds.total() - held:,} fetched"
            f"{f', {held:,} from the archive' if held else ''}{f', {failed}' if failed else ''}"
            f" · {count(self.token.requests_sent, 'request')}{f', {held:,} saved' if held else ''}"
        )
