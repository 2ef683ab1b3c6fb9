"""Picture of what is coming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hooked_analytics.analysis import Forecast, credits_over_time, forecast_credits
from hooked_analytics.plots.style import INK, LABEL_POINTS, PALETTE, canvas, date_axis, note

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_DAYS_SHOWN_PER_DAY_AHEAD = 3


def plot_forecast(
    videos: pd.DataFrame | Forecast,
    *,
    horizon_days: int = 30,
    balance: float | None = None,
    timezone: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the credits of the last days as bars and of the coming days as a line in its range.

    Parameters
    ----------
    videos : DataFrame or Forecast
        One row per video, with the columns `forecast_credits` needs; or what that returned, which
        is drawn without the days before.
    horizon_days, balance, timezone : int, default 30
        As in `forecast_credits`.
    ax : Axes, optional
        Where to draw; a new figure when missing.

    Returns
    -------
    the Axes, a day per step along x, credits along y
        Without a range (under 28 days of history) the line stands alone.

    Raises
    ------
    ValueError
        `forecast_credits` refuses.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = pd.date_range("2024-01-01T12:00Z", periods=57, unit="us")
    >>> videos = pd.DataFrame({
    ...     "created_at": days, "fetched_at": days[-1],
    ...     "used_credits": [10.0 + n % 3 for n in range(57)],
    ... })
    >>> ax = plot_forecast(videos, horizon_days=7, ax=Figure().subplots())
    >>> ax.texts[0].get_text(), ax.get_ylabel()
    ('forecast, 80 % range of a day', 'credits')
    """
    if isinstance(videos, Forecast):
        forecast, past = videos, pd.DataFrame()
    else:
        forecast = forecast_credits(
            videos, horizon_days=horizon_days, balance=balance, timezone=timezone
        )
        past = credits_over_time(videos, timezone=timezone).pipe(
            lambda days: days[days["period"] < forecast.daily["day"].iloc[0]]
        )
    ax = canvas(ax, "Credits day by day, and what comes next", height=3.4, grid="y")
    if len(past):
        shown = past.tail(max(_DAYS_SHOWN_PER_DAY_AHEAD * horizon_days, 28))
        draw_days(ax, shown["period"], shown["credits"])
    ax.set_ylabel("credits", color=INK)
    draw_ahead(ax, forecast.daily)
    with_headroom(ax)
    date_axis(ax)
    said = repr(forecast).splitlines()
    old = [said[-1]] if said[-1].startswith("The list is") else []
    note(ax, "\n".join([said[0], " · ".join([said[1], *old])]))
    return ax


def draw_days(
    ax: Axes,
    days: pd.Series[pd.Timestamp],
    credits: pd.Series[float],
    colour: str = PALETTE["rendering"],
) -> None:
    """Bars of the credits of past days."""
    ax.bar(_naive(days), credits, width=0.8, align="edge", color=colour)
    ax.set_ylabel("credits", color=INK)


def draw_ahead(ax: Axes, daily: pd.DataFrame, mark: str = "") -> None:
    """Draw the ``daily`` frame of a `Forecast`: a line in its range, behind a mark."""
    at = _naive(daily["day"] + pd.Timedelta(12, "h"))
    ax.fill_between(at, daily["low"], daily["high"], color=PALETTE["completed"], alpha=0.18, lw=0)
    ax.plot(at, daily["credits"], color=PALETTE["completed"], lw=1.8)
    start = _naive(daily["day"].head(1))[0]
    ax.axvline(start, color=INK, lw=0.8, ls=(0, (3, 3)))
    ranged = daily["low"].notna().any()
    said = "forecast, 80 % range of a day" if ranged else "forecast, no range"
    ax.annotate(mark or said, (start, 1), (4, -2), xycoords=("data", "axes fraction"), va="top",
                textcoords="offset points", color=INK, fontsize=LABEL_POINTS)  # fmt: skip


def with_headroom(ax: Axes) -> None:
    """Begin at 0 and leave a line above everything drawn, where the mark is written."""
    ax.set_ylim(0, 1.12 * ax.get_ylim()[1])


def _naive(days: pd.Series[pd.Timestamp]) -> Any:
    """Days as matplotlib draws them without shifting."""
    return days.dt.tz_localize(None).to_numpy()
