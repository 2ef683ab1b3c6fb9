"""Files are whole or not there, one for each video, whoever else fills the folder."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from hooked_analytics import (
    Sandbox,
    download_videos,
    export_videos,
    fetch_videos,
)
from hooked_analytics.download.tasks import FILE_KINDS
from tests.download.film_server import (
    FILM,
    SHA256,
    TAG,
    download,
    film,
    frame,
    head,
    local,
    names,
    only,
    part_of,
)
from tests.faults.download_matrix import run as run_matrix
from tests.scripted import Request, answer, serving


def test_files_rows_and_order(tmp_path):
    with Sandbox(videos=30) as sandbox, sandbox.client() as client:
        ids = [*sandbox.video_ids, "no/id", "vid_none"]
        videos = fetch_videos(ids, client=client)
        files = download_videos(videos, tmp_path, client=client)
    assert files["video_id"].tolist() == ids
    done = videos["status"].eq("COMPLETED").fillna(False)
    assert (files["error"].isna() == done).all()
    assert files.loc[done, "size_bytes"].tolist() == videos.loc[done, "size_bytes"].tolist()
    assert len(names(tmp_path)) == done.sum()
    for path, size, sha256 in files.loc[done, ["path", "size_bytes", "sha256"]].itertuples(
        index=False
    ):
        content = Path(path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
    assert set(files["error"].dropna()) == {"invalid_id", "no_link", "not_ready"}
    assert [str(kind) for kind in files.dtypes] == (
        ["string", "string", "Int64", "boolean", "string", "string", "string"]
    )


def test_a_file_that_is_there_costs_no_request(tmp_path):
    row, _ = download(part_of, tmp_path)
    # as a process leaves it that is killed right after the move
    (tmp_path / "vid_1.mp4.part.json").write_text("{}")
    again, requests = download(part_of, tmp_path)
    assert requests == []
    assert again == row
    assert names(tmp_path) == ["vid_1.mp4"]
    assert row["sha256"] == SHA256


@pytest.mark.parametrize("wrong", [FILM[:-9], b"<html>", b""], ids=["cut", "no film", "empty"])
def test_a_file_that_is_not_whole_is_replaced(wrong, tmp_path):
    (tmp_path / "vid_1.mp4").write_bytes(wrong)
    row, requests = download(part_of, tmp_path)
    assert (row["error"], len(requests)) == (None, 1)
    assert (tmp_path / "vid_1.mp4").read_bytes() == FILM


def test_duplicates_are_folded_with_a_warning(tmp_path):
    with serving(part_of) as server, local(server) as client:
        twice = pd.concat([frame(server.url, "vid_1", "vid_2"), frame(server.url, "vid_1")])
        with pytest.warns(UserWarning, match="1 of 3 rows"):
            files = download_videos(twice, tmp_path, client=client)
    assert files["video_id"].tolist() == ["vid_1", "vid_2"]
    assert len(server.requests) == 2


def test_thumbnails_have_the_suffix_of_what_they_are(tmp_path):
    with Sandbox(videos=10) as sandbox, sandbox.client() as client:
        videos = fetch_videos(sandbox.video_ids, client=client)
        files = download_videos(videos, tmp_path, client=client, asset="thumbnail")
        before = sandbox.request_counts["thumbnail"]
        again = download_videos(videos, tmp_path, client=client, asset="thumbnail")
        assert sandbox.request_counts["thumbnail"] == before
    assert again.equals(files)
    assert {Path(path).suffix for path in files["path"].dropna()} == {".png"}
    assert (tmp_path / "vid_abc123.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"\x89PNG\r\n\x1a\n....", ".png"),
        (b"\xff\xd8\xff\xe0........", ".jpg"),
        (b"RIFF....WEBPVP8 ", ".webp"),
        (b"RIFF....WAVEfmt ", None),
        (b"<svg onload=alert(1)>", None),
    ],
)
def test_pictures_are_told_by_how_they_begin(content, suffix):
    assert FILE_KINDS["thumbnail"].suffix_of(content) == suffix


def test_a_wrong_call_is_refused(tmp_path):
    videos = frame("http://127.0.0.1:1")
    wrong: list[tuple[type[Exception], str, object, dict[str, object]]] = [
        (ValueError, "asset is", videos, {"asset": "film"}),
        *[(ValueError, "max_workers is", videos, {"max_workers": n}) for n in (0, "4", 1.5, 10**9)],
        *[
            (ValueError, "timeout_seconds is", videos, {"timeout_seconds": seconds})
            for seconds in (0, "5", float("inf"), float("nan"))
        ],
        *[
            (ValueError, "is no host", videos, {"allowed_hosts": [host]})
            for host in ("*", "", "https://a.example", "a.example:80")
        ],
        *[(TypeError, "allowed_hosts", videos, {"allowed_hosts": host}) for host in ("a.b", 5)],
        (TypeError, "client is", videos, {"client": "key"}),
        (ValueError, "size_bytes", videos.drop(columns="size_bytes"), {}),
        (ValueError, "size_bytes", videos.assign(size_bytes=float("inf")), {}),
        (ValueError, "stands twice", pd.concat([videos, videos], axis=1), {}),
        *[(TypeError, "takes a pandas DataFrame", given, {}) for given in (["vid_1"], "a", None)],
    ]
    with serving(part_of) as server, local(server) as client:
        for error, match, given, settings in wrong:
            with pytest.raises(error, match=match):
                download_videos(given, tmp_path, **{"client": client, **settings})
    assert server.requests == []


@pytest.mark.parametrize(
    "changed",
    [
        lambda videos: videos.assign(size_bytes=str(len(FILM))),
        lambda videos: videos.assign(status="succeeded"),
        lambda videos: videos.assign(fetched_at=pd.Timestamp.now("UTC").tz_localize(None)),
        lambda videos: videos.assign(fetched_at=str(pd.Timestamp.now("UTC"))),
        lambda videos: pd.read_csv(io.StringIO(videos.to_csv(index=False))),
    ],
    ids=["text size", "other word", "naive time", "text time", "csv"],
)
def test_a_frame_that_went_through_other_hands_is_taken(changed, tmp_path):
    with serving(part_of) as server, local(server) as client:
        row = only(download_videos(changed(frame(server.url)), tmp_path, client=client))
    assert (row["error"], row["sha256"], len(server.requests)) == (None, SHA256, 1)


def test_a_folder_in_the_place_of_a_file_costs_no_request(tmp_path):
    (tmp_path / "vid_1.mp4" / "mine").mkdir(parents=True)
    row, requests = download(part_of, tmp_path)
    assert (row["error"], requests) == ("disk", [])
    assert "move it away" in row["error_message"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(b"<html>sign in</html>"), "not an MP4"),
        (answer(FILM[:1000], ETag=TAG), "4,000"),
        (answer(b"\x1f\x8b", Content_Encoding="aws-chunked, gzip"), "packed"),
    ],
    ids=["web page", "length too small", "packed"],
)
def test_what_is_not_the_film_is_dropped(said, why, tmp_path):
    row, requests = download(lambda r: said, tmp_path)
    assert (row["error"], names(tmp_path)) == ("bad_response", [])
    assert why in row["error_message"]
    assert requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("word", ["", "aws-chunked"])
def test_a_word_of_a_store_for_a_plain_file_is_taken(word, tmp_path):
    row, _ = download(lambda r: answer(FILM, Content_Encoding=word), tmp_path)
    assert (row["error"], row["sha256"]) == (None, SHA256)


def test_without_a_length_a_cut_is_seen_by_the_file_itself(tmp_path):
    cut, _ = download(lambda r: iter([head(), FILM[:1000]]), tmp_path, size=None)
    assert cut["error"] == "bad_response"
    assert names(tmp_path) == []
    whole, _ = download(lambda r: iter([head(), FILM]), tmp_path)
    assert whole["error"] is None


def test_two_of_three_agree_when_the_api_is_behind(tmp_path):
    with pytest.warns(UserWarning, match="1 of 1 files are whole but not of the size"):
        row, _ = download(part_of, tmp_path, size=18_874_500)
    assert (row["error"], row["size_bytes"]) == (None, len(FILM))
    with pytest.warns(UserWarning, match="not of the size"):
        _, requests = download(part_of, tmp_path, size=18_874_500)
    assert requests == []


def test_an_endless_picture_is_given_up(tmp_path):
    def handler(request):
        yield head()
        yield b"\x89PNG\r\n\x1a\n" + bytes(1000)
        for _ in range(40):
            yield bytes(1024 * 1024)

    with serving(handler) as server, local(server) as client:
        videos = frame(server.url, thumbnail=f"{server.url}/t.png")
        row = only(download_videos(videos, tmp_path, client=client, asset="thumbnail"))
    assert row["error"] == "bad_response"
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_filled_costs_no_request(tmp_path):
    (tmp_path / "f").write_text("mine")
    with serving(part_of) as server, local(server) as client:
        videos = frame(server.url, size=10**12)
        with pytest.raises(NotADirectoryError, match="is a file"):
            download_videos(videos, tmp_path / "f", client=client)
        with pytest.raises(OSError, match=r"/proc|No such|ermission"):
            download_videos(videos, "/proc/hooked", client=client)
        with pytest.raises(OSError, match="bytes more and the disk has"):
            download_videos(videos, tmp_path, client=client)
    assert server.requests == []


def test_names_that_differ_only_in_case_and_names_of_devices(tmp_path):
    ids = ["vid_a", "vid_A", "NUL", "com1.x"]
    contents = {video_id: film(fill=n) for n, video_id in enumerate(ids)}

    def handler(request):
        video_id = request.path.split("/")[2].partition(".mp4")[0]
        return part_of(request, contents[video_id], tag=f'"{video_id}"')

    with serving(handler) as server, local(server) as client:
        files = download_videos(frame(server.url, *ids), tmp_path, client=client)
        again = download_videos(frame(server.url, *ids[::-1]), tmp_path, client=client)
    assert len(server.requests) == 4
    assert again[::-1].reset_index(drop=True).equals(files)
    stems = [Path(path).name.removesuffix(".mp4") for path in files["path"]]
    assert stems[0] == "vid_a"
    assert len({stem.casefold() for stem in stems}) == 4
    assert not {stem.partition(".")[0].casefold() for stem in stems} & {"nul", "com1"}
    for video_id, path in zip(ids, files["path"], strict=True):
        assert Path(path).read_bytes() == contents[video_id]


def test_a_part_that_is_a_link_of_somebody_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "vid_1.mp4.part").symlink_to(victim)
    row, _ = download(part_of, folder)
    assert row["error"] == "disk"
    assert victim.read_text() == "precious"


def test_another_owner_of_the_part_is_waited_for_then_named(tmp_path):
    import fcntl

    with serving(part_of) as server, local(server) as client:
        with (tmp_path / "vid_1.mp4.part").open("wb") as owned:
            fcntl.flock(owned, fcntl.LOCK_EX)
            videos = frame(server.url)
            row = only(download_videos(videos, tmp_path, client=client, timeout_seconds=0.3))
        assert (row["error"], server.requests) == ("in_use", [])
        assert only(download_videos(videos, tmp_path, client=client))["error"] is None
    assert names(tmp_path) == ["vid_1.mp4"]


CHILD = """
import os, sys
from hooked_analytics import HookedClient, download_videos, read_videos
base_url, frame, folder, workers = sys.argv[1:]
with HookedClient("canary-key", base_url=base_url, requests_per_minute=None) as client:
    files = download_videos(read_videos(frame), folder, client=client, max_workers=int(workers))
