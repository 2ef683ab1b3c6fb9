"""What the vendor's own MCP client sends, and the bodies that the docs show."""

from __future__ import annotations

import pytest
import requests

from hooked_analytics import Sandbox
from hooked_analytics.sandbox.video_store import _event

DOCS_BODIES = [
    ("script-to-video", {"script": "Hi", "voiceId": "v", "mediaType": "ai-images"}),
    ("prompt-to-video", {"prompt": "A video", "targetDuration": 60, "musicId": None}),
    ("ugc-ads", {"script": "Hi", "avatarId": "a", "voiceId": "v", "media": ["m1"]}),
    ("talking-avatar", {"script": "Hi", "avatarId": "a", "voiceId": "v", "lipsyncModel": "pro"}),
    ("product-ads", {"script": "Hi", "productAdSettings": {"websiteUrl": "https://a.example"}}),
    ("hook-demo", {"avatarId": "a", "text": "Hi"}),
    ("tiktok-slideshow", {"slides": [{"media": "m1", "texts": [{"text": "Hi"}]}]}),
    ("scenes", {"scenes": [{"type": "avatar"}]}),
    ("add-captions", {"media": "m1", "caption": {"preset": "beast", "disabled": False}}),
    ("remove-background", {"media": ["m1"]}),
    ("extend-video", {"media": "m1", "prompt": "Go on"}),
]
CLIENT_BODIES = [
    ("script-to-video", {"script": "Hi", "captionStyle": "karaoke", "avatarId": "a"}),
    ("prompt-to-video", {"prompt": "A video", "voiceId": "v", "avatarId": "a"}),
    ("tiktok-slideshow", {"title": "Tips", "slides": [{"text": "One"}], "musicId": "6"}),
    ("ugc-ads", {"script": "Hi", "avatarId": "a", "webhook": "https://example.com/hook"}),
]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(videos=3, time_scale=0) as running:
        yield running


@pytest.fixture
def create(sandbox, get):
    def send(path: str, body: object, **more) -> requests.Response:
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        return get(sandbox, f"/v1/project/create/{path}", method="POST", **content, **more)

    return send


@pytest.mark.parametrize(("path", "body"), DOCS_BODIES + CLIENT_BODIES)
def test_the_bodies_of_the_docs_and_of_the_client(sandbox, details, create, path, body):
    response = create(path, body)
    made = response.json()["data"]
    assert (response.status_code, response.json()["success"]) == (200, True)
    assert made["status"] == ("COMPLETED" if path == "hook-demo" else "STARTED")
    video = details(sandbox, made["videoId"])
    kind = "ugc_video" if path == "talking-avatar" else path.replace("-", "_")
    assert (video["type"], video["status"]) == (kind, made["status"])
    assert video["projectId"] == made["projectId"]
    assert video["script"] == body.get("script", body.get("text", video["script"]))
    assert video["avatarId"] == body.get("avatarId", video["avatarId"])


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("ai-short", {"script": "Hi"}, "must be one of script-to-video"),
        ("script-to-video", {"script": "Hi"}, "Missing avatarId"),
        ("talking-avatar", {}, "Missing script, avatarId, voiceId"),
        ("prompt-to-video", {"prompt": 5}, "text of 1 to 4,000 characters"),
        ("ugc-ads", {"script": "x" * 1_000_000, "avatarId": "a"}, "text of 1 to 10,000"),
        ("tiktok-slideshow", {"slides": "one"}, "a list of 1 to 50"),
        ("tiktok-slideshow", {"slides": [{"text": "x"}] * 51}, "a list of 1 to 50"),
        ("add-captions", {"media": ""}, "must not be empty"),
        ("prompt-to-video", {"prompt": "x", "webhook": "ftp://a.example"}, "an https URL"),
        ("prompt-to-video", {"prompt": "x", "aspectRatio": "9:16"}, "one of ratio_9_16"),
        ("prompt-to-video", {"prompt": "x", "caption": []}, "must be an object"),
        ("prompt-to-video", {"prompt": "x", "metadata": {"a": "x" * 6000}}, "at most 5,000 bytes"),
        ("prompt-to-video", ["prompt"], "must be a JSON object"),
        ("prompt-to-video", b"{", "no JSON"),
        ("prompt-to-video", b"[" * 100_000, "no JSON"),
        ("prompt-to-video", b'{"prompt": NaN}', "no JSON"),
        ("prompt-to-video", b'{"prompt": "\\ud800"}', "no JSON"),
    ],
)
def test_wrong_bodies_are_refused_with_the_reason(sandbox, create, path, body, reason):
    before = sandbox.video_ids
    response = create(path, body)
    assert (response.status_code, response.json()["success"]) == (400, False)
    assert reason in response.json()["message"]
    assert sandbox.video_ids == before


def test_lists_in_both_shapes(sandbox, get):
    custom = get(sandbox, "/v1/avatar/list?type=custom").json()["data"]["avatars"]
    assert [(row["id"], row["name"]) for row in custom] == [("avatar_lena_04", "Lena")]
    assert get(sandbox, "/v1/avatar/list?type=mine").status_code == 400
    lists = (("avatar", "avatars", 4), ("voice", "voices", 3), ("music", "music", 12))
    with Sandbox(videos=1, faults={"flat": 1.0}) as bare:
        for path, key, count in lists:
            enveloped, flat = (get(each, f"/v1/{path}/list").json() for each in (sandbox, bare))
            assert list(flat) == list(enveloped["data"]) == [key]
            ids = [[row["id"] for row in body[key]] for body in (flat, enveloped["data"])]
            assert ids[0] == ids[1]
            assert len(set(ids[0])) == count


def test_limits_and_keys_hold_and_metadata_goes_with_the_event(sandbox, get, create):
    counts = [get(sandbox, f"/v1/trends/videos?limit={n}") for n in (2, 0, 51, "x")]
    assert [response.status_code for response in counts] == [200, 400, 400, 400]
    assert len(counts[0].json()["data"]["videos"]) == 2
    trends = get(sandbox, "/v1/trends/videos?platform=tiktok&niche=food").json()["data"]["videos"]
    assert [row["title"] for row in trends] == ["Sourdough on the bus"]
    assert create("ugc-ads", b" " * 5_000_001).status_code == 413
    assert create("ugc-ads", {}, headers={"x-api-key": "nope"}).status_code == 403
    made = create("prompt-to-video", {"prompt": "x", "metadata": {"campaignId": "summer"}})
    video = sandbox._store.find(made.json()["data"]["videoId"])
    assert _event(video, "a link")["metadata"] == {"campaignId": "summer"}
