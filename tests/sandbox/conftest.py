from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
import requests

from hooked_analytics import Sandbox

MONDAY_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Get = Callable[..., requests.Response]


@pytest.fixture
def still() -> Iterator[Sandbox]:
    """A sandbox of Monday noon, whose clock moves only by hand."""
    with patch("time.time", return_value=MONDAY_NOON.timestamp()):
        sandbox = Sandbox(videos=40, time_scale=0)
    with sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def get() -> Get:
    """Send a request for a path, or for a whole URL, with the sandbox's key."""

    def send(sandbox: Sandbox, path: str, *, method: str = "GET", **more) -> requests.Response:
        url = path if path.startswith("http") else sandbox.url + path
        headers = {"x-api-key": sandbox.api_key, **more.pop("headers", {})}
        return requests.request(method, url, headers=headers, **{"timeout": 10, **more})

    return send


@pytest.fixture(scope="session")
def details(get: Get) -> Callable[..., dict[str, object]]:
    """Details of a video, without the envelope."""
    return lambda sandbox, video_id="vid_abc123": get(sandbox, f"/v1/video/{video_id}").json()[
        "data"
    ]
