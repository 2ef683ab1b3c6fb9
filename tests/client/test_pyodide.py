"""Pyodide has neither threads nor sockets: everything but the network works without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import socket, sys, threading
import matplotlib.font_manager, narwhals, pandas, pyarrow.parquet, requests, scipy
matplotlib.use("agg")

def refuse(*arguments, **settings):
    raise RuntimeError("can't start new thread")

threading._start_new_thread = refuse
socket.socket = refuse

import hooked_analytics as ha

videos = ha.read_videos(sys.argv[1])
for answer in (
    ha.credit_usage, ha.render_times, ha.failures, ha.credits_over_time, ha.spend_anomalies,
    ha.forecast_credits, ha.estimate_completion, ha.retry_chains, ha.credit_outliers,
    ha.plot_credits, ha.plot_render_times,
):
    answer(videos)
ha.compare_groups(videos, by="type")
ha.export_videos(videos, sys.argv[2])
sys.platform = "emscripten"
try:
    ha.fetch_videos(["vid_abc123"])
except ha.HookedError as error:
    print(error)
"""


def test_answers_plots_and_files_need_no_threads_and_a_fetch_says_why_it_cannot(tmp_path):
    sample = Path(__file__).parents[2] / "data" / "sample_videos.parquet"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, sample, tmp_path / "videos.csv"],
        env={"HOOKED_API_KEY": "none", "PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Python in a browser has no threads")
    assert (tmp_path / "videos.csv").stat().st_size > 10_000
