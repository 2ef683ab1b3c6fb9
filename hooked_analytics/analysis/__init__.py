"""
Pure functions of a videos frame: credits, render times, survival, time left, forecast.

They never see the network. A missing figure is never read as 0.
"""

from hooked_analytics.analysis.anomalies import credit_outliers, render_drift, spend_anomalies
from hooked_analytics.analysis.comparison import compare_groups
from hooked_analytics.analysis.completion import (
    ends_by_elapsed,
    ends_by_progress,
    estimate_completion,
)
from hooked_analytics.analysis.credit_change import credit_change
from hooked_analytics.analysis.forecast import Forecast, forecast_credits
from hooked_analytics.analysis.observed_renders import observed_renders
from hooked_analytics.analysis.over_time import credits_over_time
from hooked_analytics.analysis.past_renders import Renders, read_renders
from hooked_analytics.analysis.render_times import (
    completion_curve,
    elapsed_seconds,
    render_seconds,
    render_times,
)
from hooked_analytics.analysis.time_left import (
    TimeLeft,
    batch_time_left,
    left_of_renders,
    seconds_range_text,
    time_left_text,
)
from hooked_analytics.analysis.usage import credit_usage, failures, retry_chains

__all__ = [
    "Forecast",
    "Renders",
    "TimeLeft",
    "batch_time_left",
    "compare_groups",
    "completion_curve",
    "credit_change",
    "credit_outliers",
    "credit_usage",
    "credits_over_time",
    "elapsed_seconds",
    "ends_by_elapsed",
    "ends_by_progress",
    "estimate_completion",
    "failures",
    "forecast_credits",
    "left_of_renders",
    "observed_renders",
    "read_renders",
    "render_drift",
    "render_seconds",
    "render_times",
    "retry_chains",
    "seconds_range_text",
    "spend_anomalies",
    "time_left_text",
]
