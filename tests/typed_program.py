"""What a user writes, for type checkers: every line must mean to them what it does at run time."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import pandas as pd
import polars as pl

import hooked_analytics as ha


def month(ids: list[str], folder: Path) -> pd.DataFrame:
    """Fetch, keep, answer, export."""
    archive = ha.VideoArchive(folder / "archive")
    with ha.HookedClient(profile="agency", requests_per_minute=30) as client:
        assert_type(client, ha.HookedClient)
        try:
            videos = ha.fetch_videos(ids, client=client, archive=archive, errors="raise")
        except (ha.FetchError, ha.FetchInterrupted) as error:
            assert_type(error.videos, pd.DataFrame)
            raise
        for frame in ha.poll_videos(ids, client=client, interval_seconds=30):
            assert_type(frame, pd.DataFrame)
        listed = ha.list_videos(client=client, status="completed", since="2026-10-01", limit=100)
        named = ha.add_names(ha.add_details(listed, client=client), client=client)
    assert_type(ha.export_videos(named, folder / "videos.parquet"), Path)
    assert_type(ha.read_videos(folder / "videos.parquet"), pd.DataFrame)
    return videos


def answers(videos: pd.DataFrame, other: pl.DataFrame) -> None:
    """A helper gives the kind of table it was given."""
    assert_type(ha.credit_usage(videos, by="type"), pd.DataFrame)
    assert_type(ha.render_times(other, by=["type", "campaign"]), pl.DataFrame)
    assert_type(ha.compare_groups(other), pl.DataFrame)
    forecast = ha.forecast_credits(videos, balance=500)
    assert_type(forecast, ha.Forecast)
    report = ha.build_report(videos, by="type", period="2026-10", currency="EUR")
    assert_type(report.to_html("october.html"), Path)
