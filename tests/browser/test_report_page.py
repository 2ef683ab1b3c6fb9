"""The page of a report as a browser shows it: whole, quiet, harmless, on any width and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from hooked_analytics import Report, build_report, videos_from_records

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
TYPES = ("ugc_ads", "product_ads", "class", "script_to_video", "hook_demo", "tiktok_slideshow")
HOSTILE = ("<img src=x onerror=alert(1)>", "</svg><script>alert(1)</script>", r"$\frac{$ {{7*7}}")
TEXTS = "[...document.querySelectorAll('.picture svg')].filter(each => each.checkVisibility())"
OVERLAPS = f"""
{TEXTS}.flatMap(svg => {{
  const boxes = [...svg.querySelectorAll('text')]
    .map(text => [text.textContent, text.getBoundingClientRect()]);
  const frame = svg.getBoundingClientRect();
  const outside = boxes.filter(([_, b]) => b.left < frame.left - 1 || b.right > frame.right + 1
    || b.top < frame.top - 1 || b.bottom > frame.bottom + 1).map(([name]) => name + ' is cut');
  const over = boxes.flatMap(([name, a], at) => boxes.slice(at + 1)
    .filter(([_, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
    .map(([other]) => name + ' over ' + other));
  return [...outside, ...over];
}})
"""


def video(number: int) -> dict[str, object]:
    made = NOW - timedelta(hours=7 + 5 * number)
    kind = TYPES[number % len(TYPES)]
    seconds = 40 + 37 * (number % 7) * (1 + number % len(TYPES))
    return {
        "id": f"vid_{number:04}",
        "name": f"Video {number}",
        "type": kind,
        "status": "FAILED" if number % 11 == 3 else "COMPLETED",
        "message": "Voice model is currently unavailable" if number % 2 else "Avatar lost",
        "script": f"script {number // 12}",
        "usedCredits": None if number % 17 == 5 else 1 + 2 * (number % len(TYPES)),
        "durationInSeconds": 30 + number % 50,
        "createdAt": made.isoformat(),
        "updatedAt": (made + timedelta(seconds=seconds)).isoformat(),
    }


def hostile(number: int) -> dict[str, object]:
    text = HOSTILE[number % len(HOSTILE)]
    told = dict.fromkeys(("type", "name", "message"), text)
    return {**video(number), **told, "id": f"vid_hostile_{number}", "status": "FAILED"}


@pytest.fixture(scope="module")
def report() -> Report:
    records = [video(number) for number in range(288)] + [hostile(number) for number in range(3)]
    videos = videos_from_records(records, fetched_at=NOW)
    month = videos["created_at"] >= "2026-10-01"
    return build_report(videos[month], before=videos[~month], balance=600)


@pytest.fixture(scope="module")
def path(report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.to_html(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def opened(page: Page, path: Path) -> Iterator[Page]:
    """The page, with everything a browser complains of or asks for counted."""
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("dialog", lambda dialog: noise.append(dialog.message))
    page.on("request", lambda request: noise.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert [url for url in noise if url not in (path.as_uri(), "data:,")] == []


def test_everything_is_there_and_hostile_text_is_text(opened, screenshots):
    assert opened.locator("h1").inner_text() == "Credit spend, October 2026"
    assert opened.locator(".figures li").count() == 4
    assert opened.locator(".picture svg:visible").count() == 3
    headings = opened.locator("h2").all_inner_texts()
    assert headings[:4] == [
        "Where the credits went",
        "How long renders take",
        "Day by day, and what comes next",
        "Why it changed against September",
    ]
    assert opened.locator("table tbody tr").count() > 15
    assert opened.locator("script, img, iframe, object, link:not([rel=icon])").count() == 0
    for text in HOSTILE:
        assert opened.locator("#table-by td", has_text=text).count() == 1
        label = re.compile(re.escape(text[:10]) + ".*" + re.escape(text[-4:]))  # "…" between
        assert opened.locator(".wide svg text", has_text=label).count() >= 1
    opened.screenshot(path=screenshots / "report-desktop.png", full_page=True)


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_the_page_never_scrolls_sideways_and_no_label_covers_another(opened, screenshots, width):
    opened.set_viewport_size({"width": width, "height": 844})
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.evaluate(OVERLAPS) == []
    assert opened.locator(".picture svg:visible").count() == 3
    if width == 390:
        assert opened.evaluate(
            "[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)"
        )
    opened.screenshot(path=screenshots / f"report-{width}.png", full_page=True)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, path, screenshots, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(path.as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.screenshot(path=screenshots / f"report-{scheme}.png", full_page=True)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_it_prints_light_on_few_pages(opened, screenshots):
    opened.emulate_media(media="print", color_scheme="dark")
    assert (
        opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    printed = opened.pdf(path=screenshots / "report.pdf", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") <= 5


def test_the_notebook_shows_it_without_changing_its_neighbours(page, report, screenshots):
    neighbour = "<p id='other'>other</p><table><tr><td>1</td></tr></table>"
    page.set_content(neighbour)
    look = "e => { const s = getComputedStyle(e); return [s.font, s.padding, s.color, s.margin] }"
    before = [page.eval_on_selector(each, look) for each in ("#other", "td", "body")]
    page.set_content(f"{neighbour}<div style='width: 820px'>{report._repr_html_()}</div>")
    assert [page.eval_on_selector(each, look) for each in ("#other", "td", "body")] == before
    assert page.locator(".picture img:visible").count() == 3
    page.screenshot(path=screenshots / "report-notebook.png", full_page=True)
