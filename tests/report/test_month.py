"""A month that closes: the period cut, the same days before, a section per key, a workbook."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime

import openpyxl
import pandas as pd
import pytest

from hooked_analytics import build_report, read_report, show
from hooked_analytics.report.page import page_html
from tests.report.builders import created

OFFICE = shutil.which("soffice")
AUTUMN = created(*[
    f"2026-{moment}:00Z"
    for moment in ("09-02T10:00", "09-20T10:00", "09-30T22:30", "10-02T10:00", "10-31T23:30")
])  # fmt: skip


def counted(report):
    return dict(report.tables["totals"][["period", "videos"]].itertuples(index=False))


@pytest.mark.parametrize(
    ("timezone", "expected", "days"),
    # at 22:30 UTC it is October in Berlin; at 23:30 it is November there, and a day has 25 hours
    [
        ("UTC", {"this": 2, "before": 3}, [31, 30]),
        ("Europe/Berlin", {"this": 2, "before": 2}, [31, 30]),
    ],
)
def test_a_period_begins_at_midnight_of_the_zone(timezone, expected, days):
    report = build_report(AUTUMN, period="2026-10", before="previous", timezone=timezone)
    assert counted(report) == expected
    assert report.tables["totals"]["days"].tolist() == days
    assert report.title == "Credit spend, October 2026"


@pytest.mark.parametrize(
    "key",
    [[0, 1, 0, 1, 0], [True, False, None, True, True], [1, "1", None, 2.5, 2], [0.5, float("inf")]],
    ids=["numbers", "truth values", "mixed", "infinite"],
)
@pytest.mark.parametrize("dtype", [None, object])
def test_a_column_of_any_kind_can_be_grouped_by(key, dtype, tmp_path):
    frame = AUTUMN.iloc[: len(key)].assign(key=pd.Series(key, dtype=dtype))
    report = build_report(frame, by=["type", "key"], before=frame)
    report.export(tmp_path / "set")
    for each in (report, read_report(tmp_path / "set")):
        assert 'id="table-by_2"' in page_html(each)
    assert report.to_excel(tmp_path / "report.xlsx").exists()


def test_a_period_without_videos_is_named():
    report = build_report(AUTUMN, period="2025-05", before="previous", title=None)
    assert report.title == "Credit spend, 2025-05: no videos"
    # too old for a table by day, and there all the same
    old = created("2012-05-05T10:00:00Z")
    assert build_report(old, period="2012-05").title == "Credit spend, 2012-05"


def test_a_period_under_way_is_compared_with_the_same_days():
    moments = AUTUMN["created_at"].astype(str)[:4]
    frame = created(*moments, seen=datetime(2026, 10, 16, tzinfo=UTC))
    report = build_report(frame, period="2026-10", before="previous")
    assert counted(report) == {"this": 1, "before": 1}
    assert report.tables["totals"]["days"].tolist() == [15, 15]


def test_days_of_another_length_are_compared_per_day_and_the_history_is_the_whole_list():
    report = build_report(AUTUMN, period="2026-10", before="previous")
    assert report.tables["credits_by_day"]["videos"].sum() == 5
    scope = "2 videos created 2–31 Oct 2026 (UTC) · compared with 3 videos created 2–30 Sep 2026"
    assert scope in repr(report)
    assert "0.3 a day against 0.5" in repr(report)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"period": "October"}, "period is a month such as '2026-10'"),
        ({"before": "previous"}, "needs period="),
        ({"period": "2026-10", "before": "last"}, "before is 'previous', a frame or None"),
        ({"by": []}, "by takes a column or several"),
        ({"by": "campaign"}, "needs the column 'campaign'"),
        ({"currency": "1+1"}, "currency is a code such as 'EUR'"),
        ({"budget": -1}, "budget is 0 or more, not -1"),
        ({"balance": -1}, "balance is 0 or more, not -1"),
        ({"price_per_credit": -1}, "price_per_credit is 0 or more, not -1"),
        ({"timezone": "Mars"}, "such as UTC or Europe/Berlin, not 'Mars'"),
    ],
)
def test_what_cannot_be_used_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        build_report(AUTUMN, **wrong)


def test_a_frame_that_cannot_be_used_says_what_to_do():
    with pytest.raises(ValueError, match="build_report needs the columns 'name', .*read_vid"):
        build_report(pd.DataFrame({"video_id": ["vid_1"]}))


def test_every_key_has_a_section_and_tables(tmp_path):
    own = AUTUMN.assign(campaign=["a", "a", "b", "b", None])
    report = build_report(own, by=["type", "campaign"], price_per_credit=0.5, currency="EUR")
    usage = report.tables["credit_usage_2"]
    assert usage["campaign"].fillna("none").tolist() == ["a", "b", "none"]
    page = page_html(report)
    for heading in ("By type", "By campaign", "Cost (EUR)"):
        assert heading in page
    report.export(tmp_path)
    back = read_report(tmp_path)
    assert (back.by, back.currency) == (("type", "campaign"), "EUR")


def test_a_repeated_row_counts_once_and_is_told():
    with pytest.warns(UserWarning, match="1 of 6 rows repeat a video"):
        report = build_report(pd.concat([AUTUMN, AUTUMN.iloc[:1]]))
    assert report.tables["totals"]["credits"].tolist() == [25.0]
    assert "1 row repeated a video and left out" in repr(report)


def test_rows_without_an_id_are_videos_of_their_own_and_one_warning_says_so():
    before, now = AUTUMN[:3].assign(video_id=None), AUTUMN[3:].assign(video_id="")
    with pytest.warns(UserWarning, match="no video_id") as caught:
        report = build_report(now, before=before)
    assert [str(each.message)[:34] for each in caught] == [
        "2 of 2 rows have no video_id; each", "3 of 3 rows have no video_id; each"
    ]  # fmt: skip
    assert report.tables["credits_by_day"]["videos"].sum() == 5
    assert "2 rows without an id" in repr(report)


def test_a_video_that_a_fast_clock_dates_after_its_response_is_in_its_period():
    seen = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    late = AUTUMN.assign(fetched_at=pd.Timestamp(seen))
    assert counted(build_report(late, period="2026-10"))["this"] == 2


def test_an_index_named_like_a_column_changes_nothing():
    assert repr(build_report(AUTUMN.set_index("type", drop=False))) == repr(build_report(AUTUMN))


def test_an_unusual_day_is_a_day_of_the_zone():
    moments = pd.date_range("2026-01-01T23:30Z", periods=120, unit="us")
    frame = created(*moments.astype(str)).assign(used_credits=[10.0] * 119 + [90.0])
    report = build_report(frame, timezone="Europe/Berlin", period="2026-05-01")
    unusual = report.tables["spend_anomalies"]
    assert unusual["period"].astype(str).tolist() == ["2026-05-01 00:00:00+02:00"]
    assert "Days begin at midnight, Europe/Berlin." in page_html(report)


@pytest.fixture(scope="module")
def workbook(tmp_path_factory):
    frame = AUTUMN.assign(name="=1+1", campaign="spring")
    report = build_report(
        frame, by="campaign", price_per_credit=0.4, currency="EUR", timezone="Europe/Berlin"
    )
    return report.to_excel(tmp_path_factory.mktemp("workbook") / "october.xlsx")


def test_the_workbook_has_dates_formats_filters_and_sums(workbook):
    book = openpyxl.load_workbook(workbook)
    usage, days = book["credit_usage"], book["credits_by_day"]
    assert book.sheetnames[:3] == ["Notes", "totals", "credit_usage"]
    headings = [cell.value for cell in usage[1]]
    cost = headings.index("cost (EUR)")
    assert usage.freeze_panes == "A2"
    assert usage.auto_filter.ref is not None
    assert usage[1][0].font.bold
    assert (usage[2][cost].value, usage[2][cost].number_format) == (10.0, "#,##0.00")
    assert usage[3][cost].value == f"=SUBTOTAL(109,{usage[2][cost].coordinate})"
    assert days["A1"].value == "period (Europe/Berlin)"
    assert days["A2"].value.isoformat() == "2026-09-02T00:00:00"
    assert days["A2"].number_format == "yyyy-mm-dd"
    notes = {row[0].value: row[1].value for row in book["Notes"].iter_rows()}
    assert notes["Price per credit"] == "0.4 EUR"
    assert notes["Made with"].startswith("hooked_analytics ")


def test_a_workbook_is_an_xlsx_file(tmp_path):
    with pytest.raises(ValueError, match=r"a file .xlsx, not 'october.csv'"):
        build_report(AUTUMN).to_excel(tmp_path / "october.csv")


@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_computes_the_same_totals(workbook, tmp_path):
    command = [OFFICE, f"-env:UserInstallation={tmp_path.as_uri()}", "--headless"]
    subprocess.run(
        [*command, "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", tmp_path, workbook],
        check=True,
        capture_output=True,
        timeout=110,
    )
    book = openpyxl.load_workbook(tmp_path / workbook.name, data_only=True)
    rows = list(book["credit_usage"].iter_rows(values_only=True))
    cost, credits = rows[0].index("cost (EUR)"), rows[0].index("credits")
    assert (rows[-1][0], rows[-1][cost], rows[-1][credits]) == ("Total", 10.0, 25.0)


def test_show_gives_the_columns_people_want():
    table = show(AUTUMN.assign(campaign="spring"))
    frame = getattr(table, "df", table)
    assert list(frame.columns) == [
        "name", "type", "status", "progress", "created", "duration", "render", "credits",
        "campaign",
    ]  # fmt: skip
