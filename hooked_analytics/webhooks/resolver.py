"""From events to ends: request the videos that an event may mean, and believe the API alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hooked_analytics.errors import HookedError
from hooked_analytics.fetch import MAX_WAITING, FalseAlarmBudget, fetch_videos
from hooked_analytics.schema import ENDING_FAILURES, NAMES, empty_videos, is_final, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from hooked_analytics.client import HookedClient

# Waits before an event is followed once more that the API did not confirm [s].
_AGAIN_SECONDS = (2.0, 5.0, 15.0, 60.0, 300.0)
# A unit of the budget comes back in such a time [s].
_REGAIN_SECONDS = 6.0
_REMEMBERED = 10_000


@dataclass
class _Event:
    ids: list[str]
    due: float
    tries: int = 0


@dataclass
class EventResolver:
    """Follow events as far as they are believed, each video to its end and no further."""

    client: HookedClient
    _waiting: dict[str, _Event] = field(default_factory=dict)
    _ended: dict[str, None] = field(default_factory=dict)
    _budget: FalseAlarmBudget = field(default_factory=FalseAlarmBudget)
    _regained: float = field(default_factory=time.monotonic)

    def waiting(self) -> list[list[str]]:
        """Ids of the events that are not settled yet."""
        return [event.ids for event in self._waiting.values()]

    def take(self, events: Iterable[tuple[str, ...]]) -> None:
        """Note events, but those about videos whose end is known."""
        for ids in events:
            if not any(video_id in self._ended for video_id in ids):
                self._waiting.setdefault(ids[0], _Event(list(ids), due=time.monotonic()))
        while len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def ends(self) -> pd.DataFrame:
        """Request the videos of the events that are due; give those that have ended."""
        self._regain()
        now = time.monotonic()
        due = [first for first, event in self._waiting.items() if event.due <= now]
        chosen = {first: self._waiting.pop(first) for first in due[: self._budget.left]}
        if not chosen:
            return empty_videos()
        try:
            videos = fetch_videos(chosen, client=self.client, progress=False)
        except BaseException:
            self._waiting |= chosen
            raise
        ended = is_final(videos)
        errors = videos["fetch_error"].fillna("")
        for video_id, end, error in zip(videos["video_id"], ended, errors, strict=True):
            if end:
                self._note_end(video_id)
                continue
            self._budget.note(came_true=False)
            if error in ENDING_FAILURES and len(chosen[video_id].ids) > 1:
                del chosen[video_id].ids[0]
                self._waiting[chosen[video_id].ids[0]] = chosen[video_id]
            elif error not in ENDING_FAILURES:
                self._again(chosen[video_id])
        unknown = videos.loc[errors.isin(ENDING_FAILURES), "video_id"]
        self._find_failures([chosen[i] for i in unknown if len(chosen[i].ids) == 1])
        return videos[ended].reset_index(drop=True)

    def _find_failures(self, events: list[_Event]) -> None:
        """Find the video of a failed render: its event may name the project alone."""
        projects = {event.ids[0] for event in events}
        if not projects:
            return
        try:
            page = next(self.client.list_pages(status="failed"), None)
        except HookedError as error:
            if error.kind is None:
                raise
            for event in events:
                self._again(event)
            return
        if page is None:
            return
        for record in page.records:
            row = dict(zip(NAMES, parse_record(record, fetched_at=page.seen_at), strict=True))
            if row["project_id"] in projects:
                self._budget.regain()
                self.take([(row["video_id"],)])

    def _again(self, event: _Event) -> None:
        if event.tries < len(_AGAIN_SECONDS):
            event.due = time.monotonic() + _AGAIN_SECONDS[event.tries]
            event.tries += 1
            self._waiting.setdefault(event.ids[0], event)

    def _note_end(self, video_id: str) -> None:
        self._ended[video_id] = None
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _regain(self) -> None:
        while time.monotonic() - self._regained >= _REGAIN_SECONDS:
            self._regained += _REGAIN_SECONDS
            self._budget.regain()
