"""Hooked sends events, or somebody who pretends to: what is taken, what it costs and changes."""

from __future__ import annotations

import io
import json
import logging
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests

from hooked_analytics import (
    FetchError,
    HookedClient,
    ProgressPanel,
    Sandbox,
    VideoArchive,
    WebhookReceiver,
    poll_videos,
    videos_from_records,
    wait_for_videos,
)
from hooked_analytics.fetch import AT, EventQueue, FalseAlarmBudget, PollScheduler, VideoState
from hooked_analytics.fetch.poll_scheduler import NOTIFIED_APART
from hooked_analytics.fetch.video_state import merge_rows
from hooked_analytics.sandbox import RETRY_SECONDS
from hooked_analytics.schema import parse_record
from hooked_analytics.webhooks import receiver as receiver_module
from tests.faults.webhook_storm import make_calls, run as storm
from tests.fetch.test_poll import Hooked, started, watching
from tests.scripted import answer, echo, serving

NESTED = {
    "event": "project.completed",
    "projectId": "proj_1",
    "status": "completed",
    "video": {"id": "video_1", "url": "https://a.example/v.mp4", "duration": 5},
}
FAILED = {"event": "project.failed", "projectId": "proj_1", "status": "failed", "message": "No"}
FLAT = {"event": "video.completed", "videoId": "vid_1", "status": "completed", "duration": 5}
LONG = {"interval_seconds": 60}  # what is noticed before was noticed by an event


def call(url: str, body: object = FLAT, *, method: str = "POST", kind="application/json") -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind}
    return requests.request(method, url, data=raw, headers=headers, timeout=10).status_code


@pytest.fixture(scope="module")
def heard():
    """A receiver for all tests that only send to it, and what it took."""
    with WebhookReceiver() as receiver:
        yield receiver, receiver.subscribe()


def completed(video_id: object) -> dict[str, object]:
    return {**FLAT, "videoId": video_id}


def padded(size: int) -> bytes:
    return json.dumps(FLAT).encode().ljust(size)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


# --- what is taken


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (NESTED, [("video_1", "proj_1")]),
        (FAILED, [("proj_1",)]),
        (FLAT, [("vid_1",)]),
        ({"data": FLAT}, [("vid_1",)]),
        ({**NESTED, "video": {"id": "../admin"}}, [("proj_1",)]),
        (padded(64 * 1024), [("vid_1",)]),
        ({**FLAT, "status": "processing"}, []),  # no news of an end
    ],
    ids=["nested", "failed", "flat", "wrapped", "half hostile", "64 KiB", "goes on"],
)
@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", ""])
def test_json_is_taken_in_both_shapes_whatever_its_content_type(body, ids, kind, heard):
    receiver, events = heard
    assert call(receiver.url, body, kind=kind) == 200
    assert events.take() == ids


HOSTILE = ["", " ", "..", "../admin", "a/b", "x?y", "x#f", "%2e%2e", "list", "a\nb", "\ud800",
           "x" * 129, "=cmd", "<b>", None, True, 1.5, [], {}, ["vid_1"]]  # fmt: skip
NO_EVENT = [b"", b"{", b"<html>", b"\xff\xfe", b"[]", b'"vid_1"', b"null", b"{}", b'{"a": NaN}',
            b'{"videoId": "vid_1", "videoId": "vid_2"}', b"[" * 60_000, b'{"a":' * 10_000,
            b'{"videoId": ' + b"1" * 60_000 + b"}"]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((completed(video_id), 400) for video_id in HOSTILE),
        *(({"event": "project.failed", "projectId": video_id}, 400) for video_id in HOSTILE),
        *((body, 400) for body in NO_EVENT),
        (padded(64 * 1024 + 1), 413),
        (padded(65 * 1024), 413),
    ],
    ids=lambda value: ascii(value)[-30:],
)
def test_what_is_no_event_with_an_id_is_refused(body, status, heard):
    receiver, events = heard
    assert call(receiver.url, body) == status
    assert events.take() == []


def test_everything_but_the_one_path_is_not_found(heard):
    receiver, events = heard
    base, _, token = receiver.url.rpartition("/")
    for path in ("", "x", token[:-1], token + "x", token.swapcase(), f"{token}/", f"x/{token}"):
        for method in ("POST", "GET"):
            assert call(f"{base}/{path}", method=method) == 404, path
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        assert call(receiver.url, method=method) == 405
    assert len(token) >= 43
    assert events.take() == []


