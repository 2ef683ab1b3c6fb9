"""Frames to and from files, and the archive of every observation."""

from hooked_analytics._internal.atomic import atomic_write, move_into_place
from hooked_analytics.storage.archive import VideoArchive
from hooked_analytics.storage.files import export_videos, read_videos

__all__ = ["VideoArchive", "atomic_write", "export_videos", "move_into_place", "read_videos"]
