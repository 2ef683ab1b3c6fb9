"""Ids made to reach another address: none of them leaves the path of one video."""

from __future__ import annotations

import re

from hypothesis import given, seed as seeded, settings

from hooked_analytics import HookedClient, fetch_videos
from tests.client.test_video_id import ANY_TEXT, HOSTILE, ONE_VIDEO
from tests.scripted import echo, serving


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Ask for the listed hostile ids and for *count* that hypothesis makes up."""
    with serving(echo) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            for hostile in HOSTILE:
                listed = fetch_videos([hostile], client=client)
                assert listed["fetch_error"].tolist() == ["invalid_id"], hostile
            asked_for_listed = len(server.requests)
            tried = []

            @seeded(seed)
            @settings(max_examples=count, deadline=None, database=None)
            @given(ANY_TEXT)
            def ask(text: str) -> None:
                tried.append(text)
                assert len(fetch_videos([text], client=client)) == 1

            ask()
        off = [r.path for r in server.requests if not re.fullmatch(ONE_VIDEO, r.path)]
    return {
        "listed ids": len(HOSTILE),
        "requests for them": asked_for_listed,
        "made-up ids": len(tried),
        "requests": len(server.requests),
        "requests off the path": len(off),
    }
