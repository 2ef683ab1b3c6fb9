"""A part is resumed where the server still has the same file; trouble ends within limits."""

from __future__ import annotations

import os
import signal
import threading
import time

import pandas as pd
import pytest

from hooked_analytics import (
    FetchInterrupted,
    Sandbox,
    download_videos,
    export_videos,
    fetch_videos,
    read_videos,
)
from hooked_analytics.sandbox import LINK_LIFE_SECONDS
from tests.download.film_server import (
    FILM,
    SECRET,
    SHA256,
    TAG,
    api,
    cut_first,
    download,
    film,
    frame,
    head,
    kinds,
    local,
    names,
    part_of,
)
from tests.scripted import answer, serving, video

SIZE = len(FILM)


def test_a_cut_is_resumed(tmp_path):
    row, requests = download(cut_first, tmp_path)
    assert (requests[1].headers["range"], requests[1].headers["if-range"]) == ("bytes=1500-", TAG)
    assert (row["resumed"], row["sha256"], names(tmp_path)) == (True, SHA256, ["vid_1.mp4"])


def test_three_attempts_then_a_row_and_a_part_for_the_next_call(tmp_path):
    def ever_shorter(request):
        first = int(request.headers.get("range", "bytes=0-")[6:-1])
        ranged = f"bytes {first}-{SIZE - 1}/{SIZE}"
        status = {"status": 206, "Content_Range": ranged} if first else {"status": 200}
        lines = head(**status, ETag=TAG, Content_Length=SIZE - first)
        return iter([lines, FILM[first : first + 1000]])

    row, requests = download(ever_shorter, tmp_path)
    assert (row["error"], len(requests)) == ("network", 3)
    assert names(tmp_path) == ["vid_1.mp4.part", "vid_1.mp4.part.json"]
    assert SECRET not in (tmp_path / "vid_1.mp4.part.json").read_text()
    row, requests = download(part_of, tmp_path)  # the place of the link is another, as the port is
    assert "range" not in requests[0].headers
    assert (row["sha256"], names(tmp_path)) == (SHA256, ["vid_1.mp4"])


@pytest.mark.parametrize(("left", "ranges"), [(1500, ["bytes=1500-"]), (SIZE, [])])
def test_a_later_call_resumes_the_part(left, ranges, tmp_path):
    row, requests = download(part_of, tmp_path, left=left)
    assert [r.headers["range"] for r in requests] == ranges
    assert (row["resumed"], row["sha256"]) == (bool(ranges), SHA256)


@pytest.mark.parametrize(
    "info",
    [
        b"",
        b"[]",
        b"[" * 10_000,
        b'{"place": 1}',
        b'{"place":"x","total":"no","validator":"y"}',
        b'{"place":"x","total":9e999,"validator":"y"}',
        b'{"place":"x","total":10,"validator":"a\\r\\nb"}',
    ],
)
def test_damaged_info_means_from_the_start(info, tmp_path):
    (tmp_path / "vid_1.mp4.part").write_bytes(b"x" * 1500)
    (tmp_path / "vid_1.mp4.part.json").write_bytes(info)
    row, requests = download(part_of, tmp_path)
    assert "range" not in requests[0].headers
    assert row["sha256"] == SHA256


OTHER_ANSWERS = {
    "ignored": answer(FILM, ETag=TAG),
    "changed": answer(film(fill=9), ETag='"b2"'),
    "416": answer(b"", 416, Content_Range=f"bytes */{SIZE}"),
    "other start": answer(FILM[1000:], 206, ETag=TAG, Content_Range=f"bytes 1000-3999/{SIZE}"),
    "other total": answer(FILM[1500:], 206, ETag=TAG, Content_Range="bytes 1500-3999/4001"),
    "other tag": answer(FILM[1500:], 206, ETag='"c"', Content_Range=f"bytes 1500-3999/{SIZE}"),
    "no tag": answer(b"x" * 2500, 206, Content_Range=f"bytes 1500-3999/{SIZE}"),
    "no range": answer(FILM[1500:], 206, ETag=TAG),
}


@pytest.mark.parametrize("kind", OTHER_ANSWERS)
def test_whatever_is_not_the_rest_means_from_the_start(kind, tmp_path):
    def handler(request):
        return OTHER_ANSWERS[kind] if "range" in request.headers else part_of(request)

    row, _ = download(handler, tmp_path, left=1500)
    assert (row["error"], row["resumed"], names(tmp_path)) == (None, False, ["vid_1.mp4"])
    assert (tmp_path / "vid_1.mp4").read_bytes() == (film(fill=9) if kind == "changed" else FILM)


