"""
What a fetch costs: time against the network's ideal, CPU against plain sessions, and how
near to a rate limit it runs without being refused.

The server is ``server.py`` in a process of its own. That it is not the brake is shown in the
same run: raw sockets without any HTTP library get several times more answers out of it, and
its CPU time stays far below the time that passed.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import pandas as pd
import requests

from benchmarks.figures import Figure, interleave, median, spread
from hooked_analytics import HookedClient, fetch_videos

LATENCY_SECONDS = 0.05


class Cost(NamedTuple):
    seconds: float
    cpu: float
    rows: int
    failed: int
    sent: int


@contextmanager
def serving(*settings: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a bench server; what it says of itself is in the dict afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", *map(str, settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    about: dict[str, Any] = {}
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", about
    finally:
        process.stdin.close()
        about.update(json.loads(process.stdout.readline()))
        process.stdout.close()
        process.wait()


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ids(count: int) -> list[str]:
    return [f"vid_{number}" for number in range(count)]


def ours(url: str, count: int, workers: int = 16, per_minute: float | None = None) -> Cost:
    with HookedClient(
        "bench", base_url=url, requests_per_minute=per_minute, max_workers=workers
    ) as client:
        began, used = time.perf_counter(), cpu_seconds()
        videos = fetch_videos(ids(count), client=client, progress=False)
        return Cost(
            time.perf_counter() - began,
            cpu_seconds() - used,
            len(videos),
            int(videos["fetch_error"].notna().sum()),
            client.requests_sent,
        )


def plain(url: str, count: int, workers: int) -> Cost:
    """What a careful person writes by hand: one session, a right pool, a thread pool."""
    began, used = time.perf_counter(), cpu_seconds()
    with requests.Session() as session, ThreadPoolExecutor(workers) as pool:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=workers))
        session.headers["x-api-key"] = "bench"

        def one(video_id: str) -> dict[str, Any]:
            answer = session.get(f"{url}/v1/video/{video_id}", timeout=30)
            answer.raise_for_status()
            data: dict[str, Any] = answer.json()["data"]
            return data

        videos = pd.json_normalize(list(pool.map(one, ids(count))))
    return Cost(time.perf_counter() - began, cpu_seconds() - used, len(videos), 0, count)


def raw_sockets(url: str, count: int, workers: int = 32) -> float:
    """Answers a second that raw sockets get out of the server: the ceiling of any client."""
    port = int(url.rsplit(":", 1)[-1])
    request = b"GET /v1/video/vid_1 HTTP/1.1\r\nHost: x\r\nx-api-key: bench\r\n\r\n"

    def work(share: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for _ in range(share):
                connection.sendall(request)
                got = connection.recv(65536)
                assert got.endswith(b"}}")

    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, [count // workers] * workers))
    return count / (time.perf_counter() - began)


def bench_latency(rounds: int = 7, count: int = 3200, workers: int = 64) -> list[Figure]:
    ideal = count / workers * LATENCY_SECONDS
    with serving("--latency", LATENCY_SECONDS) as (url, about):
        began = time.perf_counter()
        mine, theirs = interleave(
            rounds,
            lambda: ours(url, count, workers),
            lambda: plain(url, count, workers),
        )
        took = time.perf_counter() - began
    with serving() as (url, _):
        ceiling = raw_sockets(url, 20_000)
    assert all(cost.rows == count and not cost.failed for cost in [*mine, *theirs])
    my_seconds = [c.seconds for c in mine]
    their_seconds = [c.seconds for c in theirs]
    my_cpu = [c.cpu / count * 1000 for c in mine]
    their_cpu = [c.cpu / count * 1000 for c in theirs]
    efficiency = [ideal / seconds for seconds in my_seconds]
    faster = [b / a for a, b in zip(my_seconds, their_seconds, strict=True)]
    cheaper = [a / b for a, b in zip(my_cpu, their_cpu, strict=True)]
    needed = count / ideal
    return [
        Figure(
            f"time for {count:,} ids, server 50 ms, {workers} workers",
            f"ideal ids/workers × latency, {ideal:.2f} s",
            "efficiency ≥ 0.93",
            spread(my_seconds, "{:.2f} s"),
            f"{ideal:.2f} s",
            spread(efficiency),
            median(efficiency) >= 0.93,
        ),
        Figure(
            "the same",
            "ThreadPoolExecutor + one plain Session + json_normalize",
            "≥ 1.3 × faster",
            spread(my_seconds, "{:.2f} s"),
            spread(their_seconds, "{:.2f} s"),
            spread(faster),
            median(faster) >= 1.3,
        ),
        Figure(
            "CPU per 1,000 ids, records to finished frame included",
            "the same",
            "≤ 0.65 ×",
            spread(my_cpu, "{:.2f} s"),
            spread(their_cpu, "{:.2f} s"),
            spread(cheaper),
            median(cheaper) <= 0.65,
        ),
        Figure(
            "bench server: answers/s to raw sockets",
            f"the {needed:,.0f}/s it is asked for above",
            "≥ 3 ×",
            f"{ceiling:,.0f}/s",
            f"{needed:,.0f}/s; then it is busy {about['cpu'] / took:.0%} of one core and answers "
            f"after {about['latency'] * 1000:.1f} ms on average",
            f"{ceiling / needed:.1f}",
            ceiling >= 3 * needed,
        ),
    ]


LIMITS = (
    # figure, server settings, ids, told per minute, ideal seconds, most time, most refusals
    ("600 in each minute, 700 ids, client told", ("--window", 600), 700, 600, 60.0, 1.05, 0.0),
    ("bucket 10/s holding 20, 300 ids, client not told", ("--bucket", 10, 20), 300, None, 28.0,
     1.30, 0.10),
    ("bucket 10/s holding 20, 300 ids, client told 600/min", ("--bucket", 10, 20), 300, 600, 28.0,
     1.30, 0.10),
)  # fmt: skip


def bench_limits(rounds: int = 5) -> list[Figure]:
    """The three limited servers side by side: they wait, so they do not disturb each other."""
    costs: dict[str, list[tuple[Cost, dict[str, Any]]]] = {limit[0]: [] for limit in LIMITS}

    def one(what: str, settings: tuple[object, ...], count: int, told: float | None) -> None:
        with serving("--latency", LATENCY_SECONDS, *settings) as (url, about):
            cost = ours(url, count, per_minute=told)
        costs[what].append((cost, about))

    for _ in range(rounds):
        jobs = [threading.Thread(target=one, args=limit[:4]) for limit in LIMITS]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    figures = []
    for what, _, count, _, ideal, most_time, most_refused in LIMITS:
        seconds = [cost.seconds for cost, _ in costs[what]]
        refused = [about["refused"] / about["requests"] for _, about in costs[what]]
        complete = all(cost.rows == count and not cost.failed for cost, _ in costs[what])
        ratio = [s / ideal for s in seconds]
        allowed = f"429s ≤ {most_refused:.0%}" if most_refused else "no 429"
        figures.append(
            Figure(
                f"server with {what}",
                f"ideal time, {ideal:.0f} s",
                f"≤ {most_time:.2f} ×, {allowed}, all rows",
                f"{spread(seconds, '{:.1f} s')}; 429s {spread(refused, '{:.1%}')}; "
                f"{'all rows' if complete else 'rows lost'}",
                f"{ideal:.0f} s",
                spread(ratio),
                median(ratio) <= most_time and max(refused) <= most_refused and complete,
            )
        )
    return figures


def bench_import(rounds: int = 15) -> list[Figure]:
    def seconds(what: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", what], check=True)
        return time.perf_counter() - began

    mine, theirs = interleave(
        rounds,
        lambda: seconds("import hooked_analytics"),
        lambda: seconds("import pandas, requests"),
    )
    ratio = [a / b for a, b in zip(mine, theirs, strict=True)]
    return [
        Figure(
            "`import hooked_analytics`",
            "`import pandas, requests`",
            "≤ 1.15 ×",
            spread(mine, "{:.2f} s"),
            spread(theirs, "{:.2f} s"),
            spread(ratio),
            median(ratio) <= 1.15,
        )
    ]
