"""Watching renders: what is asked, how often, and what the frames say meanwhile."""

from __future__ import annotations

import itertools
import re
import threading
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from benchmarks.bench_poll import polled
from hooked_analytics import (
    HookedClient,
    Sandbox,
    VideoArchive,
    WaitTimeoutError,
    is_final,
    poll_videos,
    wait_for_videos,
)
from hooked_analytics.fetch import PollTimer
from hooked_analytics.schema import videos_from_records
from tests.scripted import Request, answer, serving, video

FAST = {"interval_seconds": 0.02}


class Hooked:
    """A scripted Hooked: ``status[id]`` is what details say, ``listed`` what the list shows."""

    def __init__(self, **status: str) -> None:
        self.status = status
        self.listed = [i for i, s in status.items() if s == "STARTED"]
        self.lists: list[Request] = []
        self.details: dict[str, list[Request]] = {i: [] for i in status}

    def __call__(self, request: Request) -> bytes:
        if request.path.startswith("/v1/video/list"):
            self.lists.append(request)
            return self.list()
        video_id = request.path.rsplit("/", 1)[-1]
        self.details.setdefault(video_id, []).append(request)
        return self.one(video_id)

    def one(self, video_id: str) -> bytes:
        if video_id not in self.status:
            return answer({"message": "Video not found"}, 404)
        status = self.status[video_id]
        credits = {"usedCredits": 5} if status == "COMPLETED" else {}
        return answer(video(video_id, status=status, type="class", script="Hi", **credits))

    def list(self) -> bytes:
        items = [{"id": i, "status": "STARTED", "progress": 50} for i in self.listed]
        return answer({"success": True, "data": {"videos": items, "total": len(items)}})

    def end(self, video_id: str, status: str = "COMPLETED") -> None:
        self.status[video_id] = status
        self.listed.remove(video_id)

    @property
    def asked(self) -> dict[str, int]:
        return {video_id: len(requests) for video_id, requests in self.details.items()}


@contextmanager
def watching(handler, **settings):
    settings = {"requests_per_minute": None, "timeout_seconds": 2, **settings}
    with serving(handler) as server, HookedClient("k", base_url=server.url, **settings) as client:
        yield client


def started(count: int) -> dict[str, str]:
    return {f"vid_{n}": "STARTED" for n in range(count)}


def rounds(ids, client, count, **settings):
    """The first *count* frames."""
    return list(itertools.islice(poll_videos(ids, client=client, **{**FAST, **settings}), count))


# --- what is asked


def test_one_page_a_round_and_one_detail_when_a_video_has_left_the_list():
    hooked = Hooked(**started(5))
    with watching(hooked) as client:
        for number, videos in enumerate(poll_videos(hooked.status, client=client, **FAST)):
            assert videos["video_id"].tolist() == list(hooked.status)
            assert len(hooked.lists) <= number + 1
            if number < 4:
                hooked.end(f"vid_{number}", "FAILED" if number == 2 else "COMPLETED")
            elif number == 6:
                hooked.end("vid_4")
    assert videos["status"].tolist() == ["COMPLETED"] * 2 + ["FAILED"] + ["COMPLETED"] * 2
    assert [hooked.asked[f"vid_{n}"] for n in range(4)] == [1, 1, 1, 1]
    # the last one alone is cheaper to ask than to list
    assert len(hooked.lists) == 5
    assert hooked.asked["vid_4"] == 3


@pytest.mark.parametrize("status", [{"a": "COMPLETED", "b": "FAILED"}, {"a": "COMPLETED"}])
def test_all_final_is_one_poll_one_detail_each_and_a_list_only_for_several(status):
    hooked = Hooked(**status)
    with watching(hooked) as client:
        assert len(list(poll_videos(hooked.status, client=client, **FAST))) == 1
    assert hooked.asked == dict.fromkeys(status, 1)
    assert len(hooked.lists) == len(status) - 1


def test_a_long_list_of_others_is_not_walked_for_three_videos():
    class Crowded(Hooked):
        def list(self) -> bytes:
            items = [{"id": f"other_{n}", "status": "STARTED"} for n in range(100)]
            return answer({"success": True, "data": {"videos": items, "total": 5000}})

    hooked = Crowded(**started(3))
    with watching(hooked) as client:
        rounds(hooked.status, client, 6)
    assert len(hooked.lists) == 1
    assert set(hooked.asked.values()) <= {4, 5, 6}


