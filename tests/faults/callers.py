"""
Callers in a process of their own, so that what is timed is the receiver and not its rivals.

``python -m tests.faults.callers`` reads ``{"url": ..., "calls": [[Unix time, body], ...]}`` and
writes ``[[status, milliseconds], ...]``. It needs nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
CALLERS = 8
# Until the process is there and has read its orders [s].
START_SECONDS = 1.0


def make_calls(url: str, calls: list[tuple[float, str]]) -> list[tuple[int, float]]:
    """Make each call at its Unix time, by another process; give status and time taken [ms]."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.callers"],
        input=json.dumps({"url": url, "calls": calls}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [tuple(each) for each in json.loads(done.stdout)]


def send_call(url: str, body: str, at: float = 0.0) -> tuple[int, float]:
    """Make one call, not before a Unix time; give its status and how long it took [ms]."""
    time.sleep(max(0.0, at - time.time()))
    parts = urlsplit(url)
    began = time.perf_counter()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", parts.path, body.encode(), headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    return status, 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    orders = json.load(sys.stdin)
    with ThreadPoolExecutor(CALLERS) as callers:
        made = callers.map(lambda call: send_call(orders["url"], call[1], call[0]), orders["calls"])
        json.dump(list(made), sys.stdout)
