"""The short form of each figure: smaller counts, the same checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.figures import FIGURES, Figure

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.module)
def test_a_figure(figure: Figure):
    if not figure.is_there:
        pytest.skip(f"there is no module tests/faults/{figure.module}.py yet")
    if isinstance(figure.short, str):
        assert (ROOT / figure.short).exists()
        return
    found = figure.run(figure.short)
    assert figure.met(found), found
