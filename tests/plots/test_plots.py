"""Pictures: drawn on the Axes given, without pyplot; API text stays text; colours stay apart."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from coloraide import Color
from matplotlib import image, pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib_inline.backend_inline import _fetch_figure_metadata

import hooked_analytics as ha
from hooked_analytics.plots import PALETTE
from hooked_analytics.plots.style import INK, SERIES

HOSTILE = ["$\\frac{1}{$", "_hidden", "<img src=x onerror=alert(1)>", "a\nb\x00c\u202e", "x" * 300]


def rendered(*rows: tuple[str | None, str, float]):
    """Rows of (type, status, seconds), a credit more each."""
    start = pd.Timestamp("2024-01-15T10:00Z")
    records = [
        {"id": f"vid_{n}", "type": kind, "status": status, "usedCredits": n + 1,
         "createdAt": start.isoformat(),
         "updatedAt": (start + pd.Timedelta(seconds, "s")).isoformat()}
        for n, (kind, status, seconds) in enumerate(rows)
    ]  # fmt: skip
    return ha.videos_from_records(records, fetched_at=start + pd.Timedelta(400, "s"))


def videos(types: list[str | None]):
    status = ("COMPLETED", "COMPLETED", "FAILED")
    return rendered(*[(kind, status[n % 3], 240) for n, kind in enumerate(types)])


def names(ax) -> list[str]:
    """What the groups are called: beside their bars, or with a median at the end of a line."""
    ends = [text.get_text().split("  ")[0] for text in ax.texts if "  " in text.get_text()]
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    return ends if "100%" in ticks else ticks


def png(ax) -> None:
    ax.figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("eyes", ["protan", "deutan", "tritan"])
def test_five_colours_are_told_apart_without_one_kind_of_cone(eyes):
    seen = [Color(name).filter(eyes, 1, method="machado").clip() for name in SERIES]
    apart = [one.delta_e(other, method="2000") for one, other in itertools.combinations(seen, 2)]
    assert len(set(SERIES)) == 5
    assert min(apart) >= 12
    assert {PALETTE[name] for name in ("completed", "rendering", "failed")} <= set(SERIES)


def test_text_on_pictures_reads_on_white_and_on_the_dark_theme():
    assert Color(INK).contrast("white") >= 4.5
    assert Color(INK).contrast("#111") >= 4.1
    ax = ha.plot_render_times(videos(["class"]), ax=Figure().subplots())
    assert {text.get_color() for text in ax.texts} == {INK}


@pytest.mark.parametrize("plot", [ha.plot_credits, ha.plot_render_times])
def test_hostile_text_is_drawn_as_text(plot):
    given = Figure().subplots()
    ax = plot(videos(HOSTILE), ax=given)
    assert ax is given
    drawn = names(ax)
    assert "<img src=x onerror=alert(1)>" in drawn
    assert all(name.isprintable() and len(name) <= 28 for name in drawn)
    png(ax)
    assert names(plot(videos([None]), ax=Figure().subplots())) == ["(unknown)"]


@pytest.mark.parametrize(
    ("plot", "frame"),
    [
        *(
            (plot, videos([]))
            for plot in (ha.plot_credits, ha.plot_render_times, ha.plot_comparison)
        ),
        (ha.plot_credits_over_time, ha.videos_from_records([{"id": "a", "usedCredits": 1}])),
        (ha.plot_render_times, rendered(("class", "STARTED", 1))),
    ],
)
def test_nothing_to_draw_is_said(plot, frame):
    ax = plot(frame, ax=Figure().subplots())
    png(ax)
    said = [text.get_text() for text in ax.texts]
    assert "nothing to draw yet" in said
    assert [axis.get_visible() for axis in (ax.xaxis, ax.yaxis)] == [False, False]
    assert len(said) == (
        2 if plot in (ha.plot_credits, ha.plot_comparison) else 1
    )  # and a note below


def test_the_bars_are_finished_and_failed_and_credits_without_a_figure_are_said():
    frame = videos(["class"] * 4).assign(used_credits=[1, 2, 3, None])
    ax = ha.plot_credits(frame, ax=Figure().subplots())
    assert [(to_hex(bar.get_facecolor()), bar.get_width()) for bar in ax.patches] == [
        (PALETTE["completed"], 3.0),
        (PALETTE["failed"], 3.0),
    ]
    assert "1 of 4 videos without a figure" in ax.texts[-1].get_text()


def test_a_curve_of_render_times_is_the_share_completed():
    frame = rendered(("class", "COMPLETED", 60), ("class", "FAILED", 90), ("class", "STARTED", 1))
    ax = ha.plot_render_times(frame, ax=Figure().subplots())
    (line,) = ax.lines
    assert line.get_color() == PALETTE["completed"]
    assert set(line.get_ydata().round(6)) == {0, 0.333333}
    assert line.get_xdata()[line.get_ydata() > 0][0] == pytest.approx(60, abs=1)
    assert names(ax) == ["class"]
    assert ax.texts[-1].get_text() == "class  1 min 30 s"
    assert "3 videos of 2024-01-15 to 2024-01-15 · 1 still rendering" in ax.texts[0].get_text()


def test_names_at_the_ends_of_lines_never_overlap():
    figure = Figure(figsize=(6, 3), layout="constrained")
    same = rendered(*[(f"type {n}", "COMPLETED", 60) for n in range(8)])
    ax = ha.plot_render_times(same, ax=figure.subplots())
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts if "type" in text.get_text()]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) == 5
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    assert "the 5 largest of 8" in " ".join(ax.texts[0].get_text().split())


def test_a_row_that_repeats_a_video_is_no_video_without_a_figure_or_a_date():
    again = pd.concat([videos(["class"] * 3)] * 2)
    for plot in (ha.plot_credits, ha.plot_credits_over_time):
        with pytest.warns(UserWarning, match="3 of 6 rows repeat a video"):
            ax = plot(again, ax=Figure().subplots())
        note = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
        assert "of 3 videos" in note


def test_refunds_are_drawn_below_0_and_their_figures_beside_the_bars():
    refunds = videos(["class"] * 3).assign(used_credits=[-4.0, -1.0, -1.0])
    days = ha.plot_credits_over_time(refunds, ax=Figure().subplots())
    assert days.get_ylim() == pytest.approx((-6.3, 0))
    bars = ha.plot_credits(refunds, ax=Figure().subplots())
    assert [(text.get_text(), text.xy[0]) for text in bars.texts[:1]] == [
        ("\N{MINUS SIGN}6  100%", 0.0)
    ]


def test_refunds_of_one_group_are_stacked_below_0_and_hide_no_other():
    frame = videos(["a", "b", "c"]).assign(used_credits=[-4.0, 6.0, 5.0])
    ax = ha.plot_credits_over_time(frame, by="type", ax=Figure().subplots())
    assert [(bar.get_y(), bar.get_height()) for bar in ax.patches] == [(0, 6), (6, 5), (0, -4)]


def test_a_forecast_that_is_refused_leaves_no_empty_picture():
    ax = Figure().subplots()
    with pytest.raises(ValueError, match="as many complete days of history"):
        ha.plot_forecast(videos(["a"]), ax=ax)
    assert ax.get_title(loc="left") == ""


@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("seen", [("STARTED", None), ("FAILED", 40.0)])
def test_progress_that_nobody_knows_is_no_line_at_0(rows, seen):
    frame = videos(["a"] * rows).assign(status=seen[0], progress=seen[1])
    ax = ha.plot_progress(frame.assign(observed_at=frame["fetched_at"]), ax=Figure().subplots())
    known = seen == ("FAILED", 40.0) and rows == 3
    assert [line.get_ydata()[0] for line in ax.lines] == [40.0] * 6 * known
    assert known or "nothing to draw yet" in [text.get_text() for text in ax.texts]
    undated = ha.plot_progress(frame.assign(observed_at=pd.NaT), ax=Figure().subplots())
    assert [text.get_text() for text in undated.texts] == ["nothing to draw yet"]


def test_millions_are_written_in_full_and_a_blank_name_is_said():
    many = videos(["x"] * 3).assign(used_credits=[1.5e6, 1e6, 2.5e5], type=[" ", " ", "x"])
    ax = ha.plot_credits(many, ax=Figure().subplots())
    png(ax)
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert {"500,000", "1M"} <= set(ticks)
    assert names(ax) == ["(blank)", "x"]


def test_credits_over_time_are_bars_and_what_is_unknown_is_a_cross():
    frame = videos(["_a"] * 3).assign(
        used_credits=[4, None, 6],
        created_at=pd.to_datetime([f"2024-01-{day:02}T10:00Z" for day in (1, 2, 4)]),
    )
    ax = ha.plot_credits_over_time(frame, ax=Figure().subplots())
    assert [bar.get_height() for bar in ax.patches] == [4, 0, 0, 6]
    (cross,) = ax.lines
    assert cross.get_xdata().tolist() == [ax.patches[1].get_x() + 0.4]
    assert "left out of 3 videos: 1 without a figure, 0 without a date" in ax.texts[0].get_text()
    png(ax)


def test_credits_over_time_by_group_are_named_beside_the_bars():
    frame = videos([*HOSTILE, "a", "b"]).assign(used_credits=[70, 60, 50, 40, 30, 20, 10])
    ax = ha.plot_credits_over_time(frame, by="type", ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts if text.get_text() != "■"][:-1] == [
        "$\\frac{1}{$", "_hidden", "<img src=x onerror=alert(1)>", "a bc",
        "x" * 14 + "…" + "x" * 13, "2 others",
    ]  # fmt: skip
    assert [bar.get_height() for bar in ax.patches] == [70, 60, 50, 40, 30, 30]
    png(ax)


LONG = [f"Autumn campaign of the northern {where} branch, take one" for where in ("shop", "mail")]


def test_two_long_names_with_one_label_are_two_groups():
    frame = rendered((LONG[0], "COMPLETED", 60), (LONG[1], "COMPLETED", 240))
    ax = ha.plot_render_times(frame, ax=Figure().subplots())
    starts = [line.get_xdata()[line.get_ydata() > 0][0] for line in ax.lines]
    assert sorted(starts) == pytest.approx([60, 240], abs=2)
    assert set(names(ax)) == {"Autumn campaig…nch, take one"}
    dated = videos(LONG).assign(used_credits=[4, 6])
    bars = ha.plot_credits_over_time(dated, by="type", ax=Figure().subplots()).patches
    assert sorted(bar.get_height() for bar in bars) == [4, 6]


def test_many_groups_are_summed_in_a_bar_of_others_and_all_are_in_the_totals():
    frame = videos([f"type {n:02}" for n in range(46)])
    ax = ha.plot_credits(frame, ax=Figure().subplots())
    assert names(ax)[-1] == "27 others"
    assert sum(bar.get_width() for bar in ax.patches) == sum(range(1, 47))
    wasted = frame["used_credits"][frame["status"] == "FAILED"].sum()
    assert f"orange: failed, {wasted:.0f} credits" in ax.texts[-1].get_text()


@pytest.mark.parametrize("metric", ["credits_per_minute", "failure_rate", "render_seconds"])
def test_a_comparison_is_a_dot_with_its_interval(metric):
    frame = videos(["dear"] * 12 + ["rest"] * 30).assign(
        used_credits=[40.0] * 12 + [4.0 + n % 3 for n in range(30)], duration_seconds=60.0
    )
    ax = ha.plot_comparison(frame, metric=metric, ax=Figure().subplots())
    table = ha.compare_groups(frame, metric=metric)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == table["value"].tolist()
    filled = [dot.get_markerfacecolor() != "none" for dot in dots]
    assert filled == (table["different"] == True).fillna(False).tolist()  # noqa: E712
    assert filled[0] == (metric == "credits_per_minute")
    assert names(ax) == table["type"].tolist()
    png(ax)


def texts(ax) -> list[Text]:
    """Everything written on the axes; ticks beyond its limits are not."""
    ticks = [
        label
        for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
        for at, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        if min(low, high) <= at <= max(low, high)
    ]
    around = [ax.xaxis.label, ax.yaxis.label, ax._left_title]
    return [text for text in [*ax.texts, *ticks, *around] if text.get_text().strip()]


@pytest.mark.parametrize("size", [(11, 8), (16, 10)])
def test_in_a_grid_no_text_lies_on_another_axes_or_leaves_the_figure(size):
    branches = ("shop", "mail", "desk", "web", "fair", "press")
    frame = videos([f"Autumn campaign of the northern {n} branch" for n in branches] * 8)
    frame = frame.assign(duration_seconds=60.0)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(2, 2)
    plots = (ha.plot_credits, ha.plot_render_times, ha.plot_comparison, ha.plot_credits_over_time)
    for plot, ax in zip(plots, grid.flat, strict=True):
        plot(frame, by="type", ax=ax)
    figure.draw_without_rendering()
    boxes = [[Text.get_window_extent(text) for text in texts(ax)] for ax in grid.flat]
    for one, other in itertools.combinations(boxes, 2):
        assert not any(a.overlaps(b) for a in one for b in other)
    edges = np.array([box.extents for each in boxes for box in each])
    assert (edges[:, :2] >= -1).all()
    assert (edges[:, 2:] <= [figure.bbox.width + 1, figure.bbox.height + 1]).all()
    assert min(ax.bbox.width / figure.bbox.width for ax in grid.flat) > 0.05


def test_a_figure_is_transparent_and_jupyter_lays_no_ground_under_it():
    figure = ha.plot_credits(videos(["class"])).figure
    try:
        assert _fetch_figure_metadata(figure) is None
        picture = io.BytesIO()
        figure.savefig(picture, format="png", facecolor=figure.get_facecolor())
        assert image.imread(io.BytesIO(picture.getvalue()))[0, 0, 3] == 0
    finally:
        plt.close(figure)


def test_an_end_that_was_seen_wins_over_a_later_change():
    seen = pd.DataFrame({
        "video_id": "vid_0",
        "last_seen_started": pd.to_datetime(["2024-01-15T10:04Z"]),
        "first_seen_final": pd.to_datetime(["2024-01-15T10:05Z"]),
    })  # fmt: skip
    day = rendered(("class", "COMPLETED", 86_400))
    ax = ha.plot_render_times(day, observed_renders=seen, ax=Figure().subplots())
    assert ax.texts[-1].get_text() == "class  4 min 30 s"


def test_pyplot_is_loaded_only_when_a_figure_is_to_be_made():
    code = """
