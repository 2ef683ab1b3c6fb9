"""The command line as a person runs it: exit status, files, and what it says."""

from __future__ import annotations

import io
import itertools
import os
import re
import signal
import subprocess
import threading
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import requests

from hooked_analytics import Sandbox, read_videos
from hooked_analytics.cli import main
from hooked_analytics.storage import FORMATS
from tests.cli.conftest import COMMAND

SAMPLE = str(Path(__file__).parents[2] / "data" / "sample_videos.parquet")


def test_fetch_writes_a_file_names_what_failed_and_exits_with_3(
    sandbox, ids_file, tmp_path, capsys
):
    out, ids = tmp_path / "videos.parquet", [*sandbox.video_ids, "vid_none"]
    quoted = [f'"{ids[0]}"', *(f" {each},; " for each in ids[1:]), "", '"video_id"']
    assert main(["fetch", ids_file(*quoted), "-o", str(out)]) == 3
    videos = read_videos(out)
    assert videos["video_id"].tolist() == ids
    assert videos["fetch_error"].fillna("").tolist() == [""] * 30 + ["not_found"]
    said = capsys.readouterr()
    assert said.out == ""
    assert "31 videos: 30 fetched" in said.err
    assert "31 requests" in said.err
    assert "vid_none: not found" in said.err
    assert f"31 videos in {out}" in said.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "campaign,video_id\nspring,vid_abc123\nsummer,vid_none\nautumn,vid_abc123\n"),
        ("t.txt", "\ufeffsep=;\ncampaign; video_id\nspring;vid_abc123\u200b;\nsummer;vid_none;\n"
                  "autumn; vid_abc123;\n"),
        ("t.jsonl", '\ufeff{"campaign":"spring","video_id":"vid_abc123"}\n{"campaign":"summer",'
                    '"video_id":"vid_none"}\n{"campaign":"autumn","video_id":"vid_abc123"}\n'),
    ],
)  # fmt: skip
def test_fetch_keeps_every_row_and_column_of_a_table(name, text, sandbox, tmp_path, capsys):
    table, out = tmp_path / name, tmp_path / "videos.parquet"
    table.write_text(text, encoding="utf-8")
    assert main(["fetch", str(table), "-o", str(out)]) == 3
    rows = pd.read_parquet(out)[["video_id", "campaign", "status"]].fillna("").values.tolist()
    assert rows == [
        ["vid_abc123", "spring", "COMPLETED"],
        ["vid_none", "summer", ""],
        ["vid_abc123", "autumn", "COMPLETED"],
    ]
    assert sandbox.request_counts["details"] == 2
    assert f"{table} has 1 repeated id" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ids.csv", "ids.txt", "-"])
def test_one_column_of_ids_is_read_with_and_without_heading(name, sandbox, tmp_path, monkeypatch):
    ids, out = tmp_path / "ids.csv" if name == "-" else tmp_path / name, tmp_path / "videos.csv"
    for heading in ("video_id\n", "", "sep=\n"):
        # "Unicode text" of a spreadsheet is UTF-16
        line, code = ("vid_abc123", "utf-16") if name == "ids.txt" else ("'vid_abc123',", "utf-8")
        ids.write_text(f"{heading}{line}\n", code)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{heading}'vid_abc123',\n"))
        assert main(["fetch", "-" if name == "-" else str(ids), "-o", str(out)]) == 0
        assert read_videos(out)["video_id"].tolist() == ["vid_abc123"]


@pytest.mark.parametrize("name", ["-", "pipe"])
def test_a_table_that_comes_by_a_pipe_keeps_its_columns(name, sandbox, tmp_path, monkeypatch):
    text, out = "video_id,campaign\nvid_abc123,spring\n", tmp_path / "videos.parquet"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    pipe = tmp_path / name
    if name == "pipe":
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_text, args=(text,)).start()
    assert main(["fetch", name if name == "-" else str(pipe), "-o", str(out)]) == 0
    assert pd.read_parquet(out)[["video_id", "campaign"]].to_numpy().tolist() == [
        ["vid_abc123", "spring"]
    ]


