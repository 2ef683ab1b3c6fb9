"""Files out and back: every format, every text, no signature, no formula, no guess."""

from __future__ import annotations

import os
import stat
import time
import unicodedata
import warnings
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hooked_analytics import HookedClient, build_report, download_videos, read_report
from hooked_analytics.schema import (
    LINKS,
    NAMES,
    VIDEOS_SCHEMA,
    empty_videos,
    frame_from_arrow,
)
from hooked_analytics.storage import (
    FORMATS,
    VideoArchive,
    atomic_write,
    export_videos,
    read_videos,
)
from hooked_analytics.storage.sanitize import guard_formulas, unguard_formulas

ALL = [form.suffix[1:] for form in FORMATS.values()]
READABLE = [form.suffix[1:] for form in FORMATS.values() if form.read]
SIGNED = (
    "https://me:pw@bucket.s3.amazonaws.com/videos/v.mp4"
    "?X-Amz-Expires=86400&X-Amz-Signature=0123abcd#t=1"
)
BARE = "https://bucket.s3.amazonaws.com/videos/v.mp4"
NOON = datetime(2024, 1, 15, 12, 0, 0, 123456, tzinfo=UTC)


def frame(**columns: list) -> pd.DataFrame:
    """Make a videos frame of some columns; the others are missing. Unknown names are added."""
    rows = len(next(iter(columns.values())))
    columns = {"video_id": [f"vid_{row}" for row in range(rows)], **columns}
    ours = [pa.array(columns.get(f.name, [None] * rows), f.type) for f in VIDEOS_SCHEMA]
    videos = frame_from_arrow(pa.Table.from_arrays(ours, schema=VIDEOS_SCHEMA))
    return videos.assign(**{k: v for k, v in columns.items() if k not in NAMES})


def there_and_back(videos: pd.DataFrame, path: Path, **options: bool) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_videos(export_videos(videos, path, **options))


def cells(path: Path) -> list[list]:
    from openpyxl import load_workbook

    sheet = load_workbook(path).active
    return [list(row) for row in sheet.iter_rows()]


# -- round trips ------------------------------------------------------------------------------

VIDEO = {
    "video_id": ["vid_abc123", "vid_2"],
    "name": ['Über, "alles"\r\nund 🎬', None],
    "progress": [37.5, None],
    "created_at": [NOON, None],
    "duration_frames": [7500, None],
    "used_credits": [0.1 + 0.2, None],
    "caption_disabled": [False, None],
    "size_bytes": [2**53 + 1, None],
    "url": [BARE, None],
}


@pytest.mark.parametrize("suffix", READABLE)
def test_every_kind_of_value_comes_back_exact(tmp_path, suffix):
    videos = frame(**VIDEO)
    back = there_and_back(videos, tmp_path / f"videos.{suffix}")
    pd.testing.assert_frame_equal(back, videos)


@pytest.mark.parametrize("suffix", READABLE)
def test_an_empty_frame_comes_back_with_its_dtypes(tmp_path, suffix):
    back = there_and_back(empty_videos(), tmp_path / f"videos.{suffix}")
    pd.testing.assert_frame_equal(back, empty_videos())


TEXTS = [
    "NA", "null", "nan", "None", "007", "1e5", "true", "2024-01-15", "a,b", 'say "hi"', "'", "''",
    "a\rb", "a\nb", "a\r\nb", "\x00", "a\x00b", "\ufeff", "🎬", "e\u0301", "=1+1", "'=1", "''=1",
    "\t", "\n", "-1", " ", "\\N", "#N/A",
]  # fmt: skip


