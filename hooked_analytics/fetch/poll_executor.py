"""One look at all videos: the questions of a round, sent by threads that stop when told."""

from __future__ import annotations

import math
import threading
from functools import partial
from typing import TYPE_CHECKING

from hooked_analytics._internal.worker_pool import WorkerPool
from hooked_analytics.client import CancelToken, HookedClient
from hooked_analytics.errors import HookedError
from hooked_analytics.fetch.poll_scheduler import ENDING_FAILURES
from hooked_analytics.fetch.video_state import VideoState
from hooked_analytics.schema import parse_record, record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from hooked_analytics.client import ListPage
    from hooked_analytics.fetch.poll_scheduler import PollScheduler
    from hooked_analytics.schema import Row

_LOOK_SECONDS = 0.05
# So many failures without one answer, and the rest of the round is left for the next.
GIVE_UP_AFTER = 8


class PollExecutor:
    """
    Ask what the plan wants asked, round by round.

    Rows are noted as they arrive, so an interrupt loses nothing; the threads are daemons that
    look at the batch's stop event before every request, so it is followed by silence.

    Parameters
    ----------
    over : whether the caller wants no more: told to stop, or out of time
    """

    def __init__(
        self, client: HookedClient, plan: PollScheduler, *, over: Callable[[], bool]
    ) -> None:
        self.batch = CancelToken(threading.Event())
        self._client = client
        self._plan = plan
        self._over = over
        self._lock = threading.Lock()
        self._answers = self._failures = 0

    def round(self) -> None:
        """Ask the questions of one round and note their answers."""
        self._answers = self._failures = 0
        if self._plan.walk_now():
            self._work([self._walk])
        if self._plan.crowded(self._client.requests_left):
            self._work([self._glance])
        chosen = self._plan.next_details(self._client.requests_left)
        self._work([partial(self._details, video) for video in chosen])
        self._plan.end_round(answers=self._answers, failures=self._failures)

    def called(self) -> bool:
        """Ask at once about those Hooked called about; say whether anything was answered."""
        self._answers = self._failures = 0
        chosen = self._plan.next_called(self._client.requests_left)
        self._work([partial(self._details, video) for video in chosen])
        return self._answers > 0

    def _work(self, jobs: list[Callable[[], None]]) -> None:
        """Do the jobs in threads; wait until they are done, or the caller wants no more."""
        if not jobs or self._over():
            return
        threads = min(len(jobs), self._client.max_workers)
        crew = WorkerPool(jobs, self.batch.stop, threads=threads, name="hooked-watch")
        while not crew.done.wait(_LOOK_SECONDS):
            if self._over():
                self.batch.stop.set()
                return
        if crew.fault is not None:
            raise crew.fault

    def _walk(self) -> None:
        """Walk the list of what renders, as far as that is cheaper than asking for details."""
        wanted = {video.video_id for video in self._plan.open}
        seen: dict[str | None, Row] = {}
        pages = cost = size = 0
        try:
            for page in self._client.list_pages(status="processing", cancel=self.batch):
                pages += 1
                seen.update(_ours(page, wanted))
                unseen = len(wanted) - len(seen)
                size = max(size, len(page.records))
                cost = max(pages, math.ceil((page.total or 0) / size))
                if not unseen or cost - pages >= unseen:
                    break
        except HookedError as error:
            self._list_failed(error)
            return
        self._count(answered=True)
        everything = len(seen) == len(wanted)
        self._plan.walked(seen, pages=pages if everything else max(pages, cost))

    def _glance(self) -> None:
        """Look at one page of what is completed."""
        wanted = {video.video_id for video in self._plan.open}
        try:
            page = next(self._client.list_pages(status="completed", cancel=self.batch), None)
        except HookedError as error:
            self._list_failed(error)
            return
        self._count(answered=True)
        self._plan.glanced(_ours(page, wanted) if page else {})

    def _list_failed(self, error: HookedError) -> None:
        if error.kind is None:
            raise error
        self._count(answered=False)
        self._plan.list_failed(error)

    def _details(self, video: VideoState) -> None:
        if self._failures >= GIVE_UP_AFTER and not self._answers:
            return
        try:
            answer = self._client.request_video(video.video_id or "", cancel=self.batch)
        except HookedError as error:
            if error.kind is None:
                raise
            self._count(answered=error.kind in ENDING_FAILURES)
            self._plan.failed(video, error.kind, str(error))
            return
        self._count(answered=True)
        row = parse_record(answer.record, fetched_at=answer.seen_at, flags=answer.flags)
        self._plan.answered(video, row)

    def _count(self, *, answered: bool) -> None:
        with self._lock:
            self._answers += answered
            self._failures += not answered


def _ours(page: ListPage, wanted: Set[str | None]) -> dict[str | None, Row]:
    return {
        video_id: parse_record(record, fetched_at=page.seen_at, flags=page.flags)
        for record in page.records
        if (video_id := record_id(record)) in wanted
    }
