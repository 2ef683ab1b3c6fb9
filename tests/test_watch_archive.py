"""Watching into a real archive: what was seen stays, and what is final is never asked again."""

from __future__ import annotations

from hooked_analytics import Sandbox, VideoArchive, observed_renders, wait_for_videos


def test_a_watch_fills_the_archive_and_a_second_one_costs_nothing(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        ids = [
            sandbox.create_video("ugc_ads", render_seconds=seconds, fails=seconds == 90)
            for seconds in (30, 60, 90)
        ]
        settings = {"client": client, "archive": archive, "interval_seconds": 0.2}
        videos = wait_for_videos(ids, **settings)
        asked = client.requests_sent
        again = wait_for_videos(ids, **settings)
        assert client.requests_sent == asked
    assert videos["status"].tolist() == ["COMPLETED", "COMPLETED", "FAILED"]
    assert again["status"].tolist() == videos["status"].tolist()
    kept = archive.videos().set_index("video_id").loc[ids]
    assert kept["used_credits"].equals(videos.set_index("video_id")["used_credits"])
    seen = observed_renders(archive.observations()).set_index("video_id").loc[ids]
    assert (seen["first_seen_final"] > seen["last_seen_started"]).all()
