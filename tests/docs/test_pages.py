"""Every Python block and every hooked-analytics line of README and docs runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hooked_analytics import Sandbox

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
GENERATED = {"api.md", "command_line.md", "columns.md"}
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>python|sh)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
# in a process of its own: blocks in one namespace, lines of a shell between them
DRIVER = """
import json, subprocess, sys
from pathlib import Path

steps, names = json.load(sys.stdin)
Path("ids.txt").write_text("".join(f"{i}\\n" for i in names["video_ids"]))
for kind, code in steps:
    print(f"--- {kind}\\n{code}", flush=True)
    if kind == "python":
        exec(compile(code, "<page>", "exec"), names)
    else:
        # 3 says that some videos failed, which some videos of the sandbox do
        assert subprocess.run(code, shell=True).returncode in {0, 3}, code
"""


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_runs_in_its_order(page, tmp_path):
    todo = steps(page.read_text())
    with Sandbox(videos=40, time_scale=600) as sandbox:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER],
            input=json.dumps([todo, {"video_ids": sandbox.video_ids}]),
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ
            | {
                "HOOKED_API_KEY": sandbox.api_key,
                "HOOKED_API_URL": sandbox.url,
                "HOOKED_REQUESTS_PER_MINUTE": "6000",
                "MPLBACKEND": "agg",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            },
        )
    assert done.returncode == 0, done.stdout[-3000:]


def test_what_is_not_run_says_why():
    reasons = [
        (page.name, block["reason"])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text())
        if block["reason"]
    ]
    assert len(reasons) <= 8
    assert all(len(reason) > 10 for _, reason in reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [
        link
        for link in links
        if Path(link).name not in GENERATED and not (page.parent / link).exists()
    ]
    assert missing == []
