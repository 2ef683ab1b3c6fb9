"""A report in a folder: what it holds, how it is read back, and that it stays whole."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow.csv
import pytest

from hooked_analytics import build_report, read_report
from hooked_analytics.report.page import page_html
from tests.report.builders import OCTOBER, SEPTEMBER, october, october_compared, record, videos


def test_the_page_is_the_same_bytes_after_the_way_through_files(tmp_path):
    report = build_report(OCTOBER, before=SEPTEMBER, title="Mine & yours")
    page = report.to_html(tmp_path / "new" / "report.html").read_text()
    assert "<h1>Mine &amp; yours</h1>" in page
    report.export(tmp_path / "tables")
    assert page == page_html(read_report(tmp_path / "tables"))


def test_the_folder_says_what_it_holds(tmp_path):
    folder = tmp_path / "october"
    files = build_report(OCTOBER, before=SEPTEMBER, balance=50).export(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [files[0].name, files[-1].name] == ["totals.parquet", "manifest.json"]
    assert sorted(p for p in folder.iterdir() if p.name[0] != ".") == sorted(files)
    assert manifest["hooked_report"] == 2
    assert manifest["made_with"].startswith("hooked_analytics ")
    assert manifest["periods"]["this"] == {
        "first_day": "2026-10-01T00:00:00+00:00", "last_day": "2026-10-04T00:00:00+00:00",
        "seen_at": "2026-11-01T06:00:00+00:00", "videos": 5, "credits_unknown": 2,
    }  # fmt: skip
    usage = manifest["tables"]["credit_usage"]
    assert usage["rows"] == 2
    assert usage["units"]["credits_per_minute"] == "credits per finished minute"
    for name, sha256 in usage["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    assert manifest["tables"]["render_times"]["unknown"]["p90_high"] == 2


def test_csv_opens_safely_and_days_are_those_of_the_time_zone(tmp_path):
    frame = videos(record(1, type="=1+1", createdAt="2026-10-01T23:30:00Z"))
    build_report(frame, timezone="Europe/Berlin").export(tmp_path)
    usage = pyarrow.csv.read_csv(tmp_path / "credit_usage.csv")
    assert usage["type"].to_pylist() == ["'=1+1"]
    assert (tmp_path / "credits_by_day.csv").read_text().splitlines()[1].startswith("2026-10-02,")
    back = read_report(tmp_path).tables["credits_by_day"]
    assert str(back["period"].dt.tz) == "Europe/Berlin"


def test_a_new_set_replaces_the_old_one_and_leaves_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    october_compared().export(tmp_path)
    assert (tmp_path / "credit_change.csv").exists()
    october().export(tmp_path)
    assert not (tmp_path / "credit_change.csv").exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "credit_change" not in read_report(tmp_path).tables


def test_what_is_not_a_report_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="manifest.json"):
        read_report(tmp_path)
    for text, said in (
        ('{"name": "an extension"}', "is not the manifest of a report"),
        ('{"hooked_report": 7}', "of report version 7, and this hooked_analytics"),
        ('{"hooked_report": 2, "title": ""}', "lacks timezone, .*, so it was changed"),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            read_report(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="is not of a report; nothing was touched"):
        october().export(tmp_path)


@pytest.mark.parametrize("name", ["credit_usage.csv", "totals.parquet"])
def test_a_file_that_was_changed_is_named(tmp_path, name):
    october().export(tmp_path)
    (tmp_path / name).write_bytes(b" ")
    with pytest.raises(ValueError, match=f"{name} was changed after the report was exported"):
        read_report(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing; export the report again"):
        read_report(tmp_path)


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path):
    folder = tmp_path / "report"
    october().export(folder)
    about = json.loads((folder / "manifest.json").read_text())
    about["tables"]["totals"]["files"] = {"../secret.parquet": "0"}
    (folder / "manifest.json").write_text(json.dumps(about))
    (tmp_path / "secret.parquet").write_text("secret")
    with pytest.raises(ValueError, match="no plain name"):
        read_report(folder)
    october().export(folder)
    assert (tmp_path / "secret.parquet").exists()


def test_an_export_leaves_nothing_beside_its_folder_and_sweeps_what_a_kill_left(tmp_path):
    folder = tmp_path / "report"
    october().export(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)  # as if killed before it cleans up
        october().export(folder)
    left = [path for path in tmp_path.iterdir() if path != folder]
    assert left
    for path in left:
        os.utime(path, (0, 0))
    october().export(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_two_exports_at_once_leave_one_of_them_whole(tmp_path):
    reports = [replace(october(), title=str(number)) for number in range(4)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda report: report.export(tmp_path / "report"), reports * 3))
    assert read_report(tmp_path / "report").title in "0123"


def test_a_folder_moved_away_between_two_looks_is_not_taken_for_a_file(tmp_path, monkeypatch):
    (folder := tmp_path / "report").mkdir()
    look = os.stat

    def look_once(path, *rest, **named):
        found = look(path, *rest, **named)
        if os.fspath(path) == str(folder):  # another process swaps it now
            monkeypatch.setattr("os.stat", look)
            folder.rename(tmp_path / "moved")
        return found

    monkeypatch.setattr("os.stat", look_once)
    october().export(folder)
    assert (tmp_path / "moved").is_dir()
    assert read_report(folder).title == october().title


def test_the_folder_a_process_works_in_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (".", tmp_path, tmp_path.parent):
        with pytest.raises(ValueError, match="choose a folder of its own"):
            october().export(folder)


# The writer kills itself before its first step on a file, then before its fifth, and so on
# until it gets through: the whole way is tried, however busy the machine. What one kill left is
# what the next writer finds.
KILLER = """
import os, signal, sys
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
import pandas as pd
from hooked_analytics import build_report, read_report, videos_from_records
from hooked_analytics.report import page

STEPS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.listdir", "os.scandir"}
folder = Path(sys.argv[1])
page.page_html = lambda report: report.title * 10_000
bases = [build_report(videos_from_records([{"id": "vid_1", "usedCredits": n}])) for n in (5, 7)]

def die_before(step):
    steps = count(1)
    def hook(event, _):
        if event in STEPS and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def write(report):
    report.export(folder / "tables")
    report.to_html(folder / "report.html")

def is_shown(report):
    return (folder / "report.html").read_text() == page.page_html(report)

old = shown = replace(bases[0], title="0")
write(old)
(folder / "tables" / "mine.txt").write_text("mine")
outcomes, through = Counter(), False
for step in count(1, 4):
    new = replace(bases[step % 2], title=str(step))
    if not (writer := os.fork()):
        die_before(step)
        write(new)
        os._exit(0)
    through = os.waitpid(writer, 0)[1] == 0
    back = read_report(folder / "tables")
    (found,) = [each for each in (old, new) if each.title == back.title]
    for name in found.tables:
        pd.testing.assert_frame_equal(back.tables[name], found.tables[name])
    (shown,) = filter(is_shown, (shown, new))
    outcomes[found is new] += 1
    old = found
    if through:
        break
assert (folder / "tables" / "mine.txt").read_text() == "mine"
print(outcomes[False], outcomes[True], shown is new and found is new)
"""


def test_a_kill_at_any_step_leaves_the_old_report_or_the_new_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    old, new, through = done.stdout.split()
    assert int(old) > 10
    assert int(new) > 1
    assert int(old) + int(new) > 15
    assert through == "True"
