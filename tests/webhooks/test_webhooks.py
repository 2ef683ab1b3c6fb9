"""Hooked calls, or somebody who pretends to: what is taken, what it costs, what it changes."""

from __future__ import annotations

import io
import itertools
import json
import logging
import pickle
import socket
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
import requests

from hooked_analytics import (
    FetchError,
    ProgressPanel,
    Sandbox,
    WebhookReceiver,
    poll_videos,
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
from tests.scripted import answer

NESTED = {
    "event": "project.completed",
    "projectId": "proj_1",
    "status": "completed",
    "video": {"id": "video_1", "url": "https://a.example/v.mp4", "duration": 5},
}
FAILED = {"event": "project.failed", "projectId": "proj_1", "status": "failed", "message": "No"}
FLAT = {"event": "video.completed", "videoId": "vid_1", "status": "completed", "duration": 5}
LONG = {"interval_seconds": 60}  # what is noticed before was noticed by a call


def call(url: str, body: object = FLAT, *, method: str = "POST", **headers: str) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "Content-Type": "application/json",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    return requests.request(method, url, data=raw, headers=headers, timeout=10).status_code


@contextmanager
def hearing(**settings):
    with WebhookReceiver(**settings) as receiver:
        yield receiver, receiver.subscribe()


@pytest.fixture(scope="module")
def heard():
    """A receiver for all tests that only call it, and what it heard."""
    with hearing() as both:
        yield both


def completed(video_id: str) -> dict[str, object]:
    return {**FLAT, "videoId": video_id}


# --- what is taken


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (NESTED, ("video_1", "proj_1")),
        (FAILED, ("proj_1",)),
        (FLAT, ("vid_1",)),
        ({"data": FLAT}, ("vid_1",)),
        ({**NESTED, "video": {"id": "../admin"}}, ("proj_1",)),
    ],
)
def test_both_shapes_are_taken_as_hints(body, ids, heard):
    receiver, hints = heard
    assert call(receiver.url, body) == 200
    assert hints.take() == [ids]
    assert call(receiver.url, body, Content_Type="application/json; charset=utf-8") == 200
    assert hints.take() == [ids]


def test_a_call_about_a_render_that_goes_on_is_no_hint(heard):
    receiver, hints = heard
    assert call(receiver.url, {**FLAT, "status": "processing"}) == 200
    assert hints.take() == []


HOSTILE = ["", " ", "..", "../admin", "a/b", "x?y", "x#f", "%2e%2e", "list", "a\nb", "\ud800",
           "x" * 129, "=cmd", "<b>", None, True, 1.5, [], {}, ["vid_1"]]  # fmt: skip


@pytest.mark.parametrize("video_id", HOSTILE, ids=lambda value: ascii(value)[:20])
def test_a_hostile_id_is_no_call(video_id, heard):
    receiver, hints = heard
    assert call(receiver.url, completed(video_id)) == 400
    assert call(receiver.url, {"event": "project.failed", "projectId": video_id}) == 400
    assert hints.take() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"<html>", b"\xff\xfe", b"[]", b'"vid_1"', b"null", b"{}", b'{"a": NaN}',
     b'{"videoId": "vid_1", "videoId": "vid_2"}', b"[" * 60_000, b'{"a":' * 10_000,
     b'{"videoId": ' + b"1" * 60_000 + b"}"],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_what_is_no_json_object_with_an_id_is_refused(body, heard):
    receiver, hints = heard
    assert call(receiver.url, body) == 400
    assert hints.take() == []


def test_everything_but_the_one_path_is_not_found(heard):
    receiver, hints = heard
    base, _, token = receiver.url.rpartition("/")
    for path in ("", "x", token[:-1], token + "x", token.swapcase(), f"{token}/", f"x/{token}"):
        for method in ("POST", "GET"):
            assert call(f"{base}/{path}", method=method) == 404, path
    assert len(token) >= 43
    assert hints.take() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_post_is_taken(method, heard):
    receiver, hints = heard
    assert call(receiver.url, method=method) == 405
    assert hints.take() == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_json_is_taken_whatever_its_content_type(kind, heard):
    receiver, events = heard
    assert call(receiver.url, Content_Type=kind) == 200
    assert events.take() == [("vid_1",)]


