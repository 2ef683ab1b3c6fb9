"""The panel as a widget: what it shows, what it asks, and that it stops when told."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from hooked_analytics import (
    AuthenticationError,
    HookedClient,
    ProgressPanel,
    Sandbox,
    VideoArchive,
    WaitTimeoutError,
    fetch_videos,
    videos_from_records,
)
from hooked_analytics.panel.html import left_text, overview, reasons, table
from hooked_analytics.panel.snapshot import facts, sorted_rows
from hooked_analytics.panel.static import frozen
from tests.scripted import answer, serving, video

HOSTILE = "<img src=x onerror=alert(1)>"


@contextmanager
def watching(sandbox: Sandbox, ids, **settings):
    with sandbox.client() as client:
        panel = ProgressPanel(ids, client=client, **{"interval_seconds": 0.1, **settings})
        try:
            yield panel
        finally:
            panel.close()


def until(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def sent(sandbox: Sandbox) -> int:
    return len(sandbox.requests_seen)


def threads() -> int:
    return sum(thread.name == "hooked-panel" for thread in threading.enumerate())


def text_of(panel: ProgressPanel) -> str:
    parts = (panel._head, panel._overview, panel._note, panel._table, panel._foot, panel._next)
    return re.sub(r"<[^>]*>", " ", " ".join(part.value for part in parts))


# what is shown


VIDEOS = videos_from_records(
    [
        {"id": "vid_1", "status": "COMPLETED", "type": "class", "usedCredits": 5},
        {"id": "vid_2", "status": "STARTED", "type": "class", "progress": 40, "name": "b"},
        {"id": "vid_3", "status": "FAILED", "type": "story", "usedCredits": 3, "message": "boom",
         "progress": 70},
        {"id": "vid_4", "status": "QUEUED", "name": "A"},
    ]
)  # fmt: skip


def test_the_figures_of_a_look():
    shown = facts(VIDEOS)
    assert shown.counts == {
        "rendering": 1, "completed": 1, "failed": 1, "problem": 0, "waiting": 0, "unknown": 1,
    }  # fmt: skip
    assert shown.done["rendering"] == 0.1
    assert shown.done["failed"] == 0.25
    assert (shown.credits, shown.wasted, shown.credits_unknown) == (8.0, 3.0, 2)
    assert shown.reasons == {"boom": 1}
    assert shown.ahead is None


def test_unknown_credits_are_a_dash_and_never_nothing():
    shown = facts(videos_from_records([{"id": "vid_1", "status": "FAILED"}]))
    assert "<b>–</b><span>credits, 1 unknown</span>" in overview(shown, requests=0, limit=60)
    assert "<b>–</b><span>credits on failures</span>" in overview(shown, requests=0, limit=60)


def test_a_frame_without_rows_has_figures_too():
    shown = facts(videos_from_records([]))
    assert (shown.total, shown.credits_unknown) == (0, 0)
    assert "nothing left to wait for" in overview(shown, requests=0, limit=None)


@pytest.mark.parametrize(
    ("sort", "first"),
    [("least progress", "vid_2"), ("most credits", "vid_1"), ("name", "vid_4")],
)
def test_rows_are_sorted(sort, first):
    rows = sorted_rows(facts(VIDEOS).rows, kind="", of_type="", sort=sort)
    assert rows["video_id"].iloc[0] == first


def test_rows_are_filtered_by_status_and_type():
    rows = facts(VIDEOS).rows
    shown = sorted_rows(rows, kind="failed", of_type="", sort="as asked")
    assert shown["video_id"].tolist() == ["vid_3"]
    shown = sorted_rows(rows, kind="", of_type="class", sort="as asked")
    assert shown["video_id"].tolist() == ["vid_1", "vid_2"]


def test_text_of_the_api_stays_text():
    record = {"id": "vid_1", "status": "FAILED", "name": HOSTILE, "type": HOSTILE,
              "message": "</td><script>alert(1)</script>\u202e"}  # fmt: skip
    shown = facts(videos_from_records([record]))
    pages = [table(shown.rows, height=1, empty=""), reasons(shown)]
    for page in [*pages, frozen(shown, png=None, seen="now")]:
        assert "<img src=x" not in page
        assert "<script" not in page
        assert "\u202e" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages[0]


def test_an_empty_page_keeps_the_height_of_a_full_one():
    rows = facts(VIDEOS).rows
    assert table(rows, height=4, empty="none").count("<tr") == 5
    assert table(rows[:0], height=4, empty="none").count("<tr") == 5


def test_a_stuck_render_says_so():
    row = {"kind": "rendering", "stuck": True, "left_low": 10.0, "left_high": 20.0}
    assert left_text(row) == "stuck?"
    assert left_text({**row, "stuck": False}) == "10–20 s"
    assert left_text({**row, "kind": "completed"}) == ""


def test_the_time_left_is_that_of_the_pace_of_the_batch():
    at = "2024-01-15T10:00:00Z"
    ended = {"status": "COMPLETED", "createdAt": at, "updatedAt": "2024-01-15T10:01:00Z"}
    batch = [{**ended, "id": "vid_1"}, {"id": "vid_2", "status": "STARTED", "createdAt": at}]
    seen = pd.Timestamp("2024-01-15T10:01:40Z").to_pydatetime()
    ahead = facts(videos_from_records(batch, fetched_at=seen)).ahead
    assert ahead.seconds == 100
    assert np.isnan(ahead.low_seconds)


# a panel that watches


def test_it_watches_to_the_end():
    with Sandbox(videos=1, time_scale=60) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=s, fails=False) for s in (20, 40)]
        with watching(sandbox, ids) as panel:
            videos = panel.wait(30)
            assert videos["status"].tolist() == ["COMPLETED", "COMPLETED"]
            assert videos.equals(panel.videos)
            assert panel.state == "ended"
            assert "2 completed" in text_of(panel)
            assert panel.history["progress"].max() == 100
            assert bytes(panel._image.value[1:4]) == b"PNG"
        assert threads() == 0


def test_types_of_renders_under_way_are_shown():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("ugc_ads", render_seconds=900) for _ in range(13)]
        with watching(sandbox, [*ids, sandbox.create_video("class", render_seconds=900)]) as panel:
            until(lambda: "ugc_ads" in text_of(panel))
            assert panel.videos["type"].tolist() == ["ugc_ads"] * 13 + ["class"]
            assert sandbox.request_counts["list"] <= 13 + 5
            assert sandbox.request_counts.get("details", 0) == 0


def test_a_pause_asks_nothing_and_refresh_asks_once():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        with watching(sandbox, ids) as panel:
            until(lambda: panel._watcher.looks)
            panel.pause()
            until(lambda: panel.state == "paused")
            time.sleep(0.15)
            asked = sent(sandbox)
            time.sleep(0.4)
            assert sent(sandbox) == asked
            assert panel._go.description.endswith("Resume")
            sandbox.advance(300)
            panel.refresh()
            assert 1 <= sent(sandbox) - asked <= 3
            assert panel.videos["progress"].gt(10).all()
            until(lambda: panel.state == "paused")
            panel.start()
            until(lambda: sent(sandbox) > asked + 5)


def test_a_stop_ends_the_thread_and_a_start_goes_on():
    with Sandbox(videos=1) as sandbox:
        done = sandbox.create_video("class", render_seconds=1, fails=False)
        ids = [done, sandbox.create_video("class", render_seconds=900)]
        sandbox.advance(2)
        with watching(sandbox, ids) as panel:
            until(lambda: panel._watcher.looks > 1)
            panel.stop()
            until(lambda: threads() == 0, 1)
            asked = sent(sandbox)
            time.sleep(0.3)
            assert sent(sandbox) == asked
            assert panel.state == "stopped"
            panel.start()
            until(lambda: sent(sandbox) > asked + 2)
            panel.stop()
        assert "1 completed" in text_of(panel)


def test_what_is_final_is_not_asked_again_after_a_stop():
    asked: list[str] = []

    def hooked(request):
        asked.append(request.path)
        if "list" in request.path:
            return answer({"message": "gone"}, 404)
        status = "COMPLETED" if request.path.endswith("vid_1") else "STARTED"
        return answer(video(request.path.rsplit("/", 1)[-1], status=status, type="class"))

    with serving(hooked) as server, HookedClient("key", base_url=server.url) as client:
        panel = ProgressPanel(["vid_1", "vid_2"], client=client, interval_seconds=0.05)
        until(lambda: panel._watcher.looks > 3)
        panel.stop()
        panel._watcher.join(5)
        panel.start()
        looks = panel._watcher.looks
        until(lambda: panel._watcher.looks > looks + 3)
        panel.close()
    assert sum(path.endswith("vid_1") for path in asked) == 1


def test_a_new_panel_for_the_same_videos_stops_the_old_one():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        with watching(sandbox, ids) as old, watching(sandbox, ids[::-1]) as new:
            until(lambda: threads() == 1, 1)
            assert (old.state, new._watcher.running) == ("replaced", True)
            assert "a newer panel took over" in text_of(old)
            with watching(sandbox, ids[:1]) as other:
                assert new._watcher.running
                assert other._watcher.running


def test_what_an_archive_knows_is_not_asked_and_what_is_seen_is_kept(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    with Sandbox(videos=30) as sandbox, sandbox.client() as client:
        archive.append(fetch_videos(sandbox.video_ids[:5], client=client, progress=False))
        final = archive.videos().loc[lambda v: v["status"].ne("STARTED"), "video_id"].tolist()
        asked = sent(sandbox)
        with watching(sandbox, final, archive=archive) as panel:
            panel.wait(10)
            assert panel.state == "ended"
            assert panel._watcher.looks == 1
        assert sent(sandbox) == asked
        new = sandbox.create_video("class", render_seconds=1, fails=False)
        sandbox.advance(2)
        with watching(sandbox, [new], archive=archive) as panel:
            panel.wait(10)
    assert new in archive.videos()["video_id"].tolist()


def test_no_ids_say_so():
    with Sandbox(videos=1) as sandbox, watching(sandbox, []) as panel:
        assert "No video ids were given." in text_of(panel)
        assert panel.wait(1).empty
        assert threads() == 0
        assert sent(sandbox) == 0


def test_ids_that_do_not_exist_are_rows_with_the_reason_and_end():
    with Sandbox(videos=1) as sandbox, watching(sandbox, ["vid_nowhere", "../list"]) as panel:
        videos = panel.wait(20)
        assert videos["fetch_error"].tolist() == ["not_found", "invalid_id"]
        assert "2 not to be had" in text_of(panel)
        assert "not found" in text_of(panel)


def test_a_short_interval_is_for_this_machine_alone():
    client = HookedClient("key")
    with pytest.raises(ValueError, match="at least 1 for Hooked"):
        ProgressPanel(["vid_1"], client=client, interval_seconds=0.5)
    panel = ProgressPanel(["vid_1"], client=client, autostart=False)
    with pytest.raises(ValueError, match="at least 1 for Hooked"):
        panel._watcher.interval_seconds = 0.5
    panel.close()
    assert threads() == 0


def test_a_wrong_key_ends_it_with_the_reason():
    with Sandbox(videos=1) as sandbox:
        client = HookedClient("wrong-key", base_url=sandbox.url)
        panel = ProgressPanel(["vid_abc123"], client=client, interval_seconds=0.1)
        with pytest.raises(AuthenticationError):
            panel.wait(20)
        assert panel.state == "failed"
        assert "The watch ended" in text_of(panel)
        assert "wrong-key" not in text_of(panel)
        panel.close()


def test_a_failing_api_is_shown_with_the_next_try():
    with serving(lambda request: answer({"message": "down"}, 503)) as hooked:
        client = HookedClient("key", base_url=hooked.url, max_attempts=1)
        panel = ProgressPanel(["vid_1", "vid_2"], client=client, interval_seconds=0.3)
        until(lambda: "could not be asked" in text_of(panel) and "next try in" in text_of(panel))
        assert panel._watcher.running
        panel.close()


def test_waiting_too_long_says_that_the_renders_go_on():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=900)]
        with watching(sandbox, ids) as panel:
            with pytest.raises(WaitTimeoutError, match="renders at Hooked") as late:
                panel.wait(0.3)
            assert late.value.videos["video_id"].tolist() == ids
            assert panel._watcher.running


def test_an_archive_that_cannot_be_written_shows(tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    with Sandbox(videos=1) as sandbox, sandbox.client() as client:

        def full(videos):
            raise OSError(28, "No space left on device")

        archive.append = full
        panel = ProgressPanel(["vid_abc123"], client=client, archive=archive, interval_seconds=0.1)
        with pytest.raises(OSError, match="No space left"):
            panel.wait(10)
        assert "No space left on device" in text_of(panel)
        assert "1 completed" in text_of(panel)
        panel.close()


def test_pages_and_filters_of_many_videos():
    with Sandbox(videos=80) as sandbox, watching(sandbox, sandbox.video_ids) as panel:
        until(lambda: panel._watcher.looks)
        panel.stop()
        total = len(sandbox.video_ids)
        assert f"1–10 of {total}" in panel._range.value
        panel._forth.click()
        assert f"11–20 of {total}" in panel._range.value
        assert not panel._back.disabled
        panel._size.value = 50
        assert f"1–50 of {total}" in panel._range.value
        panel._status.value = "failed"
        failed = facts(panel.videos).counts["failed"]
        assert f"1–{failed} of {failed}" in panel._range.value
        assert panel._table.value.count("hk-video") == failed
        kinds = {value for _, value in panel._type.options}
        assert kinds == {"", *panel.videos["type"].dropna()}


def test_closing_it_ends_the_thread():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        with watching(sandbox, ids) as panel:
            until(lambda: panel._watcher.looks)
            panel.close()
            panel.close()
            until(lambda: threads() == 0, 5)


def test_without_ipywidgets_it_says_so_and_prints_lines():
    code = """
    import sys
    sys.modules["ipywidgets"] = None
    import hooked_analytics as ha
    client = ha.HookedClient(sys.argv[1], base_url=sys.argv[2])
    panel = ha.ProgressPanel(sys.argv[3:], client=client, interval_seconds=0.1)
    print(panel.wait(30)["status"].tolist(), panel.state)
    print(panel.freeze().count("<tr>"))
    panel.close()
    """
    with Sandbox(videos=1, time_scale=60) as sandbox:
        video_id = sandbox.create_video("class", render_seconds=60, fails=False)
        arguments = [sandbox.api_key, sandbox.url, video_id]
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    lines = done.stdout.splitlines()
    assert 'pip install "hooked-analytics[notebook]"' in lines[0]
    assert "1 completed" in lines[-3]
    assert lines[-2:] == ["['COMPLETED'] ended", "2"]
    assert done.stderr == ""


def test_a_frozen_panel_is_plain_html_with_every_video():
    with Sandbox(videos=1) as sandbox:
        ids = [sandbox.create_video("class", fields={"name": HOSTILE}, render_seconds=9)]
        with watching(sandbox, [*ids, "vid_abc123", "vid_nowhere"], autostart=False) as panel:
            assert "no look yet" in panel.freeze()
            panel.refresh()
            page = panel.freeze()
    assert panel.state == "stopped"
    assert page.count("<tr>") == 1 + 3
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page
    assert "data:image/png;base64," in page
    assert not re.search(r"<script|<style|http", page)
    assert set(re.findall(r'style="([^"]*)"', page)) == {"text-align:left"}


def test_showing_it_says_nothing_and_sends_little():
    with Sandbox(videos=60) as sandbox, watching(sandbox, sandbox.video_ids) as panel:
        until(lambda: panel._watcher.looks)
        panel.stop()
        parts = (panel._head, panel._overview, panel._note, panel._table, panel._foot)
        assert sum(len(part.value) for part in parts) < 20_000
