"""From events to ends: request the videos that an event may mean, and believe the API alone."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hooked_analytics._internal.atomic import write_through
from hooked_analytics.errors import HookedError
from hooked_analytics.fetch import MAX_WAITING, FalseAlarmBudget, fetch_videos
from hooked_analytics.schema import ENDING_FAILURES, NAMES, empty_videos, is_final, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from hooked_analytics.client import HookedClient

# Waits before an event is followed once more that the API did not confirm [s].
_AGAIN_SECONDS = (2.0, 5.0, 15.0, 60.0, 300.0)
# A unit of the budget comes back in such a time [s].
_REGAIN_SECONDS = 6.0
_REMEMBERED = 10_000


@dataclass
class _Event:
    ids: tuple[str, ...]  # that it may mean, the likeliest first
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

    def waiting(self) -> set[tuple[str, ...]]:
        """Ids of the events that are not settled yet."""
        return {event.ids for event in self._waiting.values()}

    def take(self, events: Iterable[tuple[str, ...]]) -> None:
        """Note events, but those about videos whose end is known."""
        for ids in events:
            if not any(video_id in self._ended for video_id in ids):
                self._waiting.setdefault(ids[0], _Event(ids, due=time.monotonic()))
        while len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def ends(self) -> pd.DataFrame:
        """Request the videos of the events that are due; give those that have ended."""
        while (now := time.monotonic()) - self._regained >= _REGAIN_SECONDS:
            self._regained += _REGAIN_SECONDS
            self._budget.regain()
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
        unknown = videos["fetch_error"].isin(ENDING_FAILURES)
        nameless = []
        for video_id, end, is_unknown in zip(videos["video_id"], ended, unknown, strict=True):
            event = chosen[video_id]
            if end:
                self._ended[video_id] = None
                continue
            self._budget.note(came_true=False)
            if not is_unknown:
                self._again(event)
            elif len(event.ids) > 1:
                event.ids = event.ids[1:]
                self._waiting[event.ids[0]] = event
            else:
                nameless.append(event)
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._find_failures(nameless)
        return videos[ended].reset_index(drop=True)

    def _find_failures(self, events: list[_Event]) -> None:
        """Find the video of a failed render: its event may name the project alone."""
        if not events:
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
        projects = {event.ids[0] for event in events}
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


class EventFiles:
    """
    Events that wait, each a small hidden file in an archive's folder, which readers pass over.

    One file an event, so that threads and processes add and remove without a lock, and a process
    that is killed loses none.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._kept: set[tuple[str, ...]] = set()

    def add(self, ids: Sequence[str]) -> bool:
        """Write an event; tell whether it is there."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_through(self._path(ids), "\n".join(ids))
        except OSError:
            return False
        return True

    def keep(self, waiting: set[tuple[str, ...]], taken: Iterable[tuple[str, ...]] = ()) -> None:
        """Write what is new; remove what is settled since the last call, or was when *taken*."""
        for ids in waiting - self._kept:
            self.add(ids)
        for ids in self._kept.union(taken) - waiting:
            with suppress(OSError):
                self._path(ids).unlink()
        self._kept = waiting

    def read(self) -> list[list[str]]:
        """Read what a killed process left; a file cut short was never answered with 200."""
        found = []
        for path in self.directory.glob(".event-*.txt"):
            with suppress(OSError):
                ids = path.read_text(encoding="utf-8", errors="replace").splitlines()
                if ids and self._path(ids) == path:
                    found.append(ids)
                else:
                    path.unlink()
        return found

    def _path(self, ids: Sequence[str]) -> Path:
        name = hashlib.blake2s("\n".join(ids).encode(), digest_size=12).hexdigest()
        return self.directory / f".event-{name}.txt"