@pytest.mark.parametrize("formula_safe", [True, False])
@pytest.mark.parametrize("suffix", READABLE)
def test_text_that_looks_like_something_else_stays_itself(tmp_path, suffix, formula_safe):
    videos = frame(name=TEXTS)
    back = there_and_back(videos, tmp_path / f"videos.{suffix}", formula_safe=formula_safe)
    assert back["name"].tolist() == TEXTS


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ODD_TEXT = st.text(st.sampled_from("'=+-@ \t\r\n\",\u3000\uff1d\ufeffa0"), min_size=1)
YEARS = (datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone
ROW = st.tuples(
    st.none() | ANY_TEXT | ODD_TEXT,
    st.none() | ODD_TEXT,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | st.datetimes(*YEARS, timezones=st.just(UTC)),
)


@pytest.mark.parametrize("suffix", READABLE)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(ROW, min_size=1, max_size=8), formula_safe=st.booleans())
def test_any_row_comes_back_exact(tmp_path, suffix, rows, formula_safe):
    names = ("name", "message", "used_credits", "duration_frames", "caption_disabled", "created_at")
    videos = frame(**dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    # include_urls, since a signature in a text is rightly not exact
    back = there_and_back(
        videos, tmp_path / f"v.{suffix}", formula_safe=formula_safe, include_urls=True
    )
    pd.testing.assert_frame_equal(back, videos, check_exact=True)


@pytest.mark.parametrize(
    "scripts",
    [
        [f'{row} "words", \n' * 100_000 for row in range(30)],  # 39 MB
        ['two "words", \n' * 3_600_000, "short"],
    ],
    ids=["rows that straddle blocks", "a row longer than two blocks"],
)
def test_rows_larger_than_the_blocks_of_the_csv_reader_come_back(tmp_path, scripts):
    back = there_and_back(frame(script=scripts), tmp_path / "v.csv")
    assert back["script"].tolist() == scripts


@pytest.mark.parametrize("suffix", READABLE)
def test_a_filtered_and_reordered_frame_is_written_as_it_stands(tmp_path, suffix):
    videos = frame(video_id=["a", "b", "c", "d"], name=["=1", None, "x", "=2"])
    chosen = videos.iloc[[3, 1, 0]]
    back = there_and_back(chosen, tmp_path / f"v.{suffix}")
    pd.testing.assert_frame_equal(back, chosen.reset_index(drop=True))


@pytest.mark.parametrize("suffix", READABLE)
def test_more_rows_than_a_batch(tmp_path, suffix):
    videos = frame(video_id=[f"vid_{i}" for i in range(70_000)], name=["=1", None] * 35_000)
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    pd.testing.assert_frame_equal(back, videos)


def test_the_frame_given_is_not_changed(tmp_path):
    videos = frame(name=["=1"], url=[SIGNED])
    export_videos(videos, tmp_path / "v.csv")
    pd.testing.assert_frame_equal(videos, frame(name=["=1"], url=[SIGNED]))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_pandas_own_is_read(tmp_path, suffix):
    videos, path = frame(**VIDEO), tmp_path / f"plain.{suffix}"
    videos.to_csv(path, index=False) if suffix == "csv" else videos.to_parquet(path)
    pd.testing.assert_frame_equal(read_videos(path), videos)


def test_text_in_a_csv_of_pandas_own_is_text(tmp_path):
    texts = ["NA", "null", "nan", "None", "007", "1e5", "=1", "a\r\nb"]
    frame(name=texts).to_csv(tmp_path / "plain.csv", index=False)
    assert read_videos(tmp_path / "plain.csv")["name"].tolist() == texts


def test_a_csv_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path):
    path = export_videos(frame(video_id=["vid_1", "vid_2"]), tmp_path / "v.csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_videos(path)["video_id"].tolist() == ["vid_1", "vid_2"]


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    videos = frame(**VIDEO)
    back = there_and_back(videos, tmp_path / "month=2024-01" / "v.parquet")
    assert list(back.columns) == list(NAMES)


# -- what a file looks like -------------------------------------------------------------------


def test_csv_cells_are_spelled_plainly(tmp_path):
    path = export_videos(frame(**VIDEO), tmp_path / "v.csv")
    head, *rows = path.read_text(encoding="utf-8").split("\n", 1)
    assert head.split(",")[:3] == ['"video_id"', '"name"', '"type"']
    assert '"2024-01-15T12:00:00.123456Z"' in rows[0]
    assert ",7500,0.30000000000000004," in rows[0]
    assert ",false," in rows[0]
    assert rows[0].splitlines()[-1] == '"vid_2"' + "," * 28


def test_json_lines_are_spelled_plainly(tmp_path):
    import json

    path = export_videos(frame(**VIDEO), tmp_path / "v.jsonl")
    first, second = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    assert list(first) == list(NAMES)
    assert first["created_at"] == "2024-01-15T12:00:00.123456Z"
    assert (first["size_bytes"], second["size_bytes"]) == (2**53 + 1, None)


def test_parquet_has_the_fixed_schema_and_names_the_version(tmp_path):
    videos = frame(**VIDEO)
    videos.attrs["api_key"] = "canary"
    path = export_videos(videos, tmp_path / "v.parquet")
    schema = pq.read_schema(path)
    assert schema.equals(VIDEOS_SCHEMA)
    assert set(schema.metadata) == {b"hooked_analytics", b"hooked_schema"}
    assert b"canary" not in path.read_bytes()


def test_the_suffix_may_be_in_capitals(tmp_path):
    assert export_videos(empty_videos(), tmp_path / "V.CSV").read_bytes().startswith(b'"video_id"')


@pytest.mark.parametrize("name", ["v.txt", "v", "v.csv.gz", ".csv"])
def test_an_unknown_suffix_is_refused_with_the_four(tmp_path, name):
    with pytest.raises(ValueError, match=r"\.parquet, \.csv, \.xlsx, \.jsonl"):
        export_videos(empty_videos(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ALL)
def test_a_frame_that_lacks_a_column_is_refused(tmp_path, suffix):
    with pytest.raises(ValueError, match="needs the column 'url'"):
        export_videos(empty_videos().drop(columns="url"), tmp_path / f"v.{suffix}")


# -- other people's columns -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", READABLE)
def test_user_columns_follow_after_ours(tmp_path, suffix):
    videos = frame(video_id=["a", "b"])
    videos.insert(0, "note", ["first", None])
    videos["rank"] = [1, 2]
    videos["share"] = [0.5, 0.25]
    videos["seen"] = pd.to_datetime(["2024-01-15T10:00Z", None])
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    assert list(back.columns) == [*NAMES, "note", "rank", "share", "seen"]
    assert back["note"].tolist()[0] == "first"
    assert back["note"].isna().tolist() == [False, True]
    assert (back["rank"].tolist(), back["share"].tolist()) == ([1, 2], [0.5, 0.25])
    assert back["seen"].tolist() == [pd.Timestamp("2024-01-15T10:00Z"), pd.NaT]


@pytest.mark.parametrize("suffix", READABLE)
def test_user_text_is_not_taken_for_numbers_and_empty_is_not_missing(tmp_path, suffix):
    said = ["007", "1e5", "NA", "", None]
    back = there_and_back(frame(video_id=list("abcde"), said=said), tmp_path / f"v.{suffix}")
    assert back["said"].tolist()[:4] == said[:4]
    assert back["said"].isna().tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("texts", [["007", "008"], ["1e5"], ["nan"], ["+1"], ["0x10"], ["1_000"]])
def test_what_only_looks_like_a_number_stays_text_in_csv(tmp_path, texts):
    videos = frame(video_id=texts, code=texts)
    assert there_and_back(videos, tmp_path / "v.csv")["code"].tolist() == texts


@pytest.mark.parametrize("suffix", READABLE)
def test_categories_lists_and_other_zones_are_kept_by_value(tmp_path, suffix):
    videos = frame(video_id=["a"])
    videos["kind"] = pd.Categorical(["=warm"])
    videos["tags"] = [["x", "y"]]
    videos["local"] = pd.to_datetime(["2024-01-15T10:00Z"]).tz_convert("Europe/Berlin")
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    assert back["kind"].tolist() == ["=warm"]
    assert list(back["tags"][0]) == (["x", "y"] if suffix != "csv" else list('["x", "y"]'))
    assert back["local"].tolist() == [pd.Timestamp("2024-01-15T10:00Z")]


@pytest.mark.parametrize("suffix", READABLE)
def test_a_dangerous_column_name_comes_back(tmp_path, suffix):
    videos = frame(video_id=["a"]).assign(**{"=cmd()": ["x"], "a\nb": ["y"]})
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    assert list(back.columns)[-2:] == ["=cmd()", "a\nb"]


def test_a_dangerous_column_name_is_made_safe(tmp_path):
    videos = frame(video_id=["a"]).assign(**{"=cmd()": ["x"]})
    head = export_videos(videos, tmp_path / "v.csv").read_text().splitlines()[0]
    assert head.endswith(""","'=cmd()\"""")
    export_videos(videos, tmp_path / "v.xlsx")
    assert cells(tmp_path / "v.xlsx")[0][-1].value == "'=cmd()"


@pytest.mark.parametrize("names", [["twice", "twice"], [1, "1"]])
def test_two_columns_of_one_name_are_refused(tmp_path, names):
    extra = pd.DataFrame([[1, 2]], columns=names)
    with pytest.raises(ValueError, match="given twice"):
        export_videos(pd.concat([frame(video_id=["a"]), extra], axis=1), tmp_path / "v.csv")


@pytest.mark.parametrize("values", [[1, "a"], [b"x", {}], ["\ud800", "x"]])
def test_a_column_no_file_can_hold_is_named(tmp_path, values):
    videos = frame(video_id=["a", "b"])
    videos["mixed"] = pd.Series(values, dtype=object)
    with pytest.raises(ValueError, match="column 'mixed' fits no file"):
        export_videos(videos, tmp_path / "v.parquet")


def test_infinity_has_no_word_in_json(tmp_path):
    videos = frame(video_id=["a"], ratio=[float("inf")])
    with pytest.raises(ValueError, match="'ratio' holds an infinite number"):
        export_videos(videos, tmp_path / "v.jsonl")
    assert there_and_back(videos, tmp_path / "v.csv")["ratio"].tolist() == [float("inf")]


# -- links are secrets ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ALL)
def test_no_signature_is_in_any_file(tmp_path, suffix):
    texts = [f.name for f in VIDEOS_SCHEMA if pa.types.is_large_string(f.type)]
    everywhere = {name: [f"see {SIGNED}, twice: {SIGNED}"] for name in texts}
    videos = frame(**everywhere | {name: [SIGNED] for name in LINKS}, note=[f"={SIGNED}"])
    videos["tags"] = [[SIGNED, SIGNED]]
    videos["kind"] = pd.Categorical([SIGNED])
    path = export_videos(videos, tmp_path / f"v.{suffix}")
    held = path.read_bytes() if suffix != "xlsx" else repr(
        [[c.value for c in row] for row in cells(path)]).encode()  # fmt: skip
    if suffix == "parquet":
        held += repr(pq.read_table(path).to_pylist()).encode()
    for secret in (b"X-Amz-Signature", b"0123abcd", b"X-Amz-Expires"):
        assert secret not in held


def test_links_lose_query_fragment_and_user(tmp_path):
    links = [
        SIGNED,
        "https://a.example/v#t=1",
        "//u:p@h/x",
        "https://a.example/@me/v",
        "=x?y",
        None,
    ]
    back = there_and_back(frame(url=links), tmp_path / "v.csv")
    assert back["url"].tolist()[:5] == [
        BARE, "https://a.example/v", "//h/x", "https://a.example/@me/v", "=x",
    ]  # fmt: skip
    assert back["url"].isna().tolist() == [False] * 5 + [True]


def test_of_a_webhook_only_the_host_is_written(tmp_path):
    links = ["https://me:pw@h.example:8443/a-secret?x=1", "h.example/a-secret", "/a-secret", None]
    videos = frame(webhook=links)
    back = there_and_back(videos, tmp_path / "v.parquet")
    assert back["webhook"].fillna("-").tolist() == ["https://h.example:8443", "h.example", "", "-"]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("https://a.example/v?page=2 stays", "https://a.example/v?page=2 stays"),
        ("at https://a.example/v?page=2&sig=1 now", "at https://a.example/v now"),
        ("HTTPS://A.EXAMPLE/V?x-amz-signature=1", "HTTPS://A.EXAMPLE/V"),
        ("https://a.example/v?Key-Pair-Id=1&Policy=2", "https://a.example/v"),
        ("https://a.example/v#access_token=1", "https://a.example/v"),
        ('{"u": "https://a.example/v?a=1\\u0026token=2"}', '{"u": "https://a.example/v"}'),
        ('"https:\\/\\/a.example\\/v?token=2"', '"https:\\/\\/a.example\\/v"'),
        ("https://r.example/?u=https%3A%2F%2Fa%3FSignature%3D1", "https://r.example/"),
        ("no link: token=1", "no link: token=1"),
        ("https://a.example/v?design=1", "https://a.example/v?design=1"),
    ],
)  # fmt: skip
def test_signed_links_inside_text_lose_their_query(tmp_path, said, left):
    back = there_and_back(frame(message=[said, None]), tmp_path / "v.parquet")
    assert back["message"].tolist()[0] == left


