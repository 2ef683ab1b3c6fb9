"""
What it costs to watch a batch of renders to its end, and how soon an end is noticed.

The sandbox's clock runs fast: its minute, and with it the limit of 60 requests a minute, is a
twentieth of ours. The client counts its limit in real minutes, and 60 × 20 a minute would let
it send 60 × 20 at once; so its window is shortened by the same factor here and its figure
stays 60. Everything the loop decides by (requests left, rounds in a window) is then as in a
real watch with an interval of 5 s.

All 200 renders begin with the watch, the hardest case: so many end in the same minutes that
their details alone take the whole limit.

The other side is the API page's own sample, one details request per video every 5 s until it
has ended. It is really sent for ten of the same renders at the same time; for all 200 it is
counted from when they ended, since 200 threads in this process would slow both sides down.
The ten show that the counting is right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import requests

from benchmarks.figures import Figure, median, spread
from hooked_analytics import HookedClient, Sandbox, is_final, poll_videos
from hooked_analytics.client import rate_limiter

VIDEOS = 200
SAMPLED = 10
SCALE = 20
INTERVAL_SECONDS = 5.0
PER_MINUTE = 60
# (type, videos): about what the sandbox's team makes; hook demos are over when they begin
BATCH = (
    ("ugc_ads", 56),
    ("ugc_video", 40),
    ("script_to_video", 26),
    ("class", 20),
    ("prompt_to_video", 18),
    ("product_ads", 18),
    ("add_captions", 12),
    ("scenes", 6),
    ("tiktok_slideshow", 4),
)


class Watch(NamedTuple):
    per_video: float
    ratio: float
    delays: float  # p95, in intervals
    refused: int
    right: bool
    sent: int
    sample_sent: int


@contextmanager
def scaled_minute() -> Iterator[None]:
    """Let clients count their limit in the sandbox's minutes."""
    before = rate_limiter.WINDOW_SECONDS
    rate_limiter.WINDOW_SECONDS = before / SCALE
    try:
        yield
    finally:
        rate_limiter.WINDOW_SECONDS = before


def batch(sandbox: Sandbox) -> list[str]:
    return [sandbox.create_video(name) for name, count in BATCH for _ in range(count)]


def sample(url: str, key: str, video_ids: list[str], sent: list[int]) -> None:
    """Poll as the API page shows it: each video every 5 s, until its status is final."""
    open_ids = list(video_ids)
    began = time.monotonic()
    rounds = 0
    with requests.Session() as session:
        session.headers["x-api-key"] = key
        while open_ids:
            for video_id in list(open_ids):
                answer = session.get(f"{url}/v1/video/{video_id}", timeout=30).json()
                sent[0] += 1
                if answer["data"]["status"] != "STARTED":
                    open_ids.remove(video_id)
            rounds += 1
            time.sleep(max(0.0, began + rounds * INTERVAL_SECONDS / SCALE - time.monotonic()))


def sample_requests(videos: pd.DataFrame) -> int:
    """Count what the API page's sample would have sent for these renders."""
    took = (videos["updated_at"] - videos["created_at"]).dt.total_seconds()
    return int((np.ceil(took / INTERVAL_SECONDS) + 1).sum())


def watch(seed: int) -> Watch:
    settings: dict[str, Any] = {"videos": 1, "seed": seed, "time_scale": SCALE}
    with (
        Sandbox(requests_per_minute=PER_MINUTE, **settings) as limited,
        Sandbox(**settings) as unlimited,
    ):
        asked, same = batch(limited), batch(unlimited)
        really = same[:: VIDEOS // SAMPLED]
        sent = [0]
        other = threading.Thread(
            target=sample, args=(unlimited.url, unlimited.api_key, really, sent)
        )
        client = HookedClient(limited.api_key, base_url=limited.url, requests_per_minute=PER_MINUTE)
        refused = count_refusals(client)
        noticed: dict[str, datetime] = {}
        other.start()
        with client:
            for videos in poll_videos(
                asked, client=client, interval_seconds=INTERVAL_SECONDS / SCALE
            ):
                now = limited.now()
                for video_id in videos.loc[is_final(videos), "video_id"]:
                    noticed.setdefault(video_id, now)
            total = client.requests_sent
        other.join()
    counted = sample_requests(videos[videos["video_id"].isin(really)])
    assert abs(sent[0] / counted - 1) < 0.1, (sent, counted)
    sample_sent = sample_requests(videos)
    seen = videos["video_id"].map(noticed)
    ended = videos["updated_at"]
    late = (pd.to_datetime(seen, utc=True) - ended).dt.total_seconds()
    return Watch(
        total / VIDEOS,
        sample_sent / total,
        float(np.quantile(late / INTERVAL_SECONDS, 0.95)),
        refused[0],
        bool(is_final(videos).all() and videos["used_credits"].notna().mean() > 0.9),
        total,
        sample_sent,
    )


def count_refusals(client: HookedClient) -> list[int]:
    """Count the answers 429 that this client gets."""
    count = [0]
    note = client._sender().limiter.refused

    def refused(**facts: Any) -> None:
        count[0] += 1
        note(**facts)

    client._sender().limiter.refused = refused  # type: ignore[method-assign]
    return count


def bench_watch(rounds: int = 5) -> list[Figure]:
    with scaled_minute():
        watches = [watch(seed) for seed in range(rounds)]
    per_video = [w.per_video for w in watches]
    ratios = [w.ratio for w in watches]
    delays = [w.delays for w in watches]
    refusals = sum(w.refused for w in watches)
    assert all(w.right for w in watches)
    what = f"watch {VIDEOS} videos to the end, every 5 s, limit 60/min, time × {SCALE}"
    sent = spread([float(w.sent) for w in watches], "{:.0f}")
    sampled = spread([float(w.sample_sent) for w in watches], "{:,.0f}")
    return [
        Figure(
            what,
            "requests per finished video",
            "≤ 1.5",
            f"{sent} requests",
            f"{VIDEOS} videos",
            spread(per_video),
            median(per_video) <= 1.5,
        ),
        Figure(
            "the same",
            "the API page's own sample: each video every 5 s, in the same run",
            "≥ 20 × fewer requests, no 429",
            f"{sent} requests, {refusals} × 429",
            f"{sampled} requests",
            spread(ratios, "{:.1f}"),
            median(ratios) >= 20 and refusals == 0,
        ),
        Figure(
            "the same",
            "delay from finished to noticed, in intervals of 5 s",
            "p95 ≤ 2",
            spread(delays),
            "1 interval",
            spread(delays),
            median(delays) <= 2,
        ),
    ]
