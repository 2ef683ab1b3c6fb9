"""What version 0.1 wrote is read for ever: exports, an archive, a report."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hooked_analytics as ha
from hooked_analytics.schema import columns
from hooked_analytics.storage import layout, parquet_parts, sanitize

OLD = Path(__file__).parents[1] / "data" / "version_0_1"


def test_exports_of_version_0_1_are_read_and_hold_the_same_frame():
    videos, *others = (ha.read_videos(OLD / f"videos.{s}") for s in ("parquet", "csv", "jsonl"))
    statuses = {"COMPLETED": 456, "FAILED": 24, "STARTED": 20}
    assert videos["status"].value_counts().to_dict() == statuses
    assert videos["used_credits"].sum() == 2208
    assert str(videos["created_at"].dtype) == "datetime64[us, UTC]"
    for other in others:
        pd.testing.assert_frame_equal(other, videos)
    rows = list(openpyxl.load_workbook(OLD / "videos.xlsx").active.values)
    assert len(rows) == 501
    assert rows[0][:4] == ("video_id", "name", "type", "status")


def later(videos: pd.DataFrame) -> pd.DataFrame:
    return videos.assign(fetched_at=videos["fetched_at"] + pd.Timedelta("1D"))


@pytest.fixture
def directory(tmp_path):
    return shutil.copytree(OLD / "archive", tmp_path / "archive")


def test_a_first_append_gives_every_part_the_columns_of_today(directory):
    archive = ha.VideoArchive(directory)
    before = sorted(path.name for path in directory.iterdir())
    assert len(archive.observations()) == 1000
    assert archive.videos()["used_credits"].sum() == 2208
    assert sorted(path.name for path in directory.iterdir()) == before
    archive.append(later(archive.videos().iloc[:10]))
    parts = list(directory.glob("*.parquet"))
    assert len(parts) == 2
    assert {pq.read_schema(part).equals(pq.read_schema(parts[0])) for part in parts} == {True}
    assert "fetch_error" in pq.read_schema(parts[0]).names
    assert len(ha.VideoArchive(directory).videos()) == 500
    assert len(ha.VideoArchive(directory).observations()) == 1010
    assert len(pd.read_parquet(directory)) == 1010
    files = f"{directory}/*.parquet"
    polars = pl.scan_parquet(files).select("fetch_error").collect()
    (duck,) = duckdb.sql(f"SELECT count(*), count(fetch_error) FROM '{files}'").fetchall()
    assert (len(polars), duck) == (1010, (1010, 0))


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("module", "step"),
    [(parquet_parts, "_rewrite"), (layout, "remove_parts"), (layout, "write_marker")],
)
def test_a_kill_at_any_step_of_the_rewrite_loses_and_doubles_nothing(
    directory, monkeypatch, module, step
):
    def die(*_: object, **__: object) -> None:
        raise Killed

    some = later(ha.read_videos(OLD / "videos.parquet").iloc[:10])
    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(Killed):
            ha.VideoArchive(directory).append(some)
    assert len(ha.VideoArchive(directory).observations()) == 1000
    ha.VideoArchive(directory).append(some)
    assert len(ha.VideoArchive(directory).observations()) == 1010
    assert len(pd.read_parquet(directory)) == 1010


@pytest.mark.parametrize(
    ("column", "instead", "missing"),
    [
        ("error", "", "fetch_error"), ("script", "", "script"), ("error", "errnr", "fetch_error"),
        ("", "langvage", "language"),
    ],
)  # fmt: skip
def test_a_missing_column_or_a_flipped_byte_in_its_name_is_noticed(
    tmp_path, monkeypatch, column, instead, missing
):
    path, table = tmp_path / "videos.parquet", pq.read_table(OLD / "videos.parquet")
    table = table.drop_columns([column] if column else [])
    if instead:
        table = table.append_column(instead, pa.nulls(len(table), pa.string()))
    pq.write_table(table, path)
    with_language(monkeypatch)
    with pytest.raises(ValueError, match=f"missing are the columns {missing}"):
        ha.read_videos(path)


def with_language(monkeypatch) -> None:
    """A next version of the schema, with one column more."""
    column = columns.Column("language", ("language",), "text", "", "of the script", since=3)
    schema = columns.VIDEOS_SCHEMA.append(pa.field("language", pa.large_string()))
    monkeypatch.setattr(sanitize, "COLUMNS", (*columns.COLUMNS, column))
    monkeypatch.setattr(sanitize, "NAMES", (*columns.NAMES, "language"))
    monkeypatch.setattr(sanitize, "VIDEOS_SCHEMA", schema)


def test_a_column_that_came_later_is_missing_in_older_files(monkeypatch):
    with_language(monkeypatch)
    videos = ha.read_videos(OLD / "videos.parquet")
    assert videos["language"].isna().all()
    assert str(videos["language"].dtype) == "string"


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_columns_of_a_newer_schema_are_kept_as_they_are(tmp_path, suffix):
    newer = ha.read_videos(OLD / "videos.parquet").assign(language="en", mood=7)
    back = ha.read_videos(ha.export_videos(newer, tmp_path / f"videos.{suffix}"))
    assert back["language"].tolist() == ["en"] * 500
    assert back["mood"].tolist() == [7] * 500


def test_a_report_of_version_0_1_is_read_shown_and_written_again(tmp_path):
    report = ha.read_report(OLD / "report")
    assert report.title == "Version 0.1"
    assert report.tables["credit_usage"]["credits"].sum() == 2208
    assert "failed_credits" in report.tables["retry_chains"]
    assert "on failures" in report.to_html(tmp_path / "report.html").read_text().lower()
    folder = shutil.copytree(OLD / "report", tmp_path / "report")
    (folder / ".hooked-lock").touch()
    report.export(folder)
    assert repr(ha.read_report(folder)) == repr(report)
    assert not (folder / ".hooked-lock").exists()
