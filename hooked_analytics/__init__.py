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
                     `forecast_credits`, `retry_chains`, `credit_outliers`
kept over time       `VideoArchive`, `observed_renders` (finish, stalls, speed)
pictures of it       `plot_render_times`, `plot_credits`, `plot_credits_over_time`,
                     `plot_forecast`, `plot_progress`
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

from importlib import import_module
from typing import TYPE_CHECKING

from hooked_analytics._version import __version__

if TYPE_CHECKING:
    from hooked_analytics.analysis import (
        Forecast,
        completion_curve,
        credit_change,
        credit_outliers,
        credit_usage,
        credits_over_time,
        elapsed_seconds,
        estimate_completion,
        failures,
        forecast_credits,
        observed_renders,
        render_seconds,
        render_times,
        retry_chains,
    )
    from hooked_analytics.client import HookedClient
    from hooked_analytics.download import download_videos
    from hooked_analytics.errors import (
        AuthenticationError,
        BadResponseError,
        FetchError,
        FetchInterrupted,
        ForbiddenError,
        HookedError,
        InvalidVideoIdError,
        NetworkError,
        RateLimitError,
        ServerError,
        VideoNotFoundError,
        WaitTimeoutError,
    )
    from hooked_analytics.fetch import fetch_videos, list_videos, poll_videos, wait_for_videos
    from hooked_analytics.panel import ProgressPanel
    from hooked_analytics.plots import (
        plot_credits,
        plot_credits_over_time,
        plot_forecast,
        plot_progress,
        plot_render_times,
    )
    from hooked_analytics.report import Report, build_report, read_report
    from hooked_analytics.sandbox import Sandbox
    from hooked_analytics.schema import is_final, videos_from_records
    from hooked_analytics.storage import VideoArchive, export_videos, read_videos
    from hooked_analytics.webhooks import WebhookReceiver

__all__ = [
    "AuthenticationError",
    "BadResponseError",
    "FetchError",
    "FetchInterrupted",
    "ForbiddenError",
    "Forecast",
    "HookedClient",
    "HookedError",
    "InvalidVideoIdError",
    "NetworkError",
    "ProgressPanel",
    "RateLimitError",
    "Report",
    "Sandbox",
    "ServerError",
    "VideoArchive",
    "VideoNotFoundError",
    "WaitTimeoutError",
    "WebhookReceiver",
    "__version__",
    "build_report",
    "completion_curve",
    "credit_change",
    "credit_outliers",
    "credit_usage",
    "credits_over_time",
    "download_videos",
    "elapsed_seconds",
    "estimate_completion",
    "export_videos",
    "failures",
    "fetch_videos",
    "forecast_credits",
    "is_final",
    "list_videos",
    "observed_renders",
    "plot_credits",
    "plot_credits_over_time",
    "plot_forecast",
    "plot_progress",
    "plot_render_times",
    "poll_videos",
    "read_report",
    "read_videos",
    "render_seconds",
    "render_times",
    "retry_chains",
    "videos_from_records",
    "wait_for_videos",
]

# a name is loaded when it is first used: `import hooked_analytics` costs nothing
_NAMES_BY_PACKAGE = {
    "analysis": (
        "Forecast",
        "completion_curve",
        "credit_change",
        "credit_outliers",
        "credit_usage",
        "credits_over_time",
        "elapsed_seconds",
        "estimate_completion",
        "failures",
        "forecast_credits",
        "observed_renders",
        "render_seconds",
        "render_times",
        "retry_chains",
    ),
    "client": ("HookedClient",),
    "download": ("download_videos",),
    "errors": (
        "AuthenticationError",
        "BadResponseError",
        "FetchError",
        "FetchInterrupted",
        "ForbiddenError",
        "HookedError",
        "InvalidVideoIdError",
        "NetworkError",
        "RateLimitError",
        "ServerError",
        "VideoNotFoundError",
        "WaitTimeoutError",
    ),
    "fetch": ("fetch_videos", "list_videos", "poll_videos", "wait_for_videos"),
    "panel": ("ProgressPanel",),
    "plots": (
        "plot_credits",
        "plot_credits_over_time",
        "plot_forecast",
        "plot_progress",
        "plot_render_times",
    ),
    "report": ("Report", "build_report", "read_report"),
    "sandbox": ("Sandbox",),
    "schema": ("is_final", "videos_from_records"),
    "storage": ("VideoArchive", "export_videos", "read_videos"),
    "webhooks": ("WebhookReceiver",),
}
_HOMES = {name: home for home, names in _NAMES_BY_PACKAGE.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
