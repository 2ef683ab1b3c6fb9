"""
What to ask next, decided by counting requests. No network and no clock in here.

One page of the list tells how far a hundred videos are, so while many render the list is
walked and details are asked only of those it does not show: a video that left it has ended,
and its details say how and at what price. Where the list is dearer than the details it would
save, is missing or makes no sense, the details take turns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hooked_analytics.fetch.video_state import AT, VideoState, merged
from hooked_analytics.fetch.webhook_events import FalseAlarmBudget
from hooked_analytics.schema import FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hooked_analytics.errors import HookedError
    from hooked_analytics.schema import Row

PAGE_VIDEOS = 100
# Failures that asking again cannot cure.
ENDING_FAILURES = frozenset({"invalid_id", "not_found", "forbidden"})
# The list gets at most this part of the limit; the rest is for details and for other callers.
LIST_SHARE = 1 / 3
# Rounds between questions about one video that fail, or that the list does not confirm.
MAX_ROUNDS_APART = 6
# Rounds before a list that failed or told nothing is tried again.
MAX_ROUNDS_WITHOUT_LIST = 64
# A refusal of the list (it is missing, or no list) counts as so many stray failures.
REFUSAL = 4
# A video the list shows unchanged so many times is asked directly: the list may be old.
UNCHANGED_LOOKS = 24
# Looks come a round further apart for each so many rounds in which no end is expected ...
QUIET_ROUNDS = 4
# ... but never further than this, since a render may fail before its time.
QUIETEST = 3
# Rounds before the list of completed videos is looked at again after it showed none of ours.
ROUNDS_AFTER_NOTHING = 8
# While nothing is answered the interval doubles, up to so many times.
SLOWEST = 12
# While Hooked calls when a render ends, rounds are so many intervals apart.
CALLED_APART = 6
_PROGRESS = ("status", "progress", "message", "updated_at")


class PollScheduler:
    """
    The state of a watch: every video, the list, and how well Hooked answers.

    Parameters
    ----------
    videos : in the order asked
    per_round : requests the limit allows in one interval; infinite without a limit
    rounds_a_minute : intervals in the window of the limit
    """

    def __init__(
        self, videos: Sequence[VideoState], *, per_round: float, rounds_a_minute: float
    ) -> None:
        self.videos = videos
        self.round = 0
        self.pages = max(1, math.ceil(len(self.open) / PAGE_VIDEOS))
        self.failing = 0  # rounds in a row in which nothing was answered
        self._per_round = per_round
        self._rounds_a_minute = rounds_a_minute
        self._walks = 0
        self._walked = -1
        self._next_walk = 0.0
        self._trouble = 0
        self._list_back = 0
        self._next_glance = 0
        self._by_turns = False  # this round does without the list
        self._trust = FalseAlarmBudget()

    @property
    def open(self) -> list[VideoState]:
        """Videos that can still change."""
        return [video for video in self.videos if not video.done]

    def list_serves(self) -> bool:
        """Whether walking the list costs less than the details it would save."""
        if self.round < self._list_back:
            return False
        rendering = [v for v in self.open if v.row is not None or not self._walks]
        return len(rendering) > self.pages

    def walk_now(self) -> bool:
        """Whether to walk the list in this round."""
        return self.list_serves() and self.round >= self._next_walk

    def walked(self, seen: Mapping[str | None, Row], *, pages: int) -> None:
        """Note what a walk of the list showed of our videos, and what another would cost."""
        self._walks += 1
        self._walked = self.round
        self.pages = max(1, pages)
        for video in self.open:
            row = seen.get(video.video_id)
            if row is None:
                video.listed = False
            else:
                _listed(video, row, self.round)
        every = self.pages / (LIST_SHARE * self._per_round)
        listed = [video for video in self.open if video.listed]
        quiet = min((_looks_apart(video) for video in listed), default=1)
        self._next_walk = max(self._next_walk + every, self.round + quiet)

    def crowded(self, left: float) -> bool:
        """
        Whether more videos left the list than their details may be asked now.

        One page of completed videos then says of many that they ended; their credits follow.
        """
        if self.round < max(self._list_back, self._next_glance) or self._cautious():
            return False
        ended = [video for video in self._due() if _newly_gone(video) and not video.is_final]
        return len(ended) > self._room(left) + 1

    def glanced(self, seen: Mapping[str | None, Row]) -> None:
        """Note what a page of completed videos showed of ours."""
        ours = [video for video in self.open if video.video_id in seen]
        for video in ours:
            _listed(video, seen[video.video_id], self.round)
        self._next_glance = self.round + (1 if ours else ROUNDS_AFTER_NOTHING)

    def list_failed(self, error: HookedError) -> None:
        """Note a walk that failed: the list is left alone for a while, longer each time."""
        self._walks += 1
        self._walked = self.round
        self._avoid_list(1 if error.retryable else REFUSAL)
        if error.retryable:
            for video in self.open:
                video.failure = (error.kind or "bad_response", str(error))

    def _avoid_list(self, weight: int) -> None:
        self._trouble += weight
        rounds = min(2 ** (self._trouble - 1), MAX_ROUNDS_WITHOUT_LIST)
        self._list_back = self.round + rounds

    def next_details(self, left: float) -> list[VideoState]:
        """
        Choose whose details to ask now, the longest waiting first.

        Parameters
        ----------
        left : requests the client may send now without waiting
        """
        self._by_turns = not self.list_serves()
        if self._by_turns:
            for video in self.open:
                video.listed = False
        due = self._due()
        due.sort(key=lambda v: (not v.called, v.failed > 0, v.unlisted > 0, v.is_final, v.asked))
        return due[: self._room(left)]

    def called(self, calls: Iterable[Sequence[str]]) -> None:
        """Note whom Hooked called about, by video id or project; strangers are nobody's."""
        ids = {video_id for call in calls for video_id in call}
        for video in self.videos if ids else ():
            project = video.row[AT["project_id"]] if video.row else None
            if video.video_id not in ids and project not in ids:
                continue
            if video.done:
                self._trust.was_true()  # calls do come, this one late or twice
            else:
                video.called, video.due = True, self.round

    def next_called(self, left: float) -> list[VideoState]:
        """Choose whose details to ask between two rounds; nobody may have to wait for them."""
        called = [video for video in self._due() if video.called]
        return called[: max(0, int(min(self._trust.left, self._spare(left))))]

    def _due(self) -> list[VideoState]:
        due = [video for video in self.open if video.due <= self.round]
        believed = [video for video in due if video.called][: self._trust.left]
        return [
            video
            for video in due
            if not video.listed or video.unchanged >= UNCHANGED_LOOKS or video in believed
        ]

    def _cautious(self) -> bool:
        """Whether nothing is known to answer: one question is enough to find out."""
        return bool(self.failing) or (self._walked == self.round == self._list_back - 1)

    def _room(self, left: float) -> int:
        """Details this round may ask, so that the list is never kept waiting by them."""
        walked = self._walked == self.round
        if self._cautious():
            return 1
        if math.isinf(left):
            return len(self.videos)
        # at least one, or a client that others keep busy would never be asked anything
        return max(0 if walked else 1, int(self._spare(left)))

    def _spare(self, left: float) -> float:
        """Requests that are left beside those the list needs."""
        reserved = 0.0
        if any(video.listed for video in self.videos):
            every = max(1, self._next_walk - self._walked)
            reserved = self.pages * max(1.0, self._rounds_a_minute / every - self._walks)
        return left - reserved

    def answered(self, video: VideoState, row: Row) -> None:
        """Note the details of a video."""
        was_rendering = video.row is not None and not video.is_final
        # first, so that no other thread takes this end for one that only the list told of
        video.done = row[AT["status"]] in FINAL_STATUSES
        video.row = merged(video.row, row, from_list=False)
        video.failure, video.asked = None, self.round
        video.failed = video.unchanged = 0
        self._judge_calls(video, was_rendering=was_rendering)
        if not video.listed and (video.unlisted or not self._by_turns):
            video.unlisted += 1
        video.note_progress(self.round)
        video.due = self.round + max(_rounds_apart(video.unlisted), _looks_apart(video))

    def _judge_calls(self, video: VideoState, *, was_rendering: bool) -> None:
        if video.called and video.done:
            self._trust.was_true()
        elif video.called:
            self._trust.was_false()
        elif video.done and was_rendering:
            self._trust.missed()
        video.called = False

    def failed(self, video: VideoState, kind: str, message: str) -> None:
        """Note why the details of a video could not be had."""
        video.failure, video.asked = (kind, message), self.round
        video.failed += 1
        video.done = kind in ENDING_FAILURES
        video.due = self.round + _rounds_apart(video.failed)

    def end_round(self, *, answers: int, failures: int) -> None:
        """Count the round; the list's own page is one of the *answers* or *failures*."""
        if answers:
            if self.failing:  # everything failed, so the list was not to blame
                self._trouble = self._list_back = 0
            self.failing = 0
        elif failures:
            self.failing += 1
        if self._walked == self.round and self.round >= self._list_back:
            shown = any(video.listed for video in self.videos)
            hidden = any(video.unlisted for video in self.open)
            if hidden and not shown:
                self._avoid_list(1)
            elif shown:
                self._trouble = 0
        self._trust.regain()
        self.round += 1

    def slower_by(self, *, listening: bool = False) -> int:
        """
        How many times longer than its interval the next round waits.

        Parameters
        ----------
        listening : whether calls can come, and not only questions tell of an end
        """
        apart = CALLED_APART if listening and self._trust.holds else 1
        return int(max(apart, min(2**self.failing, SLOWEST)))


def _listed(video: VideoState, item: Row, number: int) -> None:
    """Take what the list says; the details of a video it calls ended are still to come."""
    row = merged(video.row, item, from_list=True)
    old = video.row or ()
    moved = not old or any(old[AT[name]] != row[AT[name]] for name in _PROGRESS)
    video.unchanged = 0 if moved else video.unchanged + 1
    video.row, video.failure, video.due = row, None, number
    video.note_progress(number)
    video.failed = video.unlisted = 0
    video.listed = not video.is_final


def _newly_gone(video: VideoState) -> bool:
    """Whether it left the list, or never was in it, and was not asked since."""
    return not (video.failed or video.unlisted or video.listed)


def _looks_apart(video: VideoState) -> int:
    return int(min(QUIETEST, 1 + video.rounds_left // QUIET_ROUNDS))


def _rounds_apart(times: int) -> int:
    return int(min(2 ** max(0, times - 1), MAX_ROUNDS_APART))
