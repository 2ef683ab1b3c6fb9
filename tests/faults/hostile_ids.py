"""Ids made to reach another address: none of them leaves the path of one video."""

from __future__ import annotations

import re
import warnings

from hypothesis import given, seed as seeded, settings

from hooked_analytics import HookedClient, fetch_videos
from tests.client.test_video_id import ANY_TEXT, HOSTILE, ONE_VIDEO
from tests.scripted import echo, serving


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Fetch the listed hostile ids and *count* that hypothesis makes up."""
    tried = []
    with (
        serving(echo) as server,
        HookedClient("k", base_url=server.url, requests_per_minute=None) as client,
        warnings.catch_warnings(action="ignore"),  # of ids that are alike
    ):
        listed = fetch_videos(HOSTILE, client=client)
        refused = int((listed["fetch_error"] == "invalid_id").sum())
        for_listed = len(server.requests)

        @seeded(seed)
        @settings(max_examples=count, deadline=None, database=None)
        @given(ANY_TEXT)
        def fetch(text: str) -> None:
            tried.append(text)
            assert len(fetch_videos([text], client=client)) == 1

        fetch()
        off = sum(not re.fullmatch(ONE_VIDEO, request.path) for request in server.requests)
    made_up = {"made-up ids": len(tried), "requests": len(server.requests)}
    return {
        "listed ids": refused, "requests for them": for_listed, **made_up,
        "requests off the path": off,
    }  # fmt: skip