@pytest.mark.parametrize("suffix", READABLE)
def test_links_asked_for_are_kept_with_a_warning(tmp_path, suffix):
    videos = frame(url=[SIGNED], message=[f"see {SIGNED}"])
    with pytest.warns(UserWarning, match="24 h"):
        path = export_videos(videos, tmp_path / f"v.{suffix}", include_urls=True)
    pd.testing.assert_frame_equal(read_videos(path), videos)


# -- formulas ---------------------------------------------------------------------------------

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\rx", "\nx", "  =1", "\u00a0=1", "\u3000=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u200b=1", "\ufeff=1", "\u202e=1", "\x00=1",
    "'=1", "''-1", "\x1f-1",
]  # fmt: skip
HARMLESS = ["a=1", "1-1", "'", "'tis", "1", "#N/A", "日本", "é", " x", "\u3000x", "me@x", '"=1"']


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_formulas_are_guarded_in_csv(tmp_path, text):
    path = export_videos(frame(name=[text]), tmp_path / "v.csv")
    mark = "'" if text in FORMULAS else ""
    assert ',"{}{}",'.format(mark, text.replace('"', '""')).encode() in path.read_bytes()


def test_a_negative_number_is_not_text(tmp_path):
    videos = frame(name=["-1"], balance=[-1])
    assert export_videos(videos, tmp_path / "v.csv").read_bytes().endswith(b",-1\n")