def test_two_hundred_renders_are_two_pages_and_short_pages_are_no_end():
    class Paged(Hooked):
        def list(self) -> bytes:
            offset = int(re.search(r"offset=(\d+)", self.lists[-1].path)[1])
            items = [{"id": i, "status": "STARTED"} for i in self.listed[offset : offset + 60]]
            return answer({"data": {"videos": items, "total": len(self.listed)}})

    hooked = Paged(**started(150))
    with watching(hooked) as client:
        (videos,) = rounds(hooked.status, client, 1)
    assert len(hooked.lists) == 3
    assert sum(hooked.asked.values()) == 0
    assert set(videos["status"]) == {"STARTED"}


def test_a_small_limit_is_spent_on_what_ended_and_never_exceeded():
    status = {**started(60), **{f"done_{n}": "COMPLETED" for n in range(40)}}
    hooked = Hooked(**status)
    with watching(hooked, requests_per_minute=30) as client:
        frames = rounds(status, client, 1, interval_seconds=5)
        assert client.requests_sent <= 30
    assert is_final(frames[0]).sum() > 10
    waiting = frames[0][frames[0]["fetch_error"].notna()]
    assert set(waiting["fetch_error"]) == {"not_fetched"}


def test_two_hundred_renders_cost_few_requests_and_their_ends_are_noticed_soon():
    runs = np.array([polled(200, 5.0, seed) for seed in range(3)])
    per_video, p50_readings, p95_intervals, *_ = np.median(runs, axis=0)
    assert per_video < 1.6
    assert p50_readings < 2.2
    assert p95_intervals < 2.3


class Split(Hooked):
    """Has a list of everything as well."""

    def list(self) -> bytes:
        if "status=processing" in self.lists[-1].path:
            return super().list()
        items = [{"id": i, "status": status} for i, status in self.status.items()]
        return answer({"data": {"videos": items, "total": len(items)}})


def test_more_ends_than_the_limit_allows_are_noticed_by_one_page(tmp_path):
    hooked = Split(**{f"vid_{n}": "COMPLETED" for n in range(29)}, broken="FAILED")
    archive = VideoArchive(tmp_path / "archive")
    with watching(hooked, requests_per_minute=12) as client:
        polled = poll_videos(hooked.status, client=client, archive=archive, **FAST)
        videos = next(polled)
        assert client.requests_sent == 12
        assert len(hooked.lists) == 2
        assert is_final(videos).all()
        assert videos["status"].tolist() == ["COMPLETED"] * 29 + ["FAILED"]
        assert videos["used_credits"].notna().sum() == 10
        # an end without its details is no last word, so the archive does not have it
        assert len(archive.videos()) == 10
        client._sender().limiter._max = None
        *_, videos = polled
    assert videos["used_credits"].fillna(-1).tolist() == [5] * 29 + [-1]
    assert set(hooked.asked.values()) == {1}


# --- an odd list


@pytest.mark.parametrize(
    "reply",
    [
        answer({"message": "Not found"}, 404),
        answer(b"<html>hello</html>"),
        answer({"success": True, "data": {"videos": "many"}}),
        answer({"success": False, "message": "no"}),
        answer({"message": "Forbidden"}, 403),
    ],
    ids=["missing", "html", "no list", "success false", "forbidden"],
)
def test_without_a_list_details_take_turns(reply):
    class Listless(Hooked):
        def list(self) -> bytes:
            return reply

    hooked = Listless(**started(3))
    with watching(hooked) as client:
        for number, videos in enumerate(poll_videos(hooked.status, client=client, **FAST)):
            assert videos["fetch_error"].isna().all()
            if number == 4:
                hooked.listed = list(hooked.status)
                for video_id in hooked.status:
                    hooked.end(video_id)
    assert number <= 6
    assert len(hooked.lists) == 1
    assert set(hooked.asked.values()) == {number + 1}
    assert videos["used_credits"].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("listed", "lists"), [(["vid_0", "vid_1"], 31), ([], 7)], ids=["some", "none"]
)
def test_a_list_that_hides_renders_does_not_make_details_loop(listed, lists):
    hooked = Hooked(**started(4))
    hooked.listed = listed
    with watching(hooked) as client:
        rounds(hooked.status, client, 31)
    assert len(hooked.lists) <= lists
    assert all(hooked.asked[video_id] <= 2 for video_id in listed)
    # after 0, 1, 3, 7 polls, then every sixth
    assert 4 <= hooked.asked["vid_2"] <= 9