def test_a_body_of_unknown_length_is_cut_off(heard):
    receiver, events = heard
    pieces = (padded(65 * 1024)[i : i + 1000] for i in range(0, 65 * 1024, 1000))
    assert requests.post(receiver.url, data=pieces, timeout=10).status_code == 413
    assert events.take() == []
    assert call(receiver.url) == 200


# --- the server


def test_closing_twice_and_starting_again_keeps_the_secret_path():
    before = threading.active_count()
    receiver = WebhookReceiver().start()
    path, port = urlsplit(receiver.url).path, urlsplit(receiver.url).port
    assert receiver.start() is receiver
    events = receiver.subscribe()
    assert events.listening
    with pytest.raises(OSError, match=f"port {port} cannot be used"):
        WebhookReceiver(port=port).start()
    receiver.close()
    receiver.close()
    assert threading.active_count() == before
    assert not events.listening  # so polls go on at their ordinary pace
    for wrong in (lambda: receiver.url, lambda: next(receiver.listen())):
        with pytest.raises(RuntimeError, match="not running"):
            wrong()
    with receiver:
        assert urlsplit(receiver.url).path == path
        assert call(receiver.url) == 200


def said_to(receiver: WebhookReceiver, *pieces: bytes) -> bytes:
    """Send bytes to a receiver, and read until it ends the connection."""
    parts = urlsplit(receiver.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return b"".join(iter(lambda: sock.recv(1000), b""))


def test_who_says_nothing_little_or_too_much_is_cut_off(monkeypatch):
    monkeypatch.setattr(receiver_module, "CONNECTION_SECONDS", 0.3)
    with WebhookReceiver() as receiver:
        head = (
            f"POST {urlsplit(receiver.url).path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        )
        for said in (b"", b"POST ", head.encode(), head.encode() + b"{"):
            assert said_to(receiver, said) == b""
    monkeypatch.undo()
    monkeypatch.setattr("hooked_analytics.webhooks.events.BODY_SECONDS", 0.2)
    with WebhookReceiver() as receiver:
        head = head.replace(head.split()[1], urlsplit(receiver.url).path)
        assert said_to(receiver, head.encode() + b"{").startswith(b"HTTP/1.1 408 ")
        with pytest.raises(ConnectionError):
            said_to(receiver, b"POST / HTTP/1.1\r\n", *[b"X-Pad: " + b"x" * 1000 + b"\r\n"] * 10**5)


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(receiver_module, "MAX_CONNECTIONS", 10)
    with WebhookReceiver() as receiver:
        parts = urlsplit(receiver.url)
        address = (parts.hostname, parts.port)
        silent = [socket.create_connection(address, timeout=10) for _ in range(10)]
        time.sleep(0.2)
        # one more cuts the oldest, so silent ones never shut out an event
        assert call(receiver.url) == 200
        assert silent[0].recv(1) == b""
        for sock in silent:
            sock.close()


NO_ADDRESSES = ["hooks.example.org", "https://[::1", "http://hooks.example.org",
                b"https://hooks.example.org", "https://h?a=1", "https://@h", "https://h?",
                "https://h h", "https://h\n.evil", "https://h/a b", "https://h/\u00e9",
                "https://h\\x", "https://h/../x", "https://h:0"]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"token": "short"}, "token is text of at least 16"),
        ({"token": "a/slash/in/the/token"}, "token has characters"),
        *[({"public_url": wrong}, "public_url is an address") for wrong in NO_ADDRESSES],
        ({"host": ""}, "host is an address"),
        *[({"port": wrong}, "port is a whole number") for wrong in (70_000, "8080", 1.5, None)],
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        WebhookReceiver(**settings).start()


def test_what_is_no_client_archive_or_event_is_named(receiver):
    with pytest.raises(TypeError, match="client is a HookedClient, not str"):
        WebhookReceiver(client="key")
    for name, wrong, error in (
        ("archive", "archive", TypeError),
        ("stop", True, TypeError),
        ("timeout_seconds", "5", ValueError),
        ("timeout_seconds", -1, ValueError),
    ):
        with pytest.raises(error, match=f"^{name} is a"):
            receiver.listen(**{name: wrong})


