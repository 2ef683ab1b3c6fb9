"""Files from links: whole or not at all, asked for as little as can be, from nowhere else."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import trustme

from hooked_analytics import (
    AuthenticationError,
    FetchInterrupted,
    HookedClient,
    Sandbox,
    download_videos,
    export_videos,
    fetch_videos,
    read_videos,
    videos_from_records,
)
from hooked_analytics.download import KINDS
from hooked_analytics.download.formats import FILE_KINDS
from hooked_analytics.sandbox.constants import LINK_LIFE_SECONDS
from tests.faults.download_matrix import run as run_matrix
from tests.scripted import Request, Reset, answer, serving, video

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


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("hooked_analytics.download.job.backoff_seconds", lambda attempt: 0.01)


# --- the plain case ---------------------------------------------------------------------------


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
    assert row["sha256"] == hashlib.sha256(FILM).hexdigest()


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


def test_the_key_and_cookies_stay_away_and_the_signature_shows_nowhere(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    def handler(request):
        if request.number == 3:
            return answer(b"no", 404)
        return part_of(request, Set_Cookie="who=me", Connection="close")

    with serving(handler) as server, local(server) as client:
        videos = frame(server.url, "vid_1", "vid_2", "vid_3")
        files = download_videos(videos, tmp_path, client=client, max_workers=1)
    assert files["error"].fillna("").tolist() == ["", "", "not_found"]
    for request in server.requests:
        assert request.path.endswith(f"?X-Amz-Signature={SECRET}")
        assert not {"x-api-key", "cookie", "authorization"} & set(request.headers)
        assert not [name for name in request.headers if name.startswith("x-hooked")]
        assert "canary" not in str(request.headers)
    assert "canary" not in files.to_csv() + caplog.text
    assert "urllib3" in caplog.text  # so the log was really on


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
    with serving(part_of) as server, local(server) as client:
        for wrong in (
            {"asset": "film"},
            {"max_workers": 0},
            {"timeout_seconds": 0},
            {"allowed_hosts": ["*"]},
            {"allowed_hosts": ["https://a.example"]},
        ):
            with pytest.raises(ValueError, match="asset is|at least 1|is no host"):
                download_videos(frame(server.url), tmp_path, client=client, **wrong)
        with pytest.raises(TypeError):
            download_videos(frame(server.url), tmp_path, client=client, allowed_hosts="a.example")
        with pytest.raises(ValueError, match="size_bytes"):
            download_videos(frame(server.url).drop(columns="size_bytes"), tmp_path, client=client)
    assert server.requests == []


# --- cut, resumed, changed --------------------------------------------------------------------


def cut_first(request, at: int = 1500, **lengths: object):
    if request.number == 1:
        return iter([head(ETag=TAG, Content_Length=len(FILM)), FILM[:at]])
    return part_of(request)


def test_a_cut_is_gone_on_from(tmp_path):
    row, requests = download(cut_first, tmp_path)
    assert requests[1].headers["range"] == "bytes=1500-"
    assert requests[1].headers["if-range"] == TAG
    assert (row["resumed"], row["sha256"]) == (True, hashlib.sha256(FILM).hexdigest())
    assert names(tmp_path) == ["vid_1.mp4"]


def test_three_attempts_then_a_row_and_a_part_for_the_next_call(tmp_path):
    def ever_shorter(request):
        first = int(request.headers.get("range", "bytes=0-")[6:-1])
        ranged = f"bytes {first}-{len(FILM) - 1}/{len(FILM)}"
        status = {"status": 206, "Content_Range": ranged} if first else {"status": 200}
        lines = head(**status, ETag=TAG, Content_Length=len(FILM) - first)
        return iter([lines, FILM[first : first + 1000]])

    row, requests = download(ever_shorter, tmp_path)
    assert (row["error"], len(requests)) == ("network", 3)
    assert names(tmp_path) == ["vid_1.mp4.part", "vid_1.mp4.part.json"]
    assert SECRET not in (tmp_path / "vid_1.mp4.part.json").read_text()
    (tmp_path / "vid_1.mp4.part").chmod(0o644)
    with serving(part_of) as server, local(server) as client:
        # the place of the link is another now, as the port is
        files = download_videos(frame(server.url), tmp_path, client=client)
    assert "range" not in server.requests[0].headers
    assert only(files)["sha256"] == hashlib.sha256(FILM).hexdigest()
    assert names(tmp_path) == ["vid_1.mp4"]


def left_part(folder: Path, url: str, size: int = 1500, **changes: object) -> None:
    import json

    note = {"place": f"{url}/f/vid_1.mp4", "total": len(FILM), "validator": TAG, **changes}
    (folder / "vid_1.mp4.part").write_bytes(FILM[:size])
    (folder / "vid_1.mp4.part.json").write_text(json.dumps(note))


def test_a_later_call_goes_on_with_the_part(tmp_path):
    with serving(part_of) as server, local(server) as client:
        left_part(tmp_path, server.url)
        row = only(download_videos(frame(server.url), tmp_path, client=client))
    assert [r.headers["range"] for r in server.requests] == ["bytes=1500-"]
    assert (row["resumed"], row["sha256"]) == (True, hashlib.sha256(FILM).hexdigest())


def test_a_part_that_is_whole_needs_no_request(tmp_path):
    with serving(part_of) as server, local(server) as client:
        left_part(tmp_path, server.url, size=len(FILM))
        row = only(download_videos(frame(server.url), tmp_path, client=client))
    assert server.requests == []
    assert row["sha256"] == hashlib.sha256(FILM).hexdigest()


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[]",
        b'{"place": 1}',
        b'{"place":"x","total":"no","validator":"y"}',
        b'{"place":"x","total":9e999,"validator":"y"}',
        b'{"place":"x","total":10,"validator":"a\\r\\nb"}',
    ],
)
def test_a_damaged_note_means_from_the_start(note, tmp_path):
    (tmp_path / "vid_1.mp4.part").write_bytes(b"x" * 1500)
    (tmp_path / "vid_1.mp4.part.json").write_bytes(note)
    row, requests = download(part_of, tmp_path)
    assert "range" not in requests[0].headers
    assert row["sha256"] == hashlib.sha256(FILM).hexdigest()


def other_answer(kind: str, request: Request) -> object:
    """Answers to a request for the rest, after which one must start anew."""
    size = len(FILM)
    if "range" not in request.headers:
        return part_of(request)
    return {
        "ignored": answer(FILM, ETag=TAG),
        "changed": answer(film(fill=9), ETag='"b2"'),
        "416": answer(b"", 416, Content_Range=f"bytes */{size}"),
        "other start": answer(FILM[1000:], 206, ETag=TAG, Content_Range=f"bytes 1000-3999/{size}"),
        "other total": answer(FILM[1500:], 206, ETag=TAG, Content_Range="bytes 1500-3999/4001"),
        "other tag": answer(FILM[1500:], 206, ETag='"c"', Content_Range=f"bytes 1500-3999/{size}"),
        "no range": answer(FILM[1500:], 206, ETag=TAG),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["ignored", "changed", "416", "other start", "other total", "other tag", "no range"]
)
def test_whatever_is_not_the_rest_means_from_the_start(kind, tmp_path):
    with serving(lambda request: other_answer(kind, request)) as server, local(server) as client:
        left_part(tmp_path, server.url)
        row = only(download_videos(frame(server.url), tmp_path, client=client))
    expected = film(fill=9) if kind == "changed" else FILM
    assert row["error"] is None
    assert (row["resumed"], row["sha256"]) == (False, hashlib.sha256(expected).hexdigest())
    assert (tmp_path / "vid_1.mp4").read_bytes() == expected
    assert names(tmp_path) == ["vid_1.mp4"]


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"ETag": 'W/"a"'}, False),
        ({}, False),
        ({"Last_Modified": NOON.format("00:00"), "Date": NOON.format("00:20")}, False),
        ({"Last_Modified": NOON.format("00:00"), "Date": NOON.format("05:00")}, True),
    ],
    ids=["weak", "none", "just changed", "settled"],
)
def test_only_a_strong_validator_is_gone_on_from(headers, kept, tmp_path):
    def handler(request):
        return iter([head(Content_Length=len(FILM), **headers), FILM[:1500]])

    row, requests = download(handler, tmp_path)
    assert row["error"] == "network"
    assert [r.headers.get("if-range") for r in requests][1:] == (
        [headers["Last_Modified"]] * 2 if kept else [None] * 2
    )
    assert bool(names(tmp_path)) == kept


# --- what came is not the file ----------------------------------------------------------------


def test_a_web_page_is_no_film(tmp_path):
    row, requests = download(lambda r: answer(b"<html>sign in</html>"), tmp_path)
    assert (row["error"], len(requests)) == ("bad_response", 1)
    assert "not an MP4" in row["error_message"]
    assert names(tmp_path) == []


def test_a_length_that_is_too_small_is_seen(tmp_path):
    row, _ = download(lambda r: answer(FILM[:1000], ETag=TAG), tmp_path)
    assert row["error"] == "bad_response"
    assert "4,000" in row["error_message"]
    assert names(tmp_path) == []


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


def test_packed_files_are_not_unpacked(tmp_path):
    row, requests = download(lambda r: answer(b"\x1f\x8b", Content_Encoding="gzip"), tmp_path)
    assert requests[0].headers["accept-encoding"] == "identity"
    assert row["error"] == "bad_response"


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


# --- links that die ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_dead_link_is_asked_for_anew_once(status, tmp_path):
    def handler(request):
        if request.path.startswith("/v1/"):
            fresh = f"http://{request.headers['host']}/f/vid_1.mp4?X-Amz-Signature=fresh"
            return answer(video("vid_1", status="COMPLETED", url=fresh, size=len(FILM)))
        return part_of(request) if request.path.endswith("fresh") else answer(b"<Error>", status)

    row, requests = download(handler, tmp_path)
    assert row["error"] is None
    assert [request.path.split("/")[1] for request in requests] == ["f", "v1", "f"]


def test_a_fresh_link_that_is_refused_is_the_end(tmp_path):
    def handler(request):
        if request.path.startswith("/v1/"):
            fresh = f"http://{request.headers['host']}/f/vid_1.mp4?X-Amz-Signature=fresh"
            return answer(video("vid_1", status="COMPLETED", url=fresh))
        return answer(b"<Error>", 403)

    row, requests = download(handler, tmp_path)
    assert row["error"] == "forbidden"
    assert [request.path.split("/")[1] for request in requests] == ["f", "v1", "f"]


def test_a_link_in_its_last_minute_is_not_tried(tmp_path):
    with Sandbox(videos=1) as sandbox, sandbox.client() as client:
        videos = fetch_videos(["vid_abc123"], client=client)
        signed = pd.Timestamp.now("UTC") - pd.Timedelta(seconds=LINK_LIFE_SECONDS - 50)
        old = videos["url"].str.replace(r"Date=\w+", f"Date={signed:%Y%m%dT%H%M%SZ}", regex=True)
        files = download_videos(videos.assign(url=old), tmp_path, client=client)
        assert sandbox.request_counts["details"] == 2
        assert sandbox.request_counts["download"] == 1
    assert files["error"].isna().all()


def test_links_of_exports_and_old_frames_are_asked_for_anew(tmp_path):
    with Sandbox(videos=12) as sandbox, sandbox.client() as client:
        videos = fetch_videos(sandbox.video_ids, client=client)
        done = int(videos["status"].eq("COMPLETED").sum())
        stripped = read_videos(export_videos(videos, tmp_path / "v.csv"))
        files = download_videos(stripped, tmp_path / "a", client=client)
        assert files["error"].isna().sum() == done
        assert sandbox.request_counts["details"] == 12 + done
        sandbox.advance(LINK_LIFE_SECONDS + 1)
        again = download_videos(videos, tmp_path / "b", client=client)
        assert sandbox.request_counts["details"] == 12 + 2 * done
    assert again["sha256"].equals(files["sha256"])


def test_the_api_says_why_there_is_no_fresh_link(tmp_path):
    def handler(request):
        if request.path.startswith("/v1/video/vid_1"):
            return answer({"success": False, "message": "Video not found"}, 404)
        if request.path.startswith("/v1/video/vid_2"):
            return answer(video("vid_2", status="FAILED"))
        return answer(b"", 403)

    with serving(handler) as server, local(server) as client:
        files = download_videos(frame(server.url, "vid_1", "vid_2"), tmp_path, client=client)
    assert files["error"].tolist() == ["not_found", "not_ready"]


# --- the server has trouble -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [(404, "not_found", 1), (410, "not_found", 1), (500, "server", 3), (503, "server", 3),
     (429, "rate_limited", 3), (418, "bad_response", 1)],
)  # fmt: skip
def test_statuses(status, kind, requests, tmp_path):
    row, seen = download(lambda r: answer(b"", status, Retry_After="0.01"), tmp_path)
    assert (row["error"], len(seen)) == (kind, requests)
    assert row["error"] in KINDS


def test_a_reset_is_tried_again(tmp_path):
    def handler(request):
        if request.number < 3:
            raise Reset
        return part_of(request)

    row, requests = download(handler, tmp_path)
    assert (row["error"], len(requests)) == (None, 3)


def silent(request):
    yield head(ETag=TAG, Content_Length=len(FILM)) + FILM[:1000]
    time.sleep(2)


def dripping(request):
    yield head(ETag=TAG, Content_Length=len(FILM))
    for at in range(0, len(FILM), 100):
        yield FILM[at : at + 100]
        time.sleep(0.1)


@pytest.mark.parametrize("handler", [silent, dripping, lambda r: None])
def test_silence_and_drips_end(handler, tmp_path):
    with serving(handler) as server, local(server) as client:
        began = time.monotonic()
        row = only(download_videos(frame(server.url), tmp_path, client=client, timeout_seconds=0.3))
    assert row["error"] == "timeout"
    assert time.monotonic() - began < 6


# --- where links may lead ---------------------------------------------------------------------

FOREIGN = {
    "foreign": "https://example.com/v.mp4",
    "plain http": "http://s3.amazonaws.com/v.mp4",
    "look-alike": "https://amazonaws.com.example.com/v.mp4",
    "glued": "https://evilamazonaws.com/v.mp4",
    "user": "https://s3.amazonaws.com@example.com/v.mp4",
    "backslash": "https://example.com\\@s3.amazonaws.com/v.mp4",
    "private": "https://10.0.0.7/v.mp4",
    "metadata": "http://169.254.169.254/latest/meta-data",
    "mapped": "https://[::ffff:10.0.0.7]/v.mp4",
    "file": "file:///etc/passwd",
    "space": "https://s3.amazonaws.com/ v.mp4",
    "newline": "https://s3.amazonaws.com/v.mp4\r\nx-evil: 1",
    "port": "https://s3.amazonaws.com:0/v.mp4",
}


@pytest.mark.parametrize("url", FOREIGN.values(), ids=FOREIGN)
def test_links_that_lead_elsewhere_are_refused(url, tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", pytest.fail)
    with HookedClient("key", requests_per_minute=None) as client:
        videos = frame("http://x").assign(url=url)
        row = only(download_videos(videos, tmp_path, client=client))
    assert row["error"] == "link_refused"
    assert names(tmp_path) == []


def test_this_machine_is_for_clients_of_this_machine(tmp_path):
    with serving(part_of) as server:
        with HookedClient("key") as client:
            row = only(download_videos(frame(server.url), tmp_path, client=client))
            assert (row["error"], server.requests) == ("link_refused", [])
            row = only(
                download_videos(
                    frame(server.url), tmp_path, client=client, allowed_hosts=["127.0.0.1"]
                )
            )
    assert row["error"] is None


@pytest.mark.parametrize(
    "to",
    ["https://example.com/v.mp4", "http://169.254.169.254/", "https://10.0.0.7/x", "file:///x",
     "//example.com/v.mp4", "ftp://s3.amazonaws.com/v.mp4", ""],
)  # fmt: skip
def test_redirects_are_judged_like_links(to, tmp_path, monkeypatch):
    row, requests = download(lambda r: answer(b"", 302, Location=to), tmp_path)
    assert row["error"] == "link_refused"
    assert len(requests) == (1 if to else 4)
    assert SECRET not in row["error_message"]


def test_three_redirects_are_followed_and_no_more(tmp_path):
    def handler(request):
        hop = int(request.path.rpartition("=")[2]) if "hop=" in request.path else 0
        return answer(b"", 302, Location=f"/f?hop={hop + 1}") if hop < limit else part_of(request)

    limit = 3
    row, requests = download(handler, tmp_path / "a")
    assert (row["error"], len(requests)) == (None, 4)
    limit = 4
    row, requests = download(handler, tmp_path / "b")
    assert (row["error"], len(requests)) == ("link_refused", 4)


def test_a_redirect_to_another_allowed_host_carries_no_key(tmp_path):
    with serving(part_of) as second:
        row, requests = download(
            lambda r: answer(b"", 307, Location=f"{second.url}/f/vid_1.mp4"), tmp_path
        )
        assert row["error"] is None
        assert all("x-api-key" not in r.headers for r in [*requests, *second.requests])


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "fd00::1", "64:ff9b::a00:7"])
def test_a_name_that_leads_into_a_private_network_is_refused(address, tmp_path, monkeypatch):
    def resolve(host, port, *rest, **more):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", pytest.fail)
    with HookedClient("key") as client:
        row = only(download_videos(frame("https://files.hooked.so"), tmp_path, client=client))
    assert row["error"] == "link_refused"
    assert address in row["error_message"]


def test_what_is_connected_to_is_the_address_that_was_checked(tmp_path, monkeypatch):
    """A name that answers differently each time gains nothing."""
    answers = iter(["52.216.1.1", "127.0.0.1", "127.0.0.1"])
    tried = []

    def resolve(host, port, *rest, **more):
        address = host if host[0].isdigit() else next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(self, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("hooked_analytics.download.job.MAX_ATTEMPTS", 1)
    with HookedClient("key") as client:
        row = only(download_videos(frame("https://files.hooked.so"), tmp_path, client=client))
    assert (row["error"], tried) == ("network", ["52.216.1.1"])


# --- TLS and proxies --------------------------------------------------------------------------


def tls_for(name: str, bundle: Path, monkeypatch) -> ssl.SSLContext:
    """A server's certificate for *name*, known to those who use the environment's bundle."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return context


