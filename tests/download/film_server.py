"""Films, the frames that link to them, and what a good file server answers."""

from __future__ import annotations

import struct
from pathlib import Path

import pandas as pd

from hooked_analytics import HookedClient, download_videos, videos_from_records
from tests.scripted import Request, answer, serving

TAG = '"a1"'
SECRET = "canary0signature"
NOON = "Mon, 15 Jan 2024 12:{} GMT"


def film(size: int = 4000, fill: int = 7) -> bytes:
    brand = struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp41")
    return brand + struct.pack(">I4s", size - 24, b"mdat") + bytes([fill]) * (size - 32)


FILM = film()


def head(status: int = 200, **headers: object) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()


def part_of(request: Request, content: bytes = FILM, tag: str = TAG, **headers: str) -> bytes:
    """What a good file server answers."""
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range") != tag:
        return answer(content, ETag=tag, **headers)
    first = int(wanted[6:-1])
    ranged = f"bytes {first}-{len(content) - 1}/{len(content)}"
    return answer(content[first:], 206, ETag=tag, Content_Range=ranged, **headers)


def frame(url: str, *ids: str, **fields: object) -> pd.DataFrame:
    """Finished videos whose links lead to *url*."""
    return videos_from_records(
        {
            "id": video_id,
            "status": "COMPLETED",
            "url": f"{url}/f/{video_id}.mp4?X-Amz-Signature={SECRET}",
            "size": len(FILM),
            **fields,
        }
        for video_id in ids or ("vid_1",)
    )


def local(server) -> HookedClient:
    return HookedClient("canary-key", base_url=server.url, requests_per_minute=None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def only(files: pd.DataFrame) -> dict[str, object]:
    (row,) = files.astype(object).where(files.notna(), None).to_dict("records")
    return row


def download(handler, folder: Path, **fields: object):
    """Download one video from a scripted server: its row, and the requests that came."""
    with serving(handler) as server, local(server) as client:
        files = download_videos(frame(server.url, **fields), folder, client=client)
    return only(files), server.requests


def cut_first(request, at: int = 1500, **lengths: object):
    if request.number == 1:
        return iter([head(ETag=TAG, Content_Length=len(FILM)), FILM[:at]])
    return part_of(request)