def test_what_strangers_send_is_told_to_nobody_who_does_not_log():
    code = """
import socket
from urllib.parse import urlsplit
from hooked_analytics import WebhookReceiver
with WebhookReceiver(host="[::1]") as receiver:
    parts = urlsplit(receiver.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as stranger:
        stranger.sendall(b"\\x16\\x03\\r\\n\\r\\n")
        assert stranger.recv(12) == b"HTTP/1.1 400"
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_behind_a_tunnel_the_link_is_the_tunnels():
    token = "one-that-outlives-a-restart"
    with WebhookReceiver(public_url="https://hooks.example.org/hooked/", token=token) as receiver:
        assert receiver.url == f"https://hooks.example.org/hooked/{token}"


def test_the_token_is_in_no_repr_log_pickle_or_traceback(monkeypatch):
    monkeypatch.delenv("HOOKED_API_KEY", raising=False)
    token = "canary-token-9c2f41ab"
    log = io.StringIO()
    handler, root = logging.StreamHandler(log), logging.getLogger()
    root.addHandler(handler)
    monkeypatch.setattr(root, "level", logging.DEBUG)
    try:
        with Sandbox(videos=1, time_scale=60) as sandbox, WebhookReceiver(token=token) as receiver:
            sandbox.create_video("class", render_seconds=3, webhook=receiver.url)
            wait_until(lambda: sandbox.webhook_deliveries)
            assert sandbox.webhook_deliveries[0].outcome == "200"
            shown = [repr(receiver), str(vars(receiver)), repr(vars(receiver._app))]
            shown += [repr(sandbox), repr(sandbox.webhook_deliveries)]
            shown.append(traced(lambda: pickle.dumps(receiver)))
            shown.append(traced(lambda: next(receiver.listen())))
        shown.append(traced(lambda: receiver.url))
        wrong = [token[:8], f"{token}/", token.encode()]
        wrong += [f"{token}{odd}" for odd in ("\n\u2713", "\ud800", "\x7f")]
        shown += [traced(lambda refused=refused: build(refused)) for refused in wrong]
    finally:
        root.removeHandler(handler)
    assert "canary" not in "".join([*shown, log.getvalue()])


def build(refused: object) -> None:
    # the caller's own names are the caller's; only frames of the package are judged
    WebhookReceiver(token=refused)


def traced(wrong) -> str:
    try:
        wrong()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked through
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        told.stack = traceback.StackSummary.from_list(
            [frame for frame in told.stack if "tests/" not in frame.filename]
        )
        return "".join(told.format())
    raise AssertionError("nothing was refused")


# --- polls that get events


@pytest.fixture
def receiver():
    with WebhookReceiver() as running:
        yield running


@contextmanager
def polling(hooked: Hooked, receiver: WebhookReceiver):
    """Poll a scripted Hooked a minute apart, after the first poll."""
    with watching(hooked) as client:
        polled = poll_videos(hooked.status, client=client, webhooks=receiver, **LONG)
        assert set(next(polled)["status"]) == {"STARTED"}
        yield polled, client
        polled.close()


def test_a_failure_that_names_the_project_alone_finds_its_video(receiver):
    class InProjects(Hooked):
        def one(self, video_id: str) -> bytes:
            status = self.status[video_id]
            return answer({"data": {"id": video_id, "status": status, "projectId": "proj_a"}})

    hooked = InProjects(a="STARTED")
    with polling(hooked, receiver) as (polled, _):
        hooked.end("a", "FAILED")
        call(receiver.url, {**FAILED, "projectId": "proj_a"})
        assert next(polled)["status"].tolist() == ["FAILED"]


def test_a_forged_completion_changes_nothing_and_a_stranger_costs_nothing(receiver):
    with polling(Hooked(**started(3)), receiver) as (polled, client):
        sent = client.requests_sent
        for number in range(50):
            call(receiver.url, completed(f"stranger_{number}"))
        call(receiver.url, completed("vid_1"))
        assert next(polled)["status"].tolist() == ["STARTED"] * 3
        assert client.requests_sent == sent + 1


def test_what_has_ended_is_not_requested_again_whatever_is_sent(receiver):
    hooked = Hooked(a="STARTED", b="STARTED")
    with polling(hooked, receiver) as (polled, _):
        hooked.end("a")
        for _ in range(3):
            call(receiver.url, completed("a"))
        assert next(polled)["status"].tolist() == ["COMPLETED", "STARTED"]
        hooked.status["a"] = "STARTED"  # were it requested, it would move back
        for status in ("processing", "completed", "failed"):
            call(receiver.url, {**completed("a"), "status": status})
        hooked.end("b")
        call(receiver.url, completed("b"))
        assert next(polled)["status"].tolist() == ["COMPLETED", "COMPLETED"]
        assert hooked.asked["a"] == 1


def test_a_late_answer_never_takes_back_an_end():
    now = datetime(2024, 1, 15, tzinfo=UTC)
    end = {"id": "a", "status": "COMPLETED", "progress": 100, "usedCredits": 5}
    late = {"id": "a", "status": "STARTED", "progress": 40, "type": "class"}
    old, new = (parse_record(record, fetched_at=now) for record in (end, late))
    row = merge_rows(old, new, from_list=False)
    merged = [row[AT[name]] for name in ("status", "progress", "used_credits", "type")]
    assert merged == ["COMPLETED", 100, 5, "class"]


def test_two_polls_share_a_receiver(receiver):
    one, other = Hooked(a="STARTED"), Hooked(b="STARTED")
    with polling(one, receiver) as (first, _), polling(other, receiver) as (second, _):
        for hooked, polled, video_id in ((one, first, "a"), (other, second, "b")):
            hooked.end(video_id)
            call(receiver.url, completed(video_id))
            assert next(polled)["status"].tolist() == ["COMPLETED"]
            assert list(polled) == []
    assert (one.asked, other.asked) == ({"a": 2}, {"b": 2})
    assert len(receiver._listeners) == 0


def test_a_panel_shows_an_end_at_its_event(receiver):
    hooked = Hooked(a="STARTED")
    with watching(hooked) as client:
        panel = ProgressPanel("a", client=client, webhooks=receiver, **LONG)
        wait_until(lambda: panel.state == "waiting")
        hooked.end("a")
        call(receiver.url, completed("a"))
        assert panel.wait(timeout_seconds=10)["status"].tolist() == ["COMPLETED"]
        assert panel.state == "ended"
        panel.close()


def test_stop_and_time_limit_are_heard_while_it_listens(receiver):
    stop = threading.Event()
    with watching(Hooked(a="STARTED")) as client:
        settings = {"client": client, "webhooks": receiver, **LONG}
        polled = poll_videos("a", stop=stop, **settings)
        next(polled)
        threading.Timer(0.1, stop.set).start()
        assert list(polled) == []
        with pytest.raises(Exception, match="were not finished after 0.2 s"):
            wait_for_videos("a", timeout_seconds=0.2, progress=False, **settings)


def row_of(video: VideoState, status: str):
    return parse_record({"id": video.video_id, "status": status}, fetched_at=datetime.now(UTC))


def schedule_of(count: int) -> PollScheduler:
    videos = [VideoState(f"vid_{n}") for n in range(count)]
    schedule = PollScheduler(videos, per_poll=1e9, polls_a_minute=12)
    for video in schedule.videos:
        schedule.answered(video, row_of(video, "STARTED"))
    return schedule


def test_polls_come_slowly_until_an_end_comes_without_an_event():
    plan = schedule_of(3)
    assert plan.slower_by() == 1
    assert plan.slower_by(listening=True) == NOTIFIED_APART
    plan.answered(plan.videos[0], row_of(plan.videos[0], "COMPLETED"))
    assert plan.slower_by(listening=True) == 1
    plan.note_events([("vid_0",)])  # it was only slow
    assert plan.slower_by(listening=True) == NOTIFIED_APART
    plan.note_events([("vid_1",)])
    plan.answered(plan.videos[1], row_of(plan.videos[1], "STARTED"))  # a lie
    assert plan.slower_by(listening=True) == 1
    plan.note_events([("vid_1",)])
    plan.answered(plan.videos[1], row_of(plan.videos[1], "FAILED"))
    assert plan.slower_by(listening=True) == NOTIFIED_APART


def test_false_events_use_up_the_budget_and_true_ones_do_not():
    plan = schedule_of(300)
    for end in range(200):
        plan.note_events([(f"vid_{end}",)])
        (video,) = plan.next_notified(float("inf"))
        plan.answered(video, row_of(video, "COMPLETED"))
    requested = 0
    for _ in range(100):
        plan.note_events([(f"vid_{n}",) for n in range(200, 300)])
        for video in plan.next_notified(float("inf")):
            plan.answered(video, row_of(video, "STARTED"))
            requested += 1
    assert requested == 50
    plan.end_poll(responses=1, failures=0)
    plan.note_events([("vid_200",)])
    assert len(plan.next_notified(float("inf"))) == 1
    assert plan.next_notified(0) == []
    assert FalseAlarmBudget(3).left == 3


def test_a_storm_of_events_changes_no_state_and_costs_few_requests():
    found = storm(100)
    assert (found["calls"], found["wrong_states"]) == (100, 0)
    assert found["api_requests"] <= 200


def test_a_flood_of_a_thousand_costs_at_most_two_hundred_requests():
    hooked = Hooked(**started(120))
    with watching(hooked) as client, WebhookReceiver(client=client) as receiver:
        over = threading.Event()
        settings = {"client": client, "interval_seconds": 1, "stop": over}
        polled = poll_videos(hooked.status, webhooks=receiver, **settings)
        both = [
            threading.Thread(target=list, args=[frames])
            for frames in (polled, receiver.listen(stop=over))
        ]
        for thread in both:
            thread.start()
        ids = [f"vid_{n % 120}" if n % 2 else f"forged_{n}" for n in range(1000)]
        sent = make_calls(receiver.url, [(0, json.dumps(completed(each))) for each in ids])
        assert {status for status, _ in sent} == {200}
        time.sleep(0.3)
        over.set()
        for thread in both:
            thread.join()
        assert receiver.counts == {"taken": 1000}
        assert client.requests_sent <= 200


# --- without a list of ids


class Memory:
    """An archive that keeps frames in memory; the first *failures* appends fail."""

    def __init__(self, failures: int = 0) -> None:
        self.frames, self.failures = [], failures

    def append(self, videos) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.frames.append(videos)


def test_listen_gives_each_end_once_by_the_apis_word():
    hooked = Hooked(a="COMPLETED", b="STARTED", c="FAILED")
    archive = Memory()
    with watching(hooked) as client, WebhookReceiver(client=client) as receiver:
        ends = receiver.listen(archive=archive, timeout_seconds=20)
        for video_id in ("a", "b", "unknown", "a"):
            call(receiver.url, completed(video_id))
        assert next(ends)["video_id"].tolist() == ["a"]
        call(receiver.url, completed("a"))
        call(receiver.url, {**completed("c"), "status": "completed"})
        assert next(ends)[["video_id", "status"]].to_numpy().tolist() == [["c", "FAILED"]]
        hooked.end("b")  # the event came too early, so it is requested once more
        assert next(ends)["video_id"].tolist() == ["b"]
        assert hooked.asked == {"a": 1, "b": 2, "c": 1, "unknown": 1}
    assert list(ends) == []
    assert [frame["video_id"].tolist() for frame in archive.frames] == [["a"], ["c"], ["b"]]


def test_an_event_waits_until_it_was_claimed_and_appended():
    hooked = Hooked(a="COMPLETED", b="COMPLETED")
    archive = Memory(failures=1)
    with watching(hooked) as client, WebhookReceiver(client=client) as receiver:
        assert call(receiver.url, completed("a")) == 200  # nobody listens yet
        with pytest.raises(FetchError, match="No space left") as raised:
            next(receiver.listen(archive=archive, timeout_seconds=20))
        assert raised.value.videos["video_id"].tolist() == ["a"]
        assert call(receiver.url, completed("b")) == 200  # between two listens
        ends = receiver.listen(archive=archive, timeout_seconds=20)
        seen = set(next(ends)["video_id"])
        seen |= set() if seen == {"a", "b"} else set(next(ends)["video_id"])
        assert seen == {"a", "b"}
    assert {i for frame in archive.frames for i in frame["video_id"]} == {"a", "b"}


WATCHED = videos_from_records([{"id": "z", "status": "STARTED"}])
LISTENS = """
import sys
from hooked_analytics import HookedClient, VideoArchive, WebhookReceiver
base_url, folder = sys.argv[1:]
with HookedClient("key", base_url=base_url) as client, WebhookReceiver(client=client) as receiver:
    ends = receiver.listen(archive=VideoArchive(folder))
    print(receiver.url)
    next(ends)
