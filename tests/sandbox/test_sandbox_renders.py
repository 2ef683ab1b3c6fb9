"""Renders that move with the sandbox's clock."""

from __future__ import annotations

import time

import pytest

from hooked_analytics.sandbox import Sandbox


def look(sandbox, ask, video_id):
    return ask(sandbox, f"/v1/video/{video_id}").json()["data"]


def test_a_render_from_start_to_end(still, ask):
    video_id = still.create_video(
        "ugc_ads", render_seconds=100, duration_seconds=20, fails=False, used_credits=4.5
    )
    seen = []
    for wait in (0, 10, 40, 49, 1):
        still.advance(wait)
        data = look(still, ask, video_id)
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


def test_a_deleted_video_is_neither_found_nor_listed(still, ask):
    video_id = still.create_video("ugc_ads", render_seconds=10)
    url = ask(still, "/v1/video/vid_abc123").json()["data"]["url"]
    for each in (video_id, "vid_abc123"):
        still.delete_video(each)
        assert ask(still, f"/v1/video/{each}").status_code == 404
    assert ask(still, url).status_code == 404
    listed = ask(still, "/v1/video/list").json()["data"]["videos"]
    assert not {video_id, "vid_abc123"} & {item["id"] for item in listed}
    with pytest.raises(ValueError, match="has no video"):
        still.delete_video(video_id)


def test_a_finished_video_stays_as_it_is(still, ask):
    video_id = still.create_video("ugc_ads", render_seconds=10, fails=False)
    still.advance(10)
    first = look(still, ask, video_id)
    still.advance(10_000)
    second = look(still, ask, video_id)
    assert first.pop("url") != second.pop("url")
    assert first == second


def test_messages_follow_the_stages(still, ask):
    video_id = still.create_video("class", render_seconds=1000)
    messages = []
    for _ in range(20):
        message = look(still, ask, video_id)["message"]
        messages += [] if message in messages else [message]
        still.advance(50)
    assert messages[0] == "Video is queued for rendering"
    assert messages[-1] == "Uploading the video"
    assert len(messages) >= 4


def test_updated_at_is_the_last_step_of_progress(still, ask):
    video_id = still.create_video("class", render_seconds=100, fails=False)
    still.advance(10.5)  # 25 % since 9.92 s, 26 % from 10.59 s on
    data = look(still, ask, video_id)
    assert (data["progress"], data["updatedAt"]) == (25, "2026-03-02T12:00:09.921Z")


def test_a_failed_render_says_why(still, ask):
    video_id = still.create_video("class", render_seconds=50, fails="Out of film", used_credits=3)
    still.advance(50)
    data = look(still, ask, video_id)
    assert (data["status"], data["message"], data["usedCredits"]) == ("FAILED", "Out of film", 3)
    assert 0 < data["progress"] < 100
    assert (data["thumbnail"], "url" in data, "size" in data) == (None, False, False)


def test_hook_demo_is_there_at_once(still, ask):
    data = look(still, ask, still.create_video("hook_demo"))
    assert (data["status"], data["progress"]) == ("COMPLETED", 100)
    assert data["createdAt"] == data["updatedAt"]


def test_create_video_takes_what_it_is_told(still, ask):
    video_id = still.create_video(
        "ugc_video",
        name="One",
        script="Two",
        avatar_id="three",
        webhook="https://example.com/4",
        video_id="5",
        music_id="6",
    )
    data = look(still, ask, "5")
    assert video_id == "5"
    told = [data[key] for key in ("name", "script", "avatarId", "webhook", "musicId")]
    assert told == ["One", "Two", "three", "https://example.com/4", "6"]
    assert still.video_ids[-1] == "5"
    with pytest.raises(ValueError, match="choose another video_id"):
        still.create_video("ugc_video", video_id="5")
    with pytest.raises(TypeError, match="moosic"):
        still.create_video("ugc_video", moosic="6")


def test_time_scale_runs_the_clock_faster(ask):
    with Sandbox(videos=1, time_scale=600) as sandbox:
        video_id = sandbox.create_video("class", render_seconds=120, fails=False)
        before = sandbox.now()
        time.sleep(0.25)
        assert 150 <= (sandbox.now() - before).total_seconds() < 1500
        assert look(sandbox, ask, video_id)["status"] == "COMPLETED"
