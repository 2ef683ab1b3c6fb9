"""
What a panel of 1,000 videos costs: the kernel, the wire and the browser.

The panel lives in a real kernel and in JupyterLab; the sandbox is outside that kernel, so that
its CPU time is the panel's alone. Half of the videos render, which is the dear half:
each has an elapsed time and a range left.
"""

from __future__ import annotations

import json
import queue
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

from benchmarks.figures import Figure, spread
from hooked_analytics import Sandbox
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.lab import IDLE, lab

VIDEOS, RENDERING = 1000, 500
MAX_CPU_MS, MAX_KB, MAX_TASK_MS = 60.0, 100.0, 200.0
TYPES = ("ugc_ads", "ugc_video", "script_to_video", "class", "product_ads")
SETUP = """
import time
import hooked_analytics as ha
client = ha.HookedClient({key!r}, base_url={url!r}, requests_per_minute=None)
panel = ha.ProgressPanel({ids!r}, client=client, interval_seconds=1, autostart=False)
"""
REFRESH = """
panel._draw = lambda: None  # the picture is left out
cpu = []
show = panel._show
def measured():
    began = time.process_time()
    show()
    cpu.append(1000 * (time.process_time() - began))
panel._show = measured
panel.refresh()
panel
"""


def bench_panel(rounds: int) -> list[Figure]:
    with _rendering() as (sandbox, ids):
        setup = SETUP.format(key=sandbox.api_key, url=sandbox.url, ids=ids)
        cpu, sent = _in_a_kernel(setup, rounds)
        tasks = _in_the_browser(setup) if CHROMIUM.exists() else []
    longest = max(tasks, default=0.0)
    kernel_ms, kilobytes = statistics.median(cpu), statistics.median(sent)
    return [
        Figure("panel of 1,000 videos, one refresh without the plot: kernel CPU", "",
               f"≤ {MAX_CPU_MS:.0f} ms", f"{spread(cpu, '{:.0f}')} ms", "", "",
               kernel_ms <= MAX_CPU_MS),
        Figure("the same: sent to the browser", "", f"≤ {MAX_KB:.0f} KB",
               f"{spread(sent, '{:.1f}')} KB", "", "", kilobytes <= MAX_KB),
        Figure("the same in JupyterLab: longest browser task", "", f"≤ {MAX_TASK_MS:.0f} ms",
               f"{longest:.0f} ms" if tasks else "none above 50 ms", "", "",
               longest <= MAX_TASK_MS),
    ]  # fmt: skip


@contextmanager
def _rendering() -> Iterator[tuple[Sandbox, list[str]]]:
    with Sandbox(videos=VIDEOS - RENDERING + 20, time_scale=4) as sandbox:
        ids = [*sandbox.video_ids[: VIDEOS - RENDERING]]
        ids += [
            sandbox.create_video(TYPES[n % len(TYPES)], render_seconds=900 + n, fails=False)
            for n in range(RENDERING)
        ]
        yield sandbox, ids


def _in_a_kernel(setup: str, rounds: int) -> tuple[list[float], list[float]]:
    """CPU time of each refresh [ms], and what it sent [KB]."""
    manager, client = start_new_kernel()
    sent = []
    try:
        client.execute_interactive(setup + REFRESH, timeout=300, output_hook=lambda _: None)
        _pending(client)
        for _ in range(rounds):
            client.execute("panel.refresh()")
            client.get_shell_msg(timeout=60)
            sent.append(sum(map(_size, _pending(client))) / 1000)
        told: list[dict] = []
        client.execute_interactive("print(*cpu[1:])", timeout=60, output_hook=told.append)
        text = "".join(m["content"]["text"] for m in told if m["msg_type"] == "stream")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return [float(each) for each in text.split()], sent


def _pending(client) -> list[dict]:
    """Every message on its way, the thread's among them."""
    messages = []
    while True:
        try:
            messages.append(client.get_iopub_msg(timeout=0.5))
        except queue.Empty:
            return messages


def _size(message: dict) -> int:
    content = json.dumps({"content": message["content"], "metadata": message["metadata"]})
    return len(content.encode()) + sum(len(each) for each in message.get("buffers", []))


def _in_the_browser(setup: str) -> list[float]:
    """Tasks of the page above 50 ms while the panel goes on for a while [ms]."""
    cells = [
        {"cell_type": "code", "source": source, "outputs": [], "metadata": {},
         "execution_count": None}
        for source in (setup, "panel.start()\npanel")
    ]  # fmt: skip
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "panel.ipynb").write_text(json.dumps(notebook))
        with lab(home) as url, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            page = chromium.new_page(viewport={"width": 1500, "height": 1200})
            page.goto(f"{url}/lab/tree/panel.ipynb?reset")
            page.wait_for_function(IDLE, timeout=90_000)
            page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
            page.wait_for_selector(".hooked .hk-table", timeout=120_000)
            time.sleep(10)  # until the page and the first looks have settled
            page.evaluate(
                "() => { window.tasks = []; new PerformanceObserver(list => window.tasks.push("
                "...list.getEntries().map(e => e.duration))).observe({type: 'longtask'}) }"
            )
            page.locator(".hooked .widget-dropdown", has_text="Rows").locator(
                "select"
            ).select_option("50")
            time.sleep(20)
            tasks = page.evaluate("window.tasks")
            chromium.close()
    return [float(each) for each in tasks]