def test_formulas_go_out_as_they_are_when_asked(tmp_path):
    path = export_videos(frame(name=["=1+1"]), tmp_path / "v.csv", formula_safe=False)
    assert b',"=1+1",' in path.read_bytes()


def test_no_blank_or_sign_of_unicode_slips_through():
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    # Arabic and Syriac have format characters that are seen; of theirs only one is a blank
    seen = set(map(chr, range(0x600, 0x8E3))) - {"\u061c"}
    hidden = [c for c in every[:0x3100] if unicodedata.category(c) in {"Cc", "Cf", "Zs"}]
    blanks = [c for c in [*filter(str.isspace, every), *hidden] if c not in seen]
    script = ("SUPERSCRIPT", "SUBSCRIPT")
    signs = [c for c in every if unicodedata.normalize("NFKC", c) in set("=+-@")]
    signs = [c for c in signs if not unicodedata.name(c).startswith(script)]
    texts = [f"{blank}=1" for blank in blanks] + [f"{sign}1" for sign in signs]
    guarded = guard_formulas(pa.array(texts, pa.large_string()), formula_safe=True)
    assert guarded.to_pylist() == [f"'{text}" for text in texts]
    assert unguard_formulas(guarded).to_pylist() == texts


# -- Excel ------------------------------------------------------------------------------------


