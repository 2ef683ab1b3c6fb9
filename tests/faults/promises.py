"""What must hold of an archive, a frame and a folder, whatever has happened before."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hooked_analytics import VideoArchive, credit_usage, is_final
from hooked_analytics.sandbox import FRAMES_PER_SECOND, mp4_file
from tests.scripted import Request

ONE_VIDEO = r"/v1/video/(list\?[^/]*|[^/?#]+)"
ONE_FILE = r"/hooked-videos/[^/?#]+\.mp4(\?X-Amz-[^#]*)?"
OURS = re.compile(
    r"_hooked_archive\.json|_merges|_lock|(observed|merged)-\d{19}-[0-9a-f]{16}\.parquet"
)
TEMPORARY = re.compile(r"\.hooked-[0-9a-f]+-[0-9a-f]+\.tmp")


@cache
def sha256_of(video_id: str) -> str:
    """Of the file the sandbox has for a video of a second."""
    return hashlib.sha256(mp4_file(video_id, FRAMES_PER_SECOND)).hexdigest()


class End(NamedTuple):
    """How a render ends at the server."""

    status: str
    credits: float


class Promises:
    """
    Checks that remember: what was once seen final stays so.

    Parameters
    ----------
    ends : how the render of each video ends, filled while videos are made
    """

    def __init__(self, ends: dict[str, End]) -> None:
        self.ends = ends
        self.final: dict[str, End] = {}
        self.whole: set[str] = set()

    def of_a_frame(self, videos: pd.DataFrame, asked: Sequence[str]) -> None:
        """One row per id, in the order asked; what it shows as final is final from now on."""
        assert videos["video_id"].tolist() == list(dict.fromkeys(asked))
        shown = self._final_rows(videos)
        for video_id in set(asked) & set(self.final):
            assert shown.get(video_id) == self.final[video_id], f"{video_id} has moved back"
        self.final |= shown

    def of_an_archive(self, archive: VideoArchive) -> None:
        """One row per video, no way back from an end, all files whole."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a damaged file is only warned of
            videos = archive.videos()
            observations = archive.observations()
        assert not videos["video_id"].duplicated().any()
        assert set(videos["video_id"]) == set(observations["video_id"]) <= set(self.ends)
        shown = self._final_rows(videos)
        for video_id, end in self.final.items():
            assert shown.get(video_id) == end, f"{video_id} has moved back"
        self.final |= shown

    def of_the_credits(self, archive: VideoArchive) -> None:
        """Each credit is counted once, however often its video was seen."""
        spent = credit_usage(archive.videos())["credits"].sum()
        assert spent == sum(end.credits for end in self.final.values())

    def of_a_folder(self, folder: Path, *, kills: int) -> None:
        """Nothing but whole files of known names; temporary ones only where a kill left them."""
        names = [path.name for path in folder.iterdir()] if folder.exists() else []
        temporary = [name for name in names if TEMPORARY.fullmatch(name)]
        assert len(temporary) <= kills
        assert all(OURS.fullmatch(name) for name in set(names) - set(temporary)), names

    def of_requests(self, requests: Sequence[Request], *, most: int) -> None:
        """No more than needed, to known addresses only, and with the key only to the API."""
        paths = [request.path for request in requests]
        assert len(paths) <= most, f"{len(paths)} requests, where {most} would do: {paths}"
        for request in requests:
            api, file = (re.fullmatch(known, request.path) for known in (ONE_VIDEO, ONE_FILE))
            assert api or file, request.path
            assert bool(api) is ("x-api-key" in request.headers), request.path

    def of_files(self, folder: Path) -> set[str]:
        """Whole files under their names, parts beside them; what was whole once is still there."""
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        whole = {name for name in names if name.endswith(".mp4")}
        for name in whole:
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            assert digest == sha256_of(name.removesuffix(".mp4")), f"{name} is not whole"
        assert all(re.fullmatch(r".*\.mp4\.part(\.json)?", name) for name in names - whole), names
        assert whole >= self.whole
        self.whole = whole
        return whole

    def _final_rows(self, videos: pd.DataFrame) -> dict[str, End]:
        rows = videos[is_final(videos) & videos["used_credits"].notna()]
        columns = rows[["video_id", "status", "used_credits"]]
        shown = {i: End(status, credits) for i, status, credits in columns.itertuples(index=False)}
        for video_id, end in shown.items():
            assert end == self.ends[video_id], f"{video_id} is {self.ends[video_id]}, not {end}"
        return shown
