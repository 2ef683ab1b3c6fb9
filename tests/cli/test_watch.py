"""Watching by command: the lines it prints, the exit status of each end, and what it keeps."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from datetime import timedelta

import pandas as pd
import pytest

from hooked_analytics import Sandbox, VideoArchive, read_videos, videos_from_records
from hooked_analytics.cli import main

QUICK = ["--interval", "0.1", "--requests-per-minute", "6000"]


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox(videos=1, time_scale=60) as sandbox:
        monkeypatch.setenv("HOOKED_API_URL", sandbox.url)
        monkeypatch.setenv("HOOKED_API_KEY", sandbox.api_key)
        yield sandbox


@pytest.fixture
def rendering(sandbox, ids_file):
    return ids_file(
        sandbox.create_video("class", render_seconds=150, fails="Voice\x1b[2J gone"),
        sandbox.create_video("class", render_seconds=240, fails=False, used_credits=4),
    )


@pytest.fixture
def archive(tmp_path):
    """Two hundred renders of 100 to 299 seconds."""
    at = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta(days=1)
    archive = VideoArchive(tmp_path / "archive")
    archive.append(
        videos_from_records(
            {"id": f"vid_{n}", "status": "COMPLETED", "type": "class", "createdAt": f"{at:%FT%TZ}",
             "updatedAt": f"{at + pd.Timedelta(seconds=100 + n):%FT%TZ}"}
            for n in range(200)
        )
    )  # fmt: skip
    return archive


def test_watch_prints_changes_time_left_and_failures_and_keeps_what_it_saw(
    rendering, archive, tmp_path, capsys
):
    out = tmp_path / "videos.parquet"
    words = ["-o", str(out), "--archive", str(archive.directory), *QUICK]
    assert main(["watch", rendering, *words]) == 3
    assert read_videos(out)["status"].tolist() == ["FAILED", "COMPLETED"]
    assert len(archive.videos()) == 202
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if "2 videos: " in line]
    assert "2 videos: 2 rendering · no credits so far, 2 unknown" in lines[0]
    assert re.search(r"\d+% · .*\d (s|min) left · 2 videos: 2 rendering", "\n".join(lines))
    assert "2 videos: 1 completed, 1 failed · 4 credits so far" in lines[-1]
    assert "left" not in lines[-1]
    assert "Voice[2J gone" in said
    assert "\x1b" not in said


def test_watch_ends_with_6_after_a_timeout_and_keeps_what_came(rendering, tmp_path, capsys):
    out = tmp_path / "videos.csv"
    arguments = ["--interval", "0.05", "--timeout", "0.1"]
    assert main(["watch", rendering, "-o", str(out), *arguments]) == 6
    assert "renders go on at Hooked" in capsys.readouterr().err
    assert len(read_videos(out)) == 2


def test_watch_says_that_it_waits_for_the_limit(sandbox, ids_file, capsys):
    ids = [sandbox.create_video("class", render_seconds=0.01) for _ in range(3)]
    words = ["watch", ids_file(*ids), "--requests-per-minute", "2", "--timeout", "1"]
    assert main(words) == 6
    said = capsys.readouterr().out
    assert "waiting for the limit of 2 requests a minute" in said
    assert "unavailable" not in said


def test_watch_until_stuck_ends_with_7(sandbox, archive, ids_file, capsys):
    long_ago = {"render_seconds": 10_000, "created_at": sandbox.now() - timedelta(hours=1)}
    video_id = sandbox.create_video("class", fails=False, **long_ago)
    words = ["watch", ids_file(video_id), "--archive", str(archive.directory), "--until-stuck"]
    assert main([*words, "--timeout", "60", *QUICK]) == 7
    assert f"no more progress: {video_id}" in capsys.readouterr().err


def test_ctrl_c_ends_watch_with_130_and_keeps_what_came(sandbox, ids_file, tmp_path, capsys):
    def press():
        while len(sandbox.requests_seen) < 10:  # more than the first poll needs
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    long = [sandbox.create_video("class", render_seconds=10_000) for _ in range(2)]
    ids, out = ids_file(*long, "vid_none"), tmp_path / "videos.jsonl"
    threading.Thread(target=press).start()
    assert main(["watch", ids, "-o", str(out), *QUICK]) == 130
    assert "Stopped with 2 of 3 videos not ended" in capsys.readouterr().err
    assert read_videos(out)["fetch_error"].fillna("").tolist() == ["", "", "not_found"]
