"""GET /v1/video/list."""

from __future__ import annotations

import pytest

from hooked_analytics.sandbox import Sandbox

ITEM_FIELDS = [
    "id", "name", "status", "url", "durationInFrames", "projectId", "thumbnail", "size",
    "progress", "message", "createdAt", "updatedAt",
]  # fmt: skip


def test_newest_first_and_fewer_fields_than_details(still, ask):
    body = ask(still, "/v1/video/list").json()
    assert list(body) == ["success", "data"]
    data = body["data"]
    assert (data["total"], data["limit"], data["offset"]) == (40, 50, 0)
    assert [item["id"] for item in data["videos"]] == still.video_ids[::-1]
    assert all(list(item) == ITEM_FIELDS for item in data["videos"])


def test_limit_defaults_to_50(ask):
    with Sandbox(videos=60) as sandbox:
        data = ask(sandbox, "/v1/video/list").json()["data"]
    assert (len(data["videos"]), data["total"]) == (50, 60)


def test_pages_hold_every_video_once(still, ask):
    pages = [
        ask(still, f"/v1/video/list?limit=15&offset={offset}").json()["data"]["videos"]
        for offset in (0, 15, 30, 45)
    ]
    assert [len(page) for page in pages] == [15, 15, 10, 0]
    assert [item["id"] for page in pages for item in page] == still.video_ids[::-1]


def test_status_filter_is_lower_case_and_answers_upper_case(still, ask):
    found = {}
    for status in ("draft", "processing", "completed", "failed"):
        data = ask(still, f"/v1/video/list?status={status}").json()["data"]
        found[status] = (data["total"], {item["status"] for item in data["videos"]})
    assert found["draft"] == (0, set())
    assert found["processing"] == (5, {"STARTED"})
    assert found["completed"][1] == {"COMPLETED"}
    assert sum(total for total, _ in found.values()) == 40


def test_type_filter(still, ask):
    first = still.create_video("scenes", render_seconds=60)
    still.advance(60)
    second = still.create_video("scenes", render_seconds=60)
    data = ask(still, "/v1/video/list?type=scenes&status=processing").json()["data"]
    assert [item["id"] for item in data["videos"]] == [second]
    ids = [item["id"] for item in ask(still, "/v1/video/list?type=scenes").json()["data"]["videos"]]
    assert ids[:2] == [second, first]


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("type=ai_short", "type", "class"),
        ("status=COMPLETED", "status", "completed"),
        ("limit=0", "limit", "1 to 100"),
        ("limit=101", "limit", "1 to 100"),
        ("limit=", "limit", "1 to 100"),
        ("limit=1.5", "limit", "1 to 100"),
        ("limit=%2B5", "limit", "1 to 100"),
        ("offset=-1", "offset", "0 to 2147483647"),
        ("offset=" + "9" * 5000, "offset", "0 to 2147483647"),
    ],
)
def test_bad_values(still, ask, query, field, allowed):
    answer = ask(still, f"/v1/video/list?{query}")
    body = answer.json()
    assert (answer.status_code, body["success"], body["code"]) == (400, False, "INVALID_VALUE")
    assert body["details"]["field"] == field
    assert allowed in body["details"]["allowed"]
