"""The state machine, run: as many histories as asked for, and what happened in them."""

from __future__ import annotations

import signal
import warnings
from collections import Counter
from unittest import mock

from hypothesis import HealthCheck, Phase, seed as seeded, settings
from hypothesis.stateful import run_state_machine_as_test

from hooked_analytics import Sandbox, WebhookReceiver
from hooked_analytics.client import retry
from tests.faults.files_and_calls import FilesAndCalls
from tests.faults.history import FIRST_DELAY_SECONDS, KEY

STEPS = 30


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Go through *count* histories; a broken promise is raised with the steps to it."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    FilesAndCalls.counts = Counter()
    try:
        with (
            Sandbox(videos=1, time_scale=0, api_key=KEY, seed=seed) as sandbox,
            WebhookReceiver() as receiver,
            mock.patch.object(retry, "FIRST_DELAY_SECONDS", FIRST_DELAY_SECONDS),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of what could not be fetched
            FilesAndCalls.sandbox, FilesAndCalls.receiver = sandbox, receiver
            run_state_machine_as_test(
                seeded(seed)(FilesAndCalls),
                settings=settings(
                    max_examples=count,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    phases=(Phase.generate,),  # to shorten a history takes minutes
                ),
            )
    finally:
        signal.signal(signal.SIGINT, heard)
    return {"broken promises": 0, **FilesAndCalls.counts}