def padded(size: int) -> bytes:
    raw = json.dumps({**FLAT, "pad": ""}).encode()
    return raw.replace(b'"pad": ""', b'"pad": "' + b"x" * (size - len(raw)) + b'"')


def test_64_kib_are_taken_and_a_byte_more_is_not(heard):
    receiver, hints = heard
    assert call(receiver.url, padded(64 * 1024)) == 200
    assert call(receiver.url, padded(64 * 1024 + 1)) == 413
    assert call(receiver.url, padded(65 * 1024)) == 413
    assert hints.take() == [("vid_1",)]


def test_a_body_of_unknown_length_is_cut_off(heard):
    receiver, hints = heard
    headers = {"Content-Type": "application/json"}
    pieces = (padded(65 * 1024)[i : i + 1000] for i in range(0, 65 * 1024, 1000))
    assert requests.post(receiver.url, data=pieces, headers=headers, timeout=10).status_code == 413
    sent = 0

    def endless():
        nonlocal sent
        for sent in itertools.count():  # noqa: B007
            yield b"x" * 10_000

    with pytest.raises(requests.ConnectionError):
        raise_for = requests.post(receiver.url, data=endless(), headers=headers, timeout=10)
        # heard before the connection broke
        raise requests.ConnectionError(raise_for.status_code)
    assert sent < 2_000
    assert hints.take() == []
    assert call(receiver.url) == 200


# --- the server


def test_a_port_that_is_taken_is_named_and_a_number_that_is_none_too():
    with WebhookReceiver() as receiver:
        port = urlsplit(receiver.url).port
        with pytest.raises(OSError, match=f"port {port} cannot be used"):
            WebhookReceiver(port=port).start()
    with pytest.raises(ValueError, match="0 to 65,535, not 70000"):
        WebhookReceiver(port=70_000).start()


def test_closing_twice_and_starting_again_keeps_the_secret_path():
    before = threading.active_count()
    receiver = WebhookReceiver().start()
    path = urlsplit(receiver.url).path
    assert receiver.start() is receiver
    receiver.close()
    receiver.close()
    assert threading.active_count() == before
    for asked in (lambda: receiver.url, lambda: next(receiver.listen())):
        with pytest.raises(RuntimeError, match="not running"):
            asked()
    with receiver:
        assert urlsplit(receiver.url).path == path
        assert call(receiver.url) == 200


def test_who_says_nothing_or_little_is_cut_off(monkeypatch):
    monkeypatch.setattr(receiver_module, "CONNECTION_SECONDS", 0.3)
    with WebhookReceiver() as receiver:
        parts = urlsplit(receiver.url)
        slow = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
        for said in (b"", b"POST ", slow, slow + b"{"):
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
                sock.sendall(said)
                while sock.recv(1000):  # ends when the receiver cuts
                    pass


