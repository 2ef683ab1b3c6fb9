"""Panels in JupyterLab, as a person uses them: watch, pause, filter, save, come back, lose one."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.lab import IDLE, end_sessions, lab, settle
from tests.scripted import answer, serving, video

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_watch_renders.ipynb"
# a busy machine is no failure
expect.set_options(timeout=60_000)
HOSTILE = "<img src=x onerror=alert(1)>"
BUSY = """() => {
  const { context } = jupyterapp.shell.currentWidget;
  context.sessionContext.session.kernel.requestExecute({ code: "import time; time.sleep(14)" });
}"""
WATCH = """
import hooked_analytics as ha
client = ha.HookedClient("key", base_url="{url}", requests_per_minute=None)
panel = ha.ProgressPanel(["vid_1", "vid_2"], client=client, interval_seconds=0.5)
panel
"""


def notebook_02(time_scale: int) -> nbformat.NotebookNode:
    """Notebook 02 without outputs, on a sandbox with a clock of its own."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("time_scale=20", f"time_scale={time_scale}")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    settle(home, "JupyterLab Light")
    with lab(home, HOOKED_API_KEY="") as url:
        yield url


@contextmanager
def opened(
    page: Page, home: Path, url: str, notebook: nbformat.NotebookNode, *, theme: str = "Light"
) -> Iterator[list[str]]:
    """Open a notebook in JupyterLab; collects what goes wrong."""
    page.set_viewport_size({"width": 1500, "height": 1250})
    settle(home, f"JupyterLab {theme}")
    nbformat.write(notebook, home / "watch.ipynb")
    wrong: list[str] = []
    page.on("dialog", lambda dialog: answered(dialog, wrong))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    open_notebook(page, url)
    try:
        page.wait_for_function(IDLE, timeout=60_000)
        yield wrong
    finally:
        end_sessions(url)


def answered(dialog: Dialog, wrong: list[str]) -> None:
    """Leave a page whose notebook has changed since it was saved; no other dialog is expected."""
    if dialog.type == "beforeunload":
        dialog.accept()
    else:
        wrong.append(dialog.message)
        dialog.dismiss()


def open_notebook(page: Page, url: str) -> None:
    page.goto(f"{url}/lab/tree/watch.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)


def run(page: Page, *commands: str) -> None:
    for command in commands:
        page.evaluate(f"() => {{ jupyterapp.commands.execute('notebook:{command}') }}")
    page.wait_for_selector(".hooked tbody code", timeout=60_000)
    page.evaluate("document.querySelector('.hooked').scrollIntoView()")


def over(page: Page) -> float:
    """How much of the bar over all is filled [%]."""
    styles = page.locator(".hooked .hk-bar").inner_html()
    return sum(float(width) for width in re.findall(r"width:\s*([\d.]+)%", styles))


def click(page: Page, words: str) -> None:
    page.locator(".hooked button", has_text=words).first.click()


def saved(page: Page, home: Path) -> str:
    """Save the notebook, and give what is in its file then."""
    page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save') }")
    return (home / "watch.ipynb").read_text()


def until(page: Page, true) -> None:
    for _ in range(300):
        if true():
            return
        page.wait_for_timeout(200)
    raise AssertionError("it did not happen in time")


def reopened_without_a_kernel(page: Page, url: str):
    """Come back to the saved notebook; gives the copy, which is all that shows."""
    end_sessions(url)
    page.goto("about:blank")
    open_notebook(page, url)
    static = page.locator("[class^=hooked-static-]").first
    expect(static).to_be_visible()
    assert page.locator(".hooked:visible").count() == 0
    return static


@pytest.mark.timeout(400)
def test_a_person_watches_a_batch(page, screenshots, home, url):
    with opened(page, home, url, notebook_02(20)) as wrong:
        # the cells down to the panel's; a kernel that waits in a later one hears no buttons
        page.locator(".jp-CodeCell", has_text="ProgressPanel(video_ids").first.click()
        run(page, "run-all-above", "run-cell")
        panel = page.locator(".hooked").first
        header = panel.locator("header")
        first = over(page)
        until(page, lambda: over(page) > first)
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

        page.wait_for_function(IDLE)
        until(page, lambda: "data:image/png" in saved(page, home))
        assert "X-Amz" not in saved(page, home)
        assert len(saved(page, home)) < 600_000
        static = reopened_without_a_kernel(page, url)
        expect(static).to_contain_text("completed")
        assert static.locator("img[src='x']").count() == 0
        assert static.locator("img[src^='data:image/png']").count() == 1
        static.screenshot(path=screenshots / "panel-saved.png")
        assert wrong == []


@pytest.mark.timeout(300)
def test_a_page_that_reloads_gets_its_data_back_and_a_killed_kernel_leaves_them_readable(
    page, home, url
):
    silent = threading.Event()
    polls: list[str] = []

    def hooked(request):
        polls.append(request.path)
        if silent.is_set():
            return None
        if "list" in request.path:
            return answer({"message": "gone"}, 404)
        progress = min(len(polls), 99)
        return answer(video(request.path.rsplit("/", 1)[-1], status="STARTED", progress=progress))

    def progress() -> int:
        return int(page.locator("td .hk-progress").first.inner_text().split()[0])

    with serving(hooked) as server:
        notebook = notebook_02(20)
        cell = next(each for each in notebook.cells if each.cell_type == "code")
        cell.source, notebook.cells = WATCH.format(url=server.url), [cell]
        with opened(page, home, url, notebook) as wrong:
            run(page, "run-all-cells")
            until(page, lambda: "hooked-static" in saved(page, home))
            before = progress()
            page.reload()
            page.wait_for_selector(".hooked tbody code", timeout=60_000)
            until(page, lambda: progress() > before)
            assert page.locator(".hooked:visible").count() == 1
            assert page.locator("[class^=hooked-static-]:visible").count() == 0

            silent.set()  # the kernel dies in mid poll
            asked = len(polls)
            until(page, lambda: len(polls) > asked)
            os.kill(pid_of_the_kernel(url), signal.SIGKILL)
            expect(page.locator(".jp-Dialog")).to_contain_text("appears to have died")
            page.keyboard.press("Enter")
            page.get_by_role("searchbox").fill("vid_2")
            expect(page.locator(".hooked tbody code")).to_have_text(["vid_2"])
            assert progress() > before
            saved(page, home)
            static = reopened_without_a_kernel(page, url)
            expect(static).to_contain_text("2 rendering")
            expect(static).to_contain_text("vid_2")
            assert wrong == []


def pid_of_the_kernel(url: str) -> int:
    """Find the process of the only session's kernel: its command line has its id."""
    # the list of kernels still has those of ended sessions
    with urllib.request.urlopen(f"{url}/api/sessions", timeout=10) as told:
        (kernel,) = [session["kernel"] for session in json.load(told)]
    found = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"kernel-{kernel['id']}.json".encode() in path.read_bytes()
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.timeout(200)
def test_it_follows_the_dark_theme_and_keeps_its_size_in_a_running_cell(
    page, screenshots, home, url
):
    with opened(page, home, url, notebook_02(5), theme="Dark") as wrong:
        run(page, "run-all-cells")  # the kernel waits for the end: no page could ask it for rows
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
