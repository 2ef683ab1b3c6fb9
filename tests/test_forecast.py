"""Forecasts: the law against statsmodels, what is refused, and what a plain history gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from hooked_analytics import forecast_credits, plot_forecast, videos_from_records
from hooked_analytics.analysis.forecast import _shortest_span
from hooked_analytics.analysis.quasi_poisson import (
    design,
    fit,
    predict_total,
    simulate_sums,
    weekday,
)

FIRST = pd.Timestamp("2024-01-01T12:00Z")  # a Monday
CALM = [10, 11, 12]


def videos(*credits: float | None, looked_after_days: int | None = None) -> pd.DataFrame:
    """One video a day from a Monday on, looked at on the day after the last."""
    after = len(credits) if looked_after_days is None else looked_after_days
    return videos_from_records(
        [
            {
                "id": f"vid_{n}",
                "createdAt": (FIRST + pd.Timedelta(n, "D")).isoformat(),
                "usedCredits": c,
            }
            for n, c in enumerate(credits)
        ],
        fetched_at=(FIRST + pd.Timedelta(after, "D")).to_pydatetime(),
    )


def drawn(seed: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    at = 19_700 + np.arange(days)
    return at, draw.poisson(12 * np.where(weekday(at) < 5, 1.2, 0.4)) * draw.choice([2.0, 5, 8])


@pytest.mark.parametrize("seed", range(5))
def test_the_law_equals_statsmodels(seed):
    from statsmodels import api

    days, credits = drawn(seed, 28 + 20 * seed)
    ours = fit(days, credits)
    x = design(days, ours.weekdays, int(days[-1]))
    theirs = api.GLM(credits, x, family=api.families.Poisson()).fit(scale="X2", tol=1e-14)
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-9, atol=1e-12)
    assert ours.dispersion == pytest.approx(theirs.scale, rel=1e-9)
    assert ours.freedom == theirs.df_resid


def test_the_error_of_a_total_equals_statsmodels():
    from statsmodels import api

    days, credits = drawn(9, 56)
    law, ahead = fit(days, credits), days[-1] + 1 + np.arange(14)
    x = design(days, law.weekdays, int(days[-1]))
    theirs = api.GLM(credits, x, family=api.families.Poisson()).fit(scale="X2", tol=1e-14)
    mean = theirs.predict(design(ahead, law.weekdays, int(days[-1])))
    gradient = mean @ design(ahead, law.weekdays, int(days[-1]))
    error = theirs.scale * mean.sum() + gradient @ theirs.cov_params() @ gradient
    made = predict_total(law, ahead, int(days[-1]), 1.0)
    assert made.mean == pytest.approx(mean.sum(), rel=1e-9)
    assert made.half == pytest.approx(np.sqrt(law.inflation * error), rel=1e-9)


def test_a_weekday_that_never_costs_anything_is_expected_to_stay_free():
    days = np.arange(4, 60)
    law = fit(
        days,
        np.where(weekday(days) < 5, 10.0, 0.0) + np.where(days % 2, 1, 0) * (weekday(days) < 5),
    )
    coming = np.arange(60, 67)
    one_by_one = [float(predict_total(law, np.array([day]), 59, 1.0).mean) for day in coming]
    assert [round(c, 1) > 0 for c in one_by_one] == [bool(weekday(day) < 5) for day in coming]


def test_a_calm_history_goes_on():
    made = forecast_credits(videos(*CALM * 20), horizon_days=21, balance=104.5)
    assert made.total == pytest.approx(231, abs=2)
    assert 200 < made.total_low < 231 < made.total_high < 262
    assert list(made.daily.columns) == ["day", "credits", "low", "high"]
    assert str(made.daily["day"].dtype) == "datetime64[us, UTC]"
    assert str(made.daily["day"].iloc[0]) == "2024-03-01 00:00:00+00:00"
    assert (made.daily["low"] < made.daily["credits"]).all()
    assert (made.daily["credits"] < made.daily["high"]).all()
    assert (made.history_days, made.credits_unknown) == (60, 0)
    assert (made.backtest_origins, made.backtest_coverage) == (6, 1.0)
    # at 11 a day: spent in the middle of the tenth day
    assert [str(day.date()) for day in (made.run_out_low, made.run_out, made.run_out_high)] == [
        "2024-03-10", "2024-03-10", "2024-03-10",
    ]  # fmt: skip
    assert made.run_out_chance == 1


def test_growth_is_carried_on():
    made = forecast_credits(videos(*[100 * 1.01**n for n in range(56)]), horizon_days=14)
    assert made.total == pytest.approx(sum(100 * 1.01**n for n in range(56, 70)), rel=1e-6)


def test_the_day_of_the_last_look_is_not_complete():
    whole = forecast_credits(videos(*CALM * 20), horizon_days=7)
    cut = forecast_credits(videos(*CALM * 20, 1000, looked_after_days=60), horizon_days=7)
    pd.testing.assert_frame_equal(whole.daily, cut.daily)


def test_days_without_videos_count_and_days_without_figures_do_not():
    rows = CALM * 20
    quiet = videos(*rows).drop(index=[30]).reset_index(drop=True)
    unknown = videos(*rows[:30], None, *rows[31:])
    assert forecast_credits(quiet).history_days == 60
    assert forecast_credits(unknown).credits_unknown == 1
    assert forecast_credits(quiet).total < forecast_credits(unknown).total - 1


def test_under_four_weeks_there_is_no_range_and_no_date():
    made = forecast_credits(videos(*CALM * 9), horizon_days=10, balance=50)
    assert made.total == pytest.approx(110)
    assert np.isnan([made.total_low, made.total_high, made.run_out_chance]).all()
    assert made.daily[["low", "high"]].isna().all(axis=None)
    assert pd.isna([made.run_out, made.run_out_low, made.run_out_high]).all()
    assert made.backtest_origins == 0
    assert "not calibrated: under 28 complete days" in repr(made)


def test_a_balance_that_lasts_is_an_answer():
    made = forecast_credits(videos(*CALM * 20), horizon_days=7, balance=10_000)
    assert pd.isna(made.run_out)
    assert made.run_out_chance == 0
    assert "A balance of 10,000 does not run out within 7 days in 100% of cases" in repr(made)


def test_the_run_out_of_an_uneven_history_is_a_span_in_order():
    _, credits = drawn(1, 56)
    made = forecast_credits(videos(*credits), horizon_days=28, balance=12 * credits.mean())
    assert made.run_out_low < made.run_out < made.run_out_high
    assert made.run_out_high - made.run_out_low < pd.Timedelta(20, "D")


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


def test_no_balance_is_already_spent():
    made = forecast_credits(videos(*CALM * 20), horizon_days=7, balance=0)
    assert made.run_out == made.daily["day"][0]


@pytest.mark.parametrize(
    ("rows", "asked", "reason"),
    [
        (CALM * 10, {"horizon_days": 16}, "16 days ahead need 32 complete days .* there are 30"),
        (CALM * 10, {"horizon_days": 0}, "horizon_days is 1 or more"),
        (CALM * 20, {"balance": -1}, "balance is the credits left, 0 or more, not -1"),
        (CALM * 20, {"balance": float("nan")}, "balance is the credits left"),
        ([], {}, "need 60 complete days of history, and there are 0"),
        ([5], {}, "need 60 complete days of history, and there are 1"),
        ([None] * 60, {}, "no complete day has a credit figure above 0"),
        ([0] * 60, {}, "no complete day has a credit figure above 0"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_the_reason(rows, asked, reason):
    with pytest.raises(ValueError, match=reason):
        forecast_credits(videos(*rows), **asked)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="forecast_credits needs the columns 'fetched_at', 'used"):
        forecast_credits(pd.DataFrame({"created_at": []}))


@pytest.mark.parametrize("lonely", [0, 27, 40])
def test_one_day_of_credits_is_no_reason_to_fail(lonely):
    credits = [0.0] * 60
    credits[lonely] = 500.0
    made = forecast_credits(videos(*credits), horizon_days=7, balance=10)
    assert np.isfinite([made.total, made.total_low, made.total_high]).all()


def test_running_totals_never_fall_and_are_the_same_at_every_call():
    days, credits = drawn(3, 56)
    law, ahead = fit(days, credits), days[-1] + 1 + np.arange(14)
    sums = simulate_sums(law, ahead, int(days[-1]), paths=200, widening=1.5)
    assert (np.diff(sums, axis=1) >= 0).all()
    np.testing.assert_array_equal(
        sums, simulate_sums(law, ahead, int(days[-1]), paths=200, widening=1.5)
    )


def test_the_picture_shows_history_range_and_words():
    ax = plot_forecast(videos(*CALM * 20), horizon_days=7, balance=40, ax=Figure().subplots())
    assert len(ax.patches) == 28
    assert ax.texts[0].get_text() == "forecast, 80 % range of a day"
    assert "Next 7 days: 78 credits expected" in ax.texts[1].get_text()
    assert "A balance of 40 runs out between" in ax.texts[1].get_text()
    plain = plot_forecast(videos(*CALM * 9), horizon_days=7, ax=Figure().subplots())
    assert plain.texts[0].get_text() == "forecast, no range"
