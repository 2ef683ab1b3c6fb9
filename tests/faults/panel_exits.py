"""Scripts that end while a panel in them polls."""

from __future__ import annotations

import subprocess
import sys

from hooked_analytics import Sandbox

_SCRIPT = """
import random, sys, time, hooked_analytics as ha
client = ha.HookedClient(sys.argv[1], base_url=sys.argv[2], requests_per_minute=None)
panel = ha.ProgressPanel(sys.argv[4:], client=client, interval_seconds=0.02)
time.sleep(random.Random(sys.argv[3]).uniform(0, 0.4))
"""


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Run *count* scripts that end after a random moment; count those that fail or complain."""
    failed = complaints = 0
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=9000) for _ in range(2)]
        for n in range(count):
            done = subprocess.run(
                [sys.executable, "-c", _SCRIPT, sandbox.api_key, sandbox.url, f"{seed}-{n}", *ids],
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            failed += done.returncode != 0
            complaints += done.stderr != ""
    return {"scripts": count, "failed": failed, "complaints": complaints}
