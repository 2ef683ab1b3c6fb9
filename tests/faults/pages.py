"""Hostile names in what people look at: the panel, its frozen copy and the report, in Chromium."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, sync_playwright

from hooked_analytics import build_report, videos_from_records
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.panel.notebook import frozen
from hooked_analytics.panel.snapshot import MAX_TEXT, Snapshot
from tests.browser.conftest import CHROMIUM as PROGRAM, FLAGS
from tests.browser.panel_page import FedPanel

# Each would run, load or draw something if it were more than text; {n} makes them differ.
PAYLOADS = (
    "<img src=x{n} onerror=hit()>",
    "<script>hit()</script>{n}",
    '"><svg onload=hit()>{n}',
    "' onmouseover='hit()' x='{n}",
    "</td></tr></table><iframe src=javascript:hit()>{n}",
    "</style><script>hit()</script>{n}",
    "</title></svg><img src=x{n} onerror=hit()>",
    "<a href=javascript:hit()>{n}</a>",
    "&lt;script&gt;hit()&lt;/script&gt;{n}",
    "<!--{n}--><object data=x>",
    "]]><script>hit()</script>{n}",
    "{{{{ 7*7 }}}}{{% raw %}}{n}",
    "\u202egnp.exe\u2066<base href=//evil.test/>{n}",
    "$\\frac{{1}}{{{n}$ <math><mtext></form><script>hit()</script>",
    "<meta http-equiv=refresh content=0;url=//evil.test/{n}>",
    "<link rel=stylesheet href=//evil.test/{n}.css>",
)
# The report states an empty icon, so that no page asks for one.
FOREIGN = (
    "script, iframe, object, embed, base, form, link:not([href^='data:,']), math, "
    "a[href^='javascript'], img[src^=x]"
)
HANDLERS = (
    "() => [...document.querySelectorAll('*')].filter("
    "e => [...e.attributes].some(a => /^on/i.test(a.name))).length"
)

TEXT_OF_ALL_PAGES = """() => {
  const forth = document.querySelector("[aria-label='Next videos']");
  let text = document.documentElement.textContent;
  while (forth && !forth.ariaDisabled) {
    forth.click();
    text += document.documentElement.textContent;
  }
  return text;
}"""


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Show *count* hostile names on each page, and count what became of them."""
    names = _names(count, seed)
    videos = _videos(names)
    found = {"names": len(names), "scripts run": 0, "foreign elements": 0, "requests": 0,
             "names not there": 0}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(PROGRAM), args=FLAGS)
        for name, words in _pages(videos, Path(folder)).items():
            _open(chromium.new_page(), Path(folder) / name, names if words else [], found, videos)
        chromium.close()
    return found


def _names(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        "".join(part.format(n=n) for part in draw.sample(PAYLOADS, draw.choice((1, 1, 2))))
        for n in range(count)
    ]


def _videos(names: list[str]) -> pd.DataFrame:
    records = [
        {"id": f"vid_{n}", "name": name, "type": name, "message": name, "usedCredits": 5,
         "status": ("FAILED", "COMPLETED", "STARTED")[n % 3],
         "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:05:00Z"}
        for n, name in enumerate(names)
    ]  # fmt: skip
    return videos_from_records(records, fetched_at=datetime(2024, 1, 15, 10, 6, tzinfo=UTC))


def _pages(videos: pd.DataFrame, folder: Path) -> dict[str, bool]:
    """Write the pages; tells of each whether it shows every name."""
    shown = Snapshot()
    shown.update(videos)
    page = "<!doctype html><meta charset=utf-8>" + frozen(shown, png=None)
    (folder / "frozen.html").write_text(page, encoding="utf-8")
    build_report(videos).to_html(folder / "report.html")
    return {"panel": True, "frozen.html": len(videos) <= 100, "report.html": False}


def _open(
    page: Page, path: Path, names: list[str], found: dict[str, object], videos: pd.DataFrame
) -> None:
    def count(what: str, number: int) -> None:
        found[what] = int(str(found[what])) + number

    hits: list[str] = []
    page.expose_function("hit", lambda *_: hits.append("hit"))
    page.on("dialog", lambda dialog: (hits.append("dialog"), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if path.suffix:
        page.goto(path.as_uri())
    else:
        FedPanel(page, videos["video_id"]).poll(videos)
        page.wait_for_selector(".hooked tbody code")
    page.mouse.move(300, 300)
    page.wait_for_timeout(300)
    text = page.evaluate(TEXT_OF_ALL_PAGES)
    count("scripts run", len(hits))
    count("foreign elements", page.locator(FOREIGN).count() + page.evaluate(HANDLERS))
    # pictures inside the page are requested too, at no address
    count("requests", sum(not url.startswith(("file:", "data:", "blob:")) for url in asked))
    count("names not there", sum(one_line(name, MAX_TEXT) not in text for name in names))
    page.close()
