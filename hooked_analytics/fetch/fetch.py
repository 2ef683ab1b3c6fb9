"""Ids to a videos frame, many at once: every id a row, in the order asked."""

from __future__ import annotations

import contextlib
import math
import threading
import warnings
from collections import Counter, deque
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from hooked_analytics._internal.progress_bar import ProgressBar
from hooked_analytics.client import Cancelled, CancelToken, HookedClient, ListPage, Response
from hooked_analytics.errors import (
    FetchError,
    FetchInterrupted,
    HookedError,
    InvalidVideoIdError,
)
from hooked_analytics.fetch.background_writer import Archive, BackgroundWriter
from hooked_analytics.schema import (
    Row,
    clean_text,
    empty_videos,
    failed_row,
    frame_from_rows,
    is_final,
    parse_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOOK_SECONDS = 0.1


def fetch_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    errors: Literal["coerce", "raise"] = "coerce",
    progress: bool | None = None,
) -> pd.DataFrame:
    """
    Fetch the details of many videos, several at a time.

    One request per video, more only where an attempt failed. A failed id is a row that says
    why, so asking again with the failed ids asks only for what is missing. With an archive,
    nothing is asked twice once it is finished.

    Parameters
    ----------
    video_ids : ids in any iterable, or one id
        Surrounding white space is taken off; an id given twice is asked for once.
    client : whose key, limit and connections to use
        A new `HookedClient` for this call when missing.
    archive : a `VideoArchive` to take finished videos from, and to keep the others in
        Rows are kept every half minute, at the end and on an interrupt. The links of videos
        taken from it have lost their signature. Anything with its ``.videos()`` and
        ``.append(videos)`` will do.
    errors : ``"coerce"`` makes failed ids rows; ``"raise"`` raises after the batch
    progress : whether to show a bar; when missing, only where somebody watches

    Returns
    -------
    videos frame, one row per distinct id, in the order asked
        ``fetch_error`` is missing where the fetch went well. Else it is one of ``invalid_id,
        not_found, forbidden, rate_limited, timeout, network, server, bad_response``, and
        every column the API would have filled is missing.

    Raises
    ------
    AuthenticationError
        The key is missing or wrong; the batch stops at once.
    FetchError
        Some ids failed and *errors* is ``"raise"``, or the archive could not be written;
        ``.videos`` has every row.
    FetchInterrupted
        The stop button; ``.videos`` has every row, the unasked as ``not_fetched``.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     videos = fetch_videos(["vid_abc123", "no/id"], client=client)
    >>> videos["video_id"].tolist()
    ['vid_abc123', 'no/id']
    >>> videos["fetch_error"].fillna("").tolist()
    ['', 'invalid_id']
    """
    if errors not in {"coerce", "raise"}:
        raise ValueError(f"errors is 'coerce' or 'raise', not {errors!r}")
    with contextlib.nullcontext(client) if client else HookedClient() as used:
        asked = _asked(asked_ids(video_ids, used), archive)
        videos = _Run(used, asked, BackgroundWriter(archive)).finish(progress)
    failed = int(videos["fetch_error"].notna().sum())
    if errors == "raise" and failed:
        first = videos["fetch_error_message"].dropna().iloc[0]
        raise FetchError(
            f"{failed} of {len(videos)} videos could not be fetched, the first: {first}. "
            "Every row is in .videos of this error.",
            videos=videos,
        )
    return videos


