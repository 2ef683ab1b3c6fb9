"""
Pictures of the answers, as matplotlib Axes.

matplotlib is loaded when a picture is drawn, never before. Given ``ax`` nothing touches
pyplot, so a thread may draw. Text from the API is drawn as text, never as mathematics.
"""

from hooked_analytics.plots.credits_plots import (
    plot_comparison,
    plot_credits,
    plot_credits_over_time,
    plot_forecast,
)
from hooked_analytics.plots.render_plots import plot_progress, plot_render_times
from hooked_analytics.plots.style import PALETTE

__all__ = [
    "PALETTE",
    "plot_comparison",
    "plot_credits",
    "plot_credits_over_time",
    "plot_forecast",
    "plot_progress",
    "plot_render_times",
]
