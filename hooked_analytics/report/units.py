"""Units of the columns of a report's tables; a column that is not here is text."""

from __future__ import annotations

_COLUMNS_OF_UNIT = {
    "credits": "credits credits_before credits_after change volume mix rate used_credits low high "
    "failed_credits total total_low total_high balance success_credits median_credits usual "
    "volume_low volume_high mix_low mix_high rate_low rate_high month_to_date month_total "
    "month_low month_high",
    "videos": "videos completed failed rendering other not_fetched undated refused repeated "
    "credits_unknown failed_unknown unknown_before unknown_after attempts failures "
    "duration_unknown videos_before videos_now",
    "share, 0 to 1": "share failed_share failure_rate failure_low failure_high censored_share "
    "completed_share run_out_chance backtest_error filled_share over_budget_chance p_value",
    "s": "median_seconds median_low median_high p90_seconds p90_low p90_high at_seconds "
    "median_before median_now",
    "UTC": "created_at seen_at first_created_at last_created_at",
    "day, by the report's time zone": "first_day last_day period day run_out run_out_low "
    "run_out_high budget_date",
    "credits per video": "credits_per_video",
    "credits per finished minute": "credits_per_minute",
    "currency of the price per credit": "cost",
    "past forecasts": "backtest_origins",
    "days": "history_days days days_before days_after",
    "times the usual": "ratio",
}
_UNITS = {name: unit for unit, names in _COLUMNS_OF_UNIT.items() for name in names.split()}
_SHARES = dict.fromkeys(("low", "high"), "share, 0 to 1")
_PER_MINUTE = dict.fromkeys(
    ("value", "low", "high", "shrunk", "difference", "difference_low", "difference_high"),
    "credits per finished minute",
)
DAY_COLUMNS = [name for name, unit in _UNITS.items() if unit.startswith("day,")]


def units_of(table: str) -> dict[str, str]:
    """Units of the columns of one table; in some the same name has another unit."""
    own = {"completion_curve": _SHARES, "comparison": _PER_MINUTE}
    return _UNITS | own.get(table.rstrip("_0123456789"), {})
