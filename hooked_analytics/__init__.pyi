# The public names, each once: for editors and type checkers, and for `__init__.py` at run time.
from hooked_analytics._internal.versions import show_versions as show_versions
from hooked_analytics.analysis import (
    Forecast as Forecast,
    compare_groups as compare_groups,
    completion_curve as completion_curve,
    credit_change as credit_change,
    credit_outliers as credit_outliers,
    credit_usage as credit_usage,
    credits_over_time as credits_over_time,
    elapsed_seconds as elapsed_seconds,
    estimate_completion as estimate_completion,
    failures as failures,
    forecast_credits as forecast_credits,
    observed_renders as observed_renders,
    render_drift as render_drift,
    render_seconds as render_seconds,
    render_times as render_times,
    retry_chains as retry_chains,
    spend_anomalies as spend_anomalies,
)
from hooked_analytics.client import HookedClient as HookedClient
from hooked_analytics.download import download_videos as download_videos
from hooked_analytics.errors import (
    AuthenticationError as AuthenticationError,
    BadResponseError as BadResponseError,
    FetchError as FetchError,
    FetchInterrupted as FetchInterrupted,
    ForbiddenError as ForbiddenError,
    HookedError as HookedError,
    InvalidVideoIdError as InvalidVideoIdError,
    NetworkError as NetworkError,
    RateLimitError as RateLimitError,
    ServerError as ServerError,
    StorageError as StorageError,
    SubscriptionError as SubscriptionError,
    VideoNotFoundError as VideoNotFoundError,
    WaitTimeoutError as WaitTimeoutError,
)
from hooked_analytics.fetch import (
    add_details as add_details,
    add_names as add_names,
    fetch_videos as fetch_videos,
    list_videos as list_videos,
    poll_videos as poll_videos,
    wait_for_videos as wait_for_videos,
)
from hooked_analytics.panel import ProgressPanel as ProgressPanel
from hooked_analytics.plots import (
    plot_comparison as plot_comparison,
    plot_credits as plot_credits,
    plot_credits_over_time as plot_credits_over_time,
    plot_forecast as plot_forecast,
    plot_progress as plot_progress,
    plot_render_times as plot_render_times,
)
from hooked_analytics.report import (
    Report as Report,
    build_report as build_report,
    read_report as read_report,
    show as show,
)
from hooked_analytics.sandbox import Sandbox as Sandbox
from hooked_analytics.schema import is_final as is_final, videos_from_records as videos_from_records
from hooked_analytics.storage import (
    VideoArchive as VideoArchive,
    export_videos as export_videos,
    read_videos as read_videos,
)
from hooked_analytics.webhooks import WebhookReceiver as WebhookReceiver

__version__: str