def test_a_list_that_still_shows_what_has_ended_is_found_out():
    hooked = Hooked(**started(3))
    with watching(hooked) as client:
        for number, videos in enumerate(poll_videos(hooked.status, client=client, **FAST)):
            hooked.status["vid_1"] = "COMPLETED"  # and the list does not notice
            if videos["status"].eq("COMPLETED").any():
                break
            assert number < 40
    assert hooked.asked["vid_1"] == 1


def test_a_final_status_in_the_list_is_believed_only_with_its_details():
    class Unfiltered(Hooked):
        def list(self) -> bytes:
            items = [{"id": i, "status": s} for i, s in self.status.items()]
            return answer({"data": {"videos": items, "total": len(items)}})

    hooked = Unfiltered(a="COMPLETED", b="FAILED")
    with watching(hooked) as client:
        frames = list(poll_videos(hooked.status, client=client, **FAST))
    assert len(frames) == 1
    assert frames[0]["used_credits"].fillna(-1).tolist() == [5, -1]
    assert hooked.asked == {"a": 1, "b": 1}


def test_what_details_told_survives_a_list_that_does_not_know_it():
    hooked = Hooked(**started(2))
    hooked.listed = []
    with watching(hooked) as client:
        for number, videos in enumerate(poll_videos(hooked.status, client=client, **FAST)):
            assert videos["type"].tolist() == ["class", "class"]
            assert videos["script"].tolist() == ["Hi", "Hi"]
            hooked.listed = list(hooked.status)
            if videos["progress"].eq(50).all():
                break
            assert number < 10


# --- ends


def test_ids_that_cannot_succeed_end_with_their_reason():
    class Guarded(Hooked):
        def one(self, video_id: str) -> bytes:
            if video_id == "theirs":
                return answer({"message": "Video does not belong to the user"}, 403)
            return super().one(video_id)

    hooked = Guarded(a="COMPLETED", theirs="COMPLETED")
    with watching(hooked) as client:
        (videos,) = poll_videos(["gone", "no/id", "a", "theirs"], client=client, **FAST)
    assert videos["fetch_error"].fillna("").tolist() == ["not_found", "invalid_id", "", "forbidden"]
    assert hooked.asked == {"a": 1, "theirs": 1, "gone": 1}


def test_a_timeout_says_that_the_renders_go_on():
    hooked = Hooked(a="COMPLETED", b="archived", c="STARTED")
    with watching(hooked) as client:
        with pytest.raises(WaitTimeoutError, match="2 of 3 videos were not finished") as raised:
            list(poll_videos(hooked.status, client=client, timeout_seconds=0.5, **FAST))
    assert "their renders go on at Hooked" in str(raised.value)
    assert not re.search("new|creat|make", str(raised.value))
    # an unknown status is shown as it is and is no end
    assert raised.value.videos["status"].tolist() == ["COMPLETED", "archived", "STARTED"]


def test_neither_timeout_nor_stop_waits_for_a_silent_server():
    stop = threading.Event()
    with watching(lambda request: None, timeout_seconds=30) as client:
        began = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            list(poll_videos(["a"], client=client, timeout_seconds=0.3, **FAST))
        threading.Timer(0.1, stop.set).start()
        (videos,) = poll_videos(["a", "b"], client=client, stop=stop)
        assert time.monotonic() - began < 10
    assert videos["fetch_error"].tolist() == ["not_fetched"] * 2


def test_an_interval_under_a_second_is_for_this_machine_only():
    with HookedClient("k") as client, pytest.raises(ValueError, match="use up the rate limit"):
        poll_videos(["a"], client=client, interval_seconds=0.5)


# --- a failing API


