"""Where the sandbox keeps its videos, and how the list endpoint finds them."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from hooked_analytics.sandbox.video import Video, state_at

__all__ = ["STATUS_FILTERS", "VideoStore"]

# lower case in the filter, upper case in the answer; nothing here is ever a draft
STATUS_FILTERS = {
    "draft": "DRAFT",
    "processing": "STARTED",
    "completed": "COMPLETED",
    "failed": "FAILED",
}


class VideoStore:
    """
    The team's videos and another team's, by id and by age.

    Parameters
    ----------
    own, other_team : oldest first

    Examples
    --------
    >>> from hooked_analytics.sandbox.generators import sample_video
    >>> store = VideoStore([sample_video()], [])
    >>> store.owns("vid_abc123"), store.find("vid_none")
    (True, None)
    """

    def __init__(self, own: Iterable[Video], other_team: Iterable[Video]) -> None:
        self.own = list(own)
        self._other_team = {video.id: video for video in other_team}
        self._own = {video.id: video for video in self.own}

    @property
    def other_team_ids(self) -> list[str]:
        """Ids of the other team's videos, oldest first."""
        return list(self._other_team)

    def find(self, video_id: str) -> Video | None:
        """Video of that id, whoever owns it."""
        return self._own.get(video_id) or self._other_team.get(video_id)

    def owns(self, video_id: str) -> bool:
        """Whether the video is one of the team's own."""
        return video_id in self._own

    def add(self, video: Video) -> None:
        """Put in a new video of the team."""
        if self.find(video.id) is not None:
            raise ValueError(f"there is a video {video.id!r} already; choose another video_id")
        self._own[video.id] = video
        # A new list, because the server's thread may be reading the old one.
        own = self.own.copy()
        bisect.insort(own, video, key=lambda each: each.created_at)
        self.own = own

    def remove(self, video_id: str) -> None:
        """Take out a video of the team."""
        if self._own.pop(video_id, None) is None:
            raise ValueError(f"the team has no video {video_id!r}")
        self.own = [video for video in self.own if video.id != video_id]

    def select(self, now: float, *, type_name: str | None, status: str | None) -> list[Video]:
        """
        Videos that pass the list endpoint's filters.

        Parameters
        ----------
        now : Unix time [s]
        type_name : None for all
        status : a key of `STATUS_FILTERS`, None for all

        Returns
        -------
        newest first
        """
        videos: Iterable[Video] = reversed(self.own)
        if type_name is not None:
            videos = (video for video in videos if video.type == type_name)
        if status is not None:
            wanted = STATUS_FILTERS[status]
            videos = (video for video in videos if state_at(video, now).status == wanted)
        return list(videos)
