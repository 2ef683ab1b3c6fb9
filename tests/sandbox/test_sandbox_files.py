"""Download links and thumbnails."""

from __future__ import annotations

import struct
import zlib

import pytest
import requests

from hooked_analytics import Sandbox

SIZE = 161_240


def bare(url: str, **headers: str) -> requests.Response:
    """Request a URL without a key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=named, timeout=10)


def boxes(film: bytes) -> list[str]:
    """Names of the boxes that fill a film."""
    found, position = [], 0
    while position < len(film):
        size, kind = struct.unpack_from(">I4s", film, position)
        found.append(kind.decode())
        position += size
    assert position == len(film)
    return found


def test_a_link_serves_an_mp4_of_the_stated_size_and_a_picture(still, details):
    data = details(still)
    response = bare(data["url"])
    assert (response.status_code, response.headers["content-type"]) == (200, "video/mp4")
    assert len(response.content) == data["size"] == SIZE
    assert boxes(response.content) == ["ftyp", "moov", "mdat", "free"]
    head = requests.head(data["url"], timeout=10)
    assert (head.headers["content-length"], head.content) == (str(SIZE), b"")
    picture = bare(data["thumbnail"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">2I", picture.content[16:24]) == (9, 16)
    start = picture.content.index(b"IDAT") + 4
    assert len(zlib.decompress(picture.content[start:-16])) == 16 * (1 + 9 * 3)
    assert bare(f"{still.url}/thumbnails/vid_none.png").status_code == 404


def test_links_are_signed_anew_and_end_after_a_day(still, details):
    first = details(still)["url"]
    still.advance(5)
    second = details(still)["url"]
    assert "X-Amz-Date=20260302T120000Z&X-Amz-Expires=86400&X-Amz-Signature=" in first
    assert first != second
    assert bare(first).content == bare(second).content
    still.advance(86_400 - 6)
    assert bare(first).status_code == 200
    still.advance(1)
    response = bare(first)
    assert (response.status_code, response.headers["content-type"]) == (403, "application/xml")
    assert "<Message>Request has expired</Message>" in response.text
    assert "<Expires>2026-03-03T12:00:00Z</Expires>" in response.text
    assert bare(second).status_code == 200


def test_a_wrong_signature_is_refused(still, details):
    url = details(still)["url"]
    unsigned, _, query = url.partition("?")
    with Sandbox(videos=1, seed=1) as other:
        for bad in (
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.replace("Expires=86400", "Expires=99999"),
            url.replace("vid_abc123", still.video_ids[1]),
            unsigned,
            unsigned + "?X-Amz-Signature=%C3%A9",
            f"{other.url}/hooked-videos/vid_abc123.mp4?{query}",
        ):
            response = bare(bad)
            assert response.status_code == 403
            assert "<Code>SignatureDoesNotMatch</Code>" in response.text


@pytest.mark.parametrize(
    ("header", "status", "content_range", "start", "end"),
    [
        ("bytes=0-9", 206, "bytes 0-9/161240", 0, 10),
        ("bytes=-10", 206, "bytes 161230-161239/161240", 161_230, SIZE),
        ("bytes=5-999999", 206, "bytes 5-161239/161240", 5, SIZE),
        ("bytes=161240-", 416, "bytes */161240", 0, 0),
        ("bytes=9-5", 200, None, 0, SIZE),
        ("bytes=0-1,5-6", 200, None, 0, SIZE),
        ("lines=1-2", 200, None, 0, SIZE),
    ],
)
def test_ranges(still, details, header, status, content_range, start, end):
    url = details(still)["url"]
    whole = bare(url)
    for tag in (whole.headers["etag"], whole.headers["last-modified"]):
        part = bare(url, Range=header, If_Range=tag)
        assert (part.status_code, part.headers.get("content-range")) == (status, content_range)
        assert part.content == whole.content[start:end]
    assert bare(url, Range=header, If_Range='"another"').content == whole.content
