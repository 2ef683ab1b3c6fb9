"""Scripts that end while a panel, a poll or a receiver runs in them end as processes too."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter

from hooked_analytics import Sandbox

PANEL = """
    import random, sys, time, hooked_analytics as ha
    client = ha.HookedClient(sys.argv[1], base_url=sys.argv[2], requests_per_minute=None)
    panel = ha.ProgressPanel(sys.argv[4:], client=client, interval_seconds=0.02)
    time.sleep(random.Random(sys.argv[3]).uniform(0, 0.4))
"""
POLL = """
    import sys, threading, time, hooked_analytics as ha
    client = ha.HookedClient(sys.argv[1], base_url=sys.argv[2], requests_per_minute=None)
    polls = ha.poll_videos(sys.argv[4:], client=client, interval_seconds=0.01)
    threading.Thread(target=lambda: list(polls), daemon=True).start()
    time.sleep(0.5)
"""
LISTEN = """
    import threading, time, hooked_analytics as ha
    receiver = ha.WebhookReceiver(client=ha.HookedClient("k")).start()
    threading.Thread(target=lambda: list(receiver.listen()), daemon=True).start()
    time.sleep(0.2)
"""


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Run *count* scripts, half of them a panel, and count those that fail or complain."""
    failed, said = 0, Counter[str]()
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=9000) for _ in range(20)]
        for number in range(count):
            script = textwrap.dedent((PANEL, POLL, LISTEN, PANEL)[number % 4])
            words = [sandbox.api_key, sandbox.url, f"{seed}-{number}", *ids]
            command = [sys.executable, "-c", script, *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            failed += (done.returncode, done.stderr) != (0, "")
            said[done.stderr[-300:]] += 1
    return {"scripts": count, "failed": failed, "said": sorted(filter(None, said))}
