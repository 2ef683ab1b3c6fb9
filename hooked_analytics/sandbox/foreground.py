"""The sandbox for a terminal of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from hooked_analytics.sandbox.sandbox import Sandbox

__all__ = ["serve"]


def serve(
    *,
    port: int = 8787,
    api_key: str = "sandbox-key",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
    **settings: Any,
) -> None:
    """
    Run a sandbox in the foreground until Ctrl-C.

    Parameters
    ----------
    port : 0 for any free one
    api_key : what the header ``x-api-key`` must say
    say : takes each line of text for the person at the terminal
    stop : ends it like Ctrl-C once set
    settings : further settings of `Sandbox`

    Examples
    --------
    >>> over = threading.Event()
    >>> over.set()
    >>> serve(port=0, videos=20, say=lambda line: None, stop=over)
    """
    stop = threading.Event() if stop is None else stop
    with Sandbox(port=port, api_key=api_key, **settings) as sandbox:
        try:
            for line in _welcome(sandbox):
                say(line)
            # An endless wait would be deaf to Ctrl-C on Windows.
            while not stop.wait(0.5):
                pass
        except KeyboardInterrupt:
            say("The sandbox has ended.")


def _welcome(sandbox: Sandbox) -> list[str]:
    url, key = sandbox.url, sandbox.api_key
    return [
        f"Hooked sandbox with {len(sandbox.video_ids)} invented videos on {url}, key {key}",
        "Try it:",
        f'  curl -H "x-api-key: {key}" {url}/v1/video/vid_abc123',
        "Point hooked-analytics at it:",
        f"  export HOOKED_API_URL={url} HOOKED_API_KEY={key}",
        "Ctrl-C ends it.",
    ]