def test_excel_gets_text_as_text_and_times_as_times(tmp_path):
    videos = frame(
        name=["=1+1", "#N/A"],
        voice_id=["007", None],
        created_at=[NOON, None],
        used_credits=[1.5, 2],
    )
    head, first, second = cells(export_videos(videos, tmp_path / "v.xlsx"))
    at = {cell.value: position for position, cell in enumerate(head)}
    assert tuple(at) == NAMES
    assert (first[at["name"]].value, first[at["name"]].data_type) == ("'=1+1", "s")
    assert (second[at["name"]].value, second[at["name"]].data_type) == ("#N/A", "s")
    assert first[at["voice_id"]].value == "007"
    assert first[at["created_at"]].is_date
    gap = first[at["created_at"]].value - NOON.replace(tzinfo=None)
    assert abs(gap) < timedelta(milliseconds=1)
    assert first[at["used_credits"]].value == 1.5
    assert second[at["created_at"]].value is None


def test_excel_runs_no_formula_even_unguarded(tmp_path):
    path = export_videos(frame(name=["=1+1"]), tmp_path / "v.xlsx", formula_safe=False)
    cell = cells(path)[1][1]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_text_that_excel_would_take_for_a_sign_is_written_so_that_it_is_not(tmp_path):
    names = ["_x003D_1+1", "a_x000d__x000d_b", "_x12_", "snake_xray_case"]
    export_videos(frame(name=names), tmp_path / "v.xlsx")
    assert [row[1].value for row in cells(tmp_path / "v.xlsx")[1:]] == [
        "_x005F_x003D_1+1", "a_x005F_x000d__x005F_x000d_b", "_x12_", "snake_xray_case",
    ]  # fmt: skip


