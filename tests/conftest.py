"""Settings for all tests."""

from __future__ import annotations

import signal
import sys

import pytest
from hypothesis import settings

from hooked_analytics import HookedClient
from tests.scripted import echo, serving

# A busy machine is no failure, and every run has the same examples; `make faults` draws anew.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# jsonschema builds 38 grammars of it, for a check of IRIs that no test needs: 2 s in each worker
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# Started in the background, this process and its children would be deaf to interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


# A worker takes whole files: the slowest first, so that none is left for the end.
SLOWEST = (
    "test_figures", "test_readme", "test_panel_in_lab", "test_pages", "test_engines",
    "test_report", "test_streams", "test_panel_kernel", "test_storage_faults", "test_stops",
    "test_old_files", "test_interrupts", "test_commands", "test_month",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture
def echoing():
    """A client of a server that knows every id."""
    with serving(echo) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            yield client
