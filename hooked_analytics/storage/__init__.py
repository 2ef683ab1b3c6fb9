"""Frames to and from files, and the archive of every observation."""

from hooked_analytics._internal.atomic import atomic_write, move_into_place
from hooked_analytics.storage.archive import VideoArchive
from hooked_analytics.storage.files import FORMATS, Format, export_videos, format_of, read_videos

__all__ = [
    "FORMATS",
    "Format",
    "VideoArchive",
    "atomic_write",
    "export_videos",
    "format_of",
    "move_into_place",
    "read_videos",
]
