"""The bar is for people, the line is for logs too, and a script that asks for neither is quiet."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
from nbclient import NotebookClient

from tests.terminal import said_on_a_terminal

FETCH = """
from hooked_analytics import Sandbox, fetch_videos
with Sandbox(videos=60, faults={{"slow": 1.0}}) as sandbox, sandbox.client() as client:
    fetch_videos(sandbox.video_ids, client=client, progress={progress})
"""


def test_a_script_is_quiet_and_a_log_gets_the_line_and_no_bar():
    code = (
        FETCH.format(progress=None) + "print('and now', flush=True)" + FETCH.format(progress=True)
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=-1, stderr=subprocess.STDOUT, text=True, check=True
    )
    quiet, said = done.stdout.split("and now\n")
    assert quiet == ""
    assert said.startswith("60 videos: 60 fetched · 60 requests · ")
    assert said.count("\n") == 1


BYTES = """
import tempfile
from hooked_analytics import download_videos
with Sandbox(videos=6, faults={"file_drip": 1.0}) as sandbox, sandbox.client() as client:
    videos = fetch_videos(sandbox.video_ids, client=client, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        download_videos(videos, folder, client=client)
"""


def test_a_terminal_gets_a_bar_with_rate_and_time_left_then_the_line_and_bytes_of_downloads():
    code = FETCH.format(progress=None) + "print('and now')" + BYTES
    said = said_on_a_terminal(sys.executable, "-c", code)
    text, _, downloads = said.partition("and now")
    assert "video/s" in text
    assert "<00:0" in text
    assert text.rstrip().splitlines()[-1].rpartition("\r")[2].strip().startswith("60 videos: 60")
    assert re.search(r"\d+%\|.*\| \d+(\.\d+)?k/\d+(\.\d+)?k .*B/s", downloads)
    assert re.search(r"\d of 6 files, 0\.\d MB", downloads)


COLOURS = """
with Sandbox(videos=60) as sandbox, sandbox.client() as client:
    fetch_videos(sandbox.video_ids[:59] + ["no/id"], client=client)
"""


def test_a_notebook_gets_the_line_and_a_full_bar_which_is_red_only_for_a_failure():
    cells = [nbformat.v4.new_code_cell(code) for code in (FETCH.format(progress=None), COLOURS)]
    done = NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=60).execute()
    streams = [o for o in done.cells[0].outputs if o.output_type == "stream"]
    assert [o.name for o in streams] == ["stdout"]
    assert "60 videos: 60 fetched · 60 requests" in streams[0].text
    widgets = done.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    bars = [w["state"] for w in widgets.values() if w["model_name"] == "FloatProgressModel"]
    assert [(bar["value"], bar["max"]) for bar in bars] == [(60, 60)] * 2
    assert {bar["bar_style"] for bar in bars} == {"success", "danger"}
