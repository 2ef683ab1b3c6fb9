"""Settings for all tests."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# A busy machine is no failure, and a landing is judged by the same examples every time.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")

# Started in the background, this process and its children would be deaf to interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
