from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("hooked_analytics.download.worker.backoff_seconds", lambda attempt: 0.01)
