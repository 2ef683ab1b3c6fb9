"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is no failure, and a landing is judged by the same examples every time.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")