def test_a_body_that_takes_too_long_is_told_so(monkeypatch):
    monkeypatch.setattr("hooked_analytics.webhooks.webhook_app.BODY_SECONDS", 0.2)
    with WebhookReceiver() as receiver:
        parts = urlsplit(receiver.url)
        head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
            sock.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + b"{")
            assert sock.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_cut_off():
    with WebhookReceiver() as receiver:
        parts = urlsplit(receiver.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\n")
            with pytest.raises(ConnectionError):
                for _ in range(100_000):
                    sock.sendall(b"X-Pad: " + b"x" * 1000 + b"\r\n")


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


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"token": "short"}, "token is text of at least 16"),
        ({"token": "a/slash/in/the/token"}, "token has characters"),
        ({"public_url": "hooks.example.org"}, "public_url is an address"),
        ({"public_url": "https://hooks.example.org/?a=1"}, "public_url is an address"),
        ({"public_url": "https://[::1"}, "public_url is an address"),
        ({"public_url": "http://hooks.example.org"}, "public_url is an address"),
        ({"host": ""}, "host is an address"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        WebhookReceiver(**settings)


def test_behind_a_tunnel_the_link_is_the_tunnels():
    token = "one-that-outlives-a-restart"
    with WebhookReceiver(public_url="https://hooks.example.org/hooked/", token=token) as receiver:
        assert receiver.url == f"https://hooks.example.org/hooked/{token}"


# --- nothing shows the secrets


def test_the_token_is_in_no_repr_log_pickle_or_traceback(monkeypatch):
    monkeypatch.delenv("HOOKED_API_KEY", raising=False)
    token = "canary-token-9c2f41ab"
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    shown = []
    try:
        with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
            receiver = WebhookReceiver(token=token)
            with receiver:
                sandbox.create_video("class", render_seconds=3, webhook=receiver.url)
                deadline = time.monotonic() + 10
                while not sandbox.webhook_deliveries and time.monotonic() < deadline:
                    time.sleep(0.02)
                assert sandbox.webhook_deliveries[0].outcome == "200"
                shown += [repr(receiver), str(vars(receiver)), repr(receiver.counts)]
                shown += [repr(vars(receiver._app))]
                shown += [repr(sandbox), repr(sandbox.webhook_deliveries), repr(client)]
                shown += [
                    traced(lambda: pickle.dumps(receiver)),
                    traced(lambda: next(receiver.listen())),
                ]
        shown += [traced(lambda: receiver.url)]
        wrong = [{"token": token[:8]}, {"token": f"{token}/"}, {"token": token.encode()}]
        wrong += [{"token": f"{token}{odd}"} for odd in ("\n\u2713", "\ud800", "\x7f")]
        for refused in wrong:
            shown.append(traced(lambda refused=refused: build(refused)))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    for text in [*shown, log.getvalue()]:
        assert "canary" not in text


def build(refused: dict[str, str]) -> None:
    # the caller's own names are the caller's; only frames of the package are judged
    WebhookReceiver(**refused)


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


# --- a watch that is called


def next_frame(polled, seconds: float = 10):
    began = time.monotonic()
    videos = next(polled)
    assert time.monotonic() - began < seconds
    return videos


def test_an_end_is_noticed_by_its_call_long_before_the_next_round():
    hooked = Hooked(a="STARTED")
    with watching(hooked) as client, WebhookReceiver() as receiver:
        polled = poll_videos("a", client=client, webhooks=receiver, **LONG)
        assert next(polled)["status"].tolist() == ["STARTED"]
        hooked.end("a")
        call(receiver.url, completed("a"))
        assert next_frame(polled)["status"].tolist() == ["COMPLETED"]
        assert list(polled) == []
        assert client.requests_sent == 2


def test_a_failure_that_names_the_project_alone_finds_its_video():
    class InProjects(Hooked):
        def one(self, video_id: str) -> bytes:
            status = self.status[video_id]
            return answer({"data": {"id": video_id, "status": status, "projectId": "proj_a"}})

    hooked = InProjects(a="STARTED")
    with watching(hooked) as client, WebhookReceiver() as receiver:
        polled = poll_videos("a", client=client, webhooks=receiver, **LONG)
        next(polled)
        hooked.end("a", "FAILED")
        call(receiver.url, {**FAILED, "projectId": "proj_a"})
        assert next_frame(polled)["status"].tolist() == ["FAILED"]


def test_a_forged_completion_changes_nothing_and_a_stranger_costs_nothing():
    hooked = Hooked(**started(3))
    with watching(hooked) as client, WebhookReceiver() as receiver:
        polled = poll_videos(hooked.status, client=client, webhooks=receiver, **LONG)
        next(polled)
        sent = client.requests_sent
        for number in range(50):
            call(receiver.url, completed(f"stranger_{number}"))
        call(receiver.url, completed("vid_1"))
        videos = next_frame(polled)
        assert videos["status"].tolist() == ["STARTED"] * 3
        assert client.requests_sent == sent + 1
        polled.close()


def test_what_has_ended_is_not_asked_again_whatever_is_called():
    hooked = Hooked(a="STARTED", b="STARTED")
    with watching(hooked) as client, WebhookReceiver() as receiver:
        polled = poll_videos(hooked.status, client=client, webhooks=receiver, **LONG)
        next(polled)
        hooked.end("a")
        for _ in range(3):
            call(receiver.url, completed("a"))
        assert next_frame(polled)["status"].tolist() == ["COMPLETED", "STARTED"]
        hooked.status["a"] = "STARTED"  # were it asked, it would move back
        for status in ("processing", "completed", "failed"):
            call(receiver.url, {**completed("a"), "status": status})
        hooked.end("b")
        call(receiver.url, completed("b"))
        assert next_frame(polled)["status"].tolist() == ["COMPLETED", "COMPLETED"]
        assert hooked.asked["a"] == 1


def test_a_late_answer_never_takes_back_an_end():
    now = datetime(2024, 1, 15, tzinfo=UTC)
    end = {"id": "a", "status": "COMPLETED", "progress": 100, "usedCredits": 5}
    late = {"id": "a", "status": "STARTED", "progress": 40, "type": "class"}
    old, new = (parse_record(record, fetched_at=now) for record in (end, late))
    row = merge_rows(old, new, from_list=False)
    assert [row[AT[name]] for name in ("status", "progress", "used_credits", "type")] == [
        "COMPLETED", 100, 5, "class",
    ]  # fmt: skip


def test_two_watches_share_a_receiver():
    hooked = Hooked(**started(2))
    with watching(hooked) as client, WebhookReceiver() as receiver:
        settings = {"client": client, "webhooks": receiver, **LONG}
        first, second = poll_videos("vid_0", **settings), poll_videos("vid_1", **settings)
        next(first), next(second)
        hooked.end("vid_0")
        hooked.end("vid_1")
        call(receiver.url, completed("vid_0"))
        call(receiver.url, completed("vid_1"))
        for polled in (first, second):
            assert next_frame(polled)["status"].tolist() == ["COMPLETED"]
            assert list(polled) == []
        assert client.requests_sent == 4
        assert len(receiver._listeners) == 0


def test_a_panel_shows_an_end_at_its_call():
    hooked = Hooked(a="STARTED")
    with watching(hooked) as client, WebhookReceiver() as receiver:
        panel = ProgressPanel("a", client=client, webhooks=receiver, **LONG)
        deadline = time.monotonic() + 10
        while panel.state != "waiting" and time.monotonic() < deadline:
            time.sleep(0.01)
        hooked.end("a")
        call(receiver.url, completed("a"))
        assert panel.wait(timeout_seconds=10)["status"].tolist() == ["COMPLETED"]
        assert panel.state == "ended"
        panel.close()


def test_stop_and_time_limit_are_heard_while_it_listens():
    stop = threading.Event()
    with watching(Hooked(a="STARTED")) as client, WebhookReceiver() as receiver:
        settings = {"client": client, "webhooks": receiver, **LONG}
        polled = poll_videos("a", stop=stop, **settings)
        next(polled)
        threading.Timer(0.1, stop.set).start()
        assert list(polled) == []
        with pytest.raises(Exception, match="were not finished after 0.2 s"):
            wait_for_videos("a", timeout_seconds=0.2, progress=False, **settings)


def test_without_the_receiver_the_watch_goes_on_at_its_pace():
    hooked = Hooked(a="STARTED")
    receiver = WebhookReceiver().start()
    with watching(hooked) as client:
        polled = poll_videos("a", client=client, webhooks=receiver, interval_seconds=0.1)
        next(polled)
        receiver.close()
        next(polled)
        began = time.monotonic()
        next(polled)
        assert time.monotonic() - began < 0.1 * NOTIFIED_APART
        polled.close()


# --- how far calls are believed


def plan_of(count: int) -> PollScheduler:
    plan = PollScheduler(
        [VideoState(f"vid_{n}") for n in range(count)], per_poll=1e9, polls_a_minute=12
    )
    for video in plan.videos:
        plan.answered(video, row_of(video, "STARTED"))
    return plan


def row_of(video: VideoState, status: str):
    return parse_record({"id": video.video_id, "status": status}, fetched_at=datetime.now(UTC))


def test_rounds_come_slowly_until_an_end_comes_without_a_call():
    plan = plan_of(3)
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


def test_false_calls_use_up_trust_and_true_ones_do_not():
    plan = plan_of(300)
    for end in range(200):
        plan.note_events([(f"vid_{end}",)])
        (video,) = plan.next_notified(float("inf"))
        plan.answered(video, row_of(video, "COMPLETED"))
    asked = 0
    for _ in range(100):
        plan.note_events([(f"vid_{n}",) for n in range(200, 300)])
        for video in plan.next_notified(float("inf")):
            plan.answered(video, row_of(video, "STARTED"))
            asked += 1
    assert asked == 50
    plan.end_poll(responses=1, failures=0)
    plan.note_events([("vid_200",)])
    assert len(plan.next_notified(float("inf"))) == 1
    assert plan.next_notified(0) == []


def test_waiting_hints_are_bounded_and_the_oldest_go():
    hints = EventQueue(100)
    for number in range(1000):
        hints.add([f"vid_{number}"])
    assert hints.take() == [(f"vid_{n}",) for n in range(900, 1000)]
    assert FalseAlarmBudget(3).left == 3


def test_a_storm_of_calls_changes_no_state_and_costs_few_requests():
    found = storm(100)
    assert found["calls"] == 100
    assert found["wrong_states"] == 0
    assert found["api_requests"] <= 200
    assert found["p99_ms"] < 1000


def flood(url: str, ids: list[str]) -> None:
    made = make_calls(url, [(0, json.dumps(completed(video_id))) for video_id in ids])
    assert {status for status, _ in made} == {200}


def test_a_flood_of_a_thousand_costs_at_most_two_hundred_requests():
    hooked = Hooked(**started(120))
    with watching(hooked) as client, WebhookReceiver(client=client) as receiver:
        over = threading.Event()
        polled = poll_videos(
            hooked.status, client=client, webhooks=receiver, interval_seconds=1, stop=over
        )
        watch = threading.Thread(target=lambda: list(polled))
        listening = threading.Thread(target=lambda: list(receiver.listen(stop=over)))
        watch.start()
        listening.start()
        flood(receiver.url, [f"vid_{n % 120}" if n % 2 else f"forged_{n}" for n in range(1000)])
        time.sleep(0.3)
        over.set()
        watch.join()
        listening.join()
        assert receiver.counts == {"taken": 1000}
        assert client.requests_sent <= 200


# --- without a list of ids


class Memory:
    def __init__(self) -> None:
        self.frames = []

    def videos(self):
        raise AssertionError("not needed")

    def append(self, videos) -> None:
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
        videos = next(ends)
        assert videos[["video_id", "status"]].to_numpy().tolist() == [["c", "FAILED"]]
        hooked.end("b")  # called about too early, so it is asked once more
        assert next(ends)["video_id"].tolist() == ["b"]
        assert hooked.asked == {"a": 1, "b": 2, "c": 1, "unknown": 1}
    assert list(ends) == []
    assert [frame["video_id"].tolist() for frame in archive.frames] == [["a"], ["c"], ["b"]]


def test_an_event_waits_until_it_was_claimed_and_appended():
    class Full(Memory):
        def append(self, videos) -> None:
            raise OSError(28, "No space left on device")

    hooked = Hooked(a="COMPLETED", b="COMPLETED")
    with watching(hooked) as client, WebhookReceiver(client=client) as receiver:
        assert call(receiver.url, completed("a")) == 200  # nobody listens yet
        with pytest.raises(FetchError, match="No space left") as raised:
            next(receiver.listen(archive=Full(), timeout_seconds=20))
        assert raised.value.videos["video_id"].tolist() == ["a"]
        assert call(receiver.url, completed("b")) == 200  # between two listens
        archive = Memory()
        ends = receiver.listen(archive=archive, timeout_seconds=20)
        seen = set(next(ends)["video_id"])
        seen |= set() if seen == {"a", "b"} else set(next(ends)["video_id"])
        assert seen == {"a", "b"}
    assert {i for frame in archive.frames for i in frame["video_id"]} == {"a", "b"}


def test_with_nobody_there_a_full_queue_refuses_so_that_the_event_comes_again(monkeypatch):
    with WebhookReceiver() as receiver:
        receiver._unclaimed = EventQueue(2)
        assert [call(receiver.url, completed(i)) for i in ("a", "b", "c")] == [200, 200, 503]


def test_listen_finds_a_failure_by_its_project():
    with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        with WebhookReceiver(client=client) as receiver:
            ends = receiver.listen(timeout_seconds=20)
            video_id = sandbox.create_video(
                "class",
                render_seconds=5,
                fails="Out of film",
                project_id="proj_of_mine",
                webhook=receiver.url,
            )
            videos = next(ends)
    assert videos[["video_id", "status", "message"]].to_numpy().tolist() == [
        [video_id, "FAILED", "Out of film"]
    ]


# --- from end to end


def watched(receiver: WebhookReceiver | None) -> tuple[int, list[str]]:
    """Requests a watch of two renders costs, and how they ended."""
    with Sandbox(videos=1, time_scale=60) as sandbox:
        url = receiver.url if receiver else None
        ids = [
            sandbox.create_video("class", render_seconds=60, fails=fails, webhook=url)
            for fails in (False, "Out of film")
        ]
        with sandbox.client() as client:
            videos = wait_for_videos(
                ids, client=client, webhooks=receiver, interval_seconds=0.1, progress=False
            )
            return client.requests_sent, videos["status"].tolist()


def test_the_sandbox_calls_and_the_watch_ends_with_fewer_requests():
    alone, states = watched(None)
    assert states == ["COMPLETED", "FAILED"]
    with WebhookReceiver() as receiver:
        called, states = watched(receiver)
        assert receiver.counts == {"taken": 2}
    assert states == ["COMPLETED", "FAILED"]
    assert called < alone


class Refusing:
    """Takes calls on a real socket and answers them as told, one after the other."""

    def __init__(self, *statuses: int) -> None:
        left, self.bodies = list(statuses), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):  # noqa: N805
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.bodies.append(json.loads(body))
                handler.send_response(left.pop(0))
                handler.end_headers()

            def log_message(handler, *_):  # noqa: N805
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def made(sandbox: Sandbox, count: int) -> list[tuple[int, str]]:
    deadline = time.monotonic() + 10
    while len(sandbox.webhook_deliveries) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)  # time for one too many
    return [(each.attempt, each.outcome) for each in sandbox.webhook_deliveries]


