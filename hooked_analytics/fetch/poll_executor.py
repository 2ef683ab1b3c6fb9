"""One poll of all videos: its requests, sent by threads that stop when told."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from hooked_analytics._internal.worker_pool import WorkerPool
from hooked_analytics.client import CancelToken, HookedClient
from hooked_analytics.errors import HookedError
from hooked_analytics.schema import ENDING_FAILURES, parse_record, record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hooked_analytics.client import ListPage
    from hooked_analytics.fetch.poll_scheduler import PollScheduler
    from hooked_analytics.fetch.video_state import VideoState
    from hooked_analytics.schema import Row

_log = logging.getLogger(__name__)
_WAIT_SECONDS = 0.05
# So many failures without one response, and the rest of the poll is left for the next.
GIVE_UP_AFTER = 8


class PollExecutor:
    """
    Send what the schedule wants, poll by poll, and note the responses as they arrive.

    Parameters
    ----------
    client : HookedClient
        Whose key, limit and connections to use.
    schedule : PollScheduler
        Chooses the requests, takes the responses.
    over : Callable[[], bool]
        Whether the caller wants no more: told to stop, or out of time.
    """

    def __init__(
        self, client: HookedClient, schedule: PollScheduler, *, over: Callable[[], bool]
    ) -> None:
        self.token = CancelToken(threading.Event())
        self._client = client
        self._schedule = schedule
        self._over = over
        self._pages: Iterator[ListPage] | None = None
        self._lock = threading.Lock()
        self._responses = self._failures = 0
        self._more = False  # whether the limit may hold details back

    def poll(self) -> None:
        """Send the requests of one poll."""
        self._responses = self._failures = 0
        for _ in range(2):  # the whole list after the first, where that one left too much open
            if not self._schedule.list_due(self._client.requests_left):
                break
            self._work([self._read_list])
        chosen = self._schedule.next_details(self._client.requests_left)
        self._details(chosen)
        self._more = len(chosen) > 0 or self._client.requests_left < 1
        self._schedule.end_poll(responses=self._responses, failures=self._failures)
        _log.info(
            "poll %d: %d details requested, %d responses, %d failures",
            self._schedule.poll,
            len(chosen),
            self._responses,
            self._failures,
        )

    def notified(self) -> bool:
        """Request those that webhook events name; say whether anything was answered."""
        return self._details(self._schedule.next_notified(self._client.requests_left))

    def between_polls(self) -> None:
        """Request details that the limit held back, as it frees requests."""
        left = self._client.requests_left
        if self._more and 1 <= left < float("inf"):
            chosen = self._schedule.held_back(left)
            self._more = not chosen or self._details(chosen)

    def _details(self, videos: list[VideoState]) -> bool:
        before = self._responses
        self._work([partial(self._request, video) for video in videos])
        return self._responses > before

    def _work(self, jobs: list[Callable[[], None]]) -> None:
        """Do the jobs in threads; wait until they are done, or the caller wants no more."""
        if not jobs or self._over():
            return
        threads = min(len(jobs), self._client.max_workers)
        pool = WorkerPool(jobs, self.token.stop, threads=threads, name="hooked-poll")
        while not pool.done.wait(_WAIT_SECONDS):
            if self._over() or pool.fault is not None:
                self.token.stop.set()
                break
        if pool.fault is not None:
            raise pool.fault

    def _read_list(self) -> None:
        """Read pages of the list, as far as that is cheaper than requesting details."""
        schedule = self._schedule
        if schedule.reading is None:
            return
        if self._pages is None:
            self._pages = self._client.list_pages(status=schedule.reading.status, cancel=self.token)
        for _ in range(schedule.page_quota(self._client.requests_left)):
            before = self.token.requests_sent
            try:
                page = next(self._pages, None)
            except HookedError as error:
                self._pages = None
                if error.kind is None:
                    raise
                self._count(answered=False)
                schedule.list_failed(error)
                return
            self._count(answered=True)
            schedule.note_list_requests(self.token.requests_sent - before)
            if page is None or not schedule.note_page(
                self._ours(page), items=len(page.records), total=page.total
            ):
                self._pages = None
                schedule.end_list()
                return

    def _ours(self, page: ListPage) -> dict[str | None, Row]:
        return {
            video_id: parse_record(record, fetched_at=page.seen_at, flags=page.flags)
            for record in page.records
            if self._schedule.is_open(video_id := record_id(record))
        }

    def _request(self, video: VideoState) -> None:
        if self._failures >= GIVE_UP_AFTER and not self._responses:
            return
        try:
            response = self._client.request_video(video.video_id or "", cancel=self.token)
        except HookedError as error:
            if error.kind is None:
                raise
            self._count(answered=error.kind in ENDING_FAILURES)
            self._schedule.failed(video, error.kind, str(error))
            return
        self._count(answered=True)
        row = parse_record(response.record, fetched_at=response.seen_at, flags=response.flags)
        self._schedule.answered(video, row)

    def _count(self, *, answered: bool) -> None:
        with self._lock:
            self._responses += answered
            self._failures += not answered
