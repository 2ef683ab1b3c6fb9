"""Download links and thumbnails."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
import zlib

import pytest
import requests

from hooked_analytics.sandbox import Sandbox
from hooked_analytics.sandbox.media import mp4_file, mp4_size

DAY = 86_400


def details(sandbox, ask, video_id="vid_abc123"):
    return ask(sandbox, f"/v1/video/{video_id}").json()["data"]


def get(url, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=named, timeout=10)


def boxes(film: bytes) -> list[tuple[str, int]]:
    found, position = [], 0
    while position < len(film):
        size, kind = struct.unpack_from(">I4s", film, position)
        found.append((kind.decode(), size))
        position += size
    return found


def test_a_link_serves_an_mp4_of_the_size_told(still, ask):
    data = details(still, ask)
    answer = requests.get(data["url"], timeout=10)  # no key goes along
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert len(answer.content) == data["size"] == 161_240
    assert [kind for kind, _ in boxes(answer.content)] == ["ftyp", "moov", "mdat", "free"]


def test_links_are_signed_anew(still, ask):
    first = details(still, ask)["url"]
    still.advance(5)
    second = details(still, ask)["url"]
    assert "X-Amz-Date=20260302T120000Z&X-Amz-Expires=86400&X-Amz-Signature=" in first
    assert first != second
    assert get(first).content == get(second).content


def test_a_wrong_signature_is_refused(still, ask):
    url = details(still, ask)["url"]
    bare = url.partition("?")[0]
    for bad, code in (
        (url[:-1] + ("0" if url[-1] != "0" else "1"), "SignatureDoesNotMatch"),
        (url.replace("Expires=86400", "Expires=99999"), "SignatureDoesNotMatch"),
        (url.replace("vid_abc123", still.video_ids[1]), "SignatureDoesNotMatch"),
        (bare, "AccessDenied"),
        (bare + "?X-Amz-Signature=%C3%A9", "SignatureDoesNotMatch"),
    ):
        answer = get(bad)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
        assert f"<Code>{code}</Code>" in answer.text


def test_a_link_dies_after_a_day(still, ask):
    url = details(still, ask)["url"]
    still.advance(DAY - 1)
    assert get(url).status_code == 200
    still.advance(1)
    answer = get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert "<Message>Request has expired</Message>" in answer.text
    assert "<Expires>2026-03-03T12:00:00Z</Expires>" in answer.text
    assert get(details(still, ask)["url"]).status_code == 200


def test_another_seed_signs_otherwise(still, ask):
    query = details(still, ask)["url"].partition("?")[2]
    with Sandbox(videos=1, seed=1) as other:
        answer = get(f"{other.url}/hooked-videos/vid_abc123.mp4?{query}")
    assert "SignatureDoesNotMatch" in answer.text


@pytest.mark.parametrize(
    ("header", "content_range", "start", "end"),
    [
        ("bytes=0-9", "bytes 0-9/161240", 0, 10),
        ("bytes=161230-", "bytes 161230-161239/161240", 161_230, 161_240),
        ("bytes=-10", "bytes 161230-161239/161240", 161_230, 161_240),
        ("bytes=5-999999", "bytes 5-161239/161240", 5, 161_240),
    ],
)
def test_ranges(still, ask, header, content_range, start, end):
    url = details(still, ask)["url"]
    whole = get(url)
    part = get(url, Range=header)
    assert (part.status_code, part.headers["content-range"]) == (206, content_range)
    assert part.content == whole.content[start:end]
    assert part.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("header", ["bytes=161240-", "bytes=-0"])
def test_a_range_beyond_the_end(still, ask, header):
    answer = get(details(still, ask)["url"], Range=header)
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */161240")
    assert answer.content == b""


@pytest.mark.parametrize("header", ["bytes=9-5", "lines=1-2", "bytes=-", "bytes=0-1,5-6"])
def test_a_range_that_means_nothing_gives_all(still, ask, header):
    answer = get(details(still, ask)["url"], Range=header)
    assert (answer.status_code, len(answer.content)) == (200, 161_240)


def test_if_range(still, ask):
    url = details(still, ask)["url"]
    head = get(url).headers
    same = get(url, Range="bytes=0-9", If_Range=head["etag"])
    same_time = get(url, Range="bytes=0-9", If_Range=head["last-modified"])
    other = get(url, Range="bytes=0-9", If_Range='"something else"')
    assert [len(answer.content) for answer in (same, same_time, other)] == [10, 10, 161_240]


def test_head_tells_the_size_and_sends_nothing(still, ask):
    answer = requests.head(details(still, ask)["url"], timeout=10)
    assert answer.headers["content-length"] == "161240"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.content == b""


def test_thumbnail_is_a_png(still, ask):
    picture = get(details(still, ask)["thumbnail"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">2I", picture.content[16:24]) == (9, 16)
    start = picture.content.index(b"IDAT") + 4
    assert len(zlib.decompress(picture.content[start:-16])) == 16 * (1 + 9 * 3)
    assert get(f"{still.url}/thumbnails/vid_none.png").status_code == 404


@pytest.mark.parametrize("frames", [0, 1, 250, 7500])
def test_the_size_is_known_beforehand(frames):
    film = mp4_file("vid_abc123", frames)
    assert len(film) == mp4_size(frames) == sum(size for _, size in boxes(film))


def test_videos_differ():
    assert len({hashlib.sha256(mp4_file(f"vid_{n}", 25)).digest() for n in range(20)}) == 20


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_decodes_every_frame(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(mp4_file("vid_abc123", 250))
    command = ["ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert sum(not line.startswith("#") for line in done.stdout.splitlines()) == 25
