"""The short form of each figure: smaller counts, the same checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.figures import FIGURES, Figure

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(each, marks=pytest.mark.browser if each.module == "pages" else ())
        for each in FIGURES
    ],
    ids=lambda figure: figure.module,
)
def test_a_figure(figure: Figure):
    if isinstance(figure.short, str):
        assert (ROOT / figure.short).exists()
        return
    if figure.needs is not None and not figure.needs.exists():
        pytest.skip(f"{figure.needs} is not installed (Debian: chromium, libreoffice-calc)")
    found = figure.run(figure.short)
    assert figure.met(found), found