def test_https_with_interruptions_and_kept_connections(tmp_path, monkeypatch):
    context = tls_for("127.0.0.1", tmp_path / "ca.pem", monkeypatch)
    ids = [f"vid_{n}" for n in range(12)]
    with serving(cut_first, context) as server, local(server) as client:
        files = download_videos(frame(server.url, *ids), tmp_path / "f", client=client)
    assert files["sha256"].tolist() == [hashlib.sha256(FILM).hexdigest()] * 12
    assert files["resumed"].sum() == 1
    assert server.connections <= 6


@pytest.mark.parametrize("certified", ["files.hooked.so", "127.0.0.1"])
def test_the_certificate_is_that_of_the_name_not_of_the_address(certified, tmp_path, monkeypatch):
    context = tls_for(certified, tmp_path / "ca.pem", monkeypatch)

    def resolve(host, port, *rest, **more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("hooked_analytics.download.connection.may_connect", lambda *a, **k: True)
    with serving(part_of, context) as server, HookedClient("key") as client:
        port = server.url.rpartition(":")[2]
        videos = frame(f"https://files.hooked.so:{port}")
        row = only(download_videos(videos, tmp_path / "f", client=client))
    if certified == "127.0.0.1":
        assert (row["error"], server.requests) == ("network", [])
        assert "certificate" in row["error_message"]
    else:
        assert row["error"] is None
        assert server.requests[0].headers["host"] == f"files.hooked.so:{port}"


def test_a_proxy_looks_names_up_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("hooked_analytics.download.connection._checked_addresses", pytest.fail)
    with serving(lambda request: answer(b"", 502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with HookedClient("key") as client:
            row = only(download_videos(frame("https://files.hooked.so"), tmp_path, client=client))
    assert {request.path for request in proxy.requests} == {"files.hooked.so:443"}
    assert row["error"] == "network"
    assert "the proxy" in row["error_message"]


def test_a_wrong_key_stops_everything(tmp_path):
    with Sandbox(videos=3) as sandbox, sandbox.client() as client:
        videos = fetch_videos(["vid_abc123"], client=client)
        sandbox.advance(LINK_LIFE_SECONDS + 1)
        with HookedClient("wrong-key", base_url=sandbox.url) as other:
            with pytest.raises(AuthenticationError):
                download_videos(videos, tmp_path, client=other)
    assert names(tmp_path) == []


# --- folders and names ------------------------------------------------------------------------


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "f").write_text("mine")
    with serving(part_of) as server, local(server) as client:
        with pytest.raises(NotADirectoryError, match="is a file"):
            download_videos(frame(server.url), tmp_path / "f", client=client)
    assert (tmp_path / "f").read_text() == "mine"
    assert server.requests == []


def test_a_directory_that_cannot_be_written(tmp_path):
    with serving(part_of) as server, local(server) as client:
        with pytest.raises(OSError, match=r"/proc|No such|ermission"):
            download_videos(frame(server.url), "/proc/hooked", client=client)
    assert server.requests == []


def test_too_little_room_is_said_before_any_request(tmp_path):
    with serving(part_of) as server, local(server) as client:
        with pytest.raises(OSError, match="bytes more and the disk has"):
            download_videos(frame(server.url, size=10**12), tmp_path, client=client)
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
import sys
from hooked_analytics import HookedClient, download_videos, read_videos
base_url, frame, folder = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with HookedClient("canary-key", base_url=base_url, requests_per_minute=None) as client:
    files = download_videos(read_videos(frame), folder, client=client)
print(*files["error"].fillna("ok"), flush=True)
"""


def child(*arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert process.stdout.readline() == "ready\n"
    return process


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
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0] for process in both]
    assert said == [" ".join(["ok"] * 6) + "\n"] * 2
    assert len(server.requests) == 6
    assert names(folder) == [f"{video_id}.mp4" for video_id in ids]
    assert {file.read_bytes() for file in folder.iterdir()} == {FILM}


def test_a_killed_process_leaves_a_part_and_no_lock(tmp_path):
    folder = tmp_path / "films"
    half = threading.Event()

    def handler(request):
        if request.number > 1:
            yield part_of(request)
            return
        yield head(ETag=TAG, Content_Length=len(FILM)) + FILM[:2000]
        half.set()
        time.sleep(5)

    with serving(handler) as server, local(server) as client:
        process = child(server.url, exported(server, tmp_path), folder)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert half.wait(30)
        part = folder / "vid_1.mp4.part"
        while not part.exists() or part.stat().st_size < 2000:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        row = only(download_videos(frame(server.url), folder, client=client))
    assert (row["resumed"], row["sha256"]) == (True, hashlib.sha256(FILM).hexdigest())
    assert names(folder) == ["vid_1.mp4"]


FULL = """
import os, sys
from hooked_analytics import HookedClient, download_videos, read_videos
base_url, frame, folder, limit = sys.argv[1:]
import resource
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
with HookedClient("canary-key", base_url=base_url, requests_per_minute=None) as client:
    files = download_videos(read_videos(frame), folder, client=client, max_workers=1)
print(*files["error"].fillna("ok"), "|", *sorted(os.listdir(folder)))
"""


def run_full(*arguments: object, mount: tuple[object, ...] = ()) -> str:
    done = subprocess.run(
        [*map(str, mount), sys.executable, "-c", FULL, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_that_may_not_grow_is_a_row_and_goes_on_later(tmp_path):
    folder = tmp_path / "films"
    with serving(part_of) as server, local(server) as client:
        said = run_full(server.url, exported(server, tmp_path), folder, 2000)
        assert said == "disk | vid_1.mp4.part vid_1.mp4.part.json"
        row = only(download_videos(frame(server.url), folder, client=client))
    assert (row["resumed"], row["sha256"]) == (True, hashlib.sha256(FILM).hexdigest())


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
        said = run_full(server.url, path, folder, 0, mount=(*mount, folder))
    assert said == "ok disk disk | vid_1.mp4"
    assert len(server.requests) == 2


# --- the stop button --------------------------------------------------------------------------


def test_an_interrupt_stops_within_a_second_and_loses_nothing(tmp_path):
    def handler(request):
        if "vid_0" in request.path:
            yield part_of(request)
            return
        yield head(ETag=TAG, Content_Length=len(FILM)) + FILM[:2000]
        time.sleep(10)

    ids = [f"vid_{n}" for n in range(20)]
    with serving(handler) as server, local(server) as client:
        pressed = []

        def press():
            while len(server.requests) < 5:
                time.sleep(0.01)
            time.sleep(0.3)
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press).start()
        with pytest.raises(FetchInterrupted) as stopped:
            download_videos(frame(server.url, *ids), tmp_path, client=client)
        assert time.monotonic() - pressed[0] < 1.5
        sent = len(server.requests)
        files = stopped.value.videos
        assert files["video_id"].tolist() == ids
        assert files["error"].fillna("ok").value_counts().to_dict() == {"ok": 1, "not_fetched": 19}
        parts = list(tmp_path.glob("*.part"))
        assert [part.stat().st_size for part in parts] == [2000] * 4
        time.sleep(0.5)
        assert len(server.requests) == sent
    with serving(part_of) as server, local(server) as client:
        # nobody holds the parts any more
        files = download_videos(frame(server.url, *ids), tmp_path, client=client, timeout_seconds=5)
    assert files["error"].isna().all()
    assert len(names(tmp_path)) == 20


# --- all at once ------------------------------------------------------------------------------


def test_the_matrix_of_faults():
    found = run_matrix(12)
    wrong = ("wrong_sha", "half_files", "unfilled", "left_behind")
    assert [found[name] for name in wrong] == [0, 0, 0, 0]
    assert found["most_refreshes"] == 1
    assert found["killed"] > 0
    assert found["resumed"] > 0
