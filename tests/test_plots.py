"""Pictures: drawn on the Axes given, without pyplot, and API text stays text."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from hooked_analytics import plot_credits, plot_render_times, videos_from_records
from hooked_analytics.plots import PALETTE, clock

HOSTILE = ["$\\frac{1}{$", "_hidden", "<img src=x onerror=alert(1)>", "a\nb\x00c\u202e", "x" * 300]


def videos(types: list[str | None]):
    return videos_from_records(
        {
            "id": f"vid_{n}",
            "type": kind,
            "status": "FAILED" if n % 3 == 2 else "COMPLETED",
            "usedCredits": n + 1,
            "createdAt": "2024-01-15T10:00:00Z",
            "updatedAt": "2024-01-15T10:04:00Z",
        }
        for n, kind in enumerate(types)
    )


def png(ax) -> bytes:
    picture = io.BytesIO()
    ax.figure.savefig(picture, format="png")
    return picture.getvalue()


@pytest.mark.parametrize("plot", [plot_credits, plot_render_times])
def test_draws_on_the_axes_given_and_returns_them(plot):
    ax = Figure().subplots()
    assert plot(videos(["class", "scenes", "class"]), ax=ax) is ax
    assert png(ax).startswith(b"\x89PNG")


@pytest.mark.parametrize("plot", [plot_credits, plot_render_times])
def test_hostile_text_is_drawn_as_text(plot):
    ax = plot(videos(HOSTILE), ax=Figure().subplots())
    labels = {label.get_text() for label in ax.get_yticklabels()}
    assert "<img src=x onerror=alert(1)>" in labels or len(labels) < 5
    assert all(label.isprintable() and len(label) <= 28 for label in labels)
    png(ax)


@pytest.mark.parametrize("plot", [plot_credits, plot_render_times])
@pytest.mark.parametrize("types", [[], [None]])
def test_nothing_or_an_unknown_type_is_drawn_too(plot, types):
    ax = plot(videos(types), ax=Figure().subplots())
    png(ax)
    if types:
        assert [label.get_text() for label in ax.get_yticklabels()] == ["(unknown)"]
    else:
        assert "nothing to draw yet" in [text.get_text() for text in ax.texts]


def test_the_bars_are_finished_and_failed_in_the_palette():
    ax = plot_credits(videos(["class", "class", "class"]), ax=Figure().subplots())
    from matplotlib.colors import to_hex

    assert [(to_hex(bar.get_facecolor()), bar.get_width()) for bar in ax.patches] == [
        (PALETTE["completed"], 3.0),
        (PALETTE["failed"], 3.0),
    ]


def test_credits_without_a_figure_are_said_on_the_picture():
    frame = videos_from_records([{"id": "a", "usedCredits": 1}, {"id": "b"}])
    ax = plot_credits(frame, ax=Figure().subplots())
    assert any("1 of 2 videos without a figure" in text.get_text() for text in ax.texts)


def test_given_axes_pyplot_is_never_loaded():
    code = """
import sys
from matplotlib.figure import Figure
import hooked_analytics as ha
videos = ha.videos_from_records([{"id": "a", "usedCredits": 1}])
ha.plot_credits(videos, ax=Figure().subplots())
ha.plot_render_times(videos, ax=Figure().subplots())
sys.exit("matplotlib.pyplot" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_axes_a_figure_is_made():
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    ax = plot_credits(videos(["class"]))
    assert plt.get_fignums()
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (224.1, "3:44"), (7325, "2:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text
