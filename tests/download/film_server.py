"""Films, the frames that link to them, and what a good file server answers."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pandas as pd

from hooked_analytics import HookedClient, download_videos, videos_from_records
from tests.scripted import Request, answer, serving, video

TAG = '"a1"'
SECRET = "canary0signature"


def film(size: int = 4000, fill: int = 7) -> bytes:
    brand = struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp41")
    return brand + struct.pack(">I4s", size - 24, b"mdat") + bytes([fill]) * (size - 32)


FILM = film()
SHA256 = hashlib.sha256(FILM).hexdigest()


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


def frame(url: str, /, *ids: str, **fields: object) -> pd.DataFrame:
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


def left_part(folder: Path, url: str, size: int) -> None:
    """Leave what an earlier download of *size* bytes would."""
    info = {"place": f"{url}/f/vid_1.mp4", "total": len(FILM), "validator": TAG}
    (folder / "vid_1.mp4.part").write_bytes(FILM[:size])
    (folder / "vid_1.mp4.part.json").write_text(json.dumps(info))


def download(
    handler, folder: Path, *, left: int = 0, settings: dict[str, object] | None = None, **fields
):
    """Download one video from a scripted server: its row, and the requests that came."""
    with serving(handler) as server, local(server) as client:
        if left:
            left_part(folder, server.url, left)
        files = download_videos(
            frame(server.url, **fields), folder, client=client, **(settings or {})
        )
    return only(files), server.requests


def api(link: object, files=part_of):
    """An API that gives *link*, or a fresh one of its own, and beside it a file server."""

    def handler(request):
        if not request.path.startswith("/v1/"):
            return files(request)
        url = str(link or f"http://{request.headers['host']}/f/vid_1.mp4?X-Amz-Signature=fresh")
        return answer(video("vid_1", status="COMPLETED", url=url, size=len(FILM)))

    return handler


def kinds(requests: list[Request]) -> list[str]:
    """Whether the API (v1) or a file (f) was requested."""
    return [request.path.split("/")[1] for request in requests]


def cut_first(request):
    if request.number == 1:
        return iter([head(ETag=TAG, Content_Length=len(FILM)), FILM[:1500]])
    return part_of(request)