def test_the_sandbox_calls_again_after_one_five_and_fifteen_minutes():
    with Refusing(500, 302, 404, 500, 200) as refusing:
        with Sandbox(videos=1, time_scale=0) as sandbox:
            sandbox.create_video("class", render_seconds=10, fails=False, webhook=refusing.url)
            sandbox.advance(9.9)
            assert made(sandbox, 0) == []
            sandbox.advance(0.1)
            said = [(1, "500")]
            assert made(sandbox, 1) == said
            for seconds, outcome in zip(RETRY_SECONDS, ("302", "404", "500"), strict=True):
                sandbox.advance(seconds - 1)
                assert made(sandbox, len(said)) == said
                sandbox.advance(1)
                said.append((len(said) + 1, outcome))
                assert made(sandbox, len(said)) == said
            sandbox.advance(86_400)
            assert made(sandbox, 4) == said
    assert RETRY_SECONDS == (60, 300, 900)
    assert len(refusing.bodies) == 4
    assert refusing.bodies[0]["event"] == "project.completed"


def test_a_receiver_that_was_away_hears_of_the_end_at_the_retry():
    receiver = WebhookReceiver(token="the-same-after-a-restart").start()
    url, port = receiver.url, urlsplit(receiver.url).port
    receiver.close()
    with Sandbox(videos=1, time_scale=0) as sandbox, sandbox.client() as client:
        video_id = sandbox.create_video("class", render_seconds=10, fails=False, webhook=url)
        polled = poll_videos(video_id, client=client, webhooks=receiver, **LONG)
        sandbox.advance(10)
        assert made(sandbox, 1) == [(1, "ConnectionRefusedError")]
        with WebhookReceiver(token="the-same-after-a-restart", port=port, client=client) as again:
            ends = again.listen(timeout_seconds=20)
            sandbox.advance(60)
            assert next(ends)["video_id"].tolist() == [video_id]
        assert made(sandbox, 2) == [(1, "ConnectionRefusedError"), (2, "200")]
        polled.close()


def test_the_sandbox_sends_events_to_this_machine_only():
    with Sandbox(videos=1, time_scale=0) as sandbox:
        sandbox.create_video("class", render_seconds=1, webhook="https://hooks.example.org/x")
        sandbox.create_video("class", render_seconds=1)
        sandbox.advance(1)
        assert made(sandbox, 1) == [(1, "not this machine")]
