"""The first five colours stay apart for eyes without one kind of cone, and text reads."""

from __future__ import annotations

import itertools

import pytest
from coloraide import Color
from matplotlib.figure import Figure

from hooked_analytics import plot_render_times, videos_from_records
from hooked_analytics.plots import PALETTE
from hooked_analytics.plots.style import INK, SERIES


@pytest.mark.parametrize("eyes", ["protan", "deutan", "tritan"])
def test_five_colours_are_told_apart(eyes):
    seen = {name: Color(name).filter(eyes, 1, method="machado").clip() for name in SERIES}
    apart = {
        pair: seen[pair[0]].delta_e(seen[pair[1]], method="2000")
        for pair in itertools.combinations(seen, 2)
    }
    assert len(seen) == 5
    assert min(apart.values()) >= 12, apart
    assert {PALETTE[name] for name in ("completed", "rendering", "failed")} <= set(SERIES)


def test_text_on_pictures_reads_on_white_and_on_the_dark_theme():
    assert Color(INK).contrast("white") >= 4.5
    assert Color(INK).contrast("#111") >= 4.1
    record = {"id": "vid_1", "status": "COMPLETED", "createdAt": "2024-01-15T10:00:00Z",
              "updatedAt": "2024-01-15T10:01:00Z"}  # fmt: skip
    ax = plot_render_times(videos_from_records([record]), ax=Figure().subplots())
    assert {text.get_color() for text in ax.texts} == {INK}
