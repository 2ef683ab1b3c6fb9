"""Without the extras the package works, and each missing one is named when it is needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

BLOCKED = """
import sys
for name in (
    "matplotlib", "ipywidgets", "anywidget", "xlsxwriter", "starlette", "uvicorn",
    "great_tables", "jinja2",
):
    sys.modules[name] = None
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, *rest: sys.modules.get(name, ...) and found(name, *rest)
import hooked_analytics as ha
videos = ha.videos_from_records([{"id": "vid_1", "type": "class", "usedCredits": 5}])
"""


def run(code: str, directory) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + textwrap.dedent(code)],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_core_needs_none_and_a_report_is_read_in_words_and_in_files(tmp_path):
    code = """
    ha.export_videos(videos, "videos.parquet")
    print(ha.credit_usage(ha.read_videos("videos.parquet"))["credits"].tolist())
    report = ha.build_report(videos)
    print(report._repr_html_())
    print(len(report.export("report")) > 10, repr(ha.read_report("report")) == repr(report))
    """
    printed = run(code, tmp_path)
    assert printed.startswith("[5.0]\n")
    assert "credits spent" in printed
    assert "hooked-analytics[report]" in printed
    assert printed.endswith("True True\n")


MISSING = [
    ("ha.plot_credits(videos)", "plot"),
    ("ha.plot_render_times(videos)", "plot"),
    ("ha.Sandbox()", "sandbox"),
    ("ha.WebhookReceiver()", "webhooks"),
    ("ha.export_videos(videos, 'videos.xlsx')", "report"),
    ("ha.build_report(videos).to_html('report.html')", "report"),
]


def test_a_missing_extra_is_named_with_its_pip_line(tmp_path):
    code = f"""
    for call, extra in {MISSING}:
        try:
            eval(call)
        except ImportError as error:
            print(call if f'pip install "hooked-analytics[{{extra}}]"' in str(error) else error)
    """
    assert run(code, tmp_path).splitlines() == [call for call, _ in MISSING]


def test_a_demo_without_matplotlib_leaves_the_pictures_out(tmp_path):
    code = """
    for name in ("starlette", "uvicorn"):
        del sys.modules[name]
    from hooked_analytics.cli import main
    print(main(["demo", "--videos", "20"]))
    """
    printed = run(code, tmp_path)
    assert "videos.parquet" in printed
    assert ".png" not in printed
    assert printed.endswith("\n0\n")
