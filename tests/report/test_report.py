"""The report: right figures, and what is unknown said."""

from __future__ import annotations

import dataclasses
import warnings

import pandas as pd
import pytest

from hooked_analytics import build_report, read_report
from hooked_analytics.report.page import page_html, pictures
from hooked_analytics.report.sentences import headlines, not_known, sentence
from hooked_analytics.schema import empty_videos
from tests.report.builders import NOW, OCTOBER, SEPTEMBER, october, october_compared, record, videos

HOSTILE = ("<img src=x onerror=alert(1)>", "</svg><script>alert(1)</script>", r"$\frac{$ {{7*7}}")
SIGNED = "https://a.example/v.mp4?X-Amz-Signature=abc"


def many(count=3, **fields):
    return videos(*[record(number, **fields) for number in range(count)])


def figures(report):
    return [headline.figure for headline in headlines(report)]


def test_the_headlines_are_the_figures_of_the_tables():
    report = build_report(OCTOBER, before=SEPTEMBER, price_per_credit=0.5)
    spent, per_minute, failed, ahead = headlines(report)
    assert spent.figure == "15"
    assert spent.sentence == (
        "credits spent, worth 7.50 at 0.5 each, +5 (50%) on the period before, "
        "3.8 a day against 5, "
        "without 2 videos whose figure is not known"
    )
    # 15 credits of what ended, 4 minutes finished with a known figure
    assert per_minute.figure == "3.8"
    assert per_minute.sentence.endswith("2.5 in the period before")
    assert failed == ("2", "credits on 1 failed video, 13% of what ended videos cost")
    assert ahead.figure == "–"
    assert report.title == "Credit spend, October 2026"
    assert "5 videos created 1–4 Oct 2026 (UTC) · compared with 2 videos" in repr(report)
    assert "Not known: 2 of 5 videos have no credit figure (40%)" in repr(report)
    assert "1 video still rendering" in repr(report)


def test_a_change_is_explained_and_its_parts_add_up():
    report = october_compared()
    table = report.tables["credit_change"]
    assert table["change"].sum() == 5
    assert table[["volume", "mix", "rate"]].sum().sum() == pytest.approx(5)
    assert sentence("change", report) == (
        "+5 credits. No single cause stands out from chance. "
        "Left out without a figure: 0 videos before, 2 after."
    )
    empty = build_report(OCTOBER, before=empty_videos())
    assert "nothing can be compared" in sentence("change", empty)


def test_the_cause_that_is_more_than_chance_is_named_and_another_is_not():
    before, after = (
        videos(*[record(n, type="abc"[n % 2], usedCredits=credits) for n in range(many)])
        for many, credits in ((80, 4), (84, 9))
    )
    report = build_report(after, before=before)
    (total,) = report.tables["change_parts"].to_dict("records")
    assert (total["volume"], total["mix"], total["rate"]) == pytest.approx((16, 0, 420))
    assert total["volume_low"] < 0 < total["volume_high"]
    assert 250 < total["rate_low"] < 420 < total["rate_high"] < 600
    assert sentence("change", report) == "+436 credits: dearer videos +420."


def test_a_table_handed_out_is_a_copy_and_the_report_is_frozen():
    report = october()
    usage = report.tables["credit_usage"]
    usage["credits"] = 0.0
    assert report.tables["credit_usage"]["credits"].sum() == 15
    with pytest.raises(TypeError):
        report.tables["credit_usage"] = usage
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.title = "mine"


def with_days(days, per_day=3):
    first = pd.Timestamp(NOW) - pd.Timedelta(days, "D")
    moments = [first + pd.Timedelta(n / per_day, "D") for n in range(days * per_day)]
    return videos(
        *[record(n, createdAt=at.isoformat(), updatedAt=None) for n, at in enumerate(moments)]
    )


@pytest.mark.parametrize(
    ("days", "balance", "figure", "sentence"),
    [
        (60, None, "420–420", "credits in the 28 days 1–28 Nov 2026, in 8 of 10 similar lists"),
        (20, None, "about 210", "under 28 complete days there is no range"),
        (5, None, "–", "no forecast: 7 days ahead need as many complete days of history, and"),
        (60, 100, "7 Nov", "a balance of 100 runs out, in 8 of 10 cases"),
        (60, 10_000, "100%", "chance that a balance of 10,000 lasts in the 28 days 1–28 Nov 2026"),
    ],
)
def test_what_lies_ahead_is_a_range_or_says_why_not(days, balance, figure, sentence):
    ahead = headlines(build_report(with_days(days), balance=balance))[3]
    assert ahead.figure == figure
    assert sentence in ahead.sentence


