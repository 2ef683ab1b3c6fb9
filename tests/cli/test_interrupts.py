"""Whatever ends a command, the rows that arrived are in a file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from hooked_analytics import VideoArchive, fetch_videos, list_videos, read_videos
from hooked_analytics.cli import main
from hooked_analytics.cli.arguments import Status
from hooked_analytics.cli.main import KEEP_ROWS
from hooked_analytics.cli.run import Run
from hooked_analytics.fetch.fetch_job import FetchJob
from tests.scripted import answer, echo, serving


@pytest.mark.parametrize(
    ("signals", "status"),
    [
        ([signal.SIGINT, signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
    ],
)
def test_a_signal_leaves_the_file_with_every_row_that_arrived(
    signals, status, under_way, slow_sandbox, tmp_path
):
    out = tmp_path / "videos.parquet"
    child = under_way("-o", str(out))
    for number in signals:
        child.send_signal(number)
        time.sleep(0.02)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == status
    assert "Stopped after" in said
    assert ".videos" not in said
    videos = read_videos(out)
    assert videos["video_id"].tolist() == slow_sandbox.video_ids
    assert 50 - 16 <= videos["fetch_error"].isna().sum() < 400


@pytest.mark.parametrize(
    ("words", "ended"),
    [("None", -signal.SIGINT), ("['list']", 7)],  # a shell makes 130 of the first
)
def test_ctrl_c_while_loading_ends_the_command_silently_but_not_the_program_that_calls_it(
    words, ended
):
    press = f"""
import signal, sys
from hooked_analytics.cli import main
class Press:
    def find_spec(self, name, *_):
        if name == "pandas":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
try:
    main({words})
except KeyboardInterrupt:
    sys.exit(7)
"""
    command = [sys.executable, "-c", press, "list"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (ended, b"")


@pytest.mark.parametrize(
    ("words", "event", "function"),
    [
        (["fetch", "{ids}"], "return", fetch_videos),
        (["fetch", "{ids}"], "call", Run.save),
        (["list"], "call", Run.save),
    ],
)
def test_a_signal_between_the_last_row_and_the_file_leaves_the_file(
    words, event, function, sandbox, ids_file, tmp_path
):
    assert {FetchJob.finish.__qualname__, list_videos.__qualname__} == set(KEEP_ROWS)
    ids, out = ids_file(*sandbox.video_ids), tmp_path / "videos.parquet"

    def stop(frame, happened, _):
        if happened == event and frame.f_code is function.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(stop)
    try:
        status = main([*(word.format(ids=ids) for word in words), "-o", str(out)])
    finally:
        sys.setprofile(None)
    assert status == 130
    assert len(read_videos(out)) == 30


def test_a_key_revoked_in_mid_fetch_leaves_the_file_and_says_so(
    ids_file, tmp_path, monkeypatch, capsys
):
    def handler(request):
        if request.number <= 5:
            return echo(request)
        time.sleep(0.3)  # the five come first
        return answer({"success": False, "message": "Not authenticated"}, 401)

    ids, out = [f"vid_{number}" for number in range(20)], tmp_path / "videos.csv"
    with serving(handler) as server:
        monkeypatch.setenv("HOOKED_API_URL", server.url)
        monkeypatch.setenv("HOOKED_API_KEY", "k")
        assert main(["fetch", ids_file(*ids), "-o", str(out)]) == Status.ERROR
    assert "Hooked refused the API key" in capsys.readouterr().err
    videos = read_videos(out)
    assert videos["video_id"].tolist() == ids
    assert videos["fetch_error"].isna().sum() == 5
    assert set(videos["fetch_error"].dropna()) == {"not_fetched"}


def test_an_interrupted_fetch_goes_on_from_its_archive(under_way, slow_sandbox, ids_file, tmp_path):
    out, archive = tmp_path / "videos.csv", str(tmp_path / "archive")
    child = under_way("-o", str(out), "--archive", archive)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 143
    ended = VideoArchive(archive).videos()
    ended = int(ended["status"].isin(["COMPLETED", "FAILED"]).sum())
    assert ended > 0
    before = len(slow_sandbox.requests_seen)
    again = ["fetch", ids_file(*slow_sandbox.video_ids), "-o", str(out), "--archive", archive]
    assert main([*again, "--requests-per-minute", "100000"]) == 0
    assert len(slow_sandbox.requests_seen) - before <= 400 - ended
    assert read_videos(out)["fetch_error"].isna().all()


def test_rows_that_cannot_be_written_in_the_end_are_saved_beside(under_way, tmp_path):
    out = tmp_path / "videos.csv"
    child = under_way("-o", str(out), limit=100_000)
    out.mkdir()
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert f"{out} could not be written" in said
    (saved,) = tmp_path.glob("hooked-analytics-*/videos.parquet")
    assert f"400 videos in {saved}" in said
    assert len(read_videos(saved)) == 400


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fetch", "{ids}", "-o", "x.docx"], ".docx"),
        (["fetch", "{ids}", "-o", "{folder}"], "must end in one of"),
        (["fetch", "{ids}", "-o", "{folder}/none/x.csv"], "there is no folder"),
        (["fetch", "{ids}", "-o", "s3://bucket/x.csv"], "is an address"),
        (["fetch", "{ids}"], "required"),
        (["list", "--limit", "-1"], "not above 0"),
        (["list", "--limit", "2.5"], "'2.5' is not a whole number"),
        (["report", "{ids}", "--balance", "0,4"], "'0,4' is not a number"),
        (["list", "--metrics", "{folder}"], "is a folder"),
        (["watch", "{ids}", "--interval", "nan"], "not a time"),
        (["report", "{ids}", "--fail-on-budget"], "--fail-on-budget needs --budget"),
        (["report", "{ids}", "--before", "previous"], "--before needs --period"),
        (["report", "{ids}", "--excel", "x.csv"], "ends in .xlsx"),
        (["report", "{ids}", "-o", "x.xlsx"], "a page ends in .html"),
        (["report", "{ids}", "--tables", "{ids}"], "is a file, not a folder"),
        (["download", "{ids}", "-o", "{ids}/films"], "is a file, not a folder"),
        (["fetch", "{ids}", "-o", "x.csv", "--archive", "{ids}"], "is a file, not a folder"),
    ],
)
def test_wrong_usage_ends_with_2_before_any_request(
    argv, says, sandbox, ids_file, tmp_path, capsys
):
    ids = ids_file("vid_abc123")
    with pytest.raises(SystemExit) as ended:
        main([word.format(ids=ids, folder=tmp_path) for word in argv])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert sandbox.requests_seen == []
