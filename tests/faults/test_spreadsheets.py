"""The short form of `tests.faults.spreadsheets`, where LibreOffice is there."""

from __future__ import annotations

import pytest

from tests.faults import spreadsheets


@pytest.mark.skipif(spreadsheets.PROGRAM is None, reason=spreadsheets.WHY_NOT)
def test_hostile_names_are_no_formulas_in_libreoffice():
    found = spreadsheets.run(60)
    assert found["formula cells"] == 0
    assert found["texts lost"] == 0
    # what the guard is for, and that formulas would have been seen
    assert found["formula cells without the guard"] > 0
