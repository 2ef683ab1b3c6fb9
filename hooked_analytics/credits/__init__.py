"""What videos cost: pure functions of a videos frame. A missing figure is never read as 0."""

from hooked_analytics.credits.change import credit_change
from hooked_analytics.credits.forecast import Forecast, forecast_credits
from hooked_analytics.credits.outliers import credit_outliers
from hooked_analytics.credits.over_time import credits_over_time
from hooked_analytics.credits.retries import retry_chains
from hooked_analytics.credits.usage import credit_usage, failures

__all__ = [
    "Forecast",
    "credit_change",
    "credit_outliers",
    "credit_usage",
    "credits_over_time",
    "failures",
    "forecast_credits",
    "retry_chains",
]
