"""Many ids through a server of which one answer in five is spoilt: a row each, and few requests."""

from __future__ import annotations

from hooked_analytics import Sandbox, fetch_videos
from tests.faults.proxy import evenly, spoiling
from tests.scripted import echo, serving

SHARE = 0.2
# What a person may wait for; silence then costs half of it.
TIMEOUT_SECONDS = 4
TOLD = ["video_id", "status", "used_credits", "duration_frames"]


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Fetch *count* ids through every fault there is."""
    with (
        Sandbox(videos=count, seed=seed, time_scale=0) as sandbox,
        serving(echo) as elsewhere,
        spoiling(
            sandbox.url, rates=evenly(SHARE), seed=seed, elsewhere=f"{elsewhere.url}/v1/video/x"
        ) as proxy,
        sandbox.client(base_url=proxy.url, timeout_seconds=TIMEOUT_SECONDS) as client,
    ):
        videos = fetch_videos(sandbox.video_ids, client=client, progress=False)
        with sandbox.client() as straight:
            truth = fetch_videos(sandbox.video_ids, client=straight, progress=False)
        good = videos["fetch_error"].isna()
        wrong = (videos[good][TOLD].fillna(0) != truth[good][TOLD].fillna(0)).any(axis=1)
        return {
            "rows missing": count - len(videos),
            "in order": videos["video_id"].tolist() == sandbox.video_ids,
            "requests per id": round(len(proxy.requests) / count, 3),
            "faults": sum(proxy.dealt.values()),
            "kinds of fault": len(proxy.dealt),
            "rows with an error": int((~good).sum()),
            "without a reason": int(videos.loc[~good, "fetch_error_message"].isna().sum()),
            "wrong rows": int(wrong.sum()),
            "requests to the other host": len(elsewhere.requests),
        }
