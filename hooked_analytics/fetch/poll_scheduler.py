"""
What to request next, decided by counting requests. No network and no clock in here.

One page of the list tells how far a hundred videos are, so while many render the list is read and
details are requested only of those that have ended. While more than a page of ours render, the
whole list is read: its items keep their places, so none is missed while renders end, and it says
how each ended. Else its filter "processing" is read, and a video that left it has ended. Where the
list is dearer than the details it would save, is missing or makes no sense, the details take turns.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING

from hooked_analytics.fetch.video_state import (
    AT,
    FalseAlarmBudget,
    ListReading,
    VideoState,
    merge_rows,
)
from hooked_analytics.schema import ENDING_FAILURES, FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hooked_analytics.errors import HookedError
    from hooked_analytics.schema import Row

_log = logging.getLogger(__name__)

PAGE_VIDEOS = 100
WHOLE, RENDERING = None, "processing"  # the list's filters that are read
# The list gets at most this part of the limit; the rest is for details and for other callers.
# A long list gets more: it is read seldom, and its readings tell of more ends than one at a time.
LIST_SHARE, LONG_LIST_SHARE = 0.37, 0.43
LONG_LIST_PAGES = 50
# Details of ends that the list has told leave this part of the limit: the next reading, and ends
# that only details tell, go first. Not while they would take longer than a minute, or they pile up.
RESERVED_SHARE = 0.25
MAX_POLLS_APART = 6  # between requests for a video that fail, or that the list does not confirm
MAX_POLLS_WITHOUT_LIST = 64  # before a list that failed or told nothing is tried again
REFUSAL = 4  # a list that is missing, or is none, counts as so many stray failures
MAX_UNCHANGED = 24  # times that the list shows a video unchanged: it may be old
# The list is read when, by their own pace, renders have waited for it so long, added up, for each
# of its pages [polls], more for each page after the second, for they delay details; and, since a
# render may fail early, after so many polls for each of the first pages, or this part of all polls.
WAITED_PER_PAGE, MAX_TIMES = 2.0, 16
MAX_QUIET, MAX_QUIET_PAGES, AGE_PER_QUIET = 4, 6, 12
# Details of a single render are requested a poll later for each so many polls that it should take.
QUIET_POLLS = 4
POLLS_AFTER_NOTHING = 8  # before the whole list, which showed no end of ours, is read for a few
MAX_SLOWER = 12  # times the interval, which doubles while nothing answers
NOTIFIED_APART = 6  # intervals between polls while webhook events tell of every end


class PollScheduler:
    """
    The state of the loop: every video, the list, and how well Hooked answers.

    *per_poll* is what the limit allows in one interval, infinite without a limit;
    *polls_a_minute* how many intervals are in its window.
    """

    def __init__(
        self, videos: Sequence[VideoState], *, per_poll: float, polls_a_minute: float
    ) -> None:
        self.videos = videos
        self.poll = 0
        self.failing = 0  # polls in a row in which nothing answered
        self.reading: ListReading | None = None
        self._by_id = {video.video_id: video for video in videos}
        self._open = list(videos)
        self._queue: deque[VideoState] = deque()  # details between this poll and the next
        self._queued = -1  # the poll for which the queue was made
        self._polls_a_minute = polls_a_minute
        self._limit = per_poll * polls_a_minute
        pages = max(1, math.ceil(len(self.open) / PAGE_VIDEOS))
        share = LONG_LIST_SHARE if pages > LONG_LIST_PAGES else LIST_SHARE
        self._list_per_poll = share * per_poll
        self._pages = dict.fromkeys((WHOLE, RENDERING), pages)  # what a reading costs
        self._readings = 0
        self._read = -1  # the poll in which a reading last ended
        self._next_list = 0.0
        self._next_whole = 0
        self._list_pages: deque[int] = deque([0], maxlen=max(1, math.ceil(polls_a_minute)))
        self._trouble = 0
        self._list_back = 0
        self._by_turns = False  # this poll does without the list
        self._budget = FalseAlarmBudget()

    @property
    def open(self) -> list[VideoState]:
        """Videos that can still change."""
        self._open = [video for video in self._open if not video.done]
        return self._open

    def is_open(self, video_id: str | None) -> bool:
        """Whether it is one of ours that can still change."""
        video = self._by_id.get(video_id)
        return video is not None and not video.done

    def list_due(self, left: float) -> bool:
        """Whether to read the list now, or to go on reading it."""
        resting = self.reading is not None or self.poll < self._list_back
        if not resting and (status := self._list_to_read(left)) != "":
            self._readings += 1
            self.reading = ListReading(status, self._readings, self.poll)
        return self.reading is not None

    def _list_to_read(self, left: float) -> str | None:
        """Choose between the whole list, what is rendering, and neither: an empty text."""
        waiting = self._rendering()
        if self.poll >= self._next_list and self._read != self.poll:
            for status in (WHOLE, RENDERING) if len(waiting) > PAGE_VIDEOS else (RENDERING,):
                if len(waiting) > (pages := self._pages[status]):
                    return status if self._news_expected(waiting, pages) else ""
        if self.poll < self._next_whole or self._cautious():
            return ""
        # more have left the list than can be requested now: the whole list says how they ended
        gone = [v for v in self._due() if not (v.failed or v.unlisted or v.listed or v.is_final)]
        return WHOLE if len(gone) > max(self._room(left) + 1, self._pages[WHOLE]) else ""

    def _news_expected(self, waiting: list[VideoState], pages: int) -> bool:
        """Whether enough have ended by their own pace, or the last reading is long ago."""
        if not self._readings or self.poll - self._read >= self._max_quiet(pages):
            return True
        waited = sum(self.poll + 1 - video.ends for video in waiting if video.ends <= self.poll)
        return waited >= WAITED_PER_PAGE * pages * min(max(1, 2 * pages - 4), MAX_TIMES)

    def _max_quiet(self, pages: int = 1) -> int:
        return max(MAX_QUIET * min(pages, MAX_QUIET_PAGES), self.poll // AGE_PER_QUIET)

    def _rendering(self) -> list[VideoState]:
        """Videos whose end is not known; before the first reading, all."""
        first = not self._readings
        return [v for v in self.open if not v.is_final and (v.row is not None or first)]

    def list_serves(self) -> bool:
        """Whether reading the list costs less than the details it would save."""
        if self.poll < self._list_back:
            return False
        return self.reading is not None or len(self._rendering()) > min(self._pages.values())

    def page_quota(self, left: float) -> int:
        """Pages to read in this poll: at first as many as may be, then the list's share."""
        if self._readings > 1 and not math.isinf(self._list_per_poll):
            left = min(left, math.ceil(self._list_per_poll))
        return 1_000_000 if math.isinf(left) else max(1, int(left))

    def note_page(self, seen: Mapping[str | None, Row], *, items: int, total: int | None) -> bool:
        """Note what a page showed of ours; return whether to read on."""
        if (reading := self.reading) is None:
            return False
        reading.pages += 1
        for video_id, row in seen.items():
            video = self._by_id[video_id]
            was_final, video.seen = video.is_final, reading.number
            video.take_item(row, self.poll)
            reading.news |= video.is_final and not was_final
        reading.cost = max(reading.cost, reading.pages, -(-(total or 0) // max(1, items)))
        unseen = self._unseen(reading)
        return unseen > 0 and reading.cost - reading.pages < unseen

    def _unseen(self, reading: ListReading) -> int:
        return sum(not v.is_final and v.seen != reading.number for v in self.open)

    def note_list_requests(self, count: int) -> None:
        """Count requests of the list against its share of the limit."""
        self._list_pages[-1] += count

    def end_list(self) -> None:
        """Note that the list was read to its end, or as far as it serves."""
        reading, self.reading = self.reading, None
        if reading is None:
            return
        cost = reading.cost if self._unseen(reading) else 0
        pages = self._pages[reading.status] = max(1, reading.pages, cost)
        self._read = self.poll
        for video in self.open:
            video.listed &= video.seen == reading.number
        self._next_list = max(self._next_list + pages / self._list_per_poll, reading.began + 1)
        if reading.status == WHOLE:
            self._next_whole = self.poll + (1 if reading.news else POLLS_AFTER_NOTHING)
        listed = sum(video.listed for video in self.open)
        _log.info("list read: %d pages, %d videos rendering", reading.pages, listed)

    def list_failed(self, error: HookedError) -> None:
        """Note a reading that failed: the list is left alone for a while, longer each time."""
        self.reading = None
        self._read = self.poll
        self._avoid_list(1 if error.retryable else REFUSAL)
        if error.retryable:
            for video in self.open:
                video.failure = (error.kind or "bad_response", str(error))

    def _avoid_list(self, weight: int) -> None:
        self._trouble += weight
        polls = min(2 ** (self._trouble - 1), MAX_POLLS_WITHOUT_LIST)
        self._list_back = self.poll + polls
        _log.info("the list is not read for %d polls", polls)

    def next_details(self, left: float) -> list[VideoState]:
        """Choose whose details to request now, with so many requests *left*; longest wait first."""
        self._by_turns = not self.list_serves()
        if self._by_turns:
            for video in self.open:
                video.listed = False
        due, room = sorted(self._due(), key=_rank), self._room(left)
        return self._affordable(due[:room], room)[0] or due[: min(1, room)]

    def held_back(self, left: float) -> list[VideoState]:
        """Choose whose details to request between two polls, as the limit frees requests."""
        if self._queued != self.poll:  # once a poll: sorting for each request is quadratic
            self._queue, self._queued = deque(sorted(self._due(), key=_rank)), self.poll
        due: list[VideoState] = []
        room = 0 if self.failing or not self._queue else int(self._spare(left))
        while self._queue and len(due) < room:
            if not (video := self._queue.popleft()).done:
                due.append(video)
        if not due:  # this comes many times a second, and the rest goes through all videos
            return []
        chosen, later = self._affordable(due, room)
        self._queue.extendleft(reversed(later))
        return chosen

    def _affordable(
        self, due: list[VideoState], room: int
    ) -> tuple[list[VideoState], list[VideoState]]:
        """Split into those to request and those to wait: ends the list has told leave a reserve."""
        told = sum(video.is_final for video in self.open)
        reserved = told <= self._limit < math.inf and any(video.listed for video in self.open)
        reserve = RESERVED_SHARE * self._limit if reserved else 0
        free = max(0, int(room - reserve))
        now = due[:free] + [video for video in due[free:] if not video.is_final]
        return now, [video for video in due[free:] if video.is_final]

    def note_events(self, events: Iterable[Sequence[str]]) -> None:
        """Mark the videos that webhook events name, by id or project; ignore unknown ids."""
        ids = {video_id for event in events for video_id in event}
        for video in self.videos if ids else ():
            project = video.row[AT["project_id"]] if video.row else None
            if video.video_id not in ids and project not in ids:
                continue
            if video.done:
                self._budget.note(came_true=True)  # events do come, this one late or twice
            else:
                video.notified, video.due = True, self.poll

    def next_notified(self, left: float) -> list[VideoState]:
        """Choose whose details to request at once because an event named them."""
        notified = [video for video in self._due() if video.notified]
        return notified[: max(0, int(min(self._budget.left, self._spare(left))))]

    def _due(self) -> list[VideoState]:
        due = [video for video in self.open if video.due <= self.poll]
        believed = {id(video) for video in [v for v in due if v.notified][: self._budget.left]}
        # while the list is read for the first time, it may still show the others
        first = self.reading is not None and self.reading.number == 1
        return [
            video
            for video in due
            if not video.listed or video.unchanged >= MAX_UNCHANGED or id(video) in believed
            if video.row is not None or not first
        ]

    def _cautious(self) -> bool:
        """Whether nothing is known to answer: one request is enough to find out."""
        return bool(self.failing) or (self._read == self.poll == self._list_back - 1)

    def _room(self, left: float) -> int:
        """Details this poll may request, so that the list never has to wait for them."""
        if self._cautious():
            return 1
        if math.isinf(left):
            return len(self.videos)
        # at least one, or a client that others keep busy would never request anything
        return max(int(not self._list_pages[-1]), int(self._spare(left)))

    def _spare(self, left: float) -> float:
        """Requests that are left beside those the list needs within a minute."""
        if math.isinf(left) or not any(video.listed for video in self.videos):
            return left
        pages = self._pages[self.reading.status] if self.reading else min(self._pages.values())
        every = max(1.0, self._next_list - self._read, pages / self._list_per_poll)
        needed = pages * self._polls_a_minute / every
        quota = min(pages, math.ceil(self._list_per_poll))
        return left - max(quota, needed - sum(self._list_pages))

    def answered(self, video: VideoState, row: Row) -> None:
        """Note the details of a video."""
        was_rendering = video.row is not None and not video.is_final
        # first, so that no other thread takes this end for one that only the list told of
        video.done = row[AT["status"]] in FINAL_STATUSES
        video.row = merge_rows(video.row, row, from_list=False)
        video.failure, video.requested = None, self.poll
        video.failed = video.unchanged = 0
        if video.notified:
            self._budget.note(came_true=video.done)
        elif video.done and was_rendering:
            self._budget.missed()
        video.notified = False
        if not video.listed and (video.unlisted or not self._by_turns):
            video.unlisted += 1
        video.note_progress(self.poll)
        by_pace = int(min(self._max_quiet(), 1 + max(0, video.ends - self.poll) // QUIET_POLLS))
        video.due = self.poll + max(_polls_apart(video.unlisted), by_pace)

    def failed(self, video: VideoState, kind: str, message: str) -> None:
        """Note why the details of a video could not be had."""
        video.failure, video.requested = (kind, message), self.poll
        video.failed += 1
        video.done = kind in ENDING_FAILURES
        video.due = self.poll + _polls_apart(video.failed)

    def end_poll(self, *, responses: int, failures: int) -> None:
        """Count the poll; the list's own page is one of the *responses* or *failures*."""
        if responses:
            if self.failing:  # everything failed, so the list was not to blame
                self._trouble = self._list_back = 0
            self.failing = 0
        elif failures:
            self.failing += 1
        if self._read == self.poll >= self._list_back:
            if any(video.listed for video in self.videos):
                self._trouble = 0
            elif any(video.unlisted for video in self.open):
                self._avoid_list(1)
        self._budget.regain()
        self._list_pages.append(0)
        self.poll += 1

    def slower_by(self, *, listening: bool = False) -> int:
        """Say how many intervals to wait; *listening* while webhook events can come."""
        apart = NOTIFIED_APART if listening and self._budget.holds else 1
        return int(max(apart, min(2**self.failing, MAX_SLOWER)))


def _rank(video: VideoState) -> tuple[bool, bool, bool, bool, int]:
    """Whose details go first, the longest wait before others of its kind."""
    odd = video.failed > 0, video.unlisted > 0
    return (not video.notified, *odd, video.is_final, video.requested)


def _polls_apart(times: int) -> int:
    return int(min(2 ** max(0, times - 1), MAX_POLLS_APART))
