"""The answers of the table functions as one would write them by hand on an engine."""

from __future__ import annotations

from typing import Any

import numpy as np


def polars_usage(videos: Any) -> Any:
    """Credits per type, as one would write it by hand; not-a-number is no figure here either."""
    import polars as pl

    status = pl.col("status")
    credits, seconds = (
        pl.col(name).fill_nan(None) for name in ("used_credits", "duration_seconds")
    )
    ended, failed = status.is_in(["COMPLETED", "FAILED"]), status == "FAILED"
    measured = (status == "COMPLETED") & credits.is_not_null() & (seconds > 0)
    return (
        videos.group_by("type")
        .agg(
            pl.len().alias("videos"),
            credits.sum().alias("credits"),
            credits.null_count().alias("credits_unknown"),
            credits.mean().alias("credits_per_video"),
            credits.filter(ended).sum().alias("ended"),
            seconds.filter(measured).sum().alias("seconds"),
            credits.filter(failed).sum().alias("failed_credits"),
        )
        .with_columns(
            share=pl.col("credits") / pl.col("credits").sum(),
            credits_per_minute=pl.col("ended") / (pl.col("seconds") / 60),
            failed_share=pl.col("failed_credits") / pl.col("ended"),
        )
        .sort("credits", descending=True)
        .collect()
    )


def duckdb_usage(videos: Any) -> Any:
    """Compute the same in SQL."""
    return videos.query(
        "videos",
        """
        SELECT type, videos, credits, credits / sum(credits) OVER () AS share, credits_unknown,
               credits_per_video, ended / (seconds / 60) AS credits_per_minute, failed_credits,
               failed_credits / ended AS failed_share
        FROM (
            SELECT type, count(*) AS videos, sum(used_credits) AS credits,
                   count(*) - count(used_credits) AS credits_unknown,
                   avg(used_credits) AS credits_per_video,
                   sum(used_credits) FILTER (status IN ('COMPLETED', 'FAILED')) AS ended,
                   sum(duration_seconds) FILTER (
                       status = 'COMPLETED' AND used_credits IS NOT NULL AND duration_seconds > 0
                   ) AS seconds,
                   sum(used_credits) FILTER (status = 'FAILED') AS failed_credits
            FROM (
                SELECT type, status,
                       CASE WHEN NOT isnan(used_credits) THEN used_credits END AS used_credits,
                       CASE WHEN NOT isnan(duration_seconds) THEN duration_seconds END
                           AS duration_seconds
                FROM videos
            ) GROUP BY type
        ) ORDER BY credits DESC
        """,
    ).pl()


def polars_times(videos: Any) -> Any:
    """Median and p90 of the time to the end with their intervals, per type: one exact count."""
    import polars as pl

    status, created = pl.col("status"), pl.col("created_at")
    stop = pl.when(status == "STARTED").then(pl.col("fetched_at")).otherwise(pl.col("updated_at"))
    return _times_of(
        videos.lazy()
        .select(
            "type",
            took=(stop - created).dt.total_milliseconds(),
            completed=(status == "COMPLETED").cast(pl.Int64),
            failed=(status == "FAILED").cast(pl.Int64),
            rendering=(status == "STARTED").cast(pl.Int64),
        )
        .group_by("type", "took")
        .agg(pl.len().alias("videos"), pl.col("completed", "failed", "rendering").sum())
        .sort("type", "took")
        .collect()
    )


def duckdb_times(videos: Any) -> Any:
    """Count the same in SQL."""
    return _times_of(
        videos.query(
            "videos",
            """
            SELECT type, took, count(*) AS videos,
                   count(*) FILTER (status = 'COMPLETED') AS completed,
                   count(*) FILTER (status = 'FAILED') AS failed,
                   count(*) FILTER (status = 'STARTED') AS rendering
            FROM (
                SELECT type, status, date_sub('millisecond', created_at,
                       CASE status WHEN 'STARTED' THEN fetched_at ELSE updated_at END) AS took
                FROM videos
            ) GROUP BY type, took ORDER BY type, took
            """,
        ).pl()
    )


def _times_of(counts: Any) -> Any:
    import polars as pl

    names = ("videos", "completed", "failed", "rendering")
    rows = []
    for key, part in counts.partition_by("type", as_dict=True).items():
        usable = part.filter((pl.col("took") >= 0) & (pl.sum_horizontal(names[1:]) > 0))
        completed, failed, rendering = (usable[n].to_numpy().astype(float) for n in names[1:])
        over = completed + failed
        figures = _kaplan_meier(usable["took"].to_numpy(), over, over + rendering)
        rows.append({"type": key[0], **{n: part[n].sum() for n in names}, **figures})
    return pl.DataFrame(rows).sort("median_seconds", descending=True)


def _kaplan_meier(took: Any, over: Any, everyone: Any) -> dict[str, float]:
    at_risk = everyone[::-1].cumsum()[::-1]
    share = np.cumprod(1 - over / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_ = np.sqrt(np.cumsum(over / (at_risk * (at_risk - over)))) / -np.log(share)
        low, high = (share ** np.exp(sign * 1.959963984540054 * spread_) for sign in (1, -1))

    def first(curve: Any, most: float) -> float:
        found = np.flatnonzero(curve <= most + 1e-9)
        return took[found[0]] / 1e3 if len(found) else float("nan")

    return {
        f"{name}_{end}": first(curve, most)
        for name, most in (("median", 0.5), ("p90", 0.1))
        for end, curve in (("seconds", share), ("low", low), ("high", high))
    }
