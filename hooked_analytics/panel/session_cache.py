"""What a panel remembers: answers, so none is asked for twice, and how progress went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hooked_analytics.schema import is_final

if TYPE_CHECKING:
    from hooked_analytics.fetch import Archive

_MAX_PARTS = 30


class Memory:
    """
    An archive of one session, in front of the archive on disk if there is one.

    Parameters
    ----------
    known : what is known before the first look, a videos frame
    archive : what is new is handed on to it

    Attributes
    ----------
    fault : what stopped the archive from taking rows, if anything did

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> started, completed = (
    ...     videos_from_records([{"id": "vid_1", "status": status}])
    ...     for status in ("STARTED", "COMPLETED")
    ... )
    >>> memory = Memory(started, archive=None)
    >>> memory.append(completed)
    >>> memory.videos()["status"].tolist()
    ['COMPLETED']
    """

    def __init__(self, known: pd.DataFrame, archive: Archive | None) -> None:
        self._parts = [known]
        self._archive = archive
        self.fault: Exception | None = None

    def videos(self) -> pd.DataFrame:
        """Newest row of each video."""
        parts = [part for part in self._parts if len(part)] or self._parts[:1]
        newest = pd.concat(parts, ignore_index=True)
        self._parts = [newest.drop_duplicates("video_id", keep="last", ignore_index=True)]
        return self._parts[0]

    def append(self, videos: pd.DataFrame) -> None:
        """Remember rows, and hand them on."""
        self._parts.append(videos)
        if len(self._parts) > _MAX_PARTS:
            self.videos()
        if self._archive is not None:
            try:
                self._archive.append(videos)
            except Exception as fault:  # noqa: BLE001 - raised on once the look is shown
                self.fault = fault


class History:
    """
    How progress went: a row for each video and look at which it had changed.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from hooked_analytics import videos_from_records
    >>> history = History()
    >>> for minute, progress in enumerate([10, 10, 30]):
    ...     history.note(videos_from_records(
    ...         [{"id": "vid_1", "status": "STARTED", "progress": progress}],
    ...         fetched_at=datetime(2024, 1, 15, 10, minute, tzinfo=UTC)))
    >>> history.frame()["progress"].tolist()
    [10.0, 30.0]
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, object]] = {}
        self._rows: list[tuple[pd.Timestamp, str, object, object]] = []
        self.began_at: pd.Timestamp | None = None
        self.now: pd.Timestamp | None = None

    def note(self, videos: pd.DataFrame) -> None:
        """Note what a look found changed; the time is the newest answer's, by Hooked's clock."""
        seen = videos["fetched_at"].max()
        if pd.isna(seen):
            return
        self.began_at = self.began_at or seen
        self.now = max(seen, self.now or seen)
        done = videos["progress"].mask(is_final(videos) & videos["status"].eq("COMPLETED"), 100.0)
        told = videos["status"].notna() & videos["fetch_error"].isna()
        rows = zip(
            videos["video_id"].tolist(),
            videos["status"].tolist(),
            done.astype(float).tolist(),
            told.tolist(),
            strict=True,
        )
        for video_id, status, progress, is_told in rows:
            known = (status, progress if progress == progress else None)
            if is_told and self._last.get(video_id) != known:
                self._last[video_id] = known
                self._rows.append((self.now, video_id, *known))

    def frame(self) -> pd.DataFrame:
        """Lay it out as ``observed_at, video_id, status, progress`` [%], oldest first."""
        at, ids, status, progress = zip(*self._rows, strict=True) if self._rows else ((),) * 4
        return pd.DataFrame(
            {
                "observed_at": pd.Series(list(at), dtype="datetime64[us, UTC]"),
                "video_id": pd.Series(list(ids), dtype="string"),
                "status": pd.Series(list(status), dtype="string"),
                "progress": pd.Series(list(progress), dtype="Float64"),
            }
        )