print(*files["error"].fillna("ok"), "|", *sorted(os.listdir(folder)))
"""


def child(*arguments: object, workers=4, mount=()) -> subprocess.Popen[str]:
    """A process that downloads."""
    command = [*mount, sys.executable, "-c", CHILD, *arguments, workers]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def slowly(request: Request):
    """A file in ten pieces, on a connection that ends with it."""
    said = part_of(request, Connection="close")
    for at in range(0, len(said), len(said) // 10 + 1):
        yield said[at : at + len(said) // 10 + 1]
        time.sleep(0.02)


def exported(server, folder: Path, *ids: str) -> Path:
    with pytest.warns(UserWarning, match="signed links"):
        return export_videos(frame(server.url, *ids), folder / "v.parquet", include_urls=True)


def test_two_processes_fill_one_folder_each_file_once(tmp_path):
    ids = [f"vid_{n}" for n in range(6)]
    folder = tmp_path / "films"
    with serving(slowly) as server:
        path = exported(server, tmp_path, *ids)
        both = [child(server.url, path, folder) for _ in range(2)]
        said = [process.communicate(timeout=60)[0] for process in both]
    assert [line.partition(" |")[0] for line in said] == [" ".join(["ok"] * 6)] * 2
    assert len(server.requests) == 6
    assert names(folder) == [f"{video_id}.mp4" for video_id in ids]
    assert {file.read_bytes() for file in folder.iterdir()} == {FILM}


def test_a_full_disk_is_said_once_and_harms_no_finished_file(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=96k tmpfs "$0" && exec "$@"')
    try:
        subprocess.run([*mount, folder, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a small disk")
    big = film(60_000)

    def handler(request):
        # no length, so that the room cannot be looked at first
        yield head() + big

    with serving(handler) as server:
        videos = frame(server.url, "vid_1", "vid_2", "vid_3")
        videos = videos.assign(size_bytes=pd.array([len(big), None, None], "Int64"))
        with pytest.warns(UserWarning, match="signed links"):
            path = export_videos(videos, tmp_path / "v.parquet", include_urls=True)
        process = child(server.url, path, folder, workers=1, mount=(*mount, folder))
        said = process.communicate(timeout=60)[0]
    assert said == "ok disk disk | vid_1.mp4\n"
    assert len(server.requests) == 2


def test_the_matrix_of_faults():
    found = run_matrix(12)
    wrong = ("wrong_sha", "half_files", "unfilled", "left_behind")
    assert [found[name] for name in wrong] == [0, 0, 0, 0]
    assert found["most_refreshes"] == 1
    assert found["killed"] > 0
    assert found["resumed"] > 0