@pytest.mark.parametrize(("day", "days"), [("05-10", 4), ("09-29", 6)])
def test_days_between_two_periods_that_nobody_listed_are_not_empty_days(day, days):
    before = videos(record(99, createdAt=f"2026-{day}T10:00:00Z"))
    assert len(build_report(OCTOBER, before=before).tables["credits_by_day"]) == days


NOTHING = ["–", "–", "–", "–"]
CASES = {
    "empty": (empty_videos(), NOTHING, "There are no videos"),
    "all failed": (many(status="FAILED"), ["15", "–", "15", "0–38.1"], "Every video"),
    "failed, unknown": (
        many(status="FAILED", usedCredits=None), NOTHING, "3 of 3 videos have no credit figure",
    ),
    "all rendering": (
        many(status="STARTED", usedCredits=None), NOTHING, "3 videos still rendering",
    ),
    "unknown": (many(usedCredits=None), ["–", "–", "0", "–"], "3 of 3 videos"),
    "one row": (many(1), ["5", "2.5", "0", "0–12.7"], "Every video"),
    "thirteen types": (
        videos(*[record(n, type=f"type_{n}") for n in range(13)]),
        ["65", "2.5", "0", "0–262"], "Every video",
    ),
    "no type": (many(type=None), ["15", "2.5", "0", "0–38.1"], "Every video"),
    "strange status": (many(status="WEIRD"), ["15", "–", "–", "0–38.1"], "a status this report"),
    "negative and absurd times": (
        videos(
            record(1, updatedAt="2026-01-01T00:00:00Z"),
            record(2, createdAt="1066-01-01T00:00:00Z"),
            record(3, createdAt="2001-01-01T00:00:00Z"),
            record(4, createdAt=None, updatedAt=None),
        ),
        ["20", "2.5", "0", "–"], "3 videos without a usable date",
    ),
    "hostile": (
        videos(*[
            record(n, **dict.fromkeys(("type", "name", "message"), text), script="x",
                   status="COMPLETED" if n == 1 else "FAILED")
            for n, text in enumerate((*HOSTILE, SIGNED))
        ]),
        ["20", "10", "15", "0–60.6"], "Every video",
    ),
}  # fmt: skip


# a page takes a second; the others have nothing in it that these have not
DRAWN = {"empty", "hostile"}


@pytest.mark.parametrize("name", CASES)
def test_whatever_the_videos_are_the_report_says_so_and_never_a_made_up_zero(name, tmp_path):
    frame, expected, said = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # NumPy's, at what it cannot compute
        report = build_report(frame, before=frame.iloc[:0], timezone="America/Sao_Paulo")
        page = page_html(report) if name in DRAWN else ""
        if name in DRAWN:
            report.export(tmp_path)
        back = read_report(tmp_path) if name in DRAWN else report
    assert figures(report) == expected
    assert said in " ".join(not_known(report))
    for never in ("<script", "<img", "Signature"):
        assert never not in page
    assert repr(back) == repr(report)
    for table in report.tables:
        pd.testing.assert_frame_equal(back.tables[table], report.tables[table])


def test_pictures_hold_hostile_text_as_text():
    frame, *_ = CASES["hostile"]
    drawn = pictures(build_report(frame))
    for picture in (drawn["credits"], drawn["times"]):
        assert "&lt;img src=x onerror=alert" in picture["wide"]
        assert "<script" not in picture["wide"]
        assert r"$\frac{$ {{7*7}}" in picture["narrow"]
    # nothing but ids of its own, so that several pictures may stand in one page
    ids = [part.split('"')[0] for part in drawn["times"]["wide"].split(' id="')[1:]]
    assert ids
    assert all(name.startswith("times-wide-") for name in ids)


def test_a_notebook_gets_each_picture_once():
    """One that is not trusted drops the styles that would hide a second."""
    html = october()._repr_html_()
    assert html.count('src="data:image/svg+xml;base64,') == 3
    assert "<svg" not in html