@pytest.mark.parametrize("tag", ['W/"a"', "a", ""])
def test_without_a_strong_tag_every_attempt_begins_anew(tag, tmp_path):
    def handler(request):
        return iter([head(Content_Length=SIZE, ETag=tag), FILM[:1500]])

    row, requests = download(handler, tmp_path)
    assert (row["error"], names(tmp_path)) == ("network", [])
    assert [r.headers.get("range") for r in requests] == [None] * 3


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("fresh_is_good", [True, False])
def test_a_refused_link_is_renewed_once(status, fresh_is_good, tmp_path):
    def files(request):
        good = fresh_is_good and request.path.endswith("fresh")
        return part_of(request) if good else answer(b"<Error>", status)

    row, requests = download(api(None, files), tmp_path)
    assert row["error"] == (None if fresh_is_good else "forbidden")
    assert kinds(requests) == ["f", "v1", "f"]


def test_a_link_in_its_last_minute_is_not_tried(tmp_path):
    with Sandbox(videos=1) as sandbox, sandbox.client() as client:
        videos = fetch_videos(["vid_abc123"], client=client)
        signed = pd.Timestamp.now("UTC") - pd.Timedelta(seconds=LINK_LIFE_SECONDS - 50)
        old = videos["url"].str.replace(r"Date=\w+", f"Date={signed:%Y%m%dT%H%M%SZ}", regex=True)
        files = download_videos(videos.assign(url=old), tmp_path, client=client)
        assert (sandbox.request_counts["details"], sandbox.request_counts["download"]) == (2, 1)
    assert files["error"].isna().all()


def test_links_of_exports_and_old_frames_are_renewed(tmp_path):
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


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [(404, "not_found", 1), (410, "not_found", 1), (500, "server", 3), (503, "server", 3),
     (429, "rate_limited", 3), (418, "bad_response", 1)],
)  # fmt: skip
def test_statuses(status, kind, requests, tmp_path):
    row, seen = download(lambda r: answer(b"", status, Retry_After="0.01"), tmp_path)
    assert (row["error"], len(seen)) == (kind, requests)


def slow(*, piece: int, pause_seconds: float):
    def handler(request):
        yield head(ETag=TAG, Content_Length=SIZE)
        for at in range(0, SIZE, piece):
            yield FILM[at : at + piece]
            time.sleep(pause_seconds)

    return handler


@pytest.mark.parametrize(
    "handler",
    [slow(piece=1000, pause_seconds=2), slow(piece=100, pause_seconds=0.1), lambda r: None],
    ids=["silent", "dripping", "no answer"],
)
def test_silence_and_drips_end(handler, tmp_path):
    row, _ = download(handler, tmp_path, settings={"timeout_seconds": 0.3})
    assert row["error"] == "timeout"


def test_an_interrupt_stops_soon_and_loses_nothing(tmp_path):
    def handler(request):
        if "vid_0" in request.path:
            yield part_of(request)
            return
        yield head(ETag=TAG, Content_Length=SIZE) + FILM[:2000]
        server.closing.wait(60)

    def press():
        while sum(part.stat().st_size == 2000 for part in tmp_path.glob("vid_[1-4].mp4.part")) < 4:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    ids = [f"vid_{n}" for n in range(20)]
    with serving(handler) as server, local(server) as client:
        threading.Thread(target=press).start()
        with pytest.raises(FetchInterrupted) as stopped:
            download_videos(frame(server.url, *ids), tmp_path, client=client)
        sent = len(server.requests)
        files = stopped.value.videos
        assert files["video_id"].tolist() == ids
        assert files["error"].fillna("ok").value_counts().to_dict() == {"ok": 1, "not_fetched": 19}
        time.sleep(0.5)
        assert len(server.requests) == sent
        assert [part.stat().st_size for part in tmp_path.glob("*.part")] == [2000] * 4
    with serving(part_of) as server, local(server) as client:
        # nobody holds the parts any more
        files = download_videos(frame(server.url, *ids), tmp_path, client=client)
    assert files["error"].isna().all()
    assert len(names(tmp_path)) == 20
