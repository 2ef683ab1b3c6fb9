"""Run notebooks as a person would, top to bottom; on the command line, keep their outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"


def run(
    path: Path, directory: Path, *, api_key: str = "", changed: Mapping[str, str] | None = None
) -> nbformat.NotebookNode:
    """
    Run a notebook in *directory*, on the sandbox without a key, and return it with its outputs.

    Progress bars are left out of the outputs: a saved bar shows 0 % for ever. *changed* gives
    words of its code that are replaced beforehand, such as those that make it long.
    """
    text = path.read_text()
    for word, other in (changed or {}).items():
        text = text.replace(word, other)
    notebook = nbformat.reads(text, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=120,
        resources={"metadata": {"path": str(directory)}},
        store_widget_state=False,
    )
    client.execute(env={**os.environ, "HOOKED_API_KEY": api_key})
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat_minor = 4
    return notebook


if __name__ == "__main__":
    for name in sys.argv[1:]:
        done = run(Path(name), Path(name).parent)
        nbformat.write(done, name)
        print(name)
