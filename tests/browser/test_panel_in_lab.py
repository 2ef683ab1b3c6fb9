"""Notebook 02 in JupyterLab, as a person uses it: watch, pause, filter, save, come back."""

from __future__ import annotations

import json
import re
import time
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
    page.wait_for_selector(".hooked tbody code", timeout=60_000)
    page.evaluate("document.querySelector('.hooked').scrollIntoView()")


def over(page: Page) -> float:
    """How much of the bar over all is filled [%]."""
    styles = page.locator(".hooked .hk-bar").inner_html()
    return sum(float(width) for width in re.findall(r"width:\s*([\d.]+)%", styles))


def click(page: Page, words: str) -> None:
    page.locator(".hooked button", has_text=words).first.click()


@pytest.mark.timeout(400)
def test_a_person_watches_a_batch(page, screenshots, tmp_path):
    page.set_viewport_size({"width": 1500, "height": 1250})
    with opened(page, tmp_path, theme="JupyterLab Light") as (url, wrong):
        run_to_the_panel(page)
        panel = page.locator(".hooked").first
        header = panel.locator("header")
        first = over(page)
        _until(page, lambda: over(page) > first)
        panel.screenshot(path=screenshots / "panel-light.png")

        # the kernel is busy for 14 s: what needs it says so, the rest works
        page.evaluate(BUSY)
        page.wait_for_function(IDLE.replace("idle", "busy"))
        began = time.monotonic()
        click(page, "Progress")
        expect(panel.locator("th[aria-sort=ascending]")).to_contain_text("Progress")
        panel.get_by_label("Search").fill("img src")
        expect(panel.locator(".hk-name")).to_have_text([HOSTILE])
        assert panel.locator("img[src='x']").count() == 0
        if time.monotonic() - began < 5:  # not so on a very busy machine
            click(page, "Pause")
            expect(header).to_contain_text("waiting for the kernel")
            expect(header).to_contain_text("paused")
            click(page, "Resume")
        panel.get_by_label("Search").fill("")

        expect(header).to_contain_text("all have ended", timeout=180_000)
        assert over(page) == pytest.approx(100, abs=0.1)
        click(page, "failed")
        assert all("failed" in t for t in panel.locator("td .hk-progress").all_inner_texts())

        path = tmp_path / "notebooks" / NOTEBOOK.name
        page.wait_for_function(IDLE)
        _until(page, lambda: "data:image/png" in _saved(page, path))
        assert "X-Amz" not in path.read_text()
        assert len(path.read_text()) < 600_000
        _shut_down_kernels(url)
        page.goto("about:blank")
        open_notebook(page, url)
        static = page.locator("[class^=hooked-static-]").first
        expect(static).to_contain_text("completed")
        assert page.locator(".hooked:visible").count() == 0
        assert static.locator("img[src='x']").count() == 0
        assert static.locator("img[src^='data:image/png']").count() == 1
        static.screenshot(path=screenshots / "panel-saved.png")
        assert wrong == []


def _saved(page: Page, path: Path) -> str:
    """Save the notebook, and give what is in its file then."""
    page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save') }")
    return path.read_text()


@pytest.mark.timeout(200)
def test_it_follows_the_dark_theme_and_keeps_its_size_in_a_running_cell(
    page, screenshots, tmp_path
):
    page.set_viewport_size({"width": 1500, "height": 1250})
    with opened(page, tmp_path, theme="JupyterLab Dark", slower=4) as (_, wrong):
        run_all(page)  # the kernel waits for the end, so no page could ask it for rows
        panel = page.locator(".hooked").first
        expect(panel.locator("footer")).to_contain_text("last response")
        sizes = set()
        for _ in range(15):
            sizes.add(round(panel.bounding_box()["height"]))
            page.wait_for_timeout(150)
        assert max(sizes) - min(sizes) <= 2
        assert panel.get_attribute("data-dark") == ""
        panel.screenshot(path=screenshots / "panel-dark.png")
        assert wrong == []


BUSY = """() => {
  const { context } = jupyterapp.shell.currentWidget;
  context.sessionContext.session.kernel.requestExecute({ code: "import time; time.sleep(14)" });
}"""


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
