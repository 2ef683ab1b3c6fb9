"""Errors are plain facts: they pickle, they keep their attributes, they sit in one tree."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from hooked_analytics import errors
from hooked_analytics.errors import (
    FetchError,
    FetchInterrupted,
    HookedError,
    InvalidVideoIdError,
    NetworkError,
    WaitTimeoutError,
)

PLAIN = [
    getattr(errors, name)
    for name in errors.__all__
    if name not in {"FetchError", "FetchInterrupted", "WaitTimeoutError"}
]


@pytest.mark.parametrize("error", PLAIN)
def test_every_error_survives_pickling_with_its_facts(error):
    made = pickle.loads(pickle.dumps(error("what", video_id="vid_1", status_code=418)))
    assert type(made) is error
    assert (str(made), made.video_id, made.status_code) == ("what", "vid_1", 418)
    assert isinstance(made, HookedError)


@pytest.mark.parametrize("error", [FetchError, FetchInterrupted, WaitTimeoutError])
def test_errors_with_videos_survive_pickling(error):
    made = pickle.loads(pickle.dumps(error("what", videos=pd.DataFrame({"video_id": ["a"]}))))
    assert made.videos["video_id"].tolist() == ["a"]


def test_an_interrupt_is_a_keyboard_interrupt_and_no_exception():
    assert issubclass(FetchInterrupted, KeyboardInterrupt)
    assert not issubclass(FetchInterrupted, Exception)


def test_a_timeout_is_a_network_error_of_its_own_kind():
    error = pickle.loads(pickle.dumps(NetworkError.timeout("what", video_id="vid_1")))
    assert (error.kind, NetworkError("what").kind) == ("timeout", "network")


def test_an_invalid_id_is_a_value_error():
    assert issubclass(InvalidVideoIdError, ValueError)
