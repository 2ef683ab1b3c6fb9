from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import requests

from hooked_analytics.sandbox import Sandbox

MONDAY_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Ask = Callable[..., requests.Response]


@pytest.fixture
def still() -> Iterator[Sandbox]:
    """A sandbox whose clock moves only by hand."""
    with Sandbox(videos=40, time_scale=0, started_at=MONDAY_NOON) as sandbox:
        yield sandbox


@pytest.fixture
def ask() -> Ask:
    """Ask a sandbox for a path, or for a whole address, with its key."""

    def send(sandbox: Sandbox, path: str, *, method: str = "GET", **more) -> requests.Response:
        url = path if path.startswith("http") else sandbox.url + path
        headers = {"x-api-key": sandbox.api_key, **more.pop("headers", {})}
        return requests.request(method, url, headers=headers, **{"timeout": 10, **more})

    return send
