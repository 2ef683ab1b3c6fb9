"""What the history of a video tells: its finish, stalls, speed and credits."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics import VideoArchive, observed_renders, videos_from_records
from hooked_analytics.schema import failed_row, frame_from_rows
from tests.analysis.rows import START, none

STARTED, DONE = {"status": "STARTED"}, {"status": "COMPLETED"}


def at(minute: float) -> pd.Timestamp:
    return START + pd.Timedelta(minutes=minute)


def seen(minute: float, video_id: str = "vid_1", **fields: object) -> pd.DataFrame:
    return videos_from_records([{"id": video_id, **fields}], fetched_at=at(minute))


def failed(minute: float, video_id: str = "vid_1") -> pd.DataFrame:
    moment = at(minute).to_pydatetime()
    return frame_from_rows([failed_row(video_id, "timeout", "timeout!", fetched_at=moment)])


def renders(*observed: pd.DataFrame) -> pd.DataFrame:
    frame = pd.concat(observed, ignore_index=True)
    return observed_renders(frame.assign(observed_at=frame["fetched_at"]))


@pytest.mark.parametrize(
    ("observed", "running", "final"),
    [
        # the observation at minute 10 is an old response that came late
        ([seen(0, **STARTED), seen(4, **STARTED), failed(5), seen(6, **DONE), seen(9, **DONE),
          seen(3, **STARTED), seen(10, **STARTED)], 4, 6),
        ([seen(0, **STARTED), seen(2, **STARTED)], 2, None),
        ([seen(5, status="FAILED")], None, 5),
    ],
)  # fmt: skip
def test_the_window_of_the_finish_is_open_where_one_side_was_never_seen(observed, running, final):
    found = renders(*observed)
    assert none(found["last_seen_started"]) == [running if running is None else at(running)]
    assert none(found["first_seen_final"]) == [final if final is None else at(final)]
    good = [each["fetched_at"].iloc[0] for each in observed if each["fetch_error"].isna().all()]
    assert found["observations"].tolist() == [len(good)]
    assert found[["first_seen", "last_seen"]].to_numpy().tolist() == [[min(good), max(good)]]


@pytest.mark.parametrize(
    ("progress", "stall", "per_minute"),
    [
        ([10, 20, 30], 0.0, 10.0),
        ([10, 10, 10, 40], 120.0, 10.0),
        ([10, 10, 20, 20, 20, 30], 120.0, 4.0),
        ([10, 20, 10], 0.0, 0.0),
        ([10, None, 10], 120.0, 0.0),
        ([10], None, None),
        ([None, None], None, None),
    ],
)
def test_stalls_and_speed(progress, stall, per_minute):
    seen_at = [seen(n, **STARTED, progress=p) for n, p in enumerate(progress)]
    found = renders(*seen_at, seen(99, **DONE))
    assert none(found.loc[0, ["stall_seconds", "progress_per_minute"]]) == [stall, per_minute]
    at_once = renders(*(each.assign(fetched_at=at(0)) for each in seen_at))
    assert none(at_once["progress_per_minute"]) == [None]


@pytest.mark.parametrize(
    ("observations", "first", "last", "changed"),
    [
        ([("STARTED", None), ("FAILED", 5), ("FAILED", 0)], 5, 0, True),
        ([("STARTED", 5), ("FAILED", 5), ("FAILED", 5)], 5, 5, False),
        ([("STARTED", 5), ("FAILED", 0)], 5, 0, None),
        ([("FAILED", 5), ("FAILED", None)], 5, 5, None),
        ([("FAILED", 5), ("COMPLETED", 7)], 5, 7, True),
        ([("COMPLETED", 5), ("COMPLETED", 7)], 5, 7, None),
        ([("STARTED", None)], None, None, None),
    ],
)
def test_credits_that_changed_after_a_failure(observations, first, last, changed):
    rows = [seen(n, status=s, usedCredits=c) for n, (s, c) in enumerate(observations)]
    names = ["credits_first", "credits_last", "credits_changed_after_failed"]
    assert none(renders(*rows).loc[0, names]) == [first, last, changed]


@pytest.mark.parametrize(
    ("observations", "moved"),
    [
        ([("STARTED", 1), ("COMPLETED", 2), ("COMPLETED", 2)], False),
        ([("COMPLETED", 2), ("COMPLETED", 3)], True),
        ([("COMPLETED", 2), ("COMPLETED", 3), ("COMPLETED", 2)], True),
        ([("STARTED", 1), ("COMPLETED", 2)], None),
        ([("COMPLETED", 2), ("STARTED", 1)], None),
        ([("FAILED", 2), ("FAILED", 3)], None),
    ],
)
def test_updated_at_that_moved_after_completion_was_seen(observations, moved):
    rows = [
        seen(10 + n, status=status, updatedAt=at(minute).isoformat())
        for n, (status, minute) in enumerate(observations)
    ]
    assert none(renders(*rows)["updated_after_completion"]) == [moved]


def test_one_row_per_video_in_the_order_first_seen(tmp_path):
    rows = (seen(3, "c", **DONE), seen(1, "b", **STARTED), seen(2, "a"), failed(0, video_id="x"))
    found = renders(*rows)
    assert found["video_id"].tolist() == ["b", "a", "c"]
    assert found["observations"].tolist() == [1, 1, 1]
    empty = observed_renders(VideoArchive(tmp_path).observations())
    assert len(empty) == 0
    assert empty.dtypes.astype(str).tolist() == found.dtypes.astype(str).tolist()


def test_times_of_observation_may_be_text_or_missing():
    frame = pd.concat([seen(0, **STARTED), seen(6, **DONE)], ignore_index=True)
    text = observed_renders(frame.assign(observed_at=frame["fetched_at"].astype(str)))
    assert text["first_seen_final"].tolist() == [at(6)]
    assert observed_renders(frame.assign(observed_at=None))["first_seen_final"].isna().all()