def test_links_are_written_with_their_signature_only_when_wanted(
    sandbox, ids_file, tmp_path, capsys
):
    out = tmp_path / "videos.csv"
    main(["fetch", ids_file("vid_abc123"), "-o", str(out)])
    assert "X-Amz-Signature" not in out.read_text()
    main(["fetch", ids_file("vid_abc123"), "-o", str(out), "--include-urls"])
    assert "24 h" in capsys.readouterr().err
    assert "X-Amz-Signature" in out.read_text()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fetch", "nothere.txt", "-o", "x.parquet"], "there is no file nothere.txt"),
        (["fetch", "vid_abc123", "-o", "x.csv"], "ids are read from a file, one a line"),
        (["fetch", "{table}", "-o", "x.csv"], "no column video_id; it has campaign, id: name"),
        (["fetch", "{folder}", "-o", "x.csv"], "{folder}: is a directory"),
        (["fetch", "{folder}/wide.csv", "-o", "x.csv"], "wide.csv is not text in UTF-8"),
        (["fetch", "{folder}/film.txt", "-o", "x.csv"], "film.txt is no text"),
        (["fetch", "{folder}/none.txt", "-o", "{table}"], "no ids were given, so nothing was req"),
        (["fetch", "ids.xlsx", "-o", "x.csv"], "save it as .parquet or .csv or .jsonl, or as text"),
        (["fetch", "ids.csv.gz", "-o", "x.csv"], "ids.csv.gz is packed: unpack it first"),
        (["fetch", "{folder}/torn.jsonl", "-o", "x.csv"], "torn.jsonl cannot be read as a table"),
        (["fetch", "{folder}/torn.parquet", "-o", "x.csv"], "torn.parquet cannot be read as a"),
        (["list", "--status", "nonsense"], "allowed: draft, processing, completed, failed"),
        (["list", "--profile", "nobody"], "No API key in HOOKED_API_KEY_NOBODY. Set the env"),
        (["report", "{ids}", "-o", "r.html"], "; fetch the videos of its ids first"),
        (["report", "{sample}", "--by", "nothing"], "'nothing', which is not there"),
        (["report", "{sample}", "--period", "soon"], "period is a month such as '2026-10'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(sandbox, argv, says, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("campaign,id\na,vid_abc123\n")
    (tmp_path / "wide.csv").write_bytes("video_id\tname\nvid_1\tcafé".encode("utf-16"))
    (tmp_path / "none.txt").write_text("video_id\n\n")
    (tmp_path / "film.txt").write_bytes(b"\0\0\0 ftypmp42\0isom")
    for name in ("torn.jsonl", "torn.parquet"):
        (tmp_path / name).write_text('{"video_id": "vid_1"}\n{"vid')
    (tmp_path / "ids.csv").write_text("video_id,campaign\nvid_1,spring\n")
    names = {
        "ids": tmp_path / "ids.csv",
        "table": tmp_path / "t.csv",
        "sample": SAMPLE,
        "folder": tmp_path,
    }
    assert main([word.format(**names) for word in argv]) == 1
    assert len(sandbox.requests_seen) == (argv[1] == "--status")
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("hooked-analytics: ")
    assert says.format(**names) in said
    assert "HookedClient" not in said
    assert (tmp_path / "t.csv").read_text() == "campaign,id\na,vid_abc123\n"


def test_the_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["fetch", "--help"])
    said = capsys.readouterr().out
    assert all(suffix in said for suffix in FORMATS)


