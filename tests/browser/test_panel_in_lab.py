"""Notebook 02 in JupyterLab, as a person uses it: watch, pause, filter, save, come back."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import IDLE, lab

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_watch_renders.ipynb"
# a busy machine is no failure
expect.set_options(timeout=60_000)
HOSTILE = "<img src=x onerror=alert(1)>"


@contextmanager
def opened(
    page: Page, home: Path, *, theme: str, slower: int = 1
) -> Iterator[tuple[str, list[str]]]:
    """Open the notebook, without outputs, in a JupyterLab of its own; collects what goes wrong."""
    notebook = json.loads(NOTEBOOK.read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            source = "".join(cell["source"])
            cell["source"] = source.replace("time_scale=20", f"time_scale={20 // slower}")
    (home / "notebooks").mkdir()
    (home / "notebooks" / NOTEBOOK.name).write_text(json.dumps(notebook))
    wrong: list[str] = []
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with lab(home, theme=theme, HOOKED_API_KEY="") as url:
        open_notebook(page, url)
        yield url, wrong


def open_notebook(page: Page, url: str) -> None:
    page.goto(f"{url}/lab/tree/notebooks/{NOTEBOOK.name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)


def run(page: Page, command: str) -> None:
    page.evaluate(f"() => {{ jupyterapp.commands.execute('{command}') }}")


def run_to_the_panel(page: Page) -> None:
    """Run the cells down to the panel's; a kernel that waits in a later one hears no buttons."""
    page.wait_for_function(IDLE, timeout=60_000)
    page.locator(".jp-CodeCell", has_text="ProgressPanel(video_ids").first.click()
    run(page, "notebook:run-all-above")
    run(page, "notebook:run-cell")
    _seen(page)


def run_all(page: Page) -> None:
    page.wait_for_function(IDLE, timeout=60_000)
    run(page, "notebook:run-all-cells")
    _seen(page)


def _seen(page: Page) -> None:
    page.wait_for_selector(".hooked .hk-table", timeout=60_000)
    page.locator(".hooked .hk-head").scroll_into_view_if_needed()


def over(page: Page) -> float:
    """How much of the bar over all is filled [%]."""
    styles = page.locator(".hooked .hk-bar").inner_html()
    return sum(float(width) for width in re.findall(r"width:\s*([\d.]+)%", styles))


def click(page: Page, words: str) -> None:
    page.locator(".hooked button", has_text=words).click()


def choose(page: Page, what: str, value: str) -> None:
    page.locator(".hooked .widget-dropdown", has_text=what).locator("select").select_option(value)


@pytest.mark.timeout(240)
def test_a_person_watches_a_batch(page, screenshots, tmp_path):
    page.set_viewport_size({"width": 1500, "height": 1250})
    with opened(page, tmp_path, theme="JupyterLab Light") as (url, wrong):
        run_to_the_panel(page)
        panel = page.locator(".hooked").first
        size = panel.bounding_box()
        first = over(page)
        expect(panel).to_contain_text("rendering")
        _until(page, lambda: over(page) > first)

        click(page, "Pause")
        expect(panel).to_contain_text("paused")
        click(page, "Refresh")
        panel.screenshot(path=screenshots / "panel-light.png")
        click(page, "Resume")

        choose(page, "Rows", "50")
        expect(panel.locator(".hk-video span", has_text=HOSTILE)).to_be_visible()
        choose(page, "Rows", "10")
        assert panel.locator("img[src='x']").count() == 0

        expect(panel).to_contain_text("all have ended", timeout=120_000)
        choose(page, "Status", "failed")
        expect(panel.locator(".hk-progress").first).to_contain_text("failed")
        assert all("failed" in t for t in panel.locator(".hk-progress").all_inner_texts())
        choose(page, "Status", "all")
        assert over(page) == pytest.approx(100, abs=0.1)
        assert panel.bounding_box()["height"] == pytest.approx(size["height"], abs=2)
        panel.screenshot(path=screenshots / "panel-end.png")

        run(page, "notebook:run-all-below")
        expect(page.locator(".jp-OutputArea-output", has_text="first_seen_final")).to_be_visible()
        page.wait_for_function(IDLE, timeout=60_000)
        run(page, "docmanager:save")
        page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
        _shut_down_kernels(url)
        page.goto("about:blank")
        open_notebook(page, url)
        static = page.locator("[class^=hooked-static-]").first
        expect(static).to_be_visible(timeout=30_000)
        expect(static).to_contain_text("completed")
        assert HOSTILE in static.inner_text()
        assert static.locator("img[src='x']").count() == 0
        assert static.locator("img[src^='data:image/png']").count() == 1
        static.screenshot(path=screenshots / "panel-saved.png")
        assert wrong == []


@pytest.mark.timeout(120)
def test_it_follows_the_dark_theme_and_keeps_its_size(page, screenshots, tmp_path):
    page.set_viewport_size({"width": 1500, "height": 1250})
    with opened(page, tmp_path, theme="JupyterLab Dark", slower=4) as (_, wrong):
        run_all(page)
        panel = page.locator(".hooked").first
        expect(panel.locator(".hk-quiet").last).to_contain_text("last answer")
        ground, ink = page.evaluate(
            "() => [getComputedStyle(document.querySelector('.hk-tile')).backgroundColor, "
            "getComputedStyle(document.querySelector('.hooked')).color]"
        )
        assert _light(ground) < 90 < 160 < _light(ink)
        sizes = set()
        for _ in range(15):
            sizes.add(round(panel.bounding_box()["height"]))
            page.wait_for_timeout(150)
        assert max(sizes) - min(sizes) <= 2
        panel.screenshot(path=screenshots / "panel-dark.png")
        assert wrong == []


def _light(colour: str) -> float:
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


def _until(page: Page, true, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.2)):
        if true():
            return
        page.wait_for_timeout(200)
    raise AssertionError("it did not happen in time")


def _shut_down_kernels(url: str) -> None:
    with urllib.request.urlopen(f"{url}/api/sessions", timeout=10) as answer:
        sessions = json.load(answer)
    for session in sessions:
        request = urllib.request.Request(f"{url}/api/sessions/{session['id']}", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()
