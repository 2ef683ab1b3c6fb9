"""How Sphinx builds the documentation; `make docs` runs it without the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import hooked_analytics

HERE = Path(__file__).parent
BUILD = HERE / "_build"

GROUPS = {
    "fetch": "Into a videos frame",
    "schema": "From memory, and columns",
    "storage": "Files and the archive",
    "analysis": "Answers",
    "plots": "Plots",
    "report": "Reports",
    "panel": "The panel",
    "download": "Downloads",
    "webhooks": "Webhooks",
    "client": "The API",
    "sandbox": "The sandbox",
    "errors": "Errors",
    "_internal": "For a bug report",
}

project = "hooked_analytics"
author = "The hooked_analytics developers"
copyright = "the hooked_analytics developers"  # noqa: A001, Sphinx reads this name
release = version = hooked_analytics.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "inventories"]
html_theme = "pydata_sphinx_theme"
html_title = "hooked_analytics"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# no pages below them
html_sidebars: dict[str, list[str]] = {"index": [], "tutorial": [], "gallery": []}
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_ipywidgets_js = {}  # no page loads anything from elsewhere

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings name the types
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # the page of a class has them in full
templates_path = ["_templates"]
nitpicky = True
# attributes that a panel inherits; a page of all that it inherits would be ipywidgets' own
nitpick_ignore = [("py:obj", "history"), ("py:obj", "eta")]


def write_inventory(name: str, address: str) -> tuple[str, str]:
    """Pack inventories/NAME.txt, one `domain:role name page` a line, as intersphinx reads it."""
    lines = (HERE / "inventories" / f"{name}.txt").read_text().splitlines()
    entries = "".join(
        f"{item} {role} 1 {page} -\n" for role, item, page in (line.split() for line in lines)
    )
    target = BUILD / f"{name}.inv"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(
        b"# Sphinx inventory version 2\n"
        + f"# Project: {name}\n# Version: 1\n".encode()
        + b"# The remainder of this file is compressed using zlib.\n"
        + zlib.compress(entries.encode())
    )
    return address, str(target)


intersphinx_mapping = {
    "python": write_inventory("python", "https://docs.python.org/3"),
    "pandas": write_inventory("pandas", "https://pandas.pydata.org/docs"),
    "matplotlib": write_inventory("matplotlib", "https://matplotlib.org/stable"),
}


def command_line() -> str:
    """Every command's own help, as one page."""
    run = "from hooked_analytics.cli import main; main()"

    def shown(*words: str) -> str:
        done = subprocess.run(  # noqa: S603, our own command
            [sys.executable, "-c", run, *words, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"COLUMNS": "88", "PYTHON_COLORS": "0"},
        )
        return done.stdout.rstrip()

    overview = shown()
    commands = re.findall(r"^    (\w+) ", overview, re.MULTILINE)
    parts = [
        f"# Command line\n\n```text\n{overview}\n```",
        *(f"## hooked-analytics {name}\n\n```text\n{shown(name)}\n```" for name in commands),
    ]
    return "\n\n".join(parts) + "\n"


def public_names() -> str:
    """Every public name with a page of its own, grouped by the package it is defined in."""
    groups: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
    for name in hooked_analytics.__all__:
        module = getattr(getattr(hooked_analytics, name), "__module__", "")
        if name != "__version__":
            groups[GROUPS[module.split(".")[1]]].append(name)
    parts = ["# Public names", "```{eval-rst}\n.. currentmodule:: hooked_analytics\n```"]
    for title, names in groups.items():
        lines = "".join(f"   {name}\n" for name in names)
        parts.append(
            f"## {title}\n\n```{{eval-rst}}\n.. autosummary::\n   :toctree: generated\n"
            f"   :nosignatures:\n\n{lines}```"
        )
    return "\n\n".join(parts) + "\n"


def columns() -> str:
    """The columns of a videos frame, from the table that defines them."""
    from hooked_analytics.schema import columns_table

    return (
        "# Columns of a videos frame\n\n"
        "A videos frame is a plain pandas DataFrame. Every column always exists. Text is "
        "`string`, whole numbers are `Int64`, times are UTC in microseconds. A missing value is "
        "missing, never 0.\n\n"
        f"{columns_table()}\n"
    )


(HERE / "reference" / "api.md").write_text(public_names())
(HERE / "reference" / "command_line.md").write_text(command_line())
(HERE / "reference" / "columns.md").write_text(columns())
