"""What the panel's module draws, on a bare page: widths, themes, words, keys, hostile text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from hooked_analytics import videos_from_records
from tests.browser.panel_page import FedPanel

AT = datetime(2026, 11, 1, 14, tzinfo=UTC)
TYPES = ("ugc_ads", "product_ads", "script_to_video", "class")
HOSTILE = "<img src=x onerror=hit()>\u202e\0" + "y" * 1_000_000
LONG_TASKS = """() => { window.tasks = []; new PerformanceObserver(list => window.tasks.push(
  ...list.getEntries().map(e => e.duration))).observe({ type: "longtask" }); }"""
# numbers and headings that are cut, or cover what stands beside them
CUT = """() => [...document.querySelectorAll(
  ".hk-tiles b, .hk-right, .hk-progress, th button, .hk-chip, header button")]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""


@cache
def batch(count: int, seconds: int) -> pd.DataFrame:
    """A batch so long after its creation; every eleventh video fails."""

    def record(n: int) -> dict[str, object]:
        total = 50 + 37 * n % 180
        status = "STARTED" if seconds < total else "FAILED" if n % 11 == 4 else "COMPLETED"
        return {
            "id": f"vid_{n:06x}",
            "name": HOSTILE if n == 3 else f"Autumn campaign, hook {n + 1}",
            "type": TYPES[n % 4],
            "status": "PAUSED_BY_TEAM" if n == 8 else status,
            "progress": min(99, 100 * seconds // total),
            "message": "Voice model temporarily unavailable" if status == "FAILED" else "Lip-sync",
            "usedCredits": None if status == "STARTED" else 1204 + n % 6,
            "createdAt": AT.isoformat(),
            "updatedAt": (AT + timedelta(seconds=min(seconds, total))).isoformat(),
            "thumbnail": "javascript:hit()" if n == 5 else None,
        }

    at = AT + timedelta(seconds=seconds)
    return videos_from_records([record(n) for n in range(count)], fetched_at=at)


def fed(page, count: int, *, polls: int = 12, **settings) -> FedPanel:
    ids = batch(count, 0)["video_id"]
    own = pd.DataFrame({"video_id": ids, "campaign": ("Spring", "Site") * (count // 2)})
    panel = FedPanel(page, own, **settings)
    for poll in range(polls):
        panel.poll(batch(count, 10 * poll))
    page.wait_for_selector(".hooked tbody code")
    return panel


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_number_is_cut_and_axe_finds_nothing(page, screenshots, theme):
    fed(page, 42, theme=theme)
    for width in (1600, 1100, 720, 480):
        page.set_viewport_size({"width": width + 20, "height": 1200})
        page.locator("#panel").evaluate("(e, width) => { e.style.width = `${width}px` }", width)
        page.locator(".hooked tbody tr").nth(1).hover()
        page.locator("#panel").screenshot(path=screenshots / f"panel-{theme}-{width}.png")
        assert page.evaluate(CUT) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 20
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_words_of_each_state(page):
    panel = fed(page, 42)
    header, tiles = page.locator(".hooked header"), page.locator(".hk-tiles > div")
    assert page.locator(".hk-chip:visible").all_inner_texts()[-1].endswith("completed")
    assert "1 unknown" in header.inner_text()
    assert tiles.nth(1).inner_text().startswith("1 min 50 s")
    assert "videos not known yet" in tiles.nth(2).inner_text()
    assert page.locator(".hk-fold").inner_text() == "▸ 14 completed · 16,893 credits"
    assert "median render 1 min 23 s" in page.locator(".hooked footer").inner_text()
    assert page.locator(".hk-label", has_text="now").count() == 1
    page.locator(".hk-chip", has_text="unknown").click()
    assert "paused_by_team" in page.locator("tbody").inner_text()
    page.locator(".hk-chip", has_text="unknown").click()
    panel.panel._failing = True
    panel.poll(batch(42, 115))
    panel.until(lambda: "Hooked does not answer" in page.locator(".hk-banner").inner_text())
    panel.panel._failing = False
    panel.poll(batch(42, 400), "ended")
    panel.until(lambda: "all have ended" in header.inner_text())
    assert page.locator(".hk-label", has_text="now").count() == 0


def test_hostile_text_stays_text_and_only_web_images_are_loaded(page):
    hits: list[str] = []
    page.expose_function("hit", lambda: hits.append("hit"))
    page.on("request", lambda request: hits.append(request.url))
    fed(page, 42)
    shown = page.locator(".hk-name", has_text="<img src=x").inner_text()
    assert (shown[:25], len(shown)) == ("<img src=x onerror=hit()>", 200)
    assert page.locator(".hooked img[src]").count() == 0
    assert [hit for hit in hits if not hit.startswith("blob:")] == []


def test_sort_search_columns_and_chips_need_no_kernel(page):
    panel = fed(page, 42)
    column = page.locator("tbody tr td:nth-child(4)")
    page.get_by_role("button", name="Progress").click()
    rising = [int(text.split()[0]) for text in column.all_inner_texts()]
    page.get_by_role("button", name="Progress").press("Enter")
    falling = [int(text.split()[0]) for text in column.all_inner_texts()]
    assert (rising, falling) == (sorted(rising), sorted(falling, reverse=True))
    page.get_by_label("Search").fill("site")
    assert set(page.locator("tbody tr td:nth-child(2)").all_inner_texts()) == {"Site"}
    page.locator("summary").click()
    page.get_by_label("campaign").uncheck()
    page.get_by_label("Elapsed").check()
    assert "Elapsed" in page.locator("thead").inner_text()
    assert "campaign" not in page.locator("thead").inner_text()
    page.get_by_label("Search").fill("nothing")
    assert page.get_by_text("No such videos.").is_visible()
    page.get_by_label("Search").fill("")
    assert page.get_by_text("No such videos.").is_hidden()
    page.locator(".hk-fold").click()
    assert page.locator(".hk-pager").inner_text().endswith("of 42\n›")
    assert page.evaluate("window.sent") == []
    assert panel.sent == []


def test_buttons_that_need_the_kernel_say_so_and_a_gap_asks_for_everything(page):
    panel = fed(page, 12)
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    page.get_by_text("waiting for the kernel").wait_for()
    assert pause.is_disabled()
    panel.answer()
    page.get_by_text("waiting for the kernel").wait_for(state="hidden")
    panel.poll(batch(12, 120))
    panel.panel._send_rows([0])
    panel.sent.clear()  # a message is lost
    panel.poll(batch(12, 130))
    panel.until(lambda: page.evaluate("window.sent.at(-1)?.kind") == "hello")
    panel.answer()
    panel.until(lambda: "14:02:10" in page.locator(".hooked footer").inner_text())


def test_pictures_tell_their_values_and_an_id_is_copied(page):
    fed(page, 12)
    plot, told = page.locator(".hk-plot").first, page.locator(".hk-told").first
    plot.focus()
    page.keyboard.press("ArrowRight")
    assert "% after" in told.inner_text()
    page.keyboard.press("Escape")
    assert told.inner_text() == ""
    page.locator(".hk-end").first.hover()
    assert "% after" in told.inner_text()
    page.locator(".hk-plot").last.hover()
    assert "of 12 have ended" in page.locator(".hk-told").last.inner_text()
    assert told.inner_text() == ""
    copy = page.get_by_role("button", name="copy id").first
    copy.focus()
    assert copy.evaluate("e => getComputedStyle(e).opacity") == "1"
    copy.press("Enter")
    page.get_by_text(re.compile("copied|selected")).wait_for()


def test_focus_stays_with_its_video_and_with_a_pressed_button(page):
    panel = fed(page, 12, polls=8)
    row = page.locator("tbody tr").nth(1)
    video_id = row.locator("code").inner_text()
    row.get_by_role("button", name="copy id").focus()
    panel.poll(batch(12, 90))
    focused = "document.activeElement.closest('tr').querySelector('code').textContent"
    assert page.evaluate(focused) == video_id
    assert page.locator("tbody code").nth(1).inner_text() != video_id
    page.get_by_role("button", name="Pause").press("Enter")
    assert page.evaluate("document.activeElement.textContent").endswith("Pause")


def test_a_filter_can_be_taken_off_and_no_hole_is_left_when_all_have_ended(page):
    panel = fed(page, 42)
    page.locator(".hk-chip", has_text="rendering").click()
    panel.poll(batch(42, 400), "ended")
    page.get_by_text("No such videos.").wait_for()
    page.locator(".hk-chip", has_text="0 rendering").click()
    assert page.locator("tbody tr").count() == 5
    assert page.locator(".hk-box").bounding_box()["height"] < 400


def test_own_columns_are_shown_as_they_stand(page):
    frame = batch(1, 10)[["video_id"]].assign(
        ad=120211234567890123, share=0.0375, year=2024, Type="mine", third=1 / 3
    )
    FedPanel(page, frame).poll(batch(1, 10))
    cells = page.locator("tbody td").all_inner_texts()
    assert cells[1:5] == ["120211234567890123", "0.0375", "2024", "mine"]
    page.get_by_role("button", name="Type").last.click()
    assert page.locator("th[aria-sort]").count() == 1


def test_ten_thousand_videos_keep_the_page_quick(page):
    panel = fed(page, 10_000, polls=2)
    page.evaluate(LONG_TASKS)
    panel.poll(batch(10_000, 10).assign(message="new"))
    page.locator("thead button").first.click()
    page.get_by_label("Search").fill("hook 99")
    page.get_by_label("Search").fill("")
    page.wait_for_timeout(300)
    assert max(page.evaluate("window.tasks"), default=0) < 5000  # see the benchmark for the figure
    page.evaluate("window.leave()")
