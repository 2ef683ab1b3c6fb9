"""The panel without a browser: what it shows and sends, what it requests, that it stops."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from hooked_analytics import (
    AuthenticationError,
    FetchError,
    HookedClient,
    ProgressPanel,
    Sandbox,
    VideoArchive,
    WaitTimeoutError,
    fetch_videos,
    videos_from_records,
)
from hooked_analytics.analysis import batch_time_left
from hooked_analytics.panel.notebook import frozen
from hooked_analytics.panel.snapshot import FIELDS, KINDS, WAITING, Snapshot
from tests.panel.notebook_kernel import until
from tests.scripted import answer, serving, video

HOSTILE = "<img src=x onerror=alert(1)>"
AT = datetime(2024, 1, 15, 10, tzinfo=UTC)
VIDEOS = videos_from_records(
    [
        {"id": "vid_1", "status": "COMPLETED", "type": "class", "usedCredits": 5},
        {"id": "vid_2", "status": "STARTED", "type": "class", "progress": 40, "name": "b",
         "createdAt": "2024-01-15T09:58:20Z"},
        {"id": "vid_3", "status": "FAILED", "type": "story", "usedCredits": 3, "message": "boom",
         "progress": 70},
        {"id": "vid_4", "status": "HELD_BY_TEAM", "name": "A"},
    ],
    fetched_at=AT,
)  # fmt: skip


@contextmanager
def watching(sandbox: Sandbox, ids, **settings):
    with sandbox.client() as client:
        panel = ProgressPanel(ids, client=client, **{"interval_seconds": 0.1, **settings})
        try:
            yield panel
        finally:
            panel.close()


@contextmanager
def rendering(count: int, **settings):
    """A sandbox, videos in it that render for long, and a panel on them."""
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(count)]
        with watching(sandbox, ids, **settings) as panel:
            yield sandbox, ids, panel


@contextmanager
def quiet(ids, *, hello: bool = True):
    """A panel that does not poll, and the messages it sends."""
    client = HookedClient("key", base_url="http://127.0.0.1:9")
    panel = ProgressPanel(ids, client=client, autostart=False)
    messages: list[dict] = []

    def keep(content, buffers=None):
        packed = (
            json.loads(zlib.decompress(buffers[0]))
            if buffers
            else {"columns": [None] * len(FIELDS)}
        )
        packed["columns"] = dict(zip(FIELDS, packed["columns"], strict=True))
        messages.append({**content, **packed, **packed.get("all", {})})

    panel.send = keep
    if hello:
        panel._received({"kind": "hello"})
    yield panel, messages
    panel.close()


def heard(ids, polls, *, hello: bool = True) -> list[dict]:
    """Messages that a panel sends for some polls."""
    with quiet(ids, hello=hello) as (panel, messages):
        for videos in polls:
            panel._videos = videos.copy()
            panel._changed()
    return messages


def shown(videos, archive=None) -> Snapshot:
    snapshot = Snapshot(archive)
    snapshot.update(videos)
    return snapshot


def sent(sandbox: Sandbox) -> int:
    return len(sandbox.requests_seen)


def threads() -> int:
    return sum(thread.name == "hooked-panel" for thread in threading.enumerate())


# the figures


def test_the_figures_of_a_poll():
    totals = shown(VIDEOS).totals()
    assert {kind: n for kind, n in zip(KINDS, totals["counts"], strict=True) if n} == {
        "rendering": 1, "failed": 1, "unknown": 1, "completed": 1,
    }  # fmt: skip
    assert totals["done"][KINDS.index("rendering")] == 0.1
    assert (totals["credits"], totals["failed_credits"], totals["credits_unknown"]) == (8, 3, 2)
    assert totals["reasons"] == [["boom", 1]]
    assert totals["elapsed"] == 100
    assert "left" not in totals


@pytest.mark.parametrize("records", [[], [{"id": "vid_1", "status": "FAILED"}]])
def test_unknown_credits_are_missing_and_never_nothing(records):
    totals = shown(videos_from_records(records)).totals()
    assert (totals["credits"], totals["failed_credits"]) == (None, None)
    assert totals["credits_unknown"] == len(records)


def test_the_time_left_is_that_of_the_pace_of_the_batch():
    at = "2024-01-15T10:00:00Z"
    ended = {"status": "COMPLETED", "createdAt": at, "updatedAt": "2024-01-15T10:01:00Z"}
    batch = [{**ended, "id": "vid_1"}, {"id": "vid_2", "status": "STARTED", "createdAt": at}]
    seen = AT + timedelta(seconds=100)
    snapshot = shown(videos_from_records(batch, fetched_at=seen))
    totals = snapshot.totals()
    assert (totals["text"], totals["remaining"], totals.get("left")) == ("about 2 min", 1, None)
    snapshot.update(videos_from_records([batch[0], {**ended, "id": "vid_2"}], fetched_at=seen))
    assert "text" not in snapshot.totals()  # nothing renders


def test_ends_are_estimated_anew_when_a_fifth_of_the_time_has_gone_by():
    record = {"id": "vid_1", "status": "STARTED", "progress": 20, "createdAt": AT.isoformat()}
    snapshot, told = Snapshot(), []
    for after in range(50, 100, 5):
        snapshot.update(videos_from_records([record], fetched_at=AT + timedelta(seconds=after)))
        told.append(snapshot._estimated_at)
    assert told == [0, 0, 10, 10, 10, 25, 25, 25, 40, 40]


@pytest.mark.parametrize("learns", [False, True])
def test_the_expected_ends_are_those_of_the_functions_for_frames(tmp_path, learns):
    def made(number: int, age: int, progress: int | None) -> dict:
        created = AT - timedelta(seconds=age)
        end = created + timedelta(seconds=60 + 7 * number % 90)
        return {"id": f"vid_{number}", "type": ("class", "story")[number % 2], "progress": progress,
                "status": "COMPLETED" if progress is None else "STARTED",
                "createdAt": created.isoformat(), "updatedAt": end.isoformat()}  # fmt: skip

    now = [made(n, 30 + n % 50, 10 + n) if n % 4 else made(n, 200 + n, None) for n in range(90)]
    videos, archive = videos_from_records([*now, made(90, 3000, 50)], fetched_at=AT), None
    if learns:
        archive = VideoArchive(tmp_path / "archive")
        for progress, seconds in ((30, 20), (60, 50), (None, 200)):
            past = [made(1000 + n, 90_000 + 400 * n, progress) for n in range(300)]
            seen = videos_from_records(past)
            at = seen["created_at"] + pd.Timedelta(seconds=seconds)
            archive.append(seen.assign(fetched_at=at))
    snapshot = shown(videos, archive)
    ends = snapshot.eta().set_index("video_id").reindex(videos["video_id"])
    for name, column in (("low", "eta_low"), ("high", "eta_high")):
        seconds = (ends[column] - snapshot.base).dt.total_seconds().round(1)
        assert seconds.notna().any()
        assert seconds.tolist() == pytest.approx(
            snapshot.columns[name].tolist(), nan_ok=True, abs=0.11
        )
    stuck = snapshot.columns["stuck"] == 1
    assert ends["stuck"].eq(True).fillna(False).tolist() == stuck.tolist()
    assert stuck.any() == learns
    history = None if archive is None else pd.concat([archive.videos(), videos])
    assert snapshot.time_left() == pytest.approx(
        batch_time_left(videos, history=history), nan_ok=True
    )


def test_pictures_begin_with_what_an_archive_has_observed(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    for i, status, progress, after in [
        ("vid_1", "STARTED", 10.0, -120),
        ("vid_2", "STARTED", 20.0, -60),
        ("vid_1", "COMPLETED", None, -30),
        ("vid_9", "STARTED", 5.0, -10),
    ]:
        record = {"id": i, "status": status, "progress": progress}
        archive.append(videos_from_records([record], fetched_at=AT + timedelta(seconds=after)))
    snapshot = shown(VIDEOS[VIDEOS["video_id"].isin(["vid_1", "vid_2"])], archive)
    assert snapshot.lines()[:3] == [[-120, 0, 10], [-60, 1, 20], [-30, 0, 100]]
    assert [point[:2] for point in snapshot.series] == [[-120, 0], [-60, 0], [-30, 1], [0, 1]]


# what is sent


def test_a_poll_sends_the_rows_it_changed():
    later = VIDEOS.assign(progress=VIDEOS["progress"].replace(40, 90))
    ids = VIDEOS["video_id"].tolist()
    hello, first, second, third = heard(ids, [VIDEOS, later, later])[:4]
    assert (hello["kind"], hello["ids"], hello["columns"]["kind"]) == ("all", ids, [WAITING] * 4)
    assert (first["kind"], first["columns"]["progress"]) == ("change", [100, 40, 70, None])
    assert (second["kind"], second["rows"], second["columns"]["progress"]) == ("change", [1], [90])
    assert second["lines"] == [[0, 1, 90]]
    assert (third["rows"], third["seq"]) == ([], second["seq"] + 1)
    assert heard(ids, [VIDEOS], hello=False) == []


def test_own_columns_and_texts_are_sent_as_json_can_hold_them():
    ids, day = ["vid_1", "vid_1", "vid_2"], pd.Timestamp("2024-01-15")
    own = {
        "video_id": ids,
        "status": "x",
        "budget": [1.5, 2.0, None],
        "day": day,
        "ratio": [float("inf")] * 3,
    }
    frame = pd.DataFrame(own).assign(team=pd.array([7, 7, None], "Int64"), tags=[["a"]] * 3)
    frame["client"] = pd.array(["A", "A", None], "string")
    frame.insert(0, "client", "another of the same name", allow_duplicates=True)
    record = {"id": "vid_1", "status": "FAILED", "name": "n\0ame\u202e" + "x" * 1_000_000,
              "thumbnail": "javascript:alert(1)", "message": HOSTILE}  # fmt: skip
    hello, told = heard(frame, [videos_from_records([record, {**record, "id": "vid_2"}])])[:2]
    assert hello["own"] == {
        "budget": [1.5, None], "day": ["2024-01-15 00:00:00"] * 2, "ratio": [None] * 2,
        "team": [7, None], "tags": ["['a']"] * 2, "client": ["A", None],
    }  # fmt: skip
    assert told["columns"]["name"][0].startswith("namex")
    assert len(told["columns"]["name"][0]) == 200
    assert told["columns"]["message"] == [HOSTILE] * 2
    assert told["columns"]["thumbnail"] == [None, None]
    with pytest.raises(ValueError, match="no column 'video_id'"):
        ProgressPanel(frame.rename(columns={"video_id": "id"}), client=HookedClient("key"))


def test_an_open_video_is_requested_anew_and_only_a_web_address_is_handed_on():
    with Sandbox(videos=30) as sandbox, watching(sandbox, ["vid_abc123", "vid_no"]) as panel:
        panel.wait(30)
        told: list[dict] = []
        panel.send = lambda content, buffers=None: told.append(content)
        panel._page = True
        asked = sent(sandbox)
        for at in (0, 1, 7):
            panel._received({"kind": "open", "at": at, "id": at})
        until(lambda: len(told) == 3)
        links = {each["done"]: each["link"] for each in told}
        assert links[0]["url"].startswith("http")
        assert "not found" in links[1]["error"]
        assert "error" in links[7]
        assert sent(sandbox) == asked + 2
        assert "http" not in str(panel.get_state(["_view_name"]))


def test_a_short_interval_is_for_this_machine_alone():
    with pytest.raises(ValueError, match="at least 1 for Hooked"):
        ProgressPanel(["vid_1"], client=HookedClient("key"), interval_seconds=0.5)


# a panel that polls


def test_it_polls_to_the_end():
    with Sandbox(videos=1, time_scale=60) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=s, fails=False) for s in (20, 40)]
        with watching(sandbox, ids) as panel:
            assert len(panel.eta) <= 2
            videos = panel.wait(30)
            assert videos["status"].tolist() == ["COMPLETED", "COMPLETED"]
            assert videos.equals(panel.videos)
            assert panel.state == "ended"
            assert "2 completed" in repr(panel)
            assert panel.history["progress"].max() == 100
            assert panel.eta.empty
        assert threads() == 0


def test_types_of_renders_under_way_are_shown():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("ugc_ads", render_seconds=900) for _ in range(13)]
        with watching(sandbox, [*ids, sandbox.create_video("class", render_seconds=900)]) as panel:
            until(lambda: panel.videos["type"].dropna().tolist() == ["ugc_ads"] * 13 + ["class"])
            assert sandbox.request_counts["list"] <= 13 + 5
            assert sandbox.request_counts.get("details", 0) == 0


def test_a_pause_requests_nothing_and_refresh_polls_once():
    with rendering(2) as (sandbox, ids, panel):
        until(lambda: len(panel.history))
        with pytest.raises(WaitTimeoutError, match="renders at Hooked") as late:
            panel.wait(0.3)
        assert late.value.videos["video_id"].tolist() == ids
        assert panel.state in ("polling", "waiting")
        panel.pause()
        until(lambda: panel.state == "paused")
        time.sleep(0.15)
        asked = sent(sandbox)
        time.sleep(0.4)
        assert sent(sandbox) == asked
        sandbox.advance(300)
        panel.refresh()
        assert 1 <= sent(sandbox) - asked <= 3
        assert panel.videos["progress"].gt(10).all()
        until(lambda: panel.state == "paused")
        panel.start()
        until(lambda: sent(sandbox) > asked + 5)


def test_what_is_final_is_not_requested_again_after_a_stop():
    asked: list[str] = []

    def hooked(request):
        video_id = request.path.rsplit("/", 1)[-1]
        asked.append(video_id)
        if "list" in request.path:
            return answer({"message": "gone"}, 404)
        status = "COMPLETED" if video_id == "vid_1" else "STARTED"
        return answer(video(video_id, status=status, usedCredits=5))

    with serving(hooked) as server, HookedClient("key", base_url=server.url) as client:
        panel = ProgressPanel(["vid_1", "vid_2"], client=client, interval_seconds=0.05)
        until(lambda: len(asked) > 6)
        panel.stop()
        until(lambda: threads() == 0)
        assert panel.state == "stopped"
        panel.start()
        before = len(asked)
        until(lambda: len(asked) > before + 3)
        panel.close()
    assert asked.count("vid_1") == 1


def test_a_new_panel_for_the_same_videos_closes_the_old_one():
    with rendering(2) as (sandbox, ids, old), watching(sandbox, ids[::-1]) as new:
        until(lambda: threads() == 1)
        assert (old.state, old.comm) == ("replaced", None)
        with pytest.raises(RuntimeError, match="closed"):
            old.start()
        with watching(sandbox, ids[:1]) as other:
            new.start()
            until(lambda: other.state == new.state == "waiting")


def test_what_an_archive_knows_is_not_requested_and_what_is_seen_is_kept(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    with Sandbox(videos=30) as sandbox, sandbox.client() as client:
        archive.append(fetch_videos(sandbox.video_ids[:5], client=client, progress=False))
        final = archive.videos().loc[lambda v: v["status"].ne("STARTED"), "video_id"].tolist()
        new = sandbox.create_video("class", render_seconds=1, fails=False)
        sandbox.advance(2)
        for ids, requests in ((final, False), ([new], True)):
            asked = sent(sandbox)
            with watching(sandbox, ids, archive=archive) as panel:
                panel.wait(10)
                assert (panel.state, len(panel.videos)) == ("ended", len(ids))
            assert (sent(sandbox) > asked) == requests
    assert new in archive.videos()["video_id"].tolist()


def test_no_ids_and_ids_that_do_not_exist_end_it():
    with Sandbox(videos=1) as sandbox:
        with watching(sandbox, []) as panel:
            assert panel.wait(1).empty
        assert (threads(), sent(sandbox)) == (0, 0)
        with watching(sandbox, ["vid_nowhere", "../list"]) as panel:
            assert panel.wait(20)["fetch_error"].tolist() == ["not_found", "invalid_id"]
            assert "2 unavailable" in panel.freeze()


@pytest.mark.parametrize(
    ("key", "fault", "why"),
    [
        ("wrong-key", AuthenticationError, "The polls ended"),
        ("sandbox-key", FetchError, "No space left on device"),
    ],
)
def test_what_ends_the_polls_is_said_and_raised(tmp_path, key, fault, why):
    archive = VideoArchive(tmp_path / "archive")

    def full(videos):
        raise OSError(28, "No space left on device")

    archive.append = full
    with Sandbox(videos=1) as sandbox:
        client = HookedClient(key, base_url=sandbox.url)
        panel = ProgressPanel(["vid_abc123"], client=client, archive=archive, interval_seconds=0.1)
        with pytest.raises(fault):
            panel.wait(20)
        assert panel.state == "failed"
        assert why in panel._status()["why"]
        assert key not in panel.freeze()
        panel.close()


def test_an_api_that_is_down_is_said_once():
    with serving(lambda request: answer({"message": "down"}, 503)) as hooked:
        client = HookedClient("key", base_url=hooked.url, max_attempts=1)
        panel = ProgressPanel(["vid_1", "vid_2"], client=client, interval_seconds=0.3)
        until(lambda: "Hooked does not answer" in panel._status()["why"])
        panel.refresh()
        assert panel._status()["failing"]
        assert panel._snapshot.columns["message"].tolist() == [None, None]
        panel.close()


def test_without_anywidget_it_says_so_and_prints_lines():
    code = """
    import sys
    sys.modules["anywidget"] = None
    import hooked_analytics as ha
    client = ha.HookedClient(sys.argv[1], base_url=sys.argv[2])
    panel = ha.ProgressPanel(sys.argv[3:], client=client, interval_seconds=0.1)
    print(panel.wait(30)["status"].tolist(), panel.state)
    print(panel.freeze().count("<tr"))
    panel.close()
    """
    with Sandbox(videos=1, time_scale=60) as sandbox:
        video_id = sandbox.create_video("class", render_seconds=60, fails=False)
        words = [sandbox.api_key, sandbox.url, video_id]
        command = [sys.executable, "-c", textwrap.dedent(code), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert 'pip install "hooked-analytics[widget]"' in lines[0]
    assert "1 completed" in lines[-3]
    assert lines[-2:] == ["['COMPLETED'] ended", "2"]
    assert done.stderr == ""


def test_a_frozen_panel_is_plain_html_with_every_video():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", fields={"name": HOSTILE}, render_seconds=9)]
        with watching(sandbox, [*ids, "vid_abc123", "vid_nowhere"], autostart=False) as panel:
            assert "not polled yet" in panel.freeze()
            panel.refresh()
            page = panel.freeze()
            assert panel.state == "stopped"
    assert page.count("<tr") == 1 + 3
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page
    assert "data:image/png;base64," in page
    assert not re.search(r"<script|<style|http", page)
    done = videos_from_records([{"id": f"vid_{n}", "status": "COMPLETED"} for n in range(150)])
    page = frozen(shown(done), png=None)
    assert "<summary>150 completed</summary>" in page
    assert (page.count("<tr"), "and 50 more" in page) == (101, True)
