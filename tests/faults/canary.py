"""The notebook of `tests.client.test_canary`, searched for the key it ran with."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.client.test_canary import ERRORS, KEY, run_notebook
from tests.faults.leaks import leaks


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Run the notebook *count* times; nothing in it is drawn, so the seed does not matter."""
    hits, files, errors = [], 0, []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            done, _ = run_notebook(Path(folder))
            hits += leaks(KEY, Path(folder))
            files += sum(path.is_file() for path in Path(folder).rglob("*"))
            errors.append(
                [o.ename for cell in done.cells for o in cell.outputs if o.output_type == "error"]
            )
    return {
        "hits": len(hits),
        "files searched": files,
        "failures gone through": len(errors[0]),
        "failures as expected": errors == [ERRORS] * count,
    }
