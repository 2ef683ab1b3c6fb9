"""The contact sheet: pictures that are there, words that stay words, files that are no pictures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from hooked_analytics import plot_contact_sheet, videos_from_records
from hooked_analytics.sandbox.mp4 import png_file

HOSTILE = ["$\\frac{1}{$", "_hidden", "<img src=x onerror=alert(1)>", "a\nb\x00c\u202e", "x" * 300]


def png(ax) -> bytes:
    picture = io.BytesIO()
    ax.figure.savefig(picture, format="png")
    return picture.getvalue()


def folder_of(path: Path, *ids: str) -> Path:
    for video_id in ids:
        (path / f"{video_id}.png").write_bytes(png_file(video_id, "ratio_9_16"))
    return path


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def bomb(side: int) -> bytes:
    """A picture that is small on the disk and huge in memory."""
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_a_folder_with_the_words_of_a_frame(tmp_path):
    videos = videos_from_records(
        [
            {"id": "vid_1", "name": "Launch", "durationInSeconds": 75, "usedCredits": 2.5},
            {"id": "vid_2", "name": "Teaser", "usedCredits": 1},
        ]
    )
    folder = folder_of(tmp_path, "vid_1", "vid_2", "vid_3")
    (folder / "notes.txt").write_text("not a picture, and not said to be one")
    ax = plot_contact_sheet(folder, videos=videos, ax=Figure().subplots())
    assert len(ax.images) == 3
    assert words(ax) == ["Launch", "1:15 min · 2.5 credits", "Teaser", "1 credit", "vid_3", "",
                         "pictures: 3"]  # fmt: skip
    assert png(ax).startswith(b"\x89PNG")


def test_the_result_of_a_download_in_its_order(tmp_path):
    folder = folder_of(tmp_path, "vid_1", "vid_2")
    files = pd.DataFrame(
        {
            "video_id": ["vid_2", "vid_x", "vid_1"],
            "path": [str(folder / "vid_2.png"), None, str(folder / "vid_1.png")],
        }
    )
    ax = plot_contact_sheet(files, ax=Figure().subplots())
    assert [word for word in words(ax) if word] == [
        "vid_2",
        "vid_1",
        "pictures: 2 · 1 without a picture",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text(name, tmp_path):
    folder = folder_of(tmp_path, "vid_1")
    videos = videos_from_records([{"id": "vid_1", "name": name}])
    ax = plot_contact_sheet(folder, videos=videos, ax=Figure().subplots())
    assert png(ax).startswith(b"\x89PNG")
    assert all(character.isprintable() for character in words(ax)[0])
    assert len(words(ax)[0]) < 60


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"\x89PNG\r\n\x1a\n",
        png_file("x", "ratio_1_1")[:-40],
        bomb(60_000),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["empty", "junk", "head", "cut", "bomb", "postscript", "svg"],
)
def test_what_is_no_picture_is_said_and_takes_its_place(content, tmp_path):
    folder = folder_of(tmp_path, "vid_1")
    (folder / "vid_2.png").write_bytes(content)
    ax = plot_contact_sheet(folder, ax=Figure().subplots())
    assert len(ax.images) == 1
    assert "no picture" in words(ax)
    assert "pictures: 2 · 1 cannot be shown" in words(ax)


def test_no_more_than_sixty_and_the_rest_is_counted(tmp_path):
    folder = folder_of(tmp_path, *(f"vid_{n:03}" for n in range(70)))
    ax = plot_contact_sheet(folder, ax=Figure().subplots())
    assert len(ax.images) == 60
    assert "pictures: 60 of 70" in words(ax)


def test_nothing_to_draw_and_no_folder(tmp_path):
    ax = plot_contact_sheet(tmp_path, ax=Figure().subplots())
    assert "nothing to draw yet" in words(ax)
    with pytest.raises(NotADirectoryError, match="no folder of thumbnails"):
        plot_contact_sheet(tmp_path / "missing")
    with pytest.raises(ValueError, match="'path'"):
        plot_contact_sheet(videos_from_records([{"id": "vid_1"}]))
