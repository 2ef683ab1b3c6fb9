"""
Hooked video ids in; a pandas frame, render times, credit usage, Parquet and CSV out.

The tour, in the order of a working day:

===================  ==========================================================
into a videos frame  `fetch_videos` (network), `read_videos` (disk),
                     `videos_from_records` (memory), `list_videos` (the team's)
watching renders     `ProgressPanel` (in the notebook), `poll_videos` (a frame per round),
                     `wait_for_videos` (the last), `WebhookReceiver` (Hooked says when)
columns of it        `render_seconds`, `elapsed_seconds`, `is_final`
answers from it      `render_times`, `completion_curve`, `credit_usage`, `failures`,
                     `credits_over_time`, `credit_change`, `estimate_completion`,
                     `forecast_credits`, `compare_groups`, `retry_chains`,
                     `credit_outliers`, `spend_anomalies`, `render_drift`
kept over time       `VideoArchive`, `observed_renders` (finish, stalls, speed)
pictures of it       `plot_render_times`, `plot_credits`, `plot_credits_over_time`,
                     `plot_forecast`, `plot_progress`, `plot_comparison`
out of it            `export_videos`, `download_videos`, `build_report` (a page, a folder
                     of tables), `read_report`
behind it            `HookedClient` (key, limit), `Sandbox` (the API on localhost)
===================  ==========================================================

A videos frame is a plain pandas DataFrame, one row per video. Every function takes one and
returns a new one; nothing is changed in place. `render_times`, `completion_curve`,
`credit_usage`, `credits_over_time`, `credit_change` and `failures` take a Polars, PyArrow,
DuckDB, Dask or Spark frame as well, and give back one of the same kind.

Examples
--------
>>> import hooked_analytics as ha
>>> with ha.Sandbox(videos=20) as sandbox, sandbox.client() as client:
...     videos = ha.fetch_videos(sandbox.video_ids, client=client)
>>> len(videos)
20
"""

import ast
from importlib import import_module
from pathlib import Path

__version__ = "0.2.0.dev0"

# `__init__.pyi` lists the public names once, for editors and for this module; each is loaded
# when it is first used, so that `import hooked_analytics` costs nothing
_HOMES = {
    alias.name: node.module or ""
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
