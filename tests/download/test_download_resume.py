"""A part is resumed where the server still has the same file; trouble ends within limits."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

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
from hooked_analytics.sandbox.constants import LINK_LIFE_SECONDS
from tests.download.film_server import (
    FILM,
    NOON,
    SECRET,
    TAG,
    cut_first,
    download,
    film,
    frame,
    head,
    local,
    names,
    only,
    part_of,
)
from tests.scripted import Request, Reset, answer, serving, video

# --- cut, resumed, changed ---------------------------------------------------------------------


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


# --- links that die ----------------------------------------------------------------------------


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


# --- the server has trouble --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [(404, "not_found", 1), (410, "not_found", 1), (500, "server", 3), (503, "server", 3),
     (429, "rate_limited", 3), (418, "bad_response", 1)],
)  # fmt: skip
def test_statuses(status, kind, requests, tmp_path):
    row, seen = download(lambda r: answer(b"", status, Retry_After="0.01"), tmp_path)
    assert (row["error"], len(seen)) == (kind, requests)


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


# --- the stop button ---------------------------------------------------------------------------


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
