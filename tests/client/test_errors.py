"""Errors are plain facts: they pickle, they keep their attributes, they sit in one tree."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from hooked_analytics import errors
from hooked_analytics.errors import HookedError, NetworkError

FRAME = pd.DataFrame({"video_id": ["a"]})
BUILTIN = {"InvalidVideoIdError": ValueError, "StorageError": OSError}


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"FetchInterrupted"}))
def test_every_error_survives_pickling_with_its_facts(name):
    error = getattr(errors, name)
    made = pickle.loads(pickle.dumps(error("what", video_id="vid_1", status_code=418)))
    assert type(made) is error
    assert (str(made), made.video_id, made.status_code) == ("what", "vid_1", 418)
    assert isinstance(made, HookedError)
    assert isinstance(made, BUILTIN.get(name, Exception))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_can_carry_what_arrived_before_it(name):
    error = getattr(errors, name)
    assert error("what").videos is None
    made = pickle.loads(pickle.dumps(error("what").with_videos(FRAME)))
    assert made.videos["video_id"].tolist() == ["a"]
    assert made.with_videos(FRAME[:0]).videos["video_id"].tolist() == ["a"]
    assert error("what", videos=FRAME).videos is FRAME
    assert issubclass(error, KeyboardInterrupt) is not issubclass(error, Exception)


def test_a_timeout_is_a_network_error_of_its_own_kind():
    error = pickle.loads(pickle.dumps(NetworkError.timeout("what", video_id="vid_1")))
    assert (error.kind, NetworkError("what").kind) == ("timeout", "network")
