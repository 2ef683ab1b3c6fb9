"""What the history of a video tells: its finish, stalls, speed and credits."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics import VideoArchive, observed_renders, videos_from_records
from hooked_analytics.schema import failed_row, frame_from_rows

DAY = pd.Timestamp("2024-01-15T10:00Z")
STARTED, DONE = {"status": "STARTED"}, {"status": "COMPLETED"}


def at(minute: float) -> pd.Timestamp:
    return DAY + pd.Timedelta(minutes=minute)


def seen(minute: float, video_id: str = "vid_1", **fields: object) -> pd.DataFrame:
    return videos_from_records([{"id": video_id, **fields}], fetched_at=at(minute))


def failed(minute: float, video_id: str = "vid_1") -> pd.DataFrame:
    moment = at(minute).to_pydatetime()
    return frame_from_rows([failed_row(video_id, "timeout", "timeout!", fetched_at=moment)])


def history(*observed: pd.DataFrame) -> pd.DataFrame:
    frame = pd.concat(observed, ignore_index=True)
    return frame.assign(observed_at=frame["fetched_at"])


def render(*observed: pd.DataFrame) -> dict[str, object]:
    (row,) = observed_renders(history(*observed)).to_dict("records")
    return row


def test_the_window_of_the_finish():
    row = render(
        seen(0, **STARTED), seen(4, **STARTED), failed(5), seen(6, **DONE), seen(9, **DONE),
        seen(3, **STARTED), seen(10, **STARTED),
    )  # fmt: skip
    assert row["observations"] == 6
    assert (row["first_seen"], row["last_seen"]) == (at(0), at(10))
    # the observation at minute 10 is an old response that came late
    assert (row["last_seen_started"], row["first_seen_final"]) == (at(4), at(6))


def test_a_window_is_open_where_one_side_was_never_seen():
    running = render(seen(0, **STARTED), seen(2, **STARTED))
    assert running["last_seen_started"] == at(2)
    assert pd.isna(running["first_seen_final"])
    done = render(seen(5, status="FAILED"))
    assert done["first_seen_final"] == at(5)
    assert pd.isna(done["last_seen_started"])


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
    row = render(
        *(seen(n, **STARTED, progress=p) for n, p in enumerate(progress)), seen(99, **DONE)
    )
    found = [None if pd.isna(row[n]) else row[n] for n in ("stall_seconds", "progress_per_minute")]
    assert found == [stall, per_minute]


def test_two_observations_at_the_same_moment_have_no_speed():
    assert pd.isna(
        render(seen(0, **STARTED, progress=1), seen(0, **STARTED, progress=9))[
            "progress_per_minute"
        ]
    )


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
    row = render(*(seen(n, status=s, usedCredits=c) for n, (s, c) in enumerate(observations)))
    names = ("credits_first", "credits_last", "credits_changed_after_failed")
    assert [None if pd.isna(row[n]) else row[n] for n in names] == [first, last, changed]


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
    frames = [
        seen(10 + n, status=status, updatedAt=at(minute).isoformat())
        for n, (status, minute) in enumerate(observations)
    ]
    found = render(*frames)["updated_after_completion"]
    assert (None if pd.isna(found) else found) == moved


def test_one_row_per_video_in_the_order_first_seen():
    renders = observed_renders(
        history(
            seen(3, "c", **DONE), seen(1, "b", **STARTED), seen(2, "a"), failed(0, video_id="x")
        )
    )
    assert renders["video_id"].tolist() == ["b", "a", "c"]
    assert renders["observations"].tolist() == [1, 1, 1]


def test_no_history_gives_an_empty_typed_frame(tmp_path):
    empty = observed_renders(VideoArchive(tmp_path).observations())
    full = observed_renders(history(seen(0, **STARTED, progress=1), seen(1, **DONE)))
    assert len(empty) == 0
    assert empty.dtypes.astype(str).tolist() == full.dtypes.astype(str).tolist()


def test_a_missing_column_of_the_history_is_named():
    with pytest.raises(ValueError, match="observed_renders needs the column 'observed_at'"):
        observed_renders(seen(1))