def test_excel_header_is_bold_and_stays_in_sight(tmp_path):
    from openpyxl import load_workbook

    sheet = load_workbook(export_videos(frame(name=["x"]), tmp_path / "v.xlsx")).active
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold
    assert not sheet["B2"].font.bold


def test_what_xml_refuses_is_left_out_of_excel(tmp_path):
    path = export_videos(frame(name=["a\x00b\x1fc\ufffed\te\n"]), tmp_path / "v.xlsx")
    assert cells(path)[1][1].value == "abcd\te\n"


def test_text_too_long_for_a_cell_is_cut_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="1 texts were cut to 32,767"):
        path = export_videos(frame(script=["x" * 40_000]), tmp_path / "v.xlsx")
    assert cells(path)[1][NAMES.index("script")].value == "x" * 32_767


def test_more_rows_than_excel_has_are_refused_at_once(tmp_path):
    videos = empty_videos().reindex(range(1_048_576))
    with pytest.raises(ValueError, match=r"1,048,575 rows .* \.csv or \.parquet"):
        export_videos(videos, tmp_path / "v.xlsx")


def test_a_missing_xlsxwriter_is_named_with_the_line_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    with pytest.raises(ImportError, match=r'pip install "hooked-analytics\[report\]"'):
        export_videos(frame(name=["x"]), tmp_path / "v.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_excel_is_not_read_back(tmp_path):
    path = export_videos(frame(name=["x"]), tmp_path / "v.xlsx")
    with pytest.raises(ValueError, match="for people"):
        read_videos(path)


# -- files that are not ours ------------------------------------------------------------------


def test_a_foreign_file_is_refused_with_its_name_and_the_missing_columns(tmp_path):
    other = pd.DataFrame({"video_id": ["a"], "title": ["b"]})
    other.to_csv(tmp_path / "o.csv", index=False)
    other.to_parquet(tmp_path / "o.parquet")
    other.to_json(tmp_path / "o.jsonl", orient="records", lines=True)
    for suffix in READABLE:
        with pytest.raises(
            ValueError, match=rf"o\.{suffix} .*missing are the columns name, type"
        ) as e:
            read_videos(tmp_path / f"o.{suffix}")
        assert "its own are video_id, title" in str(e.value)


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe" * 99, b"PAR1", b"<html>no</html>", b"[1]\n"])
def test_a_broken_file_is_refused_with_its_name(tmp_path, suffix, body):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(body)
    with pytest.raises(ValueError, match=rf"bad\.{suffix} cannot be read") as e:
        read_videos(path)
    assert e.value.__cause__ is not None


@pytest.mark.parametrize("suffix", READABLE)
def test_a_missing_file_stays_a_missing_file(tmp_path, suffix):
    with pytest.raises(FileNotFoundError):
        read_videos(tmp_path / f"none.{suffix}")


@pytest.mark.filterwarnings("error:.*no line break")
@pytest.mark.parametrize("suffix", READABLE)
def test_a_file_cut_anywhere_is_refused_or_has_whole_rows_only(tmp_path, suffix):
    videos = frame(
        video_id=["a", "b", "c"],
        name=['x "y", z'] * 3,
        script=["one\ntwo"] * 3,
        extra=['{"a":1}'] * 3,
    )
    body = export_videos(videos, tmp_path / f"v.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    refused = 0
    ends = range(0, len(body), 1 if suffix != "parquet" else 41)
    for end in ends:
        path.write_bytes(body[:end])
        try:
            back = read_videos(path)
        except (ValueError, UserWarning):  # no line break at the end is a warning
            refused += 1
        else:
            pd.testing.assert_frame_equal(back, videos.head(len(back)))
    # two ends of rows, before and after the line break, and one before the last line break
    assert refused >= len(ends) - 5


def test_a_flipped_byte_in_parquet_is_noticed(tmp_path):
    videos = frame(video_id=[f"vid_{i}" for i in range(999)])
    path = export_videos(videos, tmp_path / "v.parquet")
    body = path.read_bytes()
    missed = 0
    for at in range(4, len(body), 37):
        path.write_bytes(body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :])
        try:
            back = read_videos(path)
        except ValueError:
            continue
        missed += not back.equals(videos)
    assert missed == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_value_of_the_wrong_kind_is_refused(tmp_path, suffix):
    path = export_videos(frame(video_id=["a"], duration_frames=[7500]), tmp_path / f"v.{suffix}")
    path.write_text(path.read_text().replace("7500", '"many"'))
    with pytest.raises(ValueError, match=rf"v\.{suffix} cannot be read"):
        read_videos(path)


def test_an_error_does_not_repeat_a_signed_link(tmp_path):
    with pytest.warns(UserWarning, match="24 h"):
        path = export_videos(frame(video_id=[SIGNED]), tmp_path / "v.csv", include_urls=True)
    path.write_text(path.read_text().rstrip("\n") + ",one,too,many\n")
    with pytest.raises(ValueError, match="cannot be read") as e:
        read_videos(path)
    assert "bucket.s3.amazonaws.com" in str(e.value)
    assert "X-Amz" not in str(e.value)


# -- what people hand in ----------------------------------------------------------------------


def exported(folder: Path) -> tuple[pd.DataFrame, Path]:
    videos = frame(**VIDEO | {"music_id": ["7", None]}).iloc[[0, 1, 0]].reset_index(drop=True)
    return videos, export_videos(videos, folder / "v.csv")


def semicolons(path: Path, videos: pd.DataFrame) -> None:
    videos.to_csv(path, sep=";", decimal=",", index=False)


def tabs(path: Path, videos: pd.DataFrame) -> None:
    videos.to_csv(path, sep="\t", index=False)


def through_pandas(path: Path, _: pd.DataFrame) -> None:
    pd.read_csv(path).to_csv(path, index=False)


def through_pandas_with_its_index(path: Path, _: pd.DataFrame) -> None:
    pd.read_csv(path).to_csv(path)


@pytest.mark.parametrize("save", [semicolons, tabs, through_pandas, through_pandas_with_its_index])
def test_a_csv_saved_by_another_program_is_the_same_frame(tmp_path, save):
    videos, path = exported(tmp_path)
    videos["size_bytes"] = videos["size_bytes"] - 1  # more than a float holds
    save(export_videos(videos, path), videos)
    pd.testing.assert_frame_equal(read_videos(path), videos)


@pytest.mark.parametrize("mark", [",", ";"])
def test_rows_that_a_spreadsheet_emptied_are_left_out_and_said(tmp_path, mark):
    videos, path = exported(tmp_path)
    videos.to_csv(path, sep=mark, index=False)
    path.write_bytes(path.read_bytes() + (mark * 28 + "\n").encode() * 40)
    with pytest.warns(UserWarning, match="40 rows without any value were left out"):
        pd.testing.assert_frame_equal(read_videos(path), videos)


@pytest.mark.filterwarnings("ignore:.*no line break")
def test_no_line_break_at_the_end_is_a_warning_and_a_cut_row_an_error(tmp_path):
    videos, path = exported(tmp_path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with pytest.warns(UserWarning, match="no line break at its end") as warned:
        pd.testing.assert_frame_equal(read_videos(path), videos)
    assert warned[0].filename == __file__
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read as videos"):
        read_videos(path)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_month_is_its_text(tmp_path, suffix):
    videos = frame(created_at=[NOON, None])
    videos["month"] = videos["created_at"].dt.tz_localize(None).dt.to_period("M")
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    assert back["month"].fillna("").tolist() == ["2024-01", ""]


@pytest.mark.parametrize("names", [("part-00000", "part-00001"), ("part.2", "part.10")])
def test_a_folder_of_spark_or_dask_is_read(tmp_path, names):
    videos, _ = exported(tmp_path)
    folder = tmp_path / "videos.parquet"
    folder.mkdir()
    for at, name in enumerate(names):
        videos[at : 2 + at * 2].to_parquet(folder / f"{name}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "_metadata.parquet").touch()
    back = read_videos(folder)
    pd.testing.assert_frame_equal(back, videos.iloc[[0, 1, 1, 2]].reset_index(drop=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "a folder without a file of videos"),
        (lambda path: VideoArchive(path).append(empty_videos()), r"VideoArchive\(...\).videos"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, make, message):
    make(tmp_path / "v.csv")
    with pytest.raises(ValueError, match=message):
        read_videos(tmp_path / "v.csv")


def test_a_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert export_videos(empty_videos(), "~/new/v.csv") == tmp_path / "new" / "v.csv"
    assert len(read_videos("~/new/v.csv")) == 0
    assert VideoArchive("~/archive").directory == tmp_path / "archive"
    report = build_report(frame(type=["class"]))
    assert report.to_excel("~/new/w.xlsx").is_file()
    assert report.export("~/report")[-1].parent == tmp_path / "report"
    assert len(read_report("~/report").tables) == len(report.tables)
    with HookedClient("k") as client:
        download_videos(empty_videos(), "~/films", client=client)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"new", "report"} <= names <= {"new", "report", "films"}


@pytest.mark.parametrize("address", ["s3://bucket/v.csv", "file:///tmp/v.csv", "gs:/bucket/v.csv"])
def test_an_address_is_refused(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    report = build_report(frame(type=["class"]))
    uses = (partial(export_videos, empty_videos()), read_videos, VideoArchive, read_report)
    downloads = partial(download_videos, empty_videos())
    for use in (*uses, downloads, report.to_html, report.to_excel, report.export):
        with pytest.raises(ValueError, match="is an address: name a file of this machine"):
            use(address)
    assert not list(tmp_path.iterdir())


# -- writing in one move ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_mode_comes_from_the_umask(tmp_path, suffix, umask):
    before = os.umask(umask)
    try:
        path = export_videos(frame(name=["x"]), tmp_path / f"v.{suffix}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, GeneratorExit])
def test_whatever_ends_a_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "v.csv"
    target.write_text("old")
    with pytest.raises(error), atomic_write(target) as beside:
        beside.write_text("half")
        assert (beside.parent, beside.suffix) == (tmp_path, ".tmp")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["v.csv"]
    assert target.read_text() == "old"


def test_only_old_orphans_of_the_same_target_are_swept(tmp_path):
    target = tmp_path / "v.csv"
    names = {}
    for file in ("v.csv", "other.csv"):
        with atomic_write(tmp_path / file) as beside:
            names[file] = beside.name.rsplit("-", 1)[0]
    old = [tmp_path / f"{names['v.csv']}-00.tmp", tmp_path / f"{names['other.csv']}-00.tmp"]
    young = tmp_path / f"{names['v.csv']}-11.tmp"
    for orphan in [*old, young]:
        orphan.write_text("left by a kill")
    for orphan in old:
        os.utime(orphan, (time.time() - 3700,) * 2)
    with atomic_write(target):
        pass
    assert [p.exists() for p in [*old, young]] == [False, True, True]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "v.csv"
    link.symlink_to(tmp_path / "real" / "v.csv")
    export_videos(frame(name=["x"]), link)
    assert link.is_symlink()
    assert read_videos(tmp_path / "real" / "v.csv")["name"].tolist() == ["x"]


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("n" * 251 + ".csv")
    assert export_videos(empty_videos(), path).exists()
