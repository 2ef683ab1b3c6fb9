"""What version 0.1 wrote is read for ever: exports, an archive, a report."""

from __future__ import annotations

import shutil
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

import hooked_analytics as ha

OLD = Path(__file__).parent / "data" / "version_0_1"


@pytest.mark.parametrize("name", ["videos.parquet", "videos.csv", "videos.jsonl"])
def test_an_export_of_version_0_1_is_read(name):
    videos = ha.read_videos(OLD / name)
    assert len(videos) == 500
    assert videos["used_credits"].sum() == 2208
    assert videos["status"].value_counts().to_dict() == {
        "COMPLETED": 456,
        "FAILED": 24,
        "STARTED": 20,
    }
    assert str(videos["created_at"].dtype) == "datetime64[us, UTC]"


def test_the_three_formats_hold_the_same_frame():
    parquet, csv, jsonl = (ha.read_videos(OLD / f"videos.{s}") for s in ("parquet", "csv", "jsonl"))
    pd.testing.assert_frame_equal(parquet, csv)
    pd.testing.assert_frame_equal(parquet, jsonl)


def test_a_workbook_of_version_0_1_is_read_by_openpyxl():
    rows = list(openpyxl.load_workbook(OLD / "videos.xlsx").active.values)
    assert len(rows) == 501
    assert rows[0][:4] == ("video_id", "name", "type", "status")


def test_an_archive_of_version_0_1_is_read_and_continued(tmp_path):
    directory = shutil.copytree(OLD / "archive", tmp_path / "archive")
    archive = ha.VideoArchive(directory)
    assert len(archive.observations()) == 1000
    assert archive.videos()["used_credits"].sum() == 2208
    archive.append(archive.videos().iloc[:10])
    assert len(ha.VideoArchive(directory).videos()) == 500


def test_a_report_of_version_0_1_is_read():
    report = ha.read_report(OLD / "report")
    assert report.title == "Version 0.1"
    assert report.tables["credit_usage"]["credits"].sum() == 2208
