"""Errors are plain facts: they pickle, they keep their attributes, they sit in one tree."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from hooked_analytics import errors
from hooked_analytics.errors import FetchInterrupted, HookedError, NetworkError

BELOW_HOOKED_ERROR = [
    getattr(errors, name) for name in errors.__all__ if name != "FetchInterrupted"
]
FRAME = pd.DataFrame({"video_id": ["a"]})


@pytest.mark.parametrize("error", BELOW_HOOKED_ERROR)
def test_every_error_survives_pickling_with_its_facts(error):
    made = pickle.loads(pickle.dumps(error("what", video_id="vid_1", status_code=418)))
    assert type(made) is error
    assert (str(made), made.video_id, made.status_code) == ("what", "vid_1", 418)
    assert isinstance(made, HookedError)


@pytest.mark.parametrize("error", [*BELOW_HOOKED_ERROR, FetchInterrupted])
def test_every_error_can_carry_what_arrived_before_it(error):
    assert error("what").videos is None
    made = pickle.loads(pickle.dumps(error("what").with_videos(FRAME)))
    assert made.videos["video_id"].tolist() == ["a"]
    assert made.with_videos(FRAME[:0]).videos["video_id"].tolist() == ["a"]
    assert error("what", videos=FRAME).videos is FRAME


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("FetchInterrupted", KeyboardInterrupt),
        ("InvalidVideoIdError", ValueError),
        ("StorageError", OSError),
    ],
)
def test_an_error_is_caught_by_its_builtin_kind(name, base):
    assert issubclass(getattr(errors, name), base)
    assert not issubclass(FetchInterrupted, Exception)


def test_a_timeout_is_a_network_error_of_its_own_kind():
    error = pickle.loads(pickle.dumps(NetworkError.timeout("what", video_id="vid_1")))
    assert (error.kind, NetworkError("what").kind) == ("timeout", "network")
