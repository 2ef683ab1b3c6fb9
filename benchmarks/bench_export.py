"""
A million rows to CSV: `export_videos`, formula-safe and without signatures, against `to_csv`.

Both sides write to the same disk in turns, in one process. Ours starts from the frame with
signed links and cleans them; theirs gets the frame with the links already cleaned, so that it
has the same to write and nothing else to do. Then both files are read back and every cell is
compared.
"""

from __future__ import annotations

import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from benchmarks.figures import Figure, interleave, median, spread
from hooked_analytics.schema import (
    LINKS,
    arrow_from_frame,
    frame_from_arrow,
    videos_from_records,
)
from hooked_analytics.storage import export_videos, read_videos

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 4.0
DISTINCT = 3_000
TYPES = ("class", "avatar", "ugc", "tiktok", "script-to-video", "podcast", "product-ad")
NAMES = (
    "Summer sale",
    '=HYPERLINK("https://evil.example","click")',
    'Größe, "Farbe" und Form',
    "日本語のタイトル 🎬",
    "-5 % on everything",
    "@everyone\nnew line",
    "\uff1d1+1",
    "NA",
    "007",
)
SCRIPT = "Hello and welcome, today I show you three things nobody tells you about coffee. "


def bench_export(rounds: int = 5, rows: int = 1_000_000) -> list[Figure]:
    """Measure, check that both files say the same, and give the row of the table."""
    videos = build(rows)
    clean = videos.assign(**{name: _clean(videos[name]) for name in LINKS})
    with tempfile.TemporaryDirectory() as folder:
        our_file, their_file = Path(folder, "ours.csv"), Path(folder, "theirs.csv")
        ours, theirs = interleave(
            rounds,
            lambda: _seconds(lambda: export_videos(videos, our_file)),
            lambda: _seconds(lambda: clean.to_csv(their_file, index=False)),
        )
        pd.testing.assert_frame_equal(read_videos(our_file), clean)
        pd.testing.assert_frame_equal(read_videos(their_file), clean)
    faster = [b / a for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure(
            f"`export_videos` of {rows:,} rows to CSV, formula-safe",
            "`DataFrame.to_csv`, same content, every cell compared",
            f"≥ {TARGET:g} × faster",
            spread(ours, "{:.1f} s"),
            spread(theirs, "{:.1f} s"),
            spread(faster, "{:.1f}"),
            median(faster) >= TARGET,
        )
    ]


def build(rows: int) -> pd.DataFrame:
    """Tile a few thousand varied videos to *rows*, every one with an id of its own."""
    draw = random.Random(0)
    thousands = arrow_from_frame(videos_from_records([_record(i, draw) for i in range(DISTINCT)]))
    table = pa.concat_tables([thousands] * -(-rows // DISTINCT)).slice(0, rows)
    ids = pa.array((f"vid_{i:08x}" for i in range(rows)), pa.large_string())
    table = table.set_column(0, "video_id", ids)
    return frame_from_arrow(table.combine_chunks())


def _record(number: int, draw: random.Random) -> dict[str, Any]:
    created = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(
        seconds=draw.randrange(10_000_000), milliseconds=draw.randrange(1000)
    )
    frames = draw.randrange(100, 9_000)
    record = {
        "id": f"vid_{number}",
        "name": f"{draw.choice(NAMES)} {draw.randrange(1000)}",
        "type": draw.choice(TYPES),
        "status": draw.choices(["COMPLETED", "FAILED", "STARTED"], [90, 7, 3])[0],
        "progress": draw.choice([100, 100, 100, 37.5]),
        "message": draw.choice(["Done", "Render failed: voice not found", "+1 in the queue"]),
        "createdAt": created.isoformat().replace("+00:00", "Z"),
        "updatedAt": (created + timedelta(seconds=draw.randrange(20, 900))).isoformat(),
        "durationInFrames": frames,
        "usedCredits": round(draw.uniform(0.5, 40), 2),
        "avatarId": f"avatar_{draw.randrange(60)}",
        "voiceId": f"voice_{draw.randrange(40)}",
        "musicId": draw.randrange(1, 500),
        "videoSettings": {
            "aspectRatio": draw.choice(["9:16", "1:1", "16:9"]),
            "caption": {"preset": draw.choice(["bold", "plain"]), "disabled": draw.random() < 0.2},
        },
        "script": SCRIPT * draw.randrange(1, 6),
        "projectId": f"project_{draw.randrange(30)}",
        "teamId": "team_1",
        "size": frames * 4_321,
        "url": _signed_link(number, draw),
        "thumbnail": f"https://cdn.hooked.example/thumbnails/{number}.jpg",
        "seed": draw.randrange(10**6),
    }
    lost = draw.sample(
        ["usedCredits", "script", "avatarId", "size", "name"], draw.choice([0, 0, 1])
    )
    return {key: value for key, value in record.items() if key not in lost}


def _signed_link(number: int, draw: random.Random) -> str:
    return (
        f"https://videos.s3.amazonaws.example/renders/{number:08x}.mp4"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20240115T100000Z&X-Amz-Expires=86400"
        f"&X-Amz-Credential=ASIA{number:016d}%2F20240115%2Fus-east-1%2Fs3%2Faws4_request"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={draw.getrandbits(256):064x}"
    )


def _clean(links: pd.Series) -> pd.Series:
    return links.str.split("?").str[0].astype(links.dtype)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