import sys
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
import hooked_analytics as ha
videos = ha.videos_from_records([{"id": "a", "usedCredits": 1}])
ha.plot_credits(videos, ax=Figure().subplots())
ha.plot_render_times(videos, ax=Figure().subplots())
assert "matplotlib.pyplot" not in sys.modules
import matplotlib; matplotlib.use("agg")
ha.plot_credits(videos)
assert sys.modules["matplotlib.pyplot"].get_fignums()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_single_day_is_a_bar_with_room_above_among_days():
    axes = ha.plot_credits_over_time(videos(["class"]), ax=Figure().subplots())
    (bar,) = axes.patches
    assert axes.get_ylim()[1] > bar.get_height() * 1.05
    low, high = axes.get_xlim()
    assert high - low >= 8 > bar.get_width()
    axes.figure.canvas.draw()
    assert not [tick for tick in axes.get_xticklabels() if ":" in tick.get_text()]


def test_the_note_of_a_tall_picture_stays_below_its_title():
    kinds = [f"kind {n}" for n in range(60) for _ in range(9)]
    axes = ha.plot_comparison(videos(kinds), metric="failure_rate")
    axes.figure.canvas.draw()
    (note,) = [text for text in axes.texts if "upright mark" in text.get_text()]
    title = next(
        text
        for text in axes.get_children()
        if getattr(text, "get_text", str)() == axes.get_title(loc="left")
    )
    assert note.get_window_extent().y1 < title.get_window_extent().y0
    plt.close("all")
