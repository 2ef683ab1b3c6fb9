"""What may be asked: every id that is refused costs no request, none reaches another path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies as st

from hooked_analytics import HookedClient, fetch_videos
from hooked_analytics.client import check_video_id
from tests.scripted import echo, serving

HOSTILE = [
    "", " ", ".", "..", "...", "../admin", "..%2fadmin", "%2e%2e", "a/b", "a\\b", "x?y", "x#f",
    "x y", "a\nb", "a\r\nb", "a\x00b", "é", "１２", "\ud800", "-x", "_x", "a..b", "a" * 129,
    "a" * 10_000, "list", None, float("nan"), 7, 7.0, True, ["vid_1"], b"vid_1",
]  # fmt: skip
ANY_TEXT = st.text(max_size=40) | st.from_regex(r"[a-z./%?#\\-]{1,12}", fullmatch=True)
ONE_VIDEO = r"/v1/video/(?!list$)[^/?#]+"


@pytest.mark.parametrize(
    "video_id",
    ["vid_abc123", "6", "clx9z2k3f0000", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a.b", "a" * 128],
)
def test_an_id_is_taken_as_it_is_without_what_shows_nothing(video_id):
    unseen = "\ufeff\u200b\u200e\u2066\u00ad\u00a0\n"
    assert check_video_id(video_id) == check_video_id(f"{unseen}{video_id}{unseen}") == video_id


def test_another_grammar_can_be_given():
    client = HookedClient("k", video_id_pattern=r"~[a-z]+")
    assert client.check_video_id("~abc") == "~abc"


def test_hostile_ids_are_rows_without_a_request():
    with serving(echo) as server, HookedClient("k", base_url=server.url) as client:
        with pytest.warns(UserWarning, match="3 of 34 video ids were given before"):
            videos = fetch_videos([*HOSTILE, "vid_1", "vid_1 "], client=client)
    assert [request.path for request in server.requests] == ["/v1/video/vid_1"]
    assert videos["fetch_error"].fillna("").tolist() == ["invalid_id"] * 30 + [""]
    assert "7" in videos["video_id"].dropna().tolist()


@pytest.fixture(scope="module")
def recorded():
    with serving(echo) as server:
        with HookedClient("k", base_url=server.url, requests_per_minute=None) as client:
            yield server, client


@settings(max_examples=100)
@given(ANY_TEXT)
def test_whatever_the_text_no_request_leaves_the_path(recorded, text):
    server, client = recorded
    server.requests.clear()
    fetch_videos([text], client=client)
    for request in server.requests:
        assert re.fullmatch(ONE_VIDEO, request.path)
