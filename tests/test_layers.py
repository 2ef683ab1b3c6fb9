"""The layout of the package: layers, edges, cycles, names of files, and what loads late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import hooked_analytics

PACKAGE = Path(__file__).parent.parent / "hooked_analytics"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in MODULES
}

# what lies directly below hooked_analytics/, and on which layer
LAYERS = {
    "errors": 0,
    "schema": 0,
    "_internal": 0,
    "sandbox": 0,
    "client": 1,
    "storage": 1,
    "analysis": 1,
    "secrets_scan": 2,
    "fetch": 2,
    "plots": 2,
    "report": 3,
    "download": 3,
    "webhooks": 3,
    "panel": 4,
    "cli": 4,
}
# the analysis sees frames only; the sandbox stands apart
ONLY = {
    "_internal": {"errors"},
    "schema": {"errors", "_internal"},
    "analysis": {"schema"},
    "sandbox": {"errors", "_internal", "schema"},
}
MAX_EDGES = 45
LATE = {
    "PIL", "anywidget", "filelock", "great_tables", "ipywidgets", "jinja2", "markupsafe",
    "matplotlib", "narwhals", "openpyxl", "scipy", "starlette", "statsmodels", "tqdm", "uvicorn",
    "xlsxwriter",
}  # fmt: skip
# a panel's class is made of widgets, and its module is loaded when a panel is made
LOADED_LATE = {PACKAGE / "panel" / "widget.py"}


def imports(path: Path, *, late: bool, typing: bool = False) -> set[str]:
    """Modules that a file imports at its top, or anywhere in it when *late*."""
    tree = ast.parse(path.read_text())
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    typed = {
        id(node)
        for block in blocks
        if ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree) if late else tree.body:
        if id(node) in typed and not typing:
            continue
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= set(NAMES) else names | {str(node.module)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def child(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def children_used(path: Path, *, late: bool, typing: bool = False) -> set[str]:
    parts = [name.split(".") for name in imports(path, late=late, typing=typing)]
    used = {p[1] for p in parts if p[0] == "hooked_analytics" and len(p) > 1}
    return used & set(LAYERS) - {child(path)}


def test_the_children_of_the_package_are_those_of_the_design():
    here = {p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"}
    files = {"__init__.py", "__init__.pyi", "py.typed", "errors.py", "secrets_scan.py"}
    assert here == files | {name for name in LAYERS if f"{name}.py" not in files}


def test_a_module_imports_only_from_lower_layers():
    lower = {
        own: ONLY.get(own, {other for other, height in LAYERS.items() if height < layer})
        for own, layer in LAYERS.items()
    }
    wrong = {
        (own, used)
        for path in MODULES
        if (own := child(path)) in LAYERS
        for used in children_used(path, late=True) - lower[own]
    }
    assert not wrong


def test_few_children_know_of_each_other():
    edges = {
        (own, used)
        for path in MODULES
        if (own := child(path)) in LAYERS
        for used in children_used(path, late=True, typing=True)
    }
    assert len(edges) <= MAX_EDGES, sorted(edges)


def test_no_files_import_each_other_in_a_circle():
    graph = {
        module: imports(path, late=False) & set(NAMES) - {module} for module, path in NAMES.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_no_two_files_have_the_same_name():
    names = Counter(path.name for path in MODULES if not path.name.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_heavy_packages_are_imported_where_they_are_used():
    early = {
        str(path.relative_to(PACKAGE)): top & LATE
        for path in MODULES
        if child(path) != "sandbox" and path not in LOADED_LATE
        for top in [{name.split(".")[0] for name in imports(path, late=False)}]
    }
    assert not {path: found for path, found in early.items() if found}


def test_importing_the_package_and_the_help_load_nothing_heavy():
    code = (
        "import sys, hooked_analytics.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.splitlines()[-1].split())
    assert "argparse" in loaded
    assert not (LATE | {"pandas", "numpy", "pyarrow", "requests", "urllib3"}) & loaded


def test_public_names_are_there_and_sorted():
    names = hooked_analytics.__all__
    assert all(a < b for a, b in pairwise(names))
    assert all(hasattr(hooked_analytics, name) for name in names)