@pytest.fixture
def no_way_out(monkeypatch):
    """A proxy that nobody answers at."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_demo_runs_the_main_job_and_needs_no_proxy(no_way_out, tmp_path, capsys):
    assert main(["demo", "--videos", "40", "-o", str(tmp_path / "demo")]) == 0
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "credits.png", "render_times.png", "videos.csv", "videos.parquet",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "Where the credits went" in printed
    assert printed.rstrip().endswith("hooked-analytics fetch ids.txt -o videos.parquet")
    assert len(read_videos(tmp_path / "demo" / "videos.parquet")) == 40


def test_a_demo_fails_without_a_video(tmp_path, monkeypatch, capsys):
    spoilt = partial(Sandbox, faults={"wrong_id": 1.0})
    monkeypatch.setattr("hooked_analytics.Sandbox", spoilt, raising=False)
    assert main(["demo", "--videos", "3", "-o", str(tmp_path / "demo")]) == 1
    assert "no video arrived" in capsys.readouterr().err


def test_the_sandbox_says_what_to_try_and_serves_until_it_is_interrupted():
    command = [*COMMAND, "sandbox", "--port", "0", "--api-key", "k", "--videos", "25"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said = "".join(itertools.takewhile("Ctrl-C ends it.\n".__ne__, child.stdout))
        url = re.search(r"HOOKED_API_URL=(http://127\.0\.0\.1:\d+)", said)[1]
        answer = requests.get(f"{url}/v1/video/vid_abc123", headers={"x-api-key": "k"}, timeout=5)
        assert answer.json()["data"]["status"] == "COMPLETED"
        child.send_signal(signal.SIGINT)
        assert child.stdout.read().endswith("The sandbox has ended.\n")
    assert child.returncode == 0
    assert "25 invented videos" in said


def test_download_from_ids_and_from_an_export_names_what_failed(
    sandbox, ids_file, tmp_path, capsys
):
    listed = ids_file(*sandbox.video_ids, "vid_none")
    films, table = tmp_path / "films", tmp_path / "videos.csv"
    assert main(["download", listed, "-o", str(films)]) == 3
    count = len(list(films.glob("*.mp4")))
    said = capsys.readouterr().err
    assert f"{count} files in {films}, {30 - count} videos not COMPLETED" in said
    assert "no_link: vid_none has no link" in said
    assert sandbox.request_counts["download"] == count

    main(["fetch", listed, "-o", str(table)])
    assert main(["download", str(table), "-o", str(tmp_path / "t"), "--thumbnails"]) == 3
    assert len(list((tmp_path / "t").glob("*.png"))) == count
    copy = table.with_suffix("")  # as standard input, it has no suffix that says the format
    copy.write_bytes(table.read_bytes())
    assert main(["download", str(copy), "-o", str(tmp_path / "c"), "--thumbnails"]) == 3
    assert len(list((tmp_path / "c").glob("*.png"))) == count

    table.write_text("campaign,video_id\nspring,vid_abc123\n")
    assert main(["download", str(table), "-o", str(tmp_path / "own")]) == 0
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["vid_abc123.mp4"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--budget", "0"], 0),
        (["--budget", "0", "--fail-on-budget"], 5),
        (
            ["--budget", "1000000", "--fail-on-budget", "--fail-on-unusual", "--period", "2026-08"],
            0,
        ),
        (["--fail-on-unusual", "--period", "2026-10"], 4),
    ],
)
def test_a_report_fails_only_on_what_it_is_told_to_fail_on(words, status, tmp_path, capsys):
    assert main(["report", SAMPLE, "-o", str(tmp_path / "r.html"), *words]) == status
    said = capsys.readouterr()
    assert ("chance to exceed the budget" in said.out) == ("--budget" in words)
    assert ("will probably exceed" in said.err) == (status == 5)
    assert ("of unusual spend" in said.err) == (status == 4)


def test_a_report_of_a_month_is_a_page_a_workbook_and_tables(tmp_path, capsys):
    table, tables, book = tmp_path / "own.csv", tmp_path / "tables", tmp_path / "r.xlsx"
    videos = read_videos(SAMPLE)
    videos["campaign"] = [("a", "b")[n % 2] for n in range(len(videos))]
    videos.to_csv(table, index=False)
    words = ["report", str(table), "-o", str(tmp_path / "r.html"), "--by", "type", "--by"]
    words += ["campaign", "--period", "2026-10", "--before", "previous", "--excel", str(book)]
    words += ["--price-per-credit", "0.1", "--currency", "EUR", "--tables", str(tables)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Credit spend, October 2026")
    assert "compared with" in said.out
    assert "EUR" in said.out
    assert set(pd.read_csv(tables / "credit_usage_2.csv")["campaign"]) == {"a", "b"}
    assert book.read_bytes()[:2] == b"PK"
    assert str(book) in said.err
    many = len(list(tables.glob("*.csv")))
    assert f"{many} tables in {tables}, each as Parquet and CSV; manifest.json says" in said.err


def test_a_report_is_compared_with_another_table_and_has_a_title(tmp_path, capsys):
    page, words = tmp_path / "r.html", ["--before", SAMPLE, "--title", "Mine", "--balance"]
    assert main(["report", SAMPLE, "-o", str(page), *words, "9"]) == 0
    assert "<h1>Mine</h1>" in page.read_text()
    assert "compared with" in capsys.readouterr().out
    assert main(["report", SAMPLE, "-o", str(page), *words, "-1"]) == 1
    assert "balance is 0 or more" in capsys.readouterr().err


def test_a_profile_names_the_key_of_a_list_by_status(sandbox, monkeypatch, tmp_path):
    out = tmp_path / "videos.parquet"
    monkeypatch.delenv("HOOKED_API_KEY")
    monkeypatch.setenv("HOOKED_API_KEY_AGENCY", sandbox.api_key)
    assert main(["list", "--status", "completed", "-o", str(out), "--profile", "agency"]) == 0
    assert set(read_videos(out)["status"]) == {"COMPLETED"}


def test_completion_offers_commands(tmp_path):
    pytest.importorskip("argcomplete")
    line, offered = "hooked-analytics wat", tmp_path / "offered"
    subprocess.run(
        ["bash", "-c", f'exec 8>"{offered}" 9>/dev/null; exec "$@"', "bash", *COMMAND],
        env=os.environ | {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))},
        check=True,
    )
    assert offered.read_text().strip() == "watch"
