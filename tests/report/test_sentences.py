"""Each template of the report: the figures that make it true, and those that make it not appear."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics.report.sentences import ADDITIONS, STARTS, Facts, clauses

NAN = float("nan")
DAY = pd.Timestamp("2026-11-09", tz="UTC")
# a report of one period without price, balance and budget, that the figures below change
FACTS = {
    "videos": 40, "credits": 120.0, "credits_unknown": 0, "unknown_share": 0.05,
    "completed": 36, "failed": 4, "failed_credits": 12.0, "failed_share": 0.1,
    "failed_unknown": 0, "rendering": 0, "not_fetched": 0, "other": 0, "undated": 0,
    "refused": 0, "repeated": 0, "days": 30, "per_minute": 2.5, "a_day": 4.0, "currency": "",
    "ahead": "the 28 days 1–28 Nov 2026", "no_forecast": "14 days are needed, and there are 5",
    "total": 110.0, "total_low": 90.0, "total_high": 130.0, "history_days": 60,
    "backtest_error": 0.07, "backtest_origins": 12, "filled_share": 0.0, "changed": 20.0,
    "unknown_before": 0, "unknown_after": 0,
}  # fmt: skip
NO_RANGE = {"total_low": NAN, "total_high": NAN}
NO_FORECAST = {"total": NAN, "total_low": NAN}
LASTING = {
    "balance": 300.0, "run_out_chance": 0.2, "lasts": 0.8, "run_out_low": DAY,
    "run_out_days": "9 Nov",
}  # fmt: skip
LATE = LASTING | {"run_out_days": None}
BUDGET = {
    "budget": 120.0, "month": "November 2026", "month_to_date": 30.0, "month_total": 115.0,
    "month_low": 95.0, "month_high": 135.0, "over_budget_chance": 0.25,
}  # fmt: skip
AGAINST = {"change": 20.0, "credits_before": 100.0, "change_share": 0.2}
A_DAY = {"days_before": 31, "a_day_before": 3.2}
PRICE = {"price": 0.4, "cost": 48.0, "currency": " EUR"}
# clause: (figures, figure and words it then writes, figures with which it must not appear)
EXPECTED = {
    "spent, no video": ({"videos": 0}, "– credits: there is no video to count", {}),
    "spent, no figure": ({"credits": NAN}, "– credits spent: none of 40 videos has a figure",
        {"videos": 0}),
    "spent": ({}, "120 credits spent", {"credits": NAN}),
    "spent, worth": (PRICE, "worth 48.00 EUR at 0.4 EUR each", {}),
    "spent, against": (AGAINST, "+20 (20%) on the period before",
        {"change": 20.0, "credits_before": 0.0}),
    "spent, against none": ({"change": 20.0, "credits_before": 0.0}, "+20 on the period before",
        AGAINST),
    "spent, a day": (A_DAY, "4 a day against 3.2", A_DAY | {"days_before": 30}),
    "spent, without": ({"credits_unknown": 2}, "without 2 videos whose figure is not known",
        {"credits_unknown": 40, "credits": NAN}),
    "per minute, none": ({"per_minute": NAN},
        "– credits per finished minute: no finished video has both figures", {}),
    "per minute": ({}, "2.5 credits per finished minute, failures included", {"per_minute": NAN}),
    "per minute, was": ({"per_minute_before": 2.1}, "2.1 in the period before",
        {"per_minute_before": 2.1, "per_minute": NAN}),
    "failures, nothing ended": ({"completed": 0, "failed": 0},
        "– credits on failed videos: no render has ended yet", {}),
    "failures, none": ({"failed": 0}, "0 credits on failed videos: none of 36 failed",
        {"completed": 0, "failed": 0}),
    "failures, no figure": ({"failed_credits": NAN},
        "– credits on 4 failed videos: none has a figure", {}),
    "failures": ({}, "12 credits on 4 failed videos", {"failed_credits": NAN}),
    "failures, part": ({}, "10% of what ended videos cost", {"failed": 0, "failed_share": 0.0}),
    "failures, without": ({"failed_unknown": 1}, "1 of them without a figure",
        {"failed_unknown": 4, "failed_credits": NAN}),
    "next, none": (NO_FORECAST, "– no forecast: 14 days are needed, and there are 5", {}),
    "next, about": (NO_RANGE,
        "about 110 credits in the 28 days 1–28 Nov 2026 if they go on like the last 60; under 28 "
        "complete days there is no range", {}),
    "next, range": ({}, "90–130 credits in the 28 days 1–28 Nov 2026, in 8 of 10 similar lists",
        LASTING),
    "next, lasts": (LATE | {"run_out_low": pd.NaT},
        "80% chance that a balance of 300 lasts in the 28 days 1–28 Nov 2026", LATE),
    "next, runs out from": (LATE,
        "from 9 Nov a balance of 300 may run out; in the 28 days 1–28 Nov 2026 in 20% of cases",
        LASTING),
    "next, runs out": (LASTING, "9 Nov a balance of 300 runs out, in 8 of 10 cases", LATE),
    "budget": (BUDGET | {"month_low": NAN},
        "about 115 credits expected for November 2026, 30 of them so far", BUDGET),
    "budget, range": (BUDGET, "95–135 credits expected for November 2026, 30 of them so far", {}),
    "budget, chance": (BUDGET, "25% chance to exceed the budget of 120",
        BUDGET | {"over_budget_chance": NAN}),
    "budget, date": (BUDGET | {"budget_date": DAY}, "reached about 9 Nov 2026", BUDGET),
    "forecast, none": (NO_FORECAST, "No forecast: 14 days are needed, and there are 5.", {}),
    "forecast, about": (NO_RANGE,
        "In the 28 days 1–28 Nov 2026: about 110 credits, without a range: 60 days of history "
        "are too few.", {}),
    "forecast": ({}, "In the 28 days 1–28 Nov 2026: 90 to 130 credits, in 8 of 10 similar lists.",
        NO_RANGE),
    "forecast, untested": ({"backtest_error": NAN},
        "There is too little history to test that by.", {}),
    "forecast, tested": ({},
        "12 such forecasts made in the past of this list were off by 7.0% in the middle.",
        NO_RANGE),
    "forecast, filled": ({"filled_share": 0.03},
        "3.0% of the history had no credit figure and was filled in.", {}),
    "change, nothing": ({"changed": NAN},
        "One of the periods has no video with a credit figure, so nothing can be compared.", {}),
    "change, none": ({"changed": 0.2}, "No change.", {}),
    "change": ({}, "+20 credits. No single cause stands out from chance.",
        {"causes": "more videos +18"}),
    "change, causes": ({"causes": "more videos +18"}, "+20 credits: more videos +18.", {}),
    "change, without": ({"unknown_after": 3},
        "Left out without a figure: 0 videos before, 3 after.",
        {"unknown_after": 3, "changed": NAN}),
    "known, no video": ({"videos": 0}, "There are no videos in this report.", {}),
    "known, all": ({}, "Every video has a credit figure.", {"credits_unknown": 1}),
    "known, one": ({"credits_unknown": 1},
        "Not known: 1 of 40 videos has no credit figure (5.0%). It is counted as a video and "
        "left out of every credit total.", {"credits_unknown": 2}),
    "known, some": ({"credits_unknown": 2},
        "Not known: 2 of 40 videos have no credit figure (5.0%). They are counted as videos and "
        "left out of every credit total.", {"credits_unknown": 1}),
    "known, rendering": ({"rendering": 1},
        "1 video still rendering: credits may change, the time counts as “longer than”.", {}),
    "known, not fetched": ({"not_fetched": 2}, "2 ids could not be fetched; failures say why.", {}),
    "known, status": ({"other": 1}, "1 video with a status this report does not know.", {}),
    "known, undated": ({"undated": 1}, "1 video without a usable date, in no figure by day.", {}),
    "known, refused": ({"refused": 1},
        "1 video with a value that was repaired or refused as impossible.", {}),
    "known, without id": ({"without_id": 1},
        "1 row without an id: each counts as a video of its own.", {}),
    "known, repeated": ({"repeated": 3},
        "3 rows repeated a video and left out: a video counts once.", {}),
}  # fmt: skip


def said(name, changes):
    found = clauses(name.split(",")[0], Facts(**FACTS | changes))
    return " ".join(found[name]).strip() if name in found else None


def test_every_template_is_listed_here():
    assert set(EXPECTED) == {*STARTS, *ADDITIONS}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_template_is_written_when_its_figures_say_so_and_only_then(name):
    true, words, false = EXPECTED[name]
    assert said(name, true) == words
    assert said(name, false) is None
