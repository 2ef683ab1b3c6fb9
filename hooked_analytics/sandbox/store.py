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
    own, foreign : oldest first

    Examples
    --------
    >>> from hooked_analytics.sandbox.draws import sample_video
    >>> store = VideoStore([sample_video()], [])
    >>> store.owns("vid_abc123"), store.find("vid_none")
    (True, None)
    """

    def __init__(self, own: Iterable[Video], foreign: Iterable[Video]) -> None:
        self.own = list(own)
        self._foreign = {video.id: video for video in foreign}
        self._own = {video.id: video for video in self.own}

    @property
    def foreign_ids(self) -> list[str]:
        """
        Ids of the other team's videos, oldest first.

        Examples
        --------
        >>> VideoStore([], []).foreign_ids
        []
        """
        return list(self._foreign)

    def find(self, video_id: str) -> Video | None:
        """
        Video of that id, whoever owns it.

        Examples
        --------
        >>> VideoStore([], []).find("vid_none") is None
        True
        """
        return self._own.get(video_id) or self._foreign.get(video_id)

    def owns(self, video_id: str) -> bool:
        """
        Whether the video is one of the team's own.

        Examples
        --------
        >>> VideoStore([], []).owns("vid_none")
        False
        """
        return video_id in self._own

    def add(self, video: Video) -> None:
        """
        Put in a new video of the team.

        Examples
        --------
        >>> from hooked_analytics.sandbox.draws import sample_video
        >>> store = VideoStore([], [])
        >>> store.add(sample_video())
        >>> len(store.own)
        1
        """
        if self.find(video.id) is not None:
            raise ValueError(f"there is a video {video.id!r} already; choose another video_id")
        self._own[video.id] = video
        # A new list, because the server's thread may be reading the old one.
        own = self.own.copy()
        bisect.insort(own, video, key=lambda each: each.created_at)
        self.own = own

    def remove(self, video_id: str) -> None:
        """
        Take out a video of the team.

        Examples
        --------
        >>> from hooked_analytics.sandbox.draws import sample_video
        >>> store = VideoStore([sample_video()], [])
        >>> store.remove("vid_abc123")
        >>> store.find("vid_abc123") is None
        True
        """
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

        Examples
        --------
        >>> from hooked_analytics.sandbox.draws import sample_video
        >>> store = VideoStore([sample_video()], [])
        >>> len(store.select(1.8e9, type_name="class", status="failed"))
        0
        """
        videos: Iterable[Video] = reversed(self.own)
        if type_name is not None:
            videos = (video for video in videos if video.type == type_name)
        if status is not None:
            wanted = STATUS_FILTERS[status]
            videos = (video for video in videos if state_at(video, now).status == wanted)
        return list(videos)
