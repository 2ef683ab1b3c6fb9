"""Which videos there are, details, lists, renders that move with the clock, the rate limit."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from hooked_analytics import Sandbox
from hooked_analytics.sandbox.seed_data import other_team_videos, own_videos
from tests.documented import SAMPLE
from tests.sandbox.conftest import MONDAY_NOON

START = MONDAY_NOON.timestamp()

# the links point at the sandbox, and two of these are not on the page's sample
NOT_THE_PAGES = ("size", "teamId", "thumbnail", "url")


def test_the_pages_sample_has_the_pages_values(still, get):
    response = get(still, "/v1/video/vid_abc123")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    data = response.json().pop("data")
    assert list(response.json().items())[:2] == [
        ("success", True),
        ("message", "Video details fetched successfully"),
    ]
    assert sorted(data) == sorted(SAMPLE)
    for key in set(SAMPLE) - set(NOT_THE_PAGES):
        assert data[key] == SAMPLE[key]


@pytest.mark.parametrize(
    ("path", "key", "status", "message"),
    [
        ("/v1/video/vid_none", None, 404, "Video not found"),
        ("/v1/video/a%2Fb", None, 404, "Video not found"),  # the slash is part of the id
        ("/v1/video/vid_abc123", "nope", 403, "Not authenticated"),
        ("/v1/video/list", "", 403, "Not authenticated"),
    ],
)
def test_refusals(still, get, path, key, status, message):
    response = get(still, path, headers={} if key is None else {"x-api-key": key})
    assert response.status_code == status
    assert response.json() == {"success": False, "message": message}


def test_another_teams_videos_and_other_methods_are_refused(still, get):
    for video_id in still.other_team_video_ids:
        response = get(still, f"/v1/video/{video_id}")
        assert response.status_code == 403
        assert response.json()["message"] == "Video does not belong to the user"
    post = get(still, "/v1/video/vid_abc123", method="POST")
    assert (post.status_code, "GET" in post.headers["allow"]) == (405, True)
    assert get(still, "/v1/video/vid_abc123", method="HEAD").content == b""


def test_pages_hold_every_video_once_newest_first(still, get):
    data = get(still, "/v1/video/list").json()["data"]
    assert (data["total"], data["limit"], data["offset"]) == (40, 50, 0)
    assert [item["id"] for item in data["videos"]] == still.video_ids[::-1]
    pages = [
        get(still, f"/v1/video/list?limit=15&offset={offset}").json()["data"]["videos"]
        for offset in (0, 15, 30, 45)
    ]
    assert [len(page) for page in pages] == [15, 15, 10, 0]
    assert [item for page in pages for item in page] == data["videos"]


def test_filters(still, get):
    def found(query: str):
        data = get(still, f"/v1/video/list?{query}").json()["data"]
        return data["total"], [item["id"] for item in data["videos"]], data["videos"]

    totals = {}
    for status, shown in (
        ("draft", set()),
        ("processing", {"STARTED"}),
        ("completed", {"COMPLETED"}),
        ("failed", {"FAILED"}),
    ):
        totals[status], _, items = found(f"status={status}")
        assert {item["status"] for item in items} == shown
    assert sum(totals.values()) == 40
    first = still.create_video("scenes", render_seconds=60)
    still.advance(60)
    second = still.create_video("scenes", render_seconds=60)
    assert found("type=scenes&status=processing")[1] == [second]
    assert found("type=scenes")[1][:2] == [second, first]


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("type=ai_short", "type", "class"),
        ("status=COMPLETED", "status", "completed"),
        ("limit=0", "limit", "1 to 100"),
        ("limit=1.5", "limit", "1 to 100"),
        ("limit=%2B5", "limit", "1 to 100"),
        ("offset=-1", "offset", "0 to 2147483647"),
        ("offset=" + "9" * 5000, "offset", "0 to 2147483647"),
    ],
)
def test_bad_values(still, get, query, field, allowed):
    response = get(still, f"/v1/video/list?{query}")
    body = response.json()
    assert (response.status_code, body["success"], body["code"]) == (400, False, "INVALID_VALUE")
    assert body["details"]["field"] == field
    assert allowed in body["details"]["allowed"]


def test_a_render_from_start_to_end(still, details):
    video_id = still.create_video(
        "ugc_ads", render_seconds=100, duration_seconds=20, fails=False, used_credits=4.5
    )
    seen = []
    for wait in (0, 10, 40, 49, 1):
        still.advance(wait)
        data = details(still, video_id)
        seen.append((data["status"], data["progress"], data["usedCredits"], "url" in data))
    assert seen == [
        ("STARTED", 0, None, False),
        ("STARTED", 25, None, False),  # 0.1 ** 0.6
        ("STARTED", 65, None, False),  # 0.5 ** 0.6
        ("STARTED", 99, None, False),
        ("COMPLETED", 100, 4.5, True),
    ]
    assert data["createdAt"] == "2026-03-02T12:00:00.000Z"
    assert data["updatedAt"] == "2026-03-02T12:01:40.000Z"
    assert (data["durationInFrames"], data["durationInSeconds"]) == (500, 20)
    still.advance(10_000)
    again = details(still, video_id)
    assert again.pop("url") != data.pop("url")
    assert again == data


def test_updated_at_follows_progress_and_a_failed_render_says_why(still, details):
    video_id = still.create_video("class", render_seconds=1000, fails=False)
    fails = still.create_video("class", render_seconds=50, fails="Out of film", used_credits=3)
    still.advance(105)  # 25 % since 99.2 s, 26 % from 105.9 s on
    data = details(still, video_id)
    assert (data["progress"], data["updatedAt"]) == (25, "2026-03-02T12:01:39.212Z")
    assert data["message"] == "Generating the voice-over"
    data = details(still, fails)
    assert (data["status"], data["message"], data["usedCredits"]) == ("FAILED", "Out of film", 3)
    assert 0 < data["progress"] < 100
    assert (data["thumbnail"], "url" in data, "size" in data) == (None, False, False)


def test_create_video_takes_what_it_is_given_and_a_deleted_one_is_gone(still, get, details):
    given = {"name": "One", "script": "Two", "avatar_id": "three", "music_id": "6"}
    fields = {"status": "ARCHIVED", "mood": "new"}
    created = still.create_video("ai_short", video_id="5", webhook="x", fields=fields, **given)
    assert created == still.video_ids[-1] == "5"
    shown = {"type": "ai_short", "name": "One", "script": "Two", "avatarId": "three"}
    shown |= {"musicId": "6", "webhook": "x", **fields}
    assert shown.items() <= details(still, "5").items()
    with pytest.raises(ValueError, match="choose another video_id"):
        still.create_video("ugc_video", video_id="5")
    with pytest.raises(TypeError, match="moosic"):
        still.create_video("ugc_video", moosic="6")
    with pytest.raises(ValueError, match="time zone"):
        still.create_video("class", created_at=still.now().replace(tzinfo=None))
    url = details(still)["url"]
    still.delete_video("vid_abc123")
    assert get(still, "/v1/video/vid_abc123").status_code == get(still, url).status_code == 404
    listed = get(still, "/v1/video/list").json()["data"]["videos"]
    assert "vid_abc123" not in {item["id"] for item in listed}
    with pytest.raises(ValueError, match="has no video"):
        still.delete_video("vid_abc123")


def test_the_clock(still, get, details):
    before = still.now()
    still.advance(3601)
    assert still.now() - before == timedelta(seconds=3601)
    assert get(still, "/nowhere").headers["date"] == "Mon, 02 Mar 2026 13:00:01 GMT"
    with pytest.raises(ValueError, match="only goes ahead"):
        still.advance(-1)
    with Sandbox(videos=1, time_scale=600, requests_per_minute=1) as sandbox:
        video_id = sandbox.create_video("class", render_seconds=120, fails=False)
        time.sleep(0.25)
        assert details(sandbox, video_id)["status"] == "COMPLETED"
        # a minute of the limit is a sandbox minute
        assert get(sandbox, "/v1/video/list").headers.get("retry-after", "1") == "1"


def test_the_limit_is_a_window_that_starts_with_the_first_request(get, details):
    def statuses(times: int, path="/v1/video/vid_abc123", **more):
        return [get(sandbox, path, **more).status_code for _ in range(times)]

    with Sandbox(videos=1, time_scale=0, requests_per_minute=3) as sandbox:
        sandbox.advance(100)
        url = details(sandbox)["url"]
        assert statuses(3, url) == [200, 200, 200]  # files do not count, nor do wrong keys
        assert statuses(1, headers={"x-api-key": "nope"}) == [403]
        assert statuses(4) == [200, 200, 429, 429]
        sandbox.advance(16.5)
        refused = get(sandbox, "/v1/video/list")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "44")
        assert refused.json()["code"] == "RATE_LIMITED"
        sandbox.advance(42.5)
        assert statuses(1) == [429]
        sandbox.advance(1)
        assert statuses(4) == [200, 200, 200, 429]


def test_the_same_seed_and_start_give_the_same_videos():
    assert own_videos(50, 3, START) == own_videos(50, 3, START)
    assert own_videos(50, 3, START) != own_videos(50, 4, START)
    others = other_team_videos(5, 3, START)
    assert {video.id for video in own_videos(50, 3, START)}.isdisjoint(v.id for v in others)
    assert [video.ended_at < START for video in others] == [True] * 5
    assert Sandbox(videos=1).video_ids == ["vid_abc123"]


def test_a_few_are_rendering_at_the_start():
    for count, rendering in ((1, 0), (2, 0), (5, 1), (20, 5), (200, 8), (1000, 40)):
        videos = own_videos(count, 0, START)
        assert len({video.id for video in videos}) == count
        assert sum(video.ended_at > START for video in videos) == rendering
        assert all(video.created_at < START for video in videos)
