"""The team's list: every page once, or an error that says what is missing."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics import (
    AuthenticationError,
    BadResponseError,
    HookedClient,
    Sandbox,
    list_videos,
)
from hooked_analytics.client import responses
from hooked_analytics.schema import VIDEOS_SCHEMA
from tests.scripted import Request, answer, serving

ABC = [f"vid_{n}" for n in range(300)]


def test_list_videos_fills_a_frame_in_pages_of_a_hundred():
    with Sandbox(videos=250) as sandbox, sandbox.client() as client:
        videos = list_videos(client=client)
        assert client.requests_sent == 3
        assert set(list_videos(client=client, type="class")["type"]) == {"class"}
    assert sorted(videos["video_id"]) == sorted(sandbox.video_ids)
    assert list(videos.columns) == VIDEOS_SCHEMA.names
    assert videos["used_credits"].isna().all()
    assert videos["duration_seconds"].notna().any()


def pages_of(*pages: list[str], total: object = None, bare: bool = False):
    """Answer with page after page, the last for ever; *total* may be a list, one for each."""

    def handler(request: Request) -> bytes:
        number = min(request.number, len(pages)) - 1
        items = [{"id": video_id} for video_id in pages[number]]
        stated = total[number] if isinstance(total, list) else total
        about = {} if stated is None else {"total": stated}
        return answer(items if bare else {"success": True, "data": {"videos": items, **about}})

    return handler


@pytest.mark.parametrize(
    ("handler", "ids", "requests"),
    [
        (pages_of(["a", "b"], ["c"], [], total=3), ["a", "b", "c"], 2),
        (pages_of(["a", "b"], ["b", "c"], []), ["a", "b", "c"], 3),
        (pages_of(["a", "b"]), ["a", "b"], 2),
        (pages_of(["a"], [], bare=True), ["a"], 2),
        (pages_of([]), [], 1),
        (pages_of(ABC[:100], ABC[100:200], [], total=100), ABC[:200], 3),
        (pages_of(["a"], ["b"], [], total=0), ["a", "b"], 3),
        (pages_of(["a"], ["b"], [], total=True), ["a", "b"], 3),
        (pages_of(ABC[:100], ABC[101:150], total=[150, 149]), ABC[:100] + ABC[101:150], 2),
        (pages_of(ABC[:100], ABC[100:200], ABC[200:230], total=[150, 200, 230]), ABC[:230], 3),
        (pages_of(ABC[:100], ABC[100:200], ABC[200:230], total=150), ABC[:230], 3),
        (pages_of(ABC[:250], [], total=250), ABC[:250], 2),
        (pages_of(ABC[:100] * 2, ABC[100:150], total=150), ABC[:150], 2),
    ],
    ids=["total", "repeats", "one page for ever", "bare list", "empty", "total of the page",
         "total 0", "total true", "one created and deleted", "total rises", "total too small",
         "more than were requested", "twice in a page"],
)  # fmt: skip
def test_a_list_ends_and_repeats_nothing(handler, ids, requests):
    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        assert [item["id"] for item in client.list_videos()] == ids
        assert len(server.requests) == requests


@pytest.mark.parametrize("deleted", [slice(30), slice(220, None)], ids=["before", "behind"])
def test_videos_that_moved_up_when_others_were_deleted_are_read_too(deleted):
    there = list(ABC[:250])

    def handler(request: Request) -> bytes:
        offset = int(request.path.rpartition("=")[2])
        if request.number == 2:
            del there[deleted]
        page = [{"id": video_id} for video_id in there[offset : offset + 100]]
        return answer({"data": {"videos": page, "total": len(there)}})

    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        assert {item["id"] for item in client.list_videos()} >= set(there)
        assert len(server.requests) == 3 + 1


def endless(request: Request) -> bytes:
    return answer([{"id": f"vid_{request.number}"}])


def refused_on_page_two(request: Request) -> bytes:
    return answer({}, 401) if request.number == 2 else pages_of(["a", "b"], total=9)(request)


@pytest.mark.parametrize(
    ("handler", "error", "message", "came"),
    [
        (pages_of(ABC[:100]), BadResponseError, "repeats videos .* ignored the offset", 100),
        (pages_of(ABC[:60], total=90), BadResponseError, "repeats .* ignored the offset", 60),
        (endless, BadResponseError, "not ended after 50 pages", 50),
        (refused_on_page_two, AuthenticationError, "refused the API key", 2),
    ],
    ids=["offset ignored", "offset ignored, short page", "no end", "key refused"],
)
def test_half_a_list_is_an_error_with_what_came(handler, error, message, came, monkeypatch):
    monkeypatch.setattr(responses, "MAX_PAGES", 50)
    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        with pytest.raises(error, match=message) as raised:
            list_videos(client=client)
    assert len(raised.value.videos) == came


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (pages_of(["a"], ["b"], [], total=9), "ended after 2 of the 9 videos"),
        (pages_of([None, None, "a", "b"], total=4), "without an id"),
    ],
)
def test_a_list_that_lacks_some_videos_says_so_once(handler, message):
    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        with pytest.warns(UserWarning, match=message) as warned:
            assert list_videos(client=client)["video_id"].tolist() == ["a", "b"]
    assert sum(message in str(each.message) for each in warned) == 1


@pytest.mark.parametrize("status", ["STARTED", "processing", " Processing", "started"])
def test_the_filter_speaks_lower_case(status):
    with serving(pages_of([])) as server, HookedClient("k", base_url=server.url) as client:
        list(client.list_videos(status=status, type="class"))
    assert server.requests[0].path == (
        "/v1/video/list?type=class&status=processing&limit=100&offset=0"
    )


def test_a_list_is_cut_by_date_and_stops_reading_where_it_can():
    with Sandbox(videos=500) as sandbox, sandbox.client() as client:
        everything = list_videos(client=client)
        since = everything["created_at"].sort_values().iloc[-50]
        sent = client.requests_sent
        recent = list_videos(client=client, since=since)
        assert client.requests_sent - sent <= 2
    assert recent["video_id"].tolist() == everything["video_id"].tolist()[:50]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        *[({"limit": wrong}, ValueError) for wrong in (-1, True, "5", 2.0)],
        *[({"since": wrong}, ValueError) for wrong in ("yesterdayish", 5, float("nan"), pd.NaT)],
        ({"since": "2026-02-01", "until": "2026-01-01"}, ValueError),
        *[({name: wrong}, TypeError) for name in ("type", "status") for wrong in (5, ["class"])],
        ({"client": "key"}, TypeError),
    ],
)
def test_a_list_checks_its_arguments_first(settings, error, echoing):
    with pytest.raises(error, match=f"^{next(iter(settings))} is"):
        list_videos(**{"client": echoing, **settings})
    assert echoing.requests_sent == 0
