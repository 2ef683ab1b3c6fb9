"""What a video's file is called, on any file system."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from hooked_analytics.client.video_id import VIDEO_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

# names that Windows keeps for devices, whatever suffix follows
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_LONGEST = 100


def file_stems(
    video_ids: Iterable[str], there: Iterable[str], suffixes: Iterable[str]
) -> dict[str, str]:
    """
    Name the file of each video, without its suffix: the id, or the id made safe and marked.

    An id is marked where a device or, on a disk that does not tell ``A`` from ``a``, another
    video would have the same name. No id has a ``~``, so no mark meets an id.

    Parameters
    ----------
    there : names of the files in the folder; a name that is taken stays its owner's
    suffixes : of the files in question

    Examples
    --------
    >>> file_stems(["vid_a", "vid_A", "nul"], [], [".mp4"])
    {'vid_a': 'vid_a', 'vid_A': 'vid_A~59f395d4', 'nul': 'nul~8a303139'}
    >>> file_stems(["vid_a"], ["vid_A.mp4"], [".mp4"])
    {'vid_a': 'vid_a~55beacd0'}
    """
    taken: dict[str, set[str]] = {}
    for stem in _stems(there, tuple(suffixes)):
        taken.setdefault(stem.casefold(), set()).add(stem)
    stems = {}
    for video_id in video_ids:
        owners = taken.setdefault(video_id.casefold(), set())
        plain = bool(re.fullmatch(VIDEO_ID_PATTERN, video_id, re.ASCII))
        plain = plain and video_id.partition(".")[0].lower() not in _RESERVED
        if plain and (not owners or video_id in owners):
            owners.add(video_id)
            stems[video_id] = video_id
        else:
            stems[video_id] = _marked(video_id)
    return stems


def _stems(names: Iterable[str], suffixes: tuple[str, ...]) -> Iterable[str]:
    for name in names:
        whole = name.removesuffix(".json").removesuffix(".part")
        suffix = next((s for s in suffixes if whole.endswith(s)), None)
        if suffix is not None:
            yield whole.removesuffix(suffix)


def _marked(video_id: str) -> str:
    mark = hashlib.blake2s(video_id.encode(errors="replace"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', video_id)[:_LONGEST]}~{mark}"
