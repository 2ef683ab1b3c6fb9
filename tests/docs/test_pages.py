"""Every Python block and every hooked-analytics line of README and docs runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hooked_analytics import Sandbox
from tests.docs.page_runner import run_page

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
GENERATED = {"api.md", "command_line.md", "columns.md"}
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>python|sh)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def steps(text: str) -> list[tuple[str, str]]:
    """Python blocks, and the hooked-analytics lines of shell blocks, in their order."""
    found = []
    for block in BLOCK.finditer(text):
        if block["reason"]:
            continue
        if block["kind"] == "python":
            found.append(("python", block["code"]))
        else:
            lines = re.findall(r"^hooked-analytics .*$", block["code"], re.MULTILINE)
            found += [("sh", line) for line in lines]
    return found


SHOWING = [page for page in PAGES if steps(page.read_text())]


@pytest.mark.parametrize("page", SHOWING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_runs_in_its_order(page, tmp_path):
    with Sandbox(videos=40, time_scale=3000) as sandbox:
        (tmp_path / "ids.txt").write_text("".join(f"{i}\n" for i in sandbox.video_ids))
        whole, said = run_page(
            steps(page.read_text()),
            tmp_path,
            HOOKED_API_KEY=sandbox.api_key,
            HOOKED_API_URL=sandbox.url,
            HOOKED_REQUESTS_PER_MINUTE="6000",
        )
    assert whole, said[-3000:]


def test_what_is_not_run_says_why():
    reasons = [
        (page.name, block["reason"])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text())
        if block["reason"]
    ]
    assert len(reasons) <= 8
    assert all(len(reason) > 10 for _, reason in reasons)


def test_the_links_of_every_page_lead_somewhere():
    missing = [
        (page.name, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
        if Path(link).name not in GENERATED and not (page.parent / link).exists()
    ]
    assert missing == []
