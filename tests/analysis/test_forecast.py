"""Forecasts: small histories with answers worked out by hand, and what is refused."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from hooked_analytics import forecast_credits, plot_forecast
from hooked_analytics.analysis.forecast import _Rule, _shortest_span
from tests.analysis.rows import START, listed

FIRST = pd.Timestamp("2024-01-01T12:00Z")  # a Monday
CALM = [10, 11, 12]


def videos(*credits: float | None, fetched_after_days: int | None = None) -> pd.DataFrame:
    """One video a day from a Monday on, fetched on the day after the last."""
    after = len(credits) if fetched_after_days is None else fetched_after_days
    dated = [((FIRST + pd.Timedelta(n, "D")).isoformat(), c) for n, c in enumerate(credits)]
    seen = (FIRST + pd.Timedelta(after, "D") - START).total_seconds()
    return listed("createdAt usedCredits", dated, seen=seen)


WEEK = [10, 10, 10, 10, 10, 5, 0]


def weeks(*totals: float) -> list[float]:
    """Weeks of one shape: ten shares of 55 on a working day, five on a Saturday."""
    return [total * day / 55 for total in totals for day in WEEK]


def test_the_days_ahead_have_the_weekday_shares_and_no_trend():
    made = forecast_credits(videos(*weeks(55, 110, 165, 220, 330, 440)), horizon_days=14)
    # begun at the mean of three weeks, 110, then 165, 247.5 and 343.75 by halves
    assert made.total == pytest.approx(2 * 343.75)
    assert made.daily["credits"].tolist() == pytest.approx([62.5] * 5 + [31.25, 0] + [62.5] * 5
                                                           + [31.25, 0])  # fmt: skip


def test_the_shape_is_of_the_last_eight_weeks():
    old, new = [0.0] * 6 + [70.0], [10.0] * 7
    rule = _Rule(np.array(old * 2 + new * 8))
    assert rule.shape(70).tolist() == pytest.approx([1 / 7] * 7)


@pytest.mark.parametrize(
    ("history", "ahead", "factor"),
    [(35, 7, 1.54), (90, 14, 2.03), (270, 28, 4.86), (28, 28, 7.63), (365, 7, 1.03),
     (90, 56, 4.78 * 2**1.15)],
)  # fmt: skip
def test_the_half_width_is_the_quantile_times_the_pooled_factor(history, ahead, factor):
    # a week of 70 and one of 140 in turn: made to have errors
    rule = _Rule(np.array(([10.0] * 7 + [20.0] * 7) * 30)[:history])
    origins = range(14, history - 6)
    errors = sorted(abs(rule.history[at : at + 7].sum() - rule.levels[at]) for at in origins)
    q = errors[min(-(-8 * (len(errors) + 1) // 10), len(errors)) - 1]
    assert rule.half(ahead) == pytest.approx(q * factor)


def test_the_paths_have_the_range_of_the_total():
    rule = _Rule(np.random.default_rng(1).poisson(20, 90).astype(float))
    error = np.abs(rule.paths(28).sum(axis=1) - rule.ahead(28).sum())
    assert (error <= rule.half(28)).mean() == pytest.approx(0.8, abs=0.001)
    np.testing.assert_array_equal(rule.paths(28), rule.paths(28))


def test_a_calm_history_goes_on():
    made = forecast_credits(videos(*CALM * 20), horizon_days=21, balance=104.5)
    assert made.total == pytest.approx(231, abs=2)
    assert 215 < made.total_low < 231 < made.total_high < 247
    assert list(made.daily.columns) == ["day", "credits", "low", "high"]
    assert str(made.daily["day"].dtype) == "datetime64[us, UTC]"
    assert str(made.daily["day"].iloc[0]) == "2024-03-01 00:00:00+00:00"
    assert (made.daily["low"] <= made.daily["credits"]).all()
    assert (made.daily["credits"] <= made.daily["high"]).all()
    assert (made.history_days, made.credits_unknown, made.filled_share) == (60, 0, 0)
    # at 11 a day: spent in the middle of the tenth day
    assert str(made.run_out.date()) == "2024-03-10"
    assert made.run_out_chance == 1
    assert "2024-03-01 to 2024-03-21: 23" in repr(made)


def test_the_back_test_is_the_error_of_forecasts_of_the_same_length():
    made = forecast_credits(videos(*weeks(55, 55, 55, 55, 110)), horizon_days=14)
    # 14 days from day 14 on hold 110 and from day 15 to 20 ever more, from day 21 on 165
    assert made.backtest_origins == 8
    truth = [110, 120, 130, 140, 150, 160, 165, 165]
    errors = sorted(1 - 110 / each for each in truth)
    assert made.backtest_error == pytest.approx((errors[3] + errors[4]) / 2)
    assert "The 8 forecasts of 14 days made in the past were off by 24% in the middle" in repr(made)
    idle = forecast_credits(videos(*weeks(55, 55, 0, 0, 0)), horizon_days=7)
    assert idle.backtest_origins == 0  # from day 14 on nothing is spent any more
    assert "No past forecast to test it by" in repr(idle)


def test_the_day_of_the_last_observation_is_not_complete_and_days_before_are_zeros():
    whole = forecast_credits(videos(*CALM * 20), horizon_days=7)
    cut = forecast_credits(videos(*CALM * 20, 1000, fetched_after_days=60), horizon_days=7)
    pd.testing.assert_frame_equal(whole.daily, cut.daily)
    idle = forecast_credits(videos(*[10] * 28, fetched_after_days=35), horizon_days=7)
    assert idle.history_days == 35
    assert str(idle.daily["day"].iloc[0].date()) == "2024-02-05"
    assert idle.total == pytest.approx(35)  # 70, then halfway to a week of nothing


def test_unknown_credits_are_filled_by_type_and_weekday():
    rows = videos(*weeks(*[55] * 8))
    rows["type"] = ["class", "ugc"] * 28
    rows.loc[rows["type"] == "ugc", "used_credits"] *= 3
    rows.loc[28, "used_credits"] = None  # a Monday, type class, whose others are 10
    made = forecast_credits(rows, horizon_days=7)
    rows.loc[28, "used_credits"] = 10
    pd.testing.assert_frame_equal(made.daily, forecast_credits(rows, horizon_days=7).daily)
    assert made.filled_share == pytest.approx(1 / 56)
    assert "1.8% of their videos without a figure, filled in" in repr(made)


def test_under_four_weeks_there_is_a_plain_average_and_no_range():
    made = forecast_credits(videos(*CALM * 9), horizon_days=10, balance=50, budget=400)
    assert made.total == pytest.approx(110)
    assert np.isnan([made.total_low, made.total_high, made.run_out_chance]).all()
    assert made.daily[["low", "high"]].isna().all(axis=None)
    assert pd.isna([made.run_out, made.run_out_low, made.run_out_high, made.budget_date]).all()
    assert made.backtest_origins == 0
    assert made.month_total == pytest.approx(27 * 11 + 4 * 11)
    assert "not calibrated: under 28 complete days" in repr(made)


def test_a_balance_of_nothing_is_spent_and_one_that_lasts_is_said_in_a_notebook_too():
    spent, lasts = (
        forecast_credits(videos(*CALM * 20), horizon_days=7, balance=b) for b in (0, 1_234_567)
    )
    assert spent.run_out == spent.daily["day"][0]
    assert pd.isna(lasts.run_out)
    assert lasts.run_out_chance == 0
    assert "A balance of 1,234,567 lasts to 2024-03-07 in 100% of cases" in repr(lasts)
    lines = re.findall(r"<li>(.*?)</li>", lasts._repr_html_())
    assert [unescape(line) for line in lines] == repr(lasts).splitlines()


def test_videos_that_were_not_fetched_are_no_days_without_spend():
    rows = videos(*CALM * 12)
    lost = rows.assign(created_at=rows["created_at"].where(rows.index % 3 > 0))
    with pytest.raises(ValueError, match="12 of 36 videos have no created_at"):
        forecast_credits(lost, horizon_days=7)
    some = rows.assign(created_at=rows["created_at"].where(rows.index % 5 > 0))
    assert forecast_credits(some, horizon_days=7).total < 77


def test_the_run_out_of_an_uneven_history_is_a_span_in_order():
    credits = np.random.default_rng(1).poisson(60, 56).tolist()
    made, late = (
        forecast_credits(videos(*credits), horizon_days=28, balance=days * np.mean(credits))
        for days in (12, 27)
    )
    assert made.run_out_low < made.run_out < made.run_out_high
    assert made.run_out_high - made.run_out_low < pd.Timedelta(20, "D")
    assert f"runs out between {made.run_out_low.date()} and {made.run_out_high.date()}" in repr(
        made
    )
    assert pd.isna(late.run_out_high)
    assert f"may run out from {late.run_out_low.date()} on (" in repr(late)


@pytest.mark.parametrize(
    ("budget", "chance", "day"),
    [(310, 0, None), (305, 1, "2024-03-31"), (105, 1, "2024-03-11"), (25, 1, "2024-03-03")],
)
def test_a_budget_is_of_the_calendar_month(budget, chance, day):
    # 10 a day from 1 January to 4 March, seen on the fifth
    made = forecast_credits(videos(*[10] * 64), horizon_days=7, budget=budget)
    assert (made.month_to_date, made.month_total) == pytest.approx((40, 310))
    assert (made.month_low, made.month_high) == pytest.approx((310, 310))
    assert made.over_budget_chance == chance
    assert (None if pd.isna(made.budget_date) else str(made.budget_date.date())) == day
    assert "March 2024: 40 so far, 310 credits expected" in repr(made)


def test_a_day_begins_at_midnight_of_the_time_zone():
    rows = videos(*WEEK * 8)
    rows["created_at"] += pd.Timedelta(11.5, "h")  # half past eleven at night in UTC
    made = forecast_credits(rows, horizon_days=7, timezone="Europe/Berlin")
    assert str(made.daily["day"].iloc[0]) == "2024-02-26 00:00:00+01:00"
    # Sunday's nothing is on a Monday in Berlin
    assert made.daily["credits"].iloc[0] == 0


@pytest.mark.parametrize(("days", "said"), [(1, False), (3, True)])
def test_a_list_older_than_two_days_says_so(days, said):
    rows = videos(*CALM * 20)
    late = pd.Timestamp.now("UTC") - pd.Timedelta(days, "D") - rows["fetched_at"].max()
    moved = rows.assign(created_at=rows["created_at"] + late, fetched_at=rows["fetched_at"] + late)
    made = forecast_credits(moved, horizon_days=7)
    assert ("The list is" in repr(made)) == said
    assert made.list_age_days == pytest.approx(days, abs=0.01)


@pytest.mark.parametrize(
    ("days", "span"),
    [
        ([1, 2, 2, 2, 2, 2, 3, 3, 3, 9], (2, 3)),  # the 10th and 90th of 100 are days 1 and 9
        ([1, 1, 2, 2, 3], (1, 2)),
        ([1, 1, 2, 2, 2, 3, 3, 3, 4, 4], (1, 3)),  # as short and as many: the earlier
        ([1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4], (2, 4)),
        ([5] * 10, (5, 5)),
    ],
)
def test_the_span_of_a_run_out_is_the_shortest_with_80_of_100_paths(days, span):
    assert _shortest_span(np.array(days)) == span


@pytest.mark.parametrize(
    ("rows", "given", "reason"),
    [
        (CALM * 10, {"horizon_days": 31}, "31 days ahead need as many .* there are 30"),
        (CALM * 10, {"horizon_days": 0}, "horizon_days is a whole number, 1 or more"),
        ([], {}, "30 days ahead need as many complete days of history, and there are 0"),
        ([5], {}, "at most horizon_days=1 is possible"),
        ([None] * 60, {}, r"60 of 60 videos have no credit figure \(100%\), and above 25%"),
        ([5, 5, 5, None, None] * 12, {}, r"24 of 60 videos have no credit figure \(40%\)"),
        ([0] * 60, {}, "no complete day has a credit figure above 0"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_the_reason(rows, given, reason):
    with pytest.raises(ValueError, match=reason):
        forecast_credits(videos(*rows), **given)


@pytest.mark.parametrize("lonely", [0, 27, 40])
def test_one_day_of_credits_is_no_reason_to_fail(lonely):
    credits = [0.0] * 60
    credits[lonely] = 500.0
    made = forecast_credits(videos(*credits), horizon_days=7, balance=10)
    assert np.isfinite([made.total, made.total_low, made.total_high]).all()


def test_the_picture_shows_history_range_and_words():
    ax = plot_forecast(videos(*CALM * 20), horizon_days=7, balance=40, ax=Figure().subplots())
    assert len(ax.patches) == 28
    assert ax.texts[0].get_text() == "forecast, 80 % range of a day"
    assert "2024-03-01 to 2024-03-07: 77 credits expected" in ax.texts[1].get_text()
    assert "A balance of 40 runs out on" in ax.texts[1].get_text()
    plain = plot_forecast(videos(*CALM * 9), horizon_days=7, ax=Figure().subplots())
    assert plain.texts[0].get_text() == "forecast, no range"
    made = forecast_credits(videos(*CALM * 20), horizon_days=7)
    alone = plot_forecast(made, ax=Figure().subplots())  # without the history it was made from
    assert (len(alone.patches), len(alone.lines[0].get_xdata())) == (0, 7)
