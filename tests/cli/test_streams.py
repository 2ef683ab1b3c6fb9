"""Files are written first, output never fails a command, and no text steers a terminal."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from hooked_analytics import read_videos
from hooked_analytics.cli import main
from tests.cli.conftest import COMMAND
from tests.terminal import said_on_a_terminal

HOSTILE = "\x1b[2J\x07\x9b1mevil\u202e\nÜ 東京"
STEERING = {"\x1b", "\x07", "\x9b", "\u202e"}


def arguments(command: str, ids: str, out: str) -> list[str]:
    return {
        "fetch": ["fetch", ids, "-o", out],
        "list": ["list", "-o", out],
        "watch": ["watch", ids, "-o", out, "--interval", "1"],
    }[command]


@pytest.mark.parametrize(
    ("command", "way"),
    [
        ("fetch", "closed"),
        ("fetch", "unread"),
        ("list", "cp1252"),
        ("watch", "ascii"),
        ("watch", "closed"),
    ],
)
def test_the_file_is_there_whatever_the_streams_are(command, way, sandbox, ids_file, tmp_path):
    sandbox.create_video("class", name=HOSTILE, render_seconds=0.1, fails=HOSTILE)
    out = tmp_path / "videos.jsonl"
    words = [*COMMAND, *arguments(command, ids_file("vid_abc123", "vid_none"), str(out))]
    line = {"closed": '"$@" <&- >&- 2>&-', "unread": '"$@" 2>&1 | true; exit ${PIPESTATUS}'}
    done = subprocess.run(
        ["bash", "-c", line.get(way, '"$@"'), "bash", *words],
        env=os.environ | ({} if way in line else {"PYTHONIOENCODING": way}),
        capture_output=True,
        check=False,
    )
    assert done.returncode == (0 if command == "list" else 3), done.stderr
    assert b"Traceback" not in done.stderr
    assert len(read_videos(out)) == (31 if command == "list" else 2)


def test_no_text_of_the_api_steers_a_terminal(sandbox, tmp_path, capsys):
    hostile = sandbox.create_video("class", name=HOSTILE, render_seconds=0.01, fails=HOSTILE)
    (tmp_path / "ids.txt").write_text(f"{hostile}\nvid\x1b[2J\n")
    table = tmp_path / "videos.csv"
    for command in ("fetch", "list", "watch"):
        main(["-vv", *arguments(command, str(tmp_path / "ids.txt"), str(table))])
    main(["list"])
    main(["list", "--json"])
    main(["report", str(table), "-o", str(tmp_path / "report.html")])
    said = capsys.readouterr()
    assert "evil" in said.out
    assert not STEERING & set(said.out + said.err)


@pytest.mark.parametrize(
    ("to", "status", "says"),
    [("> /dev/full", 1, "No space left on device"), ("| true; exit ${PIPESTATUS}", 0, "")],
)
def test_a_full_disk_behind_the_output_is_said_and_no_reader_is_not(to, status, says, sandbox):
    command = ["bash", "-c", f'"$@" {to}', "bash", *COMMAND, "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert says in done.stderr
    assert bool(says) == bool(done.stderr)


def test_list_is_a_table_of_80_columns_on_a_terminal_and_tabs_in_a_pipe(sandbox, capsys):
    sandbox.create_video("class", name="Ein sehr langer Name " * 9)
    heading, *rows = said_on_a_terminal(*COMMAND, "list").splitlines()
    assert heading.split() == ["video_id", "status", "done", "created", "name"]
    assert max(map(len, rows)) == 80
    main(["list"])
    piped = capsys.readouterr().out
    assert {line.count("\t") for line in piped.splitlines()} == {4}
    assert len(rows) == len(piped.splitlines()) == 31


def test_json_and_metrics_for_schedules(sandbox, ids_file, tmp_path, capsys):
    assert main(["list", "--json", "--limit", "2"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sorted(record)[-1] for record in records] == ["webhook", "webhook"]
    metrics, out = tmp_path / "hooked.prom", tmp_path / "videos.csv"
    ids = ids_file("vid_abc123", "vid_none")
    assert main(["fetch", ids, "-o", str(out), "--json", "--metrics", str(metrics)]) == 3
    assert json.loads(capsys.readouterr().out) == {"videos": 2, "failed": 1, "requests": 2}
    lines = metrics.read_text().splitlines()
    assert 'hooked_videos{command="fetch",status="COMPLETED"} 1' in lines
    assert 'hooked_fetch_errors{command="fetch",error="not_found"} 1' in lines
    assert 'hooked_exit_status{command="fetch"} 3' in lines
    assert "vid_" not in metrics.read_text()
