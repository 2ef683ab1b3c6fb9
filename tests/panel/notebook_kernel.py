"""A real kernel that runs cells, and a panel in it."""

from __future__ import annotations

import queue
import time
from contextlib import contextmanager

from jupyter_client.manager import start_new_kernel

from hooked_analytics import Sandbox

STATIC = "hooked-static-"


class Kernel:
    """A kernel that runs cells and keeps every message it sends."""

    def __init__(self, manager, client) -> None:
        self.manager, self.client = manager, client
        self.messages: list[dict] = []

    def send(self, code: str) -> str:
        return self.client.execute(code)

    def run(self, code: str) -> dict:
        reply = self.client.execute_interactive(code, timeout=60, output_hook=self.messages.append)
        assert reply["content"]["status"] == "ok", reply["content"].get("traceback")
        return reply

    def run_for(self, expression: str) -> str:
        """Give the text of a value."""
        told: list[dict] = []
        sent = self.client.execute_interactive(
            f"print({expression})", timeout=60, output_hook=told.append
        )
        return str([m["content"] for m in told]) if sent["content"]["status"] == "ok" else ""

    def hear(self, word: str) -> None:
        """Wait until a running cell has printed a word."""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            self.messages.append(message)
            if message["msg_type"] == "stream" and word in message["content"]["text"]:
                return

    def settle(self) -> None:
        """Wait for the answer of the cell sent; a kernel drops what comes just after an error."""
        self.client.get_shell_msg(timeout=60)
        time.sleep(0.5)

    def ask_for_widgets(self) -> None:
        """Request the state of all widgets, as a page does that reloads."""
        control = {"comm_id": "1", "target_name": "jupyter.widget.control", "data": {}}
        version = {"version": "1.0.0"}
        session, channel = self.client.session, self.client.shell_channel
        channel.send(session.msg("comm_open", control, metadata=version))
        wanted = {"comm_id": "1", "data": {"method": "request_states"}}
        channel.send(session.msg("comm_msg", wanted))

    def listen(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                self.messages.append(self.client.get_iopub_msg(timeout=left))
            except queue.Empty:
                return

    def of(self, *kinds: str) -> list[dict]:
        return [each["content"] for each in self.messages if each["msg_type"] in kinds]

    @property
    def static(self) -> list[str]:
        """Static copies of the panel, in the order they were sent."""
        shown = self.of("display_data", "update_display_data")
        pages = [each["data"].get("text/html", "") for each in shown]
        return [page for page in pages if STATIC in page]


@contextmanager
def kernel(tmp_path):
    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel(now=True)
        for each in (client, manager):
            each.context.destroy(linger=0)


def panel(sandbox: Sandbox, ids: list[str]) -> str:
    return f"""
import hooked_analytics as ha
client = ha.HookedClient({sandbox.api_key!r}, base_url={sandbox.url!r}, requests_per_minute=None)
panel = ha.ProgressPanel({ids!r}, client=client, interval_seconds=0.1)
panel
"""


def until(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