"""


def test_events_that_a_killed_process_took_come_with_the_next_listen(tmp_path):
    folder = tmp_path / "archive"
    with serving(lambda request: None) as silent:
        command = [sys.executable, "-u", "-c", LISTENS, silent.url, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            url = child.stdout.readline().strip()
            assert [call(url, completed(i)) for i in ("a", "b", "a")] == [200] * 3
            assert call(url, {**NESTED, "video": {"id": "c"}}) == 200
            child.send_signal(signal.SIGKILL)
    (folder / ".event-cut.txt").write_text("d")  # one that was never answered with 200
    VideoArchive(folder).append(WATCHED)
    assert pd.read_parquet(folder)["video_id"].tolist() == ["z"]
    with serving(echo) as server, HookedClient("key", base_url=server.url) as client:
        with WebhookReceiver(client=client) as receiver:
            ends = receiver.listen(archive=VideoArchive(folder), timeout_seconds=20)
            assert sorted(next(ends)["video_id"]) == ["a", "b", "c"]
            assert list(folder.glob(".event-*")) == []
            assert call(receiver.url, completed("e")) == 200
            assert len(list(folder.glob(".event-*"))) == 1
            assert next(ends)["video_id"].tolist() == ["e"]
            assert [call(receiver.url, completed(i)) for i in ("e", "f")] == [200, 200]
            assert next(ends)["video_id"].tolist() == ["f"]
            assert list(folder.glob(".event-*")) == []  # a late event of "e" is settled too
    assert sorted(VideoArchive(folder).videos()["video_id"]) == ["a", "b", "c", "e", "f", "z"]


def test_with_nobody_there_a_full_queue_refuses_so_that_the_event_comes_again(receiver):
    receiver._unclaimed = EventQueue(2)
    assert [call(receiver.url, completed(i)) for i in ("a", "b", "c")] == [200, 200, 503]
    assert receiver._unclaimed.take() == [("a",), ("b",)]


def test_an_event_that_the_archives_folder_cannot_keep_is_refused(receiver, tmp_path):
    (tmp_path / "file").touch()
    receiver._client = HookedClient("key", base_url="http://127.0.0.1:9")
    ends = receiver.listen(archive=VideoArchive(tmp_path / "file" / "archive"))
    assert call(receiver.url, completed("a")) == 503
    ends.close()


# --- from end to end


def test_listen_finds_a_failure_by_its_project():
    with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        with WebhookReceiver(client=client) as receiver:
            ends = receiver.listen(timeout_seconds=20)
            how = {"render_seconds": 5, "fails": "Out of film", "project_id": "proj_of_mine"}
            video_id = sandbox.create_video("class", webhook=receiver.url, **how)
            rows = next(ends)[["video_id", "status", "message"]]
    assert rows.to_numpy().tolist() == [[video_id, "FAILED", "Out of film"]]


def requests_of_a_wait(receiver: WebhookReceiver | None) -> int:
    """How many a wait for two renders costs."""
    with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        url = receiver.url if receiver else None
        ids = [
            sandbox.create_video("class", render_seconds=60, fails=fails, webhook=url)
            for fails in (False, "Out of film")
        ]
        settings = {"client": client, "interval_seconds": 0.1, "progress": False}
        videos = wait_for_videos(ids, webhooks=receiver, **settings)
        assert videos["status"].tolist() == ["COMPLETED", "FAILED"]
        return client.requests_sent


def test_the_sandbox_sends_events_and_the_wait_ends_with_fewer_requests(receiver):
    assert requests_of_a_wait(receiver) < requests_of_a_wait(None)
    assert receiver.counts == {"taken": 2}


def delivered(sandbox: Sandbox, count: int) -> list[tuple[int, str]]:
    wait_until(lambda: len(sandbox.webhook_deliveries) >= count)
    time.sleep(0.05)  # time for one too many
    return [(each.attempt, each.outcome) for each in sandbox.webhook_deliveries]


def test_the_sandbox_sends_again_after_one_five_and_fifteen_minutes():
    left = [500, 302, 404, 500, 200]
    with (
        serving(lambda request: answer({}, left.pop(0))) as server,
        Sandbox(videos=1, time_scale=0) as sandbox,
    ):
        sandbox.create_video("class", render_seconds=10, fails=False, webhook=server.url)
        said = []
        for seconds, outcome in zip(
            (10, *RETRY_SECONDS), ("500", "302", "404", "500"), strict=True
        ):
            sandbox.advance(seconds - 1)
            assert delivered(sandbox, len(said)) == said
            sandbox.advance(1)
            said.append((len(said) + 1, outcome))
            assert delivered(sandbox, len(said)) == said
        sandbox.advance(86_400)
        assert delivered(sandbox, 4) == said
    assert RETRY_SECONDS == (60, 300, 900)
    events = [json.loads(request.body)["event"] for request in server.requests]
    assert events == ["project.completed"] * 4


def test_the_sandbox_sends_events_to_this_machine_only():
    with Sandbox(videos=1, time_scale=0) as sandbox:
        sandbox.create_video("class", render_seconds=1, webhook="https://hooks.example.org/x")
        sandbox.create_video("class", render_seconds=1)
        sandbox.advance(1)
        assert delivered(sandbox, 1) == [(1, "not this machine")]
