"""Settings for all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from hooked_analytics import HookedClient
from tests.scripted import echo, serving

# A busy machine is no failure, and a landing is judged by the same examples every time.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")

# Started in the background, this process and its children would be deaf to interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def echoing():
    """A client of a server that knows every id."""
    with serving(echo) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            yield client
