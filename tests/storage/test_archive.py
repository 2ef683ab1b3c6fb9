"""The archive: what is kept, which observation counts, what is asked again, who can read it."""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hooked_analytics as ha
from hooked_analytics.schema import NAMES, empty_videos, failed_row, frame_from_rows
from hooked_analytics.storage import layout, parquet_parts as parts
from tests.scripted import Request, answer, echo, serving

DAY = pd.Timestamp("2024-01-15T10:00Z")
SIGNED = "https://s3.amazonaws.com/v/1.mp4?X-Amz-Signature=c0ffee&Expires=9"


def at(minute: float) -> pd.Timestamp:
    return DAY + pd.Timedelta(minutes=minute)


def seen(minute: float, video_id: str = "vid_1", **fields: object) -> pd.DataFrame:
    return ha.videos_from_records([{"id": video_id, **fields}], fetched_at=at(minute))


def failed(minute: float | None, kind: str = "timeout", video_id: str = "vid_1") -> pd.DataFrame:
    moment = None if minute is None else at(minute).to_pydatetime()
    return frame_from_rows([failed_row(video_id, kind, f"{kind}!", fetched_at=moment)])


def files(archive: ha.VideoArchive) -> list[Path]:
    return sorted(archive.directory.glob("*.parquet"))


@pytest.fixture
def archive(tmp_path):
    return ha.VideoArchive(tmp_path / "archive")


@pytest.fixture
def three(archive):
    """An archive of three parts."""
    for minute in range(3):
        archive.append(seen(minute))
    return archive


# What is kept


def test_a_frame_comes_back_with_the_exact_dtypes(archive):
    with ha.Sandbox(videos=60) as sandbox, sandbox.client(requests_per_minute=None) as client:
        videos = ha.fetch_videos([*sandbox.video_ids, "vid_none"], client=client)
    archive.append(videos)
    back = archive.videos()
    assert back["url"].str.contains("?", regex=False).sum() == 0
    pd.testing.assert_frame_equal(
        back, videos.assign(url=videos["url"].str.split("?").str[0].astype(videos["url"].dtype))
    )


def test_nothing_kept_is_an_empty_typed_frame_and_no_directory(archive):
    pd.testing.assert_frame_equal(archive.videos(), empty_videos())
    assert archive.observations().columns.tolist() == ["video_id", "observed_at", *NAMES[1:]]
    assert archive.compact() == 0
    with pytest.raises(ValueError, match=r"VideoArchive.append needs the column 'script'"):
        archive.append(seen(1).drop(columns="script"))
    assert not archive.directory.exists()
    archive.append(empty_videos())
    assert files(archive) == []
    assert len(archive.videos()) == 0


def test_observations_are_the_whole_history_oldest_first(archive):
    archive.append(seen(2, status="COMPLETED"))
    archive.append(failed(3))
    archive.append(seen(1, status="STARTED", progress=40))
    history = archive.observations()
    assert history["status"].fillna("").tolist() == ["STARTED", "COMPLETED", ""]
    assert history["observed_at"].tolist() == [at(1), at(2), at(3)]
    assert str(history["observed_at"].dtype) == "datetime64[us, UTC]"
    assert history["fetch_error"].fillna("").tolist() == ["", "", "timeout"]
    pd.testing.assert_frame_equal(
        history[list(NAMES)].iloc[:0].reset_index(drop=True), empty_videos()
    )


def test_observed_at_is_given_or_fetched_at_or_now(archive):
    before = pd.Timestamp.now("UTC").floor("us")
    archive.append(pd.concat([failed(None, video_id="vid_now"), failed(None, video_id=None)]))
    archive.append(seen(5, "vid_fetched").assign(mine=1))
    archive.append(seen(5, "vid_given").assign(observed_at=at(1)))
    moments = archive.observations().set_index("video_id")["observed_at"]
    assert moments["vid_fetched"] == at(5)
    assert moments["vid_given"] == at(1)
    assert before <= moments["vid_now"] <= pd.Timestamp.now("UTC")
    assert sorted(moments.index) == ["vid_fetched", "vid_given", "vid_now"]
    assert "mine" not in archive.observations()


def test_one_archive_appended_to_another_keeps_its_times(archive, tmp_path):
    archive.append(seen(1, status="STARTED"))
    archive.append(failed(None))
    other = ha.VideoArchive(tmp_path / "other")
    other.append(archive.observations())
    pd.testing.assert_frame_equal(other.observations(), archive.observations())


