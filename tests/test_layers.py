"""The rooms of the package are layers: a module imports only from lower ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hooked_analytics"

LAYERS = {
    "_version": 0,
    "errors": 0,
    "_internal": 0,
    "schema": 0,
    "client": 1,
    "storage": 1,
    "analysis": 1,
    "fetch": 2,
    "plots": 2,
    "secrets_scan": 2,
    "report": 3,
    "download": 3,
    "webhooks": 3,
    "panel": 4,
    "cli": 5,
    "__init__": 6,
}
# the analysis sees frames only; the sandbox stands apart
ONLY = {
    "_internal": {"errors"},
    "schema": {"errors", "_internal"},
    "analysis": {"schema"},
    "sandbox": {"errors", "_internal", "schema"},
}
# VideoArchive.sync is a short name for a fetch with the archive
UPWARDS = {("storage", "fetch")}
LATE = {
    "matplotlib",
    "ipywidgets",
    "scipy",
    "narwhals",
    "statsmodels",
    "tqdm",
    "starlette",
    "uvicorn",
    "filelock",
    "openpyxl",
    "xlsxwriter",
    "jinja2",
    "markupsafe",
    "great_tables",
    "PIL",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, late: bool) -> set[str]:
    """Modules imported at the top of a file, or anywhere in it when *late* is included."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    top = set(map(id, tree.body))
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only or not (late or id(node) in top):
            continue
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def rooms_used(path: Path, *, late: bool) -> set[str]:
    ours = [name.split(".") for name in imports(path, late=late)]
    return {parts[1] for parts in ours if parts[0] == "hooked_analytics" and len(parts) > 1}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_layers(path):
    own = room(path)
    if own in LAYERS:
        for used in rooms_used(path, late=True) - {own, "sandbox"}:
            assert LAYERS[used] < LAYERS[own] or (own, used) in UPWARDS, f"{own} imports {used}"
    for used in rooms_used(path, late=False) - {own}:
        assert used in ONLY.get(own, {used}), f"{own} imports {used}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_where_they_are_used(path):
    # the panel's class is made of widgets, and its module loaded when a panel is made
    if room(path) != "sandbox" and path != PACKAGE / "panel" / "widget.py":
        top = {name.split(".")[0] for name in imports(path, late=False)}
        assert not top & LATE


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hooked_analytics; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not LATE & set(loaded)


def test_all_names_are_there_and_sorted():
    import hooked_analytics

    assert sorted(hooked_analytics.__all__) == hooked_analytics.__all__
    assert all(hasattr(hooked_analytics, name) for name in hooked_analytics.__all__)
