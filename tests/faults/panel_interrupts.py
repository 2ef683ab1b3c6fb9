"""The kernel's stop button at random moments after a cell that started a panel."""

from __future__ import annotations

import random
import tempfile
import time

from hooked_analytics import Sandbox
from tests.panel.notebook_kernel import kernel, panel

_MAX_SECONDS = 20.0  # only catches a panel that goes on for ever


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Start a panel and press the button, *count* times; count those that it did not hear."""
    draw, ignored = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder, Sandbox(videos=1) as sandbox, kernel(folder) as k:
        k.run(panel(sandbox, [sandbox.create_video("class", render_seconds=9000)]))
        for _ in range(count):
            k.run("panel.start()")
            time.sleep(draw.uniform(0, 0.3))
            k.manager.interrupt_kernel()
            until = time.monotonic() + _MAX_SECONDS
            while not (heard := "stopped" in k.run_for("panel.state")) and time.monotonic() < until:
                pass
            ignored += not heard
    return {"interrupts": count, "ignored": ignored}
