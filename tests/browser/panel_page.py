"""The panel's module in a bare page, fed with what a real panel sends."""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pandas as pd
from playwright.sync_api import Page

from hooked_analytics import HookedClient, ProgressPanel

MODULE = files("hooked_analytics.panel")
GROUND = {"light": "oklch(1 0 0)", "dark": "#111"}  # marimo writes its white so
MOUNT = """
async ([source, css]) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const widget = (await import(url)).default();
  window.sent = [];
  const model = { send: message => window.sent.push(message),
    on: (_, told) => { window.told = told; } };
  await widget.initialize({ model });
  window.leave = await widget.render({ model, el: document.querySelector("#panel") });
}
"""
TELL = """
([message, packed]) => {
  const bytes = packed && Uint8Array.from(atob(packed), c => c.charCodeAt(0));
  window.told(message, bytes ? [new DataView(bytes.buffer)] : []);
}
"""


class FedPanel:
    """A panel whose polls are frames of the test's own, and a page that shows it."""

    def __init__(
        self, page: Page, ids: Any, *, theme: str = "light", width: int = 1100, **facts: Any
    ) -> None:
        self.page = page
        client = HookedClient("key", base_url="http://127.0.0.1:9")
        self.panel = ProgressPanel(ids, client=client, autostart=False)
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.panel.send = lambda content, buffers=None: self.sent.append((content, buffers or []))
        page.set_content(
            f"<html lang='en'><title>A notebook</title>"
            f"<body style='margin: 0; background: {GROUND[theme]}'><main>"
            f"<h1 style='color: #888; background: #000'>A notebook</h1>"
            f"<div id='panel' style='width: {width}px; padding: 8px'></div></main></body>"
        )
        source, css = ((MODULE / f"panel.{kind}").read_text("utf-8") for kind in ("js", "css"))
        page.evaluate(MOUNT, [source, css])
        self.answer()

    def poll(self, videos: pd.DataFrame, state: str = "waiting") -> None:
        """Let the panel take a poll and the page show it."""
        panel = self.panel
        panel._videos, panel._state = videos.copy(), state
        self.panel._changed()
        self.tell()

    def tell(self) -> None:
        """Hand on what the panel has sent."""
        for message, buffers in self.sent:
            packed = base64.b64encode(buffers[0]).decode() if buffers else None
            self.page.evaluate(TELL, [message, packed])
        self.sent.clear()

    def answer(self) -> None:
        """Let the panel answer what the page has sent."""
        for message in self.page.evaluate("window.sent.splice(0)"):
            self.panel._received(message)
        self.tell()

    def until(self, true: Callable[[], bool]) -> None:
        for _ in range(200):
            if true():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("it did not happen in time")