def list_videos(
    *,
    client: HookedClient | None = None,
    type: str | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """
    List the team's videos, 100 a request.

    The list tells less than details do: credits, script, avatar and voice are missing, and
    ``type`` is known only when it was asked for. Credits need `fetch_videos`.

    Parameters
    ----------
    client : whose key, limit and connections to use
    type : only videos of this type
    status : only videos in this state: draft, processing, completed or failed
    limit : stop after so many videos

    Returns
    -------
    videos frame, one row per video, in the API's order
        Fields the list lacks are missing.

    Raises
    ------
    HookedError
        A page could not be had; there is no half list.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=120) as sandbox, sandbox.client() as client:
    ...     videos = list_videos(client=client, limit=110)
    ...     len(videos), client.requests_sent
    (110, 2)
    """
    with contextlib.nullcontext(client) if client else HookedClient() as used:
        rows = (
            row for page in used.list_pages(type=type, status=status) for row in _rows(page, type)
        )
        return frame_from_rows(list(islice(rows, limit)))


class AskedId(NamedTuple):
    """One distinct id as asked, and why it is not asked where that is so."""

    shown: str | None
    problem: str | None


class _Asked(NamedTuple):
    """Every distinct id in order, those that are asked for, and the rows known to be final."""

    order: list[str | None]
    tasks: list[AskedId]
    held: pd.DataFrame

    def frame(self, rows: list[Row]) -> pd.DataFrame:
        """Stack the rows of the tasks, with the held ones where they were asked."""
        fetched = frame_from_rows(rows)
        if self.held.empty:
            return fetched
        both = pd.concat([fetched, self.held], ignore_index=True)
        ids = [*(task.shown for task in self.tasks), *self.held["video_id"]]
        at = {video_id: row for row, video_id in enumerate(ids)}
        return both.iloc[[at[video_id] for video_id in self.order]].reset_index(drop=True)


def _asked(tasks: list[AskedId], archive: Archive | None) -> _Asked:
    """Leave out the tasks whose video is finished according to the archive."""
    order = [task.shown for task in tasks]
    if archive is None:
        return _Asked(order, tasks, empty_videos())
    known = archive.videos()
    wanted = {task.shown for task in tasks if task.problem is None}
    final = known[is_final(known) & known["fetch_error"].isna()]
    # a set asked one by one: isin of pandas 2.2 takes a second for 100,000 ids
    asked = np.fromiter((video_id in wanted for video_id in final["video_id"]), np.bool_)
    held = final[asked]
    finished = set(held["video_id"])
    return _Asked(order, [task for task in tasks if task.shown not in finished], held)


class _Run:
    """
    One batch: worker threads take tasks and leave rows, the caller's thread waits and draws.

    Rows are kept as they arrive, so an interrupt loses nothing; the threads are daemons that
    look at the stop event before every request, so an interrupt is followed by silence.
    """

    def __init__(self, client: HookedClient, asked: _Asked, keeper: BackgroundWriter) -> None:
        self.client = client
        self.asked = asked
        self.keeper = keeper
        self.tasks = tasks = asked.tasks
        self.batch = CancelToken(threading.Event())
        self.rows: list[Row | None] = [
            failed_row(task.shown, "invalid_id", task.problem, fetched_at=None)
            if task.problem
            else None
            for task in tasks
        ]
        self._waiting = deque(at for at, row in enumerate(self.rows) if row is None)
        self._left = len(self._waiting)
        self._lock = threading.Lock()
        self._all_done = threading.Event()
        self._fault: BaseException | None = None

    def finish(self, progress: bool | None) -> pd.DataFrame:
        """Run to the end, to the first fault, or to the interrupt."""
        try:
            with ProgressBar(len(self.tasks), shown=progress) as bar:
                self._start()
                while self._left and not self._all_done.wait(_LOOK_SECONDS):
                    bar.show(len(self.tasks) - self._left)
                if self._fault is not None:
                    raise self._fault
                self.keeper.close()
                videos = self._so_far()
                bar.close(_summary(videos, self.batch.requests_sent, len(self.asked.held)))
            interrupted = False
        except KeyboardInterrupt:
            self.batch.stop.set()  # silence first: a long frame takes a while to make
            videos = self._so_far()
            interrupted = True
        finally:
            self.batch.stop.set()
            self.keeper.close()
        if interrupted:
            raise self._stopped(videos) from self.keeper.fault
        if self.keeper.fault is not None:
            reason = str(self.keeper.fault).rstrip(".")
            raise FetchError(
                f"What was fetched could not be kept in the archive: {reason}. "
                "Every row is in .videos of this error.",
                videos=videos,
            ) from self.keeper.fault
        return videos

    def _stopped(self, videos: pd.DataFrame) -> FetchInterrupted:
        done = int((videos["fetch_error"] != "not_fetched").fillna(True).sum())
        return FetchInterrupted(
            f"Stopped after {done} of {len(videos)} videos. What arrived is in .videos of this "
            "error; ask again with the rows whose error is 'not_fetched'.",
            videos=videos,
        )

    def _start(self) -> None:
        for number in range(min(self.client.max_workers, self._left)):
            threading.Thread(target=self._work, name=f"hooked-fetch-{number}", daemon=True).start()

    def _work(self) -> None:
        try:
            while not self.batch.stop.is_set():
                try:
                    at = self._waiting.popleft()
                except IndexError:
                    return
                row = self._row(self.tasks[at].shown or "")
                self.keeper.put(row)  # first, so that what a frame shows has been kept
                self.rows[at] = row
                with self._lock:
                    self._left -= 1
                    finished = not self._left
                if finished:
                    self._all_done.set()
        except Cancelled:
            return
        except BaseException as fault:  # noqa: BLE001 - raised on in the caller's thread
            self._fault = self._fault or fault
            self.batch.stop.set()
            self._all_done.set()

    def _row(self, video_id: str) -> Row:
        try:
            answer = self.client.request_video(video_id, cancel=self.batch)
        except HookedError as error:
            if error.kind is None:
                raise
            return failed_row(video_id, error.kind, str(error), fetched_at=datetime.now(UTC))
        return _row(answer)

    def _so_far(self) -> pd.DataFrame:
        rows = list(self.rows)
        return self.asked.frame(
            [
                row or failed_row(task.shown, "not_fetched", "stopped first", fetched_at=None)
                for row, task in zip(rows, self.tasks, strict=True)
            ]
        )


def _row(answer: Response) -> Row:
    return parse_record(answer.record, fetched_at=answer.seen_at, flags=answer.flags)


def _rows(page: ListPage, type: str | None) -> Iterator[Row]:
    """Rows of a list page; items without a type carry the one that was asked for."""
    for record in page.records:
        full = record if record.get("type") or not type else {**record, "type": type}
        yield parse_record(full, fetched_at=page.seen_at, flags=page.flags)


def asked_ids(video_ids: str | Iterable[object], client: HookedClient) -> list[AskedId]:
    """Check every id and fold those given twice, in the order first seen."""
    given = [video_ids] if isinstance(video_ids, str) else list(video_ids)
    tasks: dict[str | None, AskedId] = {}
    for value in given:
        try:
            task = AskedId(client.check_video_id(value), None)
        except InvalidVideoIdError as error:
            task = AskedId(_shown(value), str(error))
        tasks.setdefault(task.shown, task)
    if folded := len(given) - len(tasks):
        warnings.warn(
            f"{folded} of {len(given)} video ids were given before and are asked for once",
            stacklevel=3,
        )
    return list(tasks.values())


def _shown(value: object) -> str | None:
    """Show what is no id as text; missing stays missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return clean_text(str(value)) or None


def _summary(videos: pd.DataFrame, requests_sent: int, held: int) -> str:
    kinds = Counter(videos["fetch_error"].dropna())
    failed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    fetched = len(videos) - kinds.total() - held
    return (
        f"{len(videos):,} videos: {fetched:,} fetched"
        f"{f', {held:,} from the archive' if held else ''}{f', {failed}' if failed else ''}"
        f" · {requests_sent:,} requests{f', {held:,} saved' if held else ''}"
    )
