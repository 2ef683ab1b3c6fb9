"""What is known: of each polled video, of a reading of the list, of events; and as a frame."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from hooked_analytics._internal.atomic import nearest_existing, require_directory, require_space
from hooked_analytics._internal.formatting import count
from hooked_analytics.errors import StorageError
from hooked_analytics.schema import (
    FINAL_STATUSES,
    NAMES,
    Row,
    arrow_from_frame,
    failed_row,
    frame_from_rows,
    is_final,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

AT = {name: position for position, name in enumerate(NAMES)}
# They describe one state of a render; a new state without them has none.
OF_THE_STATE = ("progress", "message")
_PROGRESS = ("status", "progress", "message", "updated_at")
# They describe one response; a list item knows less, so it does not replace what details said.
OF_THE_DETAILS = ("data_issues", "extra")
NOT_YET = "its turn has not come yet"
# Webhook events in a row that may turn out false before the next one waits for a poll.
MAX_FALSE = 50
# Credits may be booked or refunded after the end: such a video is requested again so long after
# its end [h], if the last request was so long ago [h].
SETTLED_AFTER_HOURS = 72
AGAIN_AFTER_HOURS = 1


@dataclass(slots=True, eq=False)
class VideoState:
    """One polled video: what is known of it, and what decides when it is requested again."""

    video_id: str | None
    row: Row | None = None  # the last good values
    kept: Row | None = None  # those of them an archive has
    failure: tuple[str, str] | None = None  # kind and message, when the last request failed
    done: bool = False
    listed: bool = False  # the list tells how far it is
    seen: int = 0  # number of the last reading of the list that showed it
    notified: bool = False  # a webhook event named it, and it was not requested since
    due: int = 0  # the poll from which details may be requested
    requested: int = -1  # the poll that last requested details
    failed: int = 0  # requests failed in a row
    unlisted: int = 0  # details that said "not final" while the list did not show it
    unchanged: int = 0  # readings of the list that showed nothing new
    first: tuple[int, float] | None = None  # poll and progress when first seen rendering
    ends: float = 0.0  # the poll of its end as its own progress has it; 0 while nothing is known

    @property
    def is_final(self) -> bool:
        """Whether its last good values are its last."""
        return self.row is not None and self.row[AT["status"]] in FINAL_STATUSES

    def take_item(self, item: Row, number: int) -> None:
        """Take what the list says; the details of a video it calls ended are still to come."""
        old, self.row = self.row, merge_rows(self.row, item, from_list=True)
        moved = old is None or any(old[AT[name]] != self.row[AT[name]] for name in _PROGRESS)
        self.unchanged = 0 if moved else self.unchanged + 1
        self.failure, self.due, self.failed, self.unlisted = None, number, 0, 0
        self.note_progress(number)
        self.listed = not self.is_final

    def note_progress(self, number: int) -> None:
        """Expect its end from its own pace between the first observation and this one."""
        progress = self.row[AT["progress"]] if self.row else None
        if progress is None:
            self.ends = 0.0
            return
        self.first = self.first or (number, progress)
        polls, done = number - self.first[0], progress - self.first[1]
        self.ends = number + polls * (100 - progress) / done if done > 0 else 0.0

    def shown(self) -> Row:
        """Give the last good values, and why the last request failed where it did."""
        kind, message = self.failure or ("not_fetched", NOT_YET)
        if self.row is None:
            return failed_row(self.video_id, kind, message, fetched_at=None)
        if self.failure is None:
            return self.row
        row = list(self.row)
        row[AT["fetch_error"]], row[AT["fetch_error_message"]] = kind, message
        return tuple(row)


@dataclass
class ListReading:
    """One reading of the list, over one poll or several."""

    status: str | None
    number: int
    began: int
    pages: int = 0
    cost: int = 0  # pages of the whole reading, as far as the list says
    news: bool = False  # whether it showed an end


class FalseAlarmBudget:
    """
    How many webhook events may still be followed, learned from how many came true.

    A true event costs nothing. A false one costs a unit, and time gives it back, so that a flood
    of forged events costs few requests and a burst of true ones all it needs.

    >>> budget = FalseAlarmBudget(2)
    >>> budget.note(came_true=False); budget.note(came_true=False); budget.left, budget.holds
    (0, False)
    >>> budget.regain(); budget.note(came_true=True); budget.left, budget.holds
    (1, True)
    """

    def __init__(self, limit: int = MAX_FALSE) -> None:
        self.left = limit
        self.holds = True  # whether the latest event was confirmed, and no end came without one
        self._limit = limit
        self._lock = threading.Lock()

    def note(self, *, came_true: bool) -> None:
        """Note whether the API confirmed an event."""
        self.holds = came_true
        if not came_true:
            with self._lock:
                self.left = max(0, self.left - 1)

    def missed(self) -> None:
        """Note an end without an event."""
        self.holds = False

    def regain(self) -> None:
        """Get a unit back."""
        with self._lock:
            self.left = min(self._limit, self.left + 1)


def merge_rows(old: Row | None, new: Row, *, from_list: bool) -> Row:
    """
    Merge a response into an older one: what it lacks stays, and so does an end.

    >>> from datetime import UTC, datetime
    >>> from hooked_analytics.schema import parse_record
    >>> now = datetime(2024, 1, 15, tzinfo=UTC)
    >>> details = {"id": "vid_1", "status": "STARTED", "type": "class", "progress": 10}
    >>> item = {"id": "vid_1", "status": "STARTED", "progress": 60}
    >>> old, new = (parse_record(record, fetched_at=now) for record in (details, item))
    >>> row = merge_rows(old, new, from_list=True)
    >>> row[AT["type"]], row[AT["progress"]]
    ('class', 60.0)
    """
    if old is None:
        return new
    if old[AT["status"]] in FINAL_STATUSES and new[AT["status"]] not in FINAL_STATUSES:
        return tuple(n if o is None else o for o, n in zip(old, new, strict=True))  # came late
    row = [o if n is None else n for o, n in zip(old, new, strict=True)]
    if new[AT["status"]] not in {None, old[AT["status"]]}:
        for name in OF_THE_STATE:
            row[AT[name]] = new[AT[name]]
    for name in OF_THE_DETAILS:
        was, now = old[AT[name]], new[AT[name]]
        row[AT[name]] = (was or now) if from_list else now
    return tuple(row)


def is_settled(videos: pd.DataFrame) -> pd.Series[bool]:
    """Whether nothing of a video will change: it has ended, and so has the booking of credits."""
    now = pd.Timestamp.now(UTC)
    credits, status = videos["used_credits"], videos["status"]
    # a completed video without credits may get them, a failed one with credits may lose them
    booked = (status.eq("COMPLETED") & credits.notna()) | (status.eq("FAILED") & credits.eq(0))
    ended = videos["updated_at"].fillna(videos["created_at"]).fillna(videos["fetched_at"])
    old = now - ended > pd.Timedelta(hours=SETTLED_AFTER_HOURS)
    fresh = now - videos["fetched_at"] < pd.Timedelta(hours=AGAIN_AFTER_HOURS)
    went_well = is_final(videos) & videos["fetch_error"].isna()
    settled: pd.Series[bool] = went_well & (booked.fillna(False) | old | fresh)
    return settled.astype(bool)


def to_frame(videos: Iterable[VideoState]) -> pd.DataFrame:
    """Make the videos frame of one poll: every id a row, in the order given."""
    return frame_from_rows([video.shown() for video in videos])


class Archive(Protocol):
    """What a fetch needs of an archive."""

    def videos(self) -> pd.DataFrame:
        """Newest row of each video."""

    def append(self, videos: pd.DataFrame) -> None:
        """Keep rows."""


def known_videos(archive: Archive) -> pd.DataFrame:
    """Read the latest rows of an archive; a StorageError says that it cannot be read."""
    try:
        return archive.videos()
    except StorageError:
        raise
    except OSError as error:
        raise _unusable(archive, "read", error) from None


def _unusable(archive: object, done: str, error: OSError) -> StorageError:
    return StorageError(
        f"the archive {getattr(archive, 'directory', '')} cannot be {done}, so nothing was "
        f"requested: {error.strerror or type(error).__name__}"
    )


def require_room(archive: object, rows: int) -> None:
    """Raise a StorageError where rows plainly cannot be kept, before they are requested."""
    directory = getattr(archive, "directory", None)
    if directory is None or not rows:
        return
    try:
        require_directory(nearest_existing(directory))
        require_space(directory, rows)
    except OSError as error:
        raise _unusable(archive, "written", error) from None


def load_known(videos: Iterable[VideoState], known: pd.DataFrame) -> None:
    """Start from what an archive knows; what is settled there is not requested again."""
    by_id = {video.video_id: video for video in videos if not video.done}
    ours = known[known["video_id"].isin(list(by_id)) & known["fetch_error"].isna()]
    table = arrow_from_frame(ours.reindex(columns=list(NAMES)))
    for row, settled in zip(table.to_pylist(), is_settled(ours), strict=True):
        video = by_id[row["video_id"]]
        video.row = video.kept = tuple(row[name] for name in NAMES)
        video.done = bool(settled)


def unsaved_rows(videos: Iterable[VideoState]) -> list[tuple[VideoState, Row]]:
    """Rows that an archive does not have yet, and whose they are."""
    # an end that only the list told of is not kept: it would pass for the last word
    told = ((video, video.row) for video in videos if video.done or not video.is_final)
    return [(video, row) for video, row in told if row is not None and row is not video.kept]


def summary(videos: pd.DataFrame) -> str:
    """
    Say in a line how many videos are in which state, and what they cost so far.

    >>> from hooked_analytics import videos_from_records
    >>> print(summary(videos_from_records([
    ...     {"id": "vid_1", "status": "COMPLETED", "usedCredits": 5},
    ...     {"id": "vid_2", "status": "STARTED"},
    ... ])))
    2 videos: 1 completed, 1 rendering · 5 credits so far, 1 unknown
    """
    states = videos["status"].replace({"STARTED": "rendering"}).str.lower()
    states = states.fillna(videos["fetch_error"]).fillna("unknown")
    counts = ", ".join(f"{many:,} {state}" for state, many in sorted(states.value_counts().items()))
    credits = videos["used_credits"]
    told = f"{credits.sum():,.4g}" if credits.notna().any() else "no"
    unknown = f", {credits.isna().sum():,} unknown" if credits.isna().any() else ""
    return f"{count(len(videos), 'video')}: {counts or 'none'} · {told} credits so far{unknown}"
