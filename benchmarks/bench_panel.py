"""
What a panel costs: kernel CPU and bytes for a poll, the first state, the browser's longest task.

The polls are frames five seconds apart of which ten rows changed, handed to a real panel; what it
sends is counted as JSON with its buffers. A few of them also estimate the ends anew: the highest
figure is such a poll. The page is the panel's module in Chromium, from its first rows on.
"""

from __future__ import annotations

import gc
import json
import math
import time
from datetime import UTC, datetime, timedelta

import pandas as pd
from playwright.sync_api import sync_playwright

from benchmarks.figures import Figure, spread
from hooked_analytics import HookedClient, ProgressPanel, videos_from_records
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.panel_page import FedPanel

AT = datetime(2024, 1, 15, 10, tzinfo=UTC)
TYPES = ("ugc_ads", "ugc_video", "script_to_video", "class", "product_ads")
CHANGED, POLLS = 10, 5  # rows; times as many polls as rounds
# videos, kernel CPU [ms], bytes a poll [KB]
TARGETS = ((1_000, 10.0, 4.0), (10_000, 60.0, 8.0))
MAX_FIRST_KB, MAX_TASK_MS = 600.0, 100.0
WATCH = """() => { window.tasks = []; new PerformanceObserver(list => window.tasks.push(
  ...list.getEntries().map(e => e.duration))).observe({ type: "longtask" }); }"""


def bench_panel(rounds: int) -> list[Figure]:
    figures = []
    for count, max_ms, max_kb in TARGETS:
        cpu, sent, first = _polls(count, rounds)
        what = f"panel of {count:,} videos, a poll that changed ten"
        usual = sorted(cpu)[math.ceil(0.95 * len(cpu)) - 1]
        figures += [
            _figure(f"{what}: kernel CPU of 19 in 20 polls", f"≤ {max_ms:.0f} ms",
                    f"{usual:.1f} ms; " + spread(cpu, "{:.1f}"), usual <= max_ms),
            _figure(f"{what}: sent to the browser", f"≤ {max_kb:.0f} KB",
                    spread(sent, "{:.1f}") + " KB", max(sent) <= max_kb),
        ]  # fmt: skip
    figures.append(_figure("the same: first state of 10,000", f"≤ {MAX_FIRST_KB:.0f} KB",
                           f"{first:.0f} KB", first <= MAX_FIRST_KB))  # fmt: skip
    if CHROMIUM.exists():
        tasks = _tasks(10_000, rounds)
        longest = max(tasks, default=0.0)
        told = f"{longest:.0f} ms" if tasks else "none above 50 ms"
        figures.append(_figure("the same in Chromium: longest task", f"≤ {MAX_TASK_MS:.0f} ms",
                               told, longest <= MAX_TASK_MS))  # fmt: skip
    return [*figures, _left()]


def _figure(what: str, target: str, ours: str, met: bool) -> Figure:
    return Figure(what, "", target, ours, "", "", met)


def _batch(count: int) -> pd.DataFrame:
    """Half of the videos render, which is the dear half: each has a range left."""
    made = [AT - timedelta(seconds=30 + 7 * n % 800) for n in range(count)]
    records = [
        {"id": f"vid_{n:08x}", "name": f"Autumn campaign, hook {n}", "type": TYPES[n % 5],
         "status": "STARTED" if n % 2 else "COMPLETED", "progress": 40, "message": "Lip-sync",
         "usedCredits": None if n % 2 else 5, "createdAt": at.isoformat(),
         "updatedAt": (at + timedelta(seconds=60 + 11 * n % 900)).isoformat(),
         "thumbnail": f"https://cdn.hooked.so/thumbnails/vid_{n:08x}.png"}
        for n, at in enumerate(made)
    ]  # fmt: skip
    return videos_from_records(records, fetched_at=AT)


def _next(videos: pd.DataFrame, number: int) -> pd.DataFrame:
    """The poll after: five seconds later ten renders are further."""
    progress = videos["progress"].copy()
    progress.iloc[1 : 2 * CHANGED : 2] = 40 + number % 50
    at = pd.Series(AT + timedelta(seconds=5 * number), videos.index)
    return videos.assign(progress=progress, fetched_at=at.astype(videos["fetched_at"].dtype))


def _polls(count: int, rounds: int) -> tuple[list[float], list[float], float]:
    videos = _batch(count)
    client = HookedClient("key", base_url="http://127.0.0.1:9")
    panel = ProgressPanel(videos["video_id"], client=client, autostart=False)
    sizes: list[float] = []
    panel.send = lambda content, buffers=None: sizes.append(
        (len(json.dumps(content).encode()) + sum(map(len, buffers or []))) / 1000
    )
    panel._page = True
    cpu = []
    for number in range(POLLS * rounds + 1):
        panel._videos = _next(videos, number)
        gc.collect()
        began = time.process_time()
        panel._changed()
        cpu.append(1000 * (time.process_time() - began))
    del panel.send
    panel.close()
    return cpu[1:], sizes[1:], sizes[0]


def _tasks(count: int, rounds: int) -> list[float]:
    """Tasks of the page above 50 ms while polls arrive and a person sorts and searches [ms]."""
    videos = _batch(count)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = chromium.new_page(viewport={"width": 1500, "height": 1200})
        fed = FedPanel(page, videos["video_id"])
        page.evaluate(WATCH)
        fed.poll(videos)
        page.wait_for_selector(".hooked tbody code")
        for number in range(1, rounds + 1):
            fed.poll(_next(videos, number))
            page.locator("thead button").first.click()
            page.get_by_label("Search").fill(f"hook {number}")
            page.get_by_label("Search").fill("")
            page.wait_for_timeout(50)
        tasks = page.evaluate("window.tasks")
        chromium.close()
    return [float(each) for each in tasks]


def _left() -> Figure:
    import ipywidgets

    before = len(ipywidgets.Widget.get_manager_state()["state"])
    for _ in range(5):
        client = HookedClient("key", base_url="http://127.0.0.1:9")
        ProgressPanel(["vid_1"], client=client, autostart=False).close()
    left = len(ipywidgets.Widget.get_manager_state()["state"]) - before
    return _figure("widgets left after close()", "0", str(left), left == 0)
