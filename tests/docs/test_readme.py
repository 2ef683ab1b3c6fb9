"""What the README and the notebooks show works as it stands there."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat
import pytest

from hooked_analytics import Sandbox, __all__ as names, read_videos
from hooked_analytics.cli import main
from tests.notebooks import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SAMPLE = ROOT / "data" / "sample_videos.parquet"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST, WATCH, SPEND, MONTH, DAY = NOTEBOOKS


def test_the_readme_its_first_lines_and_its_map_are_short():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert len(README.splitlines()) <= 150
    assert len(re.findall(r"^  \S+/? {2,}", README, re.MULTILINE)) <= 16


def test_papermill_runs_the_notebook_of_a_month(tmp_path):
    import papermill

    given = {"period": "2026-09", "source": str(SAMPLE), "target": str(tmp_path / "month")}
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(MONTH, out, parameters=given, progress_bar=False, cwd=tmp_path)
    assert_shown(nbformat.read(out, as_version=4))
    assert {"2026-09.html", "2026-09.xlsx", "tables"} <= {
        each.name for each in (tmp_path / "month").iterdir()
    }


def test_an_analysts_day_takes_at_most_sixty_lines():
    notebook = nbformat.read(DAY, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert len([line for line in code.splitlines() if line.strip()]) <= 60


def test_the_readme_names_every_public_function():
    functions = {name for name in names if name.islower() and not name.startswith("_")}
    assert {name for name in functions if f"`{name}`" not in README} == set()


def test_the_readme_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    make_targets = re.findall(r"make ([a-z-]+)", README)
    assert {"demo", "fetch", "list", "sandbox", "watch"} <= set(commands)
    assert [
        c for c in commands if c not in make_targets and f"hooked-analytics {c}" not in README
    ] == []


def assert_shown(notebook: nbformat.NotebookNode) -> None:
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert [o for o in outputs if {"image/png", "text/html"} & set(o.get("data", {}))]


@pytest.fixture
def folder(tmp_path):
    """Where a notebook runs, and exports to ``../data/exports``."""
    (tmp_path / "notebooks").mkdir()
    yield tmp_path / "notebooks"
    assert list((tmp_path / "data" / "exports").rglob("*.parquet"))


@pytest.mark.parametrize("path", [WATCH, SPEND, DAY], ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom(path, folder):
    quicker = {"time_scale=20)": "time_scale=100)", "videos=900": "videos=300"}
    assert_shown(run(path, folder, changed={**quicker, "videos=800": "videos=300"}))


def test_the_first_notebook_uses_the_key_and_address_of_the_environment(folder, monkeypatch):
    with Sandbox(videos=30, api_key="my-own-key") as sandbox:
        monkeypatch.setenv("HOOKED_API_URL", sandbox.url)
        assert_shown(run(FIRST, folder, api_key="my-own-key"))
        assert sandbox.request_counts["list"] == 1
        # two of its three ids on purpose wrong; one of them is never sent
        assert sandbox.request_counts["details"] == 30 + 2


def test_the_sample_file_is_a_videos_frame_without_secrets():
    assert len(read_videos(SAMPLE)) == 500
    assert b"X-Amz-Signature" not in SAMPLE.read_bytes()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_committed_with_outputs_and_without_secrets(path):
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) / 2
    assert len(text) < 1_000_000
    assert "sandbox-key" not in text
    assert "needs_background" not in text  # a white slab in a dark theme
    assert text.count("image/svg+xml;base64") in (0, 3)  # a report has each of its pictures once
    assert "X-Amz-Signature" not in text
    assert base64.b64encode(b"sandbox-key").decode().rstrip("=") not in text


def test_the_stored_notebook_on_the_panel_watched_a_batch_from_its_begin():
    outputs = str(nbformat.read(WATCH, as_version=4))
    polls, changes = map(int, re.search(r"(\d+) polls saw (\d+) changes", outputs).groups())
    assert (polls > 5, changes > 50) == (True, True)
    assert "800 videos: 800 fetched" in outputs  # no archive of an earlier run