def test_no_signature_reaches_the_disk(archive):
    archive.append(seen(1, url=SIGNED, thumbnail=SIGNED, message=f"see {SIGNED}", odd=SIGNED))
    archive.append(seen(2, url=SIGNED))
    archive.compact()
    for path in archive.directory.rglob("*"):
        assert b"c0ffee" not in path.read_bytes()
    for column in pq.read_table(files(archive)[0]).columns:
        assert "c0ffee" not in str(column.to_pylist())
    assert archive.videos()["url"].tolist() == ["https://s3.amazonaws.com/v/1.mp4"]


# Which observation counts


STARTED, DONE = {"status": "STARTED"}, {"status": "COMPLETED"}
COUNTS = {
    "the last of two": ([seen(1, **STARTED, progress=10), seen(2, **STARTED, progress=20)], 1),
    "an older one that comes late": ([seen(2, **STARTED), seen(1, **STARTED)], 0),
    "a late start after the end": ([seen(2, **DONE), seen(1, **STARTED)], 0),
    "a start seen after the end": ([seen(1, **DONE), seen(2, **STARTED)], 0),
    "an unknown status after the end": ([seen(1, **DONE), seen(2, status="paused")], 0),
    "the last of two ends": (
        [seen(1, status="FAILED", usedCredits=5), seen(2, status="FAILED", usedCredits=0)], 1,
    ),
    "an end that comes late": ([seen(3, **DONE), seen(2, status="FAILED")], 0),
    "a good observation before a later failure": ([seen(1, **STARTED), failed(2)], 0),
    "a good observation before an undated failure": ([seen(1, **STARTED), failed(None)], 0),
    "a good observation after a failure": ([failed(2), seen(1, **STARTED)], 1),
    "the last of two failures": ([failed(2), failed(1, "network")], 0),
    "the later arrival at the same moment": (
        [seen(1, **STARTED, progress=10), seen(1, **STARTED, progress=20)], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("compacted", [False, True], ids=["parts", "compacted"])
@pytest.mark.parametrize("what", COUNTS)
def test_the_row_that_counts(archive, tmp_path, what, compacted):
    rows, expected = COUNTS[what]
    for row in rows:
        archive.append(row)
    assert archive.compact() == 2 if compacted else True
    pd.testing.assert_frame_equal(archive.videos(), rows[expected])
    at_once = ha.VideoArchive(tmp_path / "at once")
    at_once.append(pd.concat(rows))
    pd.testing.assert_frame_equal(at_once.videos(), rows[expected])


# What is asked


def test_sync_asks_only_for_what_can_still_change(archive, capsys):
    frames = [seen(1, "done", **DONE), seen(1, "failed", status="FAILED"),
              seen(1, "running", **STARTED), seen(1, "odd", status="paused"),
              failed(1, "timeout", "unlucky"), failed(1, "not_found", "gone"),
              failed(None, "invalid_id", "no/id"),
              failed(None, "not_fetched", "unasked")]  # fmt: skip
    archive.append(pd.concat(frames))

    def handler(request: Request) -> bytes:
        gone = request.path.endswith("gone")
        return answer({"message": "Video not found"}, 404) if gone else echo(request)

    with serving(handler) as server, ha.HookedClient("k", base_url=server.url) as client:
        ids = ["new", "done", "running", "no/id"]
        synced = archive.sync(ids, client=client, progress=True)
        line = capsys.readouterr().err
        assert line.startswith(
            "4 videos: 2 fetched, 1 from the archive, 1 invalid_id · 2 requests, 1 saved · "
        )
        assert synced["video_id"].tolist() == ["new", "done", "running", "no/id"]
        assert synced["fetch_error"].fillna("").tolist() == ["", "", "", "invalid_id"]
        assert archive.requests_saved == 1
        known = archive.videos()["video_id"].tolist()
        everything = archive.sync(client=client)
        asked = sorted(request.path.rsplit("/", 1)[-1] for request in server.requests)
    assert asked == ["gone", "new", "odd", "running", "unasked", "unlucky"]
    assert everything["video_id"].tolist() == known
    assert sorted(known) == sorted({*asked, "done", "failed", "no/id"})
    assert archive.requests_saved == 1 + 4  # done, failed, new, running
    again = archive.videos()
    assert again["fetch_error"].fillna("").value_counts().to_dict() == {
        "": 7, "not_found": 1, "invalid_id": 1,
    }  # fmt: skip
    assert len(archive.observations()) == len(frames) + 6


def test_a_failed_fetch_shows_the_last_good_row_and_says_so(archive):
    archive.append(pd.concat([seen(1, **STARTED, progress=40), seen(1, "vid_2", **DONE)]))

    def broken(request: Request) -> bytes:
        return answer({"message": "Video not found"}, 404)

    with serving(broken) as server, ha.HookedClient("k", base_url=server.url) as client:
        with pytest.warns(UserWarning, match="1 of 3 videos could not be fetched and are shown"):
            synced = archive.sync(["vid_3", "vid_1", "vid_2"], client=client)
    assert synced["video_id"].tolist() == ["vid_3", "vid_1", "vid_2"]
    assert synced["status"].fillna("").tolist() == ["", "STARTED", "COMPLETED"]
    assert synced["fetch_error"].fillna("").tolist() == ["not_found", "", ""]
    errors = archive.observations()["fetch_error"].fillna("")
    assert errors.tolist() == ["", "", "not_found", "not_found"]
    pd.testing.assert_frame_equal(synced.iloc[:0], empty_videos())


def test_rows_are_kept_while_the_batch_goes_on(archive, monkeypatch):
    monkeypatch.setattr("hooked_analytics.fetch.fetch_job.KEEP_SECONDS", 0.05)
    found = []

    def handler(request: Request) -> bytes:
        if request.path.endswith("last"):
            time.sleep(0.5)
            found.extend(archive.videos()["video_id"])
        return echo(request)

    with serving(handler) as server, ha.HookedClient("k", base_url=server.url) as client:
        ha.fetch_videos(["vid_1", "vid_2", "last"], client=client, archive=archive)
    assert sorted(found) == ["vid_1", "vid_2"]
    assert len(archive.observations()) == 3


def test_a_wrong_key_keeps_what_arrived_before(archive):
    def handler(request: Request) -> bytes:
        return echo(request) if request.number <= 5 else answer({"message": "No"}, 401)

    with serving(handler) as server:
        with ha.HookedClient("k", base_url=server.url, max_workers=1) as client:
            with pytest.raises(ha.AuthenticationError):
                archive.sync([f"vid_{n}" for n in range(20)], client=client)
    assert len(archive.videos()) == 5


# The directory


def test_a_directory_that_is_no_archive_is_named_and_not_touched(tmp_path):
    for name in ("b.csv", "a.parquet"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=r"is not an archive of videos.*'a.parquet', 'b.csv'"):
        ha.VideoArchive(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.csv"]
    with pytest.raises(ValueError, match="is a file; an archive is a directory"):
        ha.VideoArchive(tmp_path / "b.csv")
    since = ha.VideoArchive(tmp_path / "new")
    since.directory.mkdir()
    (since.directory / "letter.txt").touch()
    with pytest.raises(ValueError, match=r"letter\.txt"):
        since.append(seen(1))
    assert [path.name for path in since.directory.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("marker", "message"),
    [("{}", "does not say which kind"), ("\x00", "does not say"), ("[1]", "does not say"),
     ('{"hooked_archive": 3}', "written by a newer hooked_analytics")],
)  # fmt: skip
def test_a_strange_marker_is_refused(tmp_path, marker, message):
    (tmp_path / layout.MARKER).write_text(marker)
    with pytest.raises(ValueError, match=message):
        ha.VideoArchive(tmp_path)


# Parts


def test_compact_leaves_one_file_and_the_same_answers(archive):
    for minute in range(20):
        frames = [seen(minute, f"vid_{n}", status="STARTED", progress=minute) for n in range(3)]
        archive.append(pd.concat(frames))
    archive.append(pd.concat([seen(30, "vid_1", **DONE), failed(30, video_id="vid_9")]))
    videos, history = archive.videos(), archive.observations()
    assert archive.compact() == 21
    assert len(files(archive)) == 1
    assert pd.read_parquet(archive.directory).columns.equals(history.columns)
    assert archive.compact() == 0
    pd.testing.assert_frame_equal(archive.videos(), videos)
    order = ["observed_at", "video_id"]
    pd.testing.assert_frame_equal(
        archive.observations().sort_values(order, ignore_index=True),
        history.sort_values(order, ignore_index=True),
    )
    archive.append(seen(31, "vid_2", **DONE))
    assert archive.compact() == 2
    assert len(archive.observations()) == len(history) + 1


def test_full_parts_are_not_copied_again(three, monkeypatch):
    monkeypatch.setattr(parts, "FULL_ROWS", 3)
    assert three.compact() == 3
    full = files(three)
    three.append(seen(4))
    assert three.compact() == 0
    three.append(seen(5))
    assert three.compact() == 2
    assert set(full) < set(files(three))
    assert len(three.observations()) == 5


def copied_back(archive: ha.VideoArchive) -> list[Path]:
    """Merge, and bring back what was merged: as after a kill before the deletion."""
    kept = {path: path.read_bytes() for path in files(archive)}
    archive.compact()
    for path, data in kept.items():
        path.write_bytes(data)
    return list(kept)


def test_parts_that_a_kill_left_behind_are_not_counted_and_go_next_time(three):
    copied_back(three)
    assert len(files(three)) == 4
    assert len(three.observations()) == 3
    assert three.compact() == 0
    assert len(files(three)) == 1
    copied_back(three)
    three.append(seen(7))
    left = copied_back(three)  # what the last kill left is still there at this one
    assert len(left) == 2
    assert len(three.observations()) == 4
    three.compact()
    assert len(three.observations()) == 4


def test_what_cannot_be_deleted_stays_covered_by_every_later_merge(archive, monkeypatch):
    def in_use(path: Path) -> None:
        raise PermissionError

    for minute in range(3):
        archive.append(seen(minute))
        with monkeypatch.context() as context:
            context.setattr(Path, "unlink", in_use)
            archive.compact()
    assert len(files(archive)) > 3
    assert len(archive.observations()) == 3
    archive.compact()
    assert len(files(archive)) == 1
    assert len(archive.observations()) == 3


def test_a_part_that_vanishes_before_it_is_opened_is_looked_for_again(three, monkeypatch):
    stale = [path.name for path in files(three)]
    three.compact()
    listings = [stale]
    real = layout.part_names
    monkeypatch.setattr(
        layout, "part_names", lambda folder: listings.pop() if listings else real(folder)
    )
    assert len(three.observations()) == 3
    assert listings == []


def test_a_listing_that_misses_old_and_new_parts_is_made_again(three, monkeypatch):
    real, listings = layout._listed, []

    def torn(folder: Path) -> list[str]:
        # passes the place of the merged part before it is there, the others when they are gone
        listings.append(folder)
        if len(listings) > 1:
            return real(folder)
        three.compact()
        return [layout.MARKER]

    monkeypatch.setattr(layout, "_listed", torn)
    assert len(layout.part_names(three.directory)) == 1


@pytest.mark.parametrize(
    "damage", [lambda m: m.write_text('{"hooked_archive": 1e999}'), Path.unlink]
)
def test_a_damaged_or_missing_marker_is_a_warning_and_written_anew(archive, damage):
    archive.append(seen(1))
    damage(marker := archive.directory / layout.MARKER)
    with pytest.warns(UserWarning, match="is missing or damaged; the parts are read without it"):
        assert len(ha.VideoArchive(archive.directory).videos()) == 1
    with pytest.warns(UserWarning, match="is missing or damaged"):
        archive.append(seen(2))
    assert json.loads(marker.read_text()) == {"hooked_archive": 2, "schema": 2}
    assert len(archive.observations()) == 2


def test_copies_compacted_apart_and_copied_together_count_once(three, tmp_path):
    copy = ha.VideoArchive(shutil.copytree(three.directory, tmp_path / "copy"))
    copy.append(seen(9))
    three.compact()
    copy.compact()
    for part in files(copy):
        shutil.copy(part, three.directory)
    assert len(three.observations()) == 4
    three.compact()
    assert len(pd.read_parquet(three.directory)) == 4


def test_a_merge_whose_input_disappears_changes_nothing(three, monkeypatch):
    real = parts.write_parquet

    def write(*arguments: object, **options: object) -> None:
        real(*arguments, **options)
        files(three)[0].unlink()

    monkeypatch.setattr(parts, "write_parquet", write)
    assert three.compact() == 0
    assert len(files(three)) == 2


@pytest.mark.parametrize("now", [-1, 10**19])
def test_a_clock_before_1970_or_beyond_2286_loses_no_row(archive, monkeypatch, now):
    monkeypatch.setattr(layout.time, "time_ns", lambda: now)
    archive.append(seen(1))
    archive.append(seen(2))
    assert len(archive.observations()) == 2


def test_many_parts_are_merged_by_the_append(archive, monkeypatch):
    monkeypatch.setattr("hooked_analytics.storage.archive.MAX_PARTS", 4)
    for minute in range(12):
        archive.append(seen(minute))
        assert len(files(archive)) <= 4
    assert len(archive.observations()) == 12


def test_a_new_directory_may_hold_what_a_system_puts_there(tmp_path):
    orphan = tmp_path / ".hooked-0123456789ab-0123456789ab.tmp"  # of a killed first write
    for name in (".DS_Store", ".gitkeep", "desktop.ini", orphan.name):
        (tmp_path / name).touch()
    (tmp_path / ".ipynb_checkpoints").mkdir()
    archive = ha.VideoArchive(tmp_path)
    archive.append(seen(1))
    assert len(ha.VideoArchive(str(tmp_path)).videos()) == 1
    os.utime(orphan, (time.time() - 3700,) * 2)
    archive.compact()
    assert not orphan.exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    spot = data.find(b"marked") if b"marked" in data else len(data) // 3
    data[spot] ^= 0xFF
    path.write_bytes(data)


def other_table(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def without_ids(path: Path) -> None:
    table = pq.read_table(path)
    nothing = pa.nulls(len(table), table["video_id"].type)
    pq.write_table(table.set_column(0, "video_id", nothing), path)


DAMAGE = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "text": lambda path: path.write_text("hello"),
    "one bit": flip,
    "another table": other_table,
    "no ids": without_ids,
    "a dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a column twice": lambda path: pq.write_table(
        (table := pq.read_table(path)).append_column("type", table["type"]), path
    ),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_named_and_the_rest_is_read(archive, how):
    for number in (1, 2, 3):
        archive.append(seen(number, f"vid_{number}", **DONE))
    broken = files(archive)[1]
    DAMAGE[how](broken)
    before = broken.lstat()
    for read in (archive.videos, archive.observations):
        with pytest.warns(UserWarning, match=f"{broken.name} is damaged and left out") as warned:
            assert read()["video_id"].tolist() == ["vid_1", "vid_3"]
        assert [each.filename for each in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert archive.compact() == 2
    after = broken.lstat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(files(archive)) == 2


def test_a_damaged_merged_part_does_not_hide_what_it_stands_for(archive):
    for minute in range(3):
        archive.append(seen(minute, script="marked" * 50))
    copied_back(archive)
    merged = next(path for path in files(archive) if path.name.startswith("merged-"))
    flip(merged)
    with pytest.warns(UserWarning, match=merged.name):
        assert len(archive.observations()) == 3
    with pytest.warns(UserWarning, match=merged.name):
        archive.compact()
    with pytest.warns(UserWarning, match=merged.name):
        assert len(archive.observations()) == 3


def test_parts_of_older_and_newer_versions(archive):
    archive.append(seen(1, "older", **DONE))
    archive.append(seen(1, "newer", **DONE))
    older, newer = files(archive)
    pq.write_table(pq.read_table(older).drop_columns(["extra", "size_bytes"]), older)
    table = pq.read_table(newer)
    pq.write_table(table.append_column("later", pa.array(["x"])), newer)
    archive.append(seen(1, "today", **DONE))
    videos = archive.videos()
    assert videos["video_id"].tolist() == ["older", "newer", "today"]
    pd.testing.assert_frame_equal(videos.iloc[:0], empty_videos())
    assert archive.compact() == 2
    assert "later" in pq.read_schema(newer).names  # a merge would have lost it
    assert sorted(archive.videos()["video_id"]) == ["newer", "older", "today"]


SYNCED = ("{} (conflicted copy).parquet", "Copy of {}.parquet", "{}[Conflict].parquet",
          "{}#1.PARQUET", "{}\xa0(1).parquet")  # fmt: skip


@pytest.mark.parametrize("name", SYNCED)
def test_a_copy_by_a_sync_service_is_read_and_counts_once(archive, name):
    archive.append(seen(1))
    part = files(archive)[0]
    for copy in ("mine.parquet", f"._{part.name}", name.format(part.stem)):
        (archive.directory / copy).write_bytes(part.read_bytes())
    assert len(archive.observations()) == 1
    part.unlink()
    assert len(archive.observations()) == 1
    archive.append(seen(2))
    assert archive.compact() == 2
    assert len(archive.observations()) == 2


def test_an_archive_stays_where_it_is_when_the_working_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = ha.VideoArchive("archive")
    archive.append(seen(1))
    monkeypatch.chdir("/")
    assert len(archive.videos()) == 1
