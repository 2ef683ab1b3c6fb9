"""A script that ends while a loop or a receiver runs in a thread ends as a process too."""

from __future__ import annotations

import subprocess
import sys
import textwrap

POLL = """
    import threading, time
    from hooked_analytics import Sandbox, poll_videos
    sandbox = Sandbox(videos=1).start()
    client = sandbox.client(requests_per_minute=None)
    ids = [sandbox.create_video("class", render_seconds=900) for _ in range(50)]
    def poll():
        for videos in poll_videos(ids, client=client, interval_seconds=0.01):
            pass
    threading.Thread(target=poll, daemon=True).start()
    time.sleep(0.5)
"""
LISTEN = """
    import threading, time
    from hooked_analytics import HookedClient, WebhookReceiver
    receiver = WebhookReceiver(client=HookedClient("k")).start()
    threading.Thread(target=lambda: list(receiver.listen()), daemon=True).start()
    time.sleep(0.2)
"""


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Run *count* scripts, in turn a poll and a receiver."""
    exited, said = 0, set()
    for number in range(count):
        script = textwrap.dedent((POLL, LISTEN)[(number + seed) % 2])
        done = subprocess.run([sys.executable, "-c", script], timeout=120, capture_output=True)
        exited += (done.returncode, done.stderr) == (0, b"")
        said.add(done.stderr[-300:].decode())
    return {"scripts": count, "exited": exited, "said": sorted(said - {""})}