def test_a_failing_api_slows_the_loop_and_is_shown_and_never_ends_it():
    class Shaky(Hooked):
        down = False

        def __call__(self, request: Request) -> bytes:
            said = super().__call__(request)
            return answer({}, 500) if self.down else said

    hooked = Shaky(**started(4))
    with watching(hooked, max_attempts=1) as client:
        polled = poll_videos(hooked.status, client=client, **FAST)
        assert next(polled)["fetch_error"].isna().all()
        hooked.down = True
        sent, began, at = client.requests_sent, time.monotonic(), []
        for videos in itertools.islice(polled, 6):
            at.append(time.monotonic() - began)
            # the last good values stay
            assert videos["status"].tolist() == ["STARTED"] * 4
            assert videos["progress"].tolist() == [50] * 4
        assert set(videos["fetch_error"]) == {"server"}
        assert videos["fetch_error_message"].str.contains("500").all()
        assert client.requests_sent - sent <= 2 * 6
        gaps = [b - a for a, b in itertools.pairwise(at)]
        assert gaps[-1] > 5 * 0.02
        hooked.down = False
        for video_id in list(hooked.status):
            hooked.end(video_id)
        *_, videos = polled
    assert videos["fetch_error"].isna().all()
    assert is_final(videos).all()


def test_a_first_round_that_fails_asks_little():
    with watching(lambda request: answer({}, 500), max_attempts=1) as client:
        (videos,) = rounds([f"vid_{n}" for n in range(300)], client, 1)
        assert client.requests_sent <= 2
    assert len(videos) == 300
    assert set(videos["fetch_error"]) == {"server"}


# --- pace


def test_the_interval_counts_from_start_to_start():
    class Virtual(PollTimer):
        at = 100.0

        def now(self) -> float:
            return self.at

        def wait(self, seconds: float) -> bool:
            self.at += max(seconds, 0.001)
            return False

    timer = Virtual(5, threading.Event())
    timer.at += 3  # what the caller does with a frame is no part of the pause
    assert timer.rest(100, 1, deadline=1e9)
    assert 104.7 < timer.at < 105.3
    timer.rest(100, 1, deadline=106)
    assert timer.rest(104, 12, deadline=106)
    assert 105.9 < timer.at < 106.1


# --- stopping


def test_stop_is_instant_between_rounds_and_before_the_first():
    stop = threading.Event()
    with watching(Hooked(a="STARTED")) as client:
        polled = poll_videos("a", client=client, interval_seconds=60, stop=stop)
        next(polled)
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        assert list(polled) == []
        assert time.monotonic() - began < 10
        sent = client.requests_sent
        (videos,) = poll_videos("a", client=client, stop=stop)
        assert videos["fetch_error"].tolist() == ["not_fetched"]
        assert client.requests_sent == sent


# --- an archive


def test_what_an_archive_knows_as_final_costs_no_request_and_what_is_seen_is_kept(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    known = [
        {"id": "other", "status": "STARTED"},
        {"id": "a", "status": "COMPLETED", "usedCredits": 7},
        {"id": "b", "status": "STARTED", "type": "scenes"},
    ]
    archive.append(videos_from_records(known))
    hooked = Hooked(a="COMPLETED", b="STARTED", c="STARTED")
    with watching(hooked) as client:
        polled = poll_videos(["a", "b", "c", "gone"], client=client, archive=archive, **FAST)
        videos = next(polled)
        assert videos["type"].fillna("").tolist() == ["", "scenes", "", ""]
        hooked.end("b")
        hooked.end("c", "FAILED")
        *_, videos = polled
        assert list(hooked.asked.values()) == [0, 1, 1, 1]
        # now everything but the id that does not exist is known
        before = client.requests_sent
        (again,) = poll_videos(["a", "b", "c"], client=client, archive=archive)
        assert client.requests_sent == before
    assert again["status"].tolist() == ["COMPLETED", "COMPLETED", "FAILED"]
    assert again["used_credits"].fillna(-1).tolist() == [7, 5, -1]
    pd.testing.assert_frame_equal(again, videos[:3])
    # each observation once: two from the list, two from details
    assert len(archive.observations()) == len(known) + 2 + 2


# --- waiting


def test_wait_for_videos_gives_the_last_frame_and_shows_a_line(capsys):
    with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        ids = [sandbox.create_video("class", render_seconds=20, fails=False) for _ in range(3)]
        videos = wait_for_videos(ids, client=client, progress=True, interval_seconds=0.1)
    assert is_final(videos).all()
    assert "3 videos: 3 completed · " in capsys.readouterr().err
