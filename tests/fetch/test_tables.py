"""What callers hand in: tables, columns, numbers, files; and what comes back joined."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hooked_analytics import (
    AuthenticationError,
    FetchError,
    HookedClient,
    StorageError,
    VideoArchive,
    add_details,
    add_names,
    fetch_videos,
    poll_videos,
    videos_from_records,
    wait_for_videos,
)
from hooked_analytics.schema import empty_videos
from tests.scripted import Request, answer, serving, video

TABLE = {"campaign": ["spring", "autumn"], "video_id": ["a", "b"]}


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame(TABLE),
        pd.DataFrame(TABLE).set_index("video_id"),
        pl.LazyFrame(TABLE),
        pa.table(TABLE),
        pa.table(TABLE)["video_id"],
        pa.array(["a", "b"]),
        pd.Series(["a", "b"], dtype="category"),
        np.array([" a", "b\n"]),
        {"a": 1, "b": 2},
        ("a", "b"),
        iter(["a", "b"]),
        pd.Index(["a", "b"]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_ids_are_taken_out_of_tables_and_columns(given, echoing):
    assert fetch_videos(given, client=echoing)["video_id"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("ids.txt", ValueError, "is a file, not a video id: read it first"),
        (Path("ids.txt"), TypeError, "hand in a list of ids"),
        (pd.DataFrame({"id": ["a"]}), ValueError, "no column video_id, only id"),
        ([1, 2], TypeError, "holds numbers"),
        (pd.Series([1.0, np.nan]), TypeError, "holds numbers"),
        (7, TypeError, "video_ids is a int"),
        (None, TypeError, "video_ids is a NoneType"),
        ({"id": "a", "status": "STARTED"}, TypeError, "video_ids is a dict"),
        ([{"id": "a"}], TypeError, "holds records"),
        ([b"a"], TypeError, "holds bytes"),
        (np.array([["a", "b"]]), TypeError, "is a ndarray"),
        (np.array("a"), TypeError, "is a ndarray"),
        (pd.DataFrame([["a", "b"]], columns=["video_id"] * 2), ValueError, "several columns"),
        (pd.DataFrame(), ValueError, "no column video_id, only an index"),
    ],
)
@pytest.mark.parametrize("function", [fetch_videos, poll_videos])
def test_what_holds_no_ids_is_refused_before_any_request(function, given, error, match, echoing):
    with pytest.raises(error, match=match):
        function(given, client=echoing)
    assert echoing.requests_sent == 0


@pytest.mark.parametrize("function", [fetch_videos, wait_for_videos])
def test_no_ids_give_an_empty_typed_frame_without_a_request(function, echoing):
    pd.testing.assert_frame_equal(function([], client=echoing), empty_videos())
    assert echoing.requests_sent == 0


def test_details_are_joined_to_every_row_of_the_own_table(echoing):
    table = pd.DataFrame(
        {
            "video_id": ["a", "b", None, "a "],
            "campaign": ["x", "y", "z", "w"],
            "name": list("ABCD"),
        },
        index=[10, 20, 30, 40],
    )
    with pytest.warns(UserWarning, match="1 video ids stand in several rows, with different camp"):
        videos = add_details(table, client=echoing)
    assert echoing.requests_sent == 2
    assert videos.index.tolist() == [10, 20, 30, 40]
    assert videos["video_id"].fillna("-").tolist() == ["a", "b", "-", "a"]
    assert videos["campaign"].tolist() == ["x", "y", "z", "w"]
    assert videos["name_own"].tolist() == ["A", "B", "C", "D"]
    assert videos["status"].fillna("-").tolist() == ["COMPLETED", "COMPLETED", "-", "COMPLETED"]
    assert videos["fetch_error"].fillna("").tolist() == ["", "", "invalid_id", ""]


def test_a_videos_frame_is_brought_up_to_date(echoing):
    known = videos_from_records([{"id": "a", "status": "STARTED"}]).assign(campaign="x")
    videos = add_details(known, client=echoing)
    assert videos[["video_id", "status", "campaign"]].to_numpy().tolist() == [
        ["a", "COMPLETED", "x"]
    ]
    assert len(videos.columns) == len(known.columns)


@pytest.mark.parametrize(
    ("table", "error"), [(pa.table(TABLE), TypeError), (pd.DataFrame({"id": ["a"]}), ValueError)]
)
def test_a_table_without_ids_or_of_another_engine_is_refused(table, error, echoing):
    with pytest.raises(error):
        add_details(table, client=echoing)


# --- what a batch had in hand


def test_a_key_refused_in_mid_poll_leaves_the_last_frame_in_the_error():
    def handler(request: Request) -> bytes:
        if request.number > 2:
            return answer({}, 401)
        return answer(video("a", status="STARTED", progress=40))

    with serving(handler) as server, HookedClient("k", base_url=server.url) as client:
        with pytest.raises(AuthenticationError) as raised:
            list(poll_videos("a", client=client, interval_seconds=0.02))
    assert raised.value.videos["progress"].tolist() == [40]


class Full:
    """An archive on a full disk."""

    def videos(self) -> pd.DataFrame:
        return videos_from_records([])

    def append(self, videos: pd.DataFrame) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("function", [fetch_videos, lambda *a, **k: list(poll_videos(*a, **k))])
def test_an_archive_that_cannot_be_written_is_an_error_with_the_rows(function, echoing):
    with pytest.raises(FetchError, match="No space left") as raised:
        function(["a", "b"], client=echoing, archive=Full())
    assert raised.value.videos["status"].tolist() == ["COMPLETED", "COMPLETED"]


# --- settled late, checked before


def test_credits_that_are_booked_late_are_requested_again(tmp_path, echoing):
    now = pd.Timestamp.now("UTC")

    def known(video_id: str, status: str, ended_hours: int, **fields: object) -> dict[str, object]:
        ended = f"{now - pd.Timedelta(hours=ended_hours):%FT%TZ}"
        return {"id": video_id, "status": status, "updatedAt": ended, **fields}

    archive = VideoArchive(tmp_path / "archive")
    records = [
        known("late", "COMPLETED", 10),
        known("refund", "FAILED", 10, usedCredits=3),
        known("booked", "COMPLETED", 10, usedCredits=3),
        known("old", "COMPLETED", 100),
    ]
    archive.append(videos_from_records(records, fetched_at=(now - pd.Timedelta(hours=2))))
    archive.append(videos_from_records([known("fresh", "COMPLETED", 10)], fetched_at=now))
    fetch_videos(["late", "refund", "booked", "old", "fresh"], client=echoing, archive=archive)
    assert echoing.requests_sent == 2


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "5", True])
@pytest.mark.parametrize("name", ["interval_seconds", "timeout_seconds"])
def test_a_time_that_is_none_is_named(name, seconds, echoing):
    with pytest.raises(ValueError, match=name):
        poll_videos("a", client=echoing, **{name: seconds})


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (fetch_videos, ["client", "archive"]),
        (poll_videos, ["client", "archive", "webhooks", "stop"]),
        (lambda ids, **given: add_details(pd.DataFrame({"video_id": ids}), **given), ["archive"]),
        (lambda ids, **given: add_names(pd.DataFrame({"avatar_id": ids}), **given), ["archive"]),
    ],
    ids=["fetch", "poll", "add_details", "add_names"],
)
def test_what_is_no_client_archive_receiver_or_event_is_named(function, names, echoing):
    for name in names:
        for wrong in ("archive", 5, HookedClient):
            with pytest.raises(TypeError, match=f"^{name} is a .*, not (str|int|type)"):
                function(["a"], **{"client": echoing, name: wrong})
    assert echoing.requests_sent == 0


@pytest.mark.parametrize("function", [fetch_videos, lambda *a, **k: list(poll_videos(*a, **k))])
@pytest.mark.parametrize("why", ["full", "file"])
def test_an_archive_without_room_costs_no_request(why, function, echoing, tmp_path, monkeypatch):
    archive = VideoArchive(tmp_path / "archive")
    usage = SimpleNamespace(total=100, free=0 if why == "full" else 10**12)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    if why == "file":
        archive = VideoArchive(tmp_path / "file" / "archive")
        (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="so nothing was requested"):
        function(["a"], client=echoing, archive=archive)
    assert echoing.requests_sent == 0
