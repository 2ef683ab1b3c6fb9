"""Files out and back: every format, every text, no signature, no formula, no guess."""

from __future__ import annotations

import json
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
from openpyxl import load_workbook

import hooked_analytics as ha
from hooked_analytics.schema import LINKS, NAMES, VIDEOS_SCHEMA, empty_videos, frame_from_arrow
from hooked_analytics.storage import FORMATS, atomic_write
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
        return ha.read_videos(ha.export_videos(videos, path, **options))


def cells(path: Path) -> list[list]:
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


FRAMES = {
    "every kind of value": frame(**VIDEO),
    "no rows": empty_videos(),
    "filtered and reordered": frame(name=["=1", None, "x", "=2"]).iloc[[3, 1, 0]],
    "more rows than a batch": frame(name=["=1", None] * 35_000),
    "dangerous names of columns": frame(name=["x"], **{"=cmd()": ["x"], "a\nb": ["y"]}),
}


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("what", FRAMES)
def test_a_frame_comes_back_exact_and_is_not_changed(tmp_path, suffix, what):
    given = FRAMES[what].copy()
    # of a folder that is named like a partition nothing is added
    back = there_and_back(given, tmp_path / "month=2024-01" / f"videos.{suffix}")
    expected = FRAMES[what].astype({n: back[n].dtype for n in FRAMES[what] if n not in NAMES})
    pd.testing.assert_frame_equal(back, expected.reset_index(drop=True))
    pd.testing.assert_frame_equal(given, FRAMES[what])


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
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


# -- what a file looks like -------------------------------------------------------------------


def test_csv_cells_are_spelled_plainly(tmp_path):
    path = ha.export_videos(frame(**VIDEO), tmp_path / "v.csv")
    head, *rows = path.read_text(encoding="utf-8").split("\n", 1)
    assert head.split(",")[:3] == ['"video_id"', '"name"', '"type"']
    assert '"2024-01-15T12:00:00.123456Z"' in rows[0]
    assert ",7500,0.30000000000000004," in rows[0]
    assert ",false," in rows[0]
    assert rows[0].splitlines()[-1] == '"vid_2"' + "," * 28


def test_json_lines_are_spelled_plainly(tmp_path):
    path = ha.export_videos(frame(**VIDEO), tmp_path / "v.jsonl")
    first, second = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    assert list(first) == list(NAMES)
    assert first["created_at"] == "2024-01-15T12:00:00.123456Z"
    assert (first["size_bytes"], second["size_bytes"]) == (2**53 + 1, None)


def test_parquet_has_the_fixed_schema_and_names_the_version(tmp_path):
    videos = frame(**VIDEO)
    videos.attrs["api_key"] = "canary"
    path = ha.export_videos(videos, tmp_path / "v.parquet")
    schema = pq.read_schema(path)
    assert schema.equals(VIDEOS_SCHEMA)
    assert set(schema.metadata) == {b"hooked_analytics", b"hooked_schema"}
    assert b"canary" not in path.read_bytes()


def changed(**columns: object) -> pd.DataFrame:
    return frame(video_id=["a", "b"]).assign(**columns)


TWICE = pd.DataFrame([[1, 2]], columns=["twice", "twice"])
REFUSED = {
    "v.txt": (empty_videos(), r"\.parquet, \.csv, \.xlsx, \.jsonl"),
    "v": (empty_videos(), "must end in one of"),
    "v.csv.gz": (empty_videos(), "must end in one of"),
    ".csv": (empty_videos(), "must end in one of"),
    "lacks.CSV": (empty_videos().drop(columns="url"), "needs the column 'url'"),
    "lacks.xlsx": (empty_videos().drop(columns="url"), "needs the column 'url'"),
    "long.xlsx": (empty_videos().reindex(range(2**20)), r"1,048,575 rows .* \.csv or \.parquet"),
    "inf.jsonl": (changed(ratio=[1.0, float("inf")]), "'ratio' holds an infinite number"),
    "twice.csv": (pd.concat([frame(video_id=["a"]), TWICE], axis=1), "given twice: twice"),
    "like.csv": (changed(**{"1": 1}).rename(columns={"extra": 1}).assign(extra="x"), "given twice"),
    "mixed.parquet": (changed(mixed=pd.Series([1, "a"], dtype=object)), "'mixed' fits no file"),
    "bytes.csv": (changed(mixed=pd.Series([b"x", {}], dtype=object)), "'mixed' fits no file"),
    "complex.parquet": (changed(own=1j), "'own' fits no file"),
    "complex.xlsx": (changed(own=1j), "'own' fits no file"),
    "large.jsonl": (changed(own=pd.Series([2**70, 1], dtype=object)), "'own' fits no file"),
    "hollow.parquet": (changed(own=pd.Series([{}, {}], dtype=object)), "hold a column: .*'own'"),
    "half.csv": (changed(mixed=pd.Series(["\ud800", "x"], dtype=object)), "'mixed' fits no file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_file_can_be_is_refused_and_nothing_written(tmp_path, name):
    videos, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        ha.export_videos(videos, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# -- other people's columns -------------------------------------------------------------------


MOMENT = pd.Timestamp("2024-01-15T10:00Z")
OWN = {
    "text": (["first", None], ["first", None]),
    "looks like numbers": (["007", "1e5"], ["007", "1e5"]),
    "a sign before": (["+1", "0x10"], ["+1", "0x10"]),
    "empty is not missing": (["NA", ""], ["NA", ""]),
    "whole": ([1, 2], [1, 2]),
    "share": ([0.5, float("inf")], [0.5, float("inf")]),
    "time": ([MOMENT, pd.NaT], [MOMENT, None]),
    "other zone": ([MOMENT.tz_convert("Europe/Berlin"), pd.NaT], [MOMENT, None]),
    "month": (pd.PeriodIndex(["2024-01", None], freq="M"), ["2024-01", None]),
    "category": (pd.Categorical(["=warm", None]), ["=warm", None]),
    "months as categories": (
        pd.Categorical(pd.PeriodIndex(["2024-01", None], freq="M")), ["2024-01", None],
    ),
    "bins": (pd.cut(pd.Series([1.0, float("nan")]), [0.5, 2.5]), ["(0.5, 2.5]", None]),
    "categories without a type": (pd.Categorical([1j, None]), ["1j", None]),
    "sparse": (pd.arrays.SparseArray([0.0, 1.5]), [0.0, 1.5]),
    "hollow": (pd.array([{}, None], pd.ArrowDtype(pa.struct([]))), ["{}", None]),
    "list": ([["x", "y"], None], [["x", "y"], None]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("suffix", "kind"),
    # JSON has no word for an infinite number
    [(s, kind) for s in READABLE for kind in OWN if (s, kind) != ("jsonl", "share")],
)
def test_a_column_of_the_user_follows_after_ours_by_value(tmp_path, suffix, kind):
    given, expected = OWN[kind]
    videos = frame(video_id=["a", "b"])
    videos.insert(0, "own", pd.Series(given))
    back = there_and_back(videos, tmp_path / f"v.{suffix}")
    assert list(back.columns) == [*NAMES, "own"]
    found = [None if v is None or v is pd.NA or v is pd.NaT else v for v in back["own"]]
    if kind == "list":
        found[0] = list(found[0]) if suffix != "csv" else json.loads(found[0])
    assert found == expected


# -- links are secrets ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ALL)
def test_no_signature_is_in_any_file(tmp_path, suffix):
    texts = [f.name for f in VIDEOS_SCHEMA if pa.types.is_large_string(f.type)]
    everywhere = {name: [f"see {SIGNED}, twice: {SIGNED}"] for name in texts}
    videos = frame(**everywhere | {name: [SIGNED] for name in LINKS}, note=[f"={SIGNED}"])
    videos["tags"] = [[SIGNED, SIGNED]]
    videos["kind"] = pd.Categorical([SIGNED])
    path = ha.export_videos(videos, tmp_path / f"v.{suffix}")
    held = path.read_bytes() if suffix != "xlsx" else repr(
        [[c.value for c in row] for row in cells(path)]).encode()  # fmt: skip
    if suffix == "parquet":
        held += repr(pq.read_table(path).to_pylist()).encode()
    for secret in (b"X-Amz-Signature", b"0123abcd", b"X-Amz-Expires"):
        assert secret not in held


@pytest.mark.parametrize(
    ("column", "said", "left"),
    [
        ("url", SIGNED, BARE),
        ("url", "https://a.example/v#t=1", "https://a.example/v"),
        ("url", "//u:p@h/x", "//h/x"),
        ("url", "https://a.example/@me/v", "https://a.example/@me/v"),
        ("url", "=x?y", "=x"),
        ("webhook", "https://me:pw@h.example:8443/a-secret?x=1", "https://h.example:8443"),
        ("webhook", "h.example/a-secret", "h.example"),
        ("webhook", "/a-secret", "missing"),
        ("message", "https://a.example/v?page=2 stays", "https://a.example/v?page=2 stays"),
        ("message", "at https://a.example/v?page=2&sig=1 now", "at https://a.example/v now"),
        ("message", "HTTPS://A.EXAMPLE/V?x-amz-signature=1", "HTTPS://A.EXAMPLE/V"),
        ("message", "https://a.example/v?Key-Pair-Id=1&Policy=2", "https://a.example/v"),
        ("message", "https://a.example/v#access_token=1", "https://a.example/v"),
        ("message", '{"u": "https://a/v?a=1\\u0026token=2"}', '{"u": "https://a/v"}'),
        ("message", '"https:\\/\\/a.example\\/v?token=2"', '"https:\\/\\/a.example\\/v"'),
        ("message", "https://r/?u=https%3A%2F%2Fa%3FSignature%3D1", "https://r/"),
        ("message", "no link: token=1", "no link: token=1"),
        ("message", "https://a.example/v?design=1", "https://a.example/v?design=1"),
    ],
)
def test_links_lose_what_opens_them(tmp_path, column, said, left):
    back = there_and_back(frame(**{column: [said, None]}), tmp_path / "v.parquet")
    assert back[column].fillna("missing").tolist() == [left, "missing"]


@pytest.mark.parametrize("suffix", READABLE)
def test_links_are_kept_where_wanted_with_a_warning(tmp_path, suffix):
    videos = frame(url=[SIGNED], message=[f"see {SIGNED}"])
    with pytest.warns(UserWarning, match="24 h"):
        path = ha.export_videos(videos, tmp_path / f"v.{suffix}", include_urls=True)
    pd.testing.assert_frame_equal(ha.read_videos(path), videos)


# -- formulas ---------------------------------------------------------------------------------

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\rx", "\nx", "  =1", "\u00a0=1", "\u3000=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u200b=1", "\ufeff=1", "\u202e=1", "\x00=1",
    "'=1", "''-1", "\x1f-1",
]  # fmt: skip
HARMLESS = ["a=1", "1-1", "'", "'tis", "1", "#N/A", "日本", "é", " x", "\u3000x", "me@x", '"=1"']


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_formulas_are_guarded_in_csv(tmp_path, text):
    videos = frame(name=[text], balance=[-1])
    cell = text.replace('"', '""')
    mark = "'" if text in FORMULAS else ""
    written = ha.export_videos(videos, tmp_path / "v.csv").read_bytes()
    assert f',"{mark}{cell}",'.encode() in written
    assert written.endswith(b",-1\n")  # a number is no text
    ha.export_videos(videos, tmp_path / "v.csv", formula_safe=False)
    if not text.startswith("'"):  # what looks guarded already
        assert f',"{cell}",'.encode() in (tmp_path / "v.csv").read_bytes()


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
    videos = frame(voice_id=["007", None], created_at=[NOON, None], used_credits=[1.5, 2])
    path = ha.export_videos(videos.assign(**{"=cmd()": ["x", "y"]}), tmp_path / "v.xlsx")
    head, first, second = cells(path)
    at = {cell.value: position for position, cell in enumerate(head)}
    assert tuple(at) == (*NAMES, "'=cmd()")
    assert first[at["voice_id"]].value == "007"
    assert first[at["created_at"]].is_date
    gap = first[at["created_at"]].value - NOON.replace(tzinfo=None)
    assert abs(gap) < timedelta(milliseconds=1)
    assert first[at["used_credits"]].value == 1.5
    assert second[at["created_at"]].value is None
    assert (head[0].parent.freeze_panes, head[0].font.bold, first[0].font.bold) == (
        "A2",
        True,
        False,
    )
    with pytest.raises(ValueError, match="for people"):
        ha.read_videos(path)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ("=1+1", "=1+1"), ("#N/A", "#N/A"), ("a\x00b\x1fc\ufffed\te\n", "abcd\te\n"),
        ("_x003D_1+1", "_x005F_x003D_1+1"), ("_x12_", "_x12_"),
        ("a_x000d__x000d_b", "a_x005F_x000d__x005F_x000d_b"), ("x_xray_case", "x_xray_case"),
    ],
)  # fmt: skip
def test_excel_runs_no_formula_even_unguarded(tmp_path, given, held):
    path = ha.export_videos(frame(name=[given]), tmp_path / "v.xlsx", formula_safe=False)
    cell = cells(path)[1][1]
    assert (cell.value, cell.data_type) == (held, "s")
    ha.export_videos(frame(name=[given]), path)
    assert cells(path)[1][1].value == ("'" if given == "=1+1" else "") + held


def test_text_too_long_for_a_cell_is_cut_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="1 texts were cut to 32,767"):
        path = ha.export_videos(frame(script=["x" * 40_000]), tmp_path / "v.xlsx")
    assert cells(path)[1][NAMES.index("script")].value == "x" * 32_767


# -- files that are not ours ------------------------------------------------------------------


def test_a_foreign_file_is_refused_with_its_name_and_the_missing_columns(tmp_path):
    other = pd.DataFrame({"video_id": ["a"], "title": ["b"]})
    other.to_csv(tmp_path / "o.csv", index=False)
    other.to_parquet(tmp_path / "o.parquet")
    other.to_json(tmp_path / "o.jsonl", orient="records", lines=True)
    for suffix in READABLE:
        said = rf"o\.{suffix} .*missing are the columns name, type.*its own are video_id, title"
        with pytest.raises(ValueError, match=said):
            ha.read_videos(tmp_path / f"o.{suffix}")
        with pytest.raises(FileNotFoundError):
            ha.read_videos(tmp_path / f"none.{suffix}")


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe" * 99, b"PAR1", b"<html>no</html>", b"[1]\n"])
def test_a_broken_file_is_refused_with_its_name(tmp_path, suffix, body):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(body)
    with pytest.raises(ValueError, match=rf"bad\.{suffix} cannot be read") as e:
        ha.read_videos(path)
    assert e.value.__cause__ is not None


@pytest.mark.filterwarnings("error:.*no line break")
@pytest.mark.parametrize("suffix", READABLE)
def test_a_file_cut_anywhere_is_refused_or_has_whole_rows_only(tmp_path, suffix):
    videos = frame(
        video_id=["a", "b", "c"],
        name=['x "y", z'] * 3,
        script=["one\ntwo"] * 3,
        extra=['{"a":1}'] * 3,
    )
    body = ha.export_videos(videos, tmp_path / f"v.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    refused = 0
    ends = range(0, len(body), 1 if suffix != "parquet" else 41)
    for end in ends:
        path.write_bytes(body[:end])
        try:
            back = ha.read_videos(path)
        except (ValueError, UserWarning):  # no line break at the end is a warning
            refused += 1
        else:
            pd.testing.assert_frame_equal(back, videos.head(len(back)))
    # two ends of rows, before and after the line break, and one before the last line break
    assert refused >= len(ends) - 5


def test_a_flipped_byte_in_parquet_is_noticed(tmp_path):
    videos = frame(video_id=[f"vid_{i}" for i in range(999)])
    path = ha.export_videos(videos, tmp_path / "v.parquet")
    body = path.read_bytes()
    missed = 0
    for at in range(4, len(body), 37):
        path.write_bytes(body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :])
        try:
            back = ha.read_videos(path)
        except ValueError:
            continue
        missed += not back.equals(videos)
    assert missed == 0


def test_an_error_does_not_repeat_a_signed_link(tmp_path):
    with pytest.warns(UserWarning, match="24 h"):
        path = ha.export_videos(frame(video_id=[SIGNED]), tmp_path / "v.csv", include_urls=True)
    path.write_text(path.read_text().rstrip("\n") + ",one,too,many\n")
    with pytest.raises(ValueError, match="cannot be read") as e:
        ha.read_videos(path)
    assert "bucket.s3.amazonaws.com" in str(e.value)
    assert "X-Amz" not in str(e.value)


# -- what people hand in ----------------------------------------------------------------------


def exported(folder: Path) -> tuple[pd.DataFrame, Path]:
    videos = frame(**VIDEO | {"music_id": ["7", None]}).iloc[[0, 1, 0]].reset_index(drop=True)
    return videos, ha.export_videos(videos, folder / "v.csv")


@pytest.mark.parametrize(
    "options",
    [
        {"sep": ";", "decimal": ","}, {"sep": "\t"},
        {"lineterminator": "\r\n", "encoding": "utf-8-sig"},  # a spreadsheet on Windows
    ],
    ids=repr,
)  # fmt: skip
def test_a_csv_saved_by_another_program_is_the_same_frame(tmp_path, options):
    videos, path = exported(tmp_path)
    videos["size_bytes"] = videos["size_bytes"] - 1  # more than a float holds
    pd.read_csv(ha.export_videos(videos, path)).to_csv(path)  # with its index
    pd.testing.assert_frame_equal(ha.read_videos(path), videos)
    videos.loc[:, "name"] = ["NA", "null", "1e5"]  # text in a CSV of pandas' own is text
    videos.to_csv(path, index=False, **options)
    pd.testing.assert_frame_equal(ha.read_videos(path), videos)
    mark = options.get("sep", ",")  # rows that a spreadsheet emptied
    path.write_bytes(path.read_bytes() + (mark * 28 + "\n").encode() * 40)
    with pytest.warns(UserWarning, match="40 rows without a video were left out"):
        pd.testing.assert_frame_equal(ha.read_videos(path), videos)


SHEETS = {  # what programs make of a file
    "told to Excel": lambda text: '\ufeff"sep=;"\r\n' + text.replace(",", ";"),
    "empty lines above": lambda text: "\r\n,,,\r\n" + text,
    "tabs and decimal commas": lambda text: text.replace(",", "\t").replace("40.5", "40,5"),
    "bars": lambda text: text.replace(",", "|"),
    "all in quotes": lambda text: (
        '"' + text.replace('"', "").replace(",", '","').replace("\n", '"\n"')[:-1]
    ),
    "another word for missing": lambda text: text.replace(",,", ",NULL,").replace(",,", ",NULL,"),
    "a sum below": lambda text: text + "," * 10 + "12" + "," * 18 + "\n",
    "rows that end early": lambda text: text.replace(",,,,\n", "\r\n"),
}


@pytest.mark.parametrize("what", SHEETS)
@pytest.mark.filterwarnings("ignore:.*1 rows without a video")
def test_a_csv_of_a_spreadsheet_or_a_database_is_the_same_frame(tmp_path, what):
    videos = frame(
        progress=[40.5, None, 40.5], size_bytes=[7, None, 7], name=["Clip", "Clap", "Clop"],
        fetched_at=[NOON] * 3, fetch_error=[None, "timeout", None],
    )  # fmt: skip
    path = ha.export_videos(videos, tmp_path / "v.csv")
    path.write_text(SHEETS[what](path.read_text()), newline="")
    pd.testing.assert_frame_equal(ha.read_videos(path), videos)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vid_1", "1.2E+10", "'video_id': a spreadsheet has made numbers such as 1.2E.10 of the"),
        ("true", "WAHR", "column 'caption_disabled': .*'WAHR'"),  # and no column before it
        (',,,,\n"vid_1"', '\n"vid_1",a,cut', "Expected 29 columns"),
    ],
)
def test_what_a_spreadsheet_has_lost_is_an_error(tmp_path, old, new, said):
    videos = frame(progress=[40.5, 1], caption_disabled=[True, None], fetched_at=[NOON] * 2)
    path = ha.export_videos(videos, tmp_path / "v.csv")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new).replace(",", ";"))
    with pytest.raises(ValueError, match=said):
        ha.read_videos(path)


def test_milliseconds_since_1970_in_json_lines_are_a_time(tmp_path):
    (path := tmp_path / "v.jsonl").write_text(
        json.dumps(dict.fromkeys(NAMES) | {"video_id": "vid_1", "created_at": 1705320000123})
    )
    assert ha.read_videos(path)["created_at"][0] == NOON.replace(microsecond=123000)


def test_a_csv_without_zones_and_with_columns_that_have_no_name_is_read(tmp_path):
    videos, path = exported(tmp_path)
    videos["created_at"] = videos["created_at"].dt.floor("s")
    text = videos.assign(created_at=videos["created_at"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    for name in ("updated_at", "fetched_at"):
        text[name] = text[name].dt.tz_localize(None)
    text.assign(a="", b="").rename(columns={"a": "", "b": ""}).to_csv(path, index=False)
    pd.testing.assert_frame_equal(ha.read_videos(path), videos)
    text.assign(created_at="15/10/2026 10:00").to_csv(path, index=False)
    with pytest.raises(
        ValueError, match="column 'created_at': .*'15/10/2026 10:00'; a spreadsheet"
    ):
        ha.read_videos(path)


@pytest.mark.filterwarnings("ignore:.*no line break")
def test_no_line_break_at_the_end_is_a_warning_and_a_cut_row_an_error(tmp_path):
    videos, path = exported(tmp_path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with pytest.warns(UserWarning, match="no line break at its end") as warned:
        pd.testing.assert_frame_equal(ha.read_videos(path), videos)
    assert warned[0].filename == __file__
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read as videos"):
        ha.read_videos(path)


@pytest.mark.parametrize("names", [("part-00000", "part-00001"), ("part.2", "part.10")])
def test_a_folder_of_spark_or_dask_is_read(tmp_path, names):
    videos, _ = exported(tmp_path)
    folder = tmp_path / "videos.parquet"
    folder.mkdir()
    for at, name in enumerate(names):
        videos[at : 2 + at * 2].to_parquet(folder / f"{name}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "_metadata.parquet").touch()
    back = ha.read_videos(folder)
    pd.testing.assert_frame_equal(back, videos.iloc[[0, 1, 1, 2]].reset_index(drop=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "a folder without a file of videos"),
        (lambda path: ha.VideoArchive(path).append(empty_videos()), r"VideoArchive\(...\).videos"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, make, message):
    make(tmp_path / "v.csv")
    with pytest.raises(ValueError, match=message):
        ha.read_videos(tmp_path / "v.csv")


def test_a_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ha.export_videos(empty_videos(), "~/new/v.csv") == tmp_path / "new" / "v.csv"
    assert len(ha.read_videos("~/new/v.csv")) == 0
    assert ha.VideoArchive("~/archive").directory == tmp_path / "archive"
    report = ha.build_report(frame(type=["class"]))
    assert report.to_excel("~/new/w.xlsx").is_file()
    assert report.export("~/report")[-1].parent == tmp_path / "report"
    assert len(ha.read_report("~/report").tables) == len(report.tables)
    with ha.HookedClient("k") as client:
        ha.download_videos(empty_videos(), "~/films", client=client)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"new", "report"} <= names <= {"new", "report", "films"}


def test_a_path_may_be_bytes(tmp_path):
    path = ha.export_videos(empty_videos(), os.fsencode(tmp_path / "v.csv"))
    assert path == tmp_path / "v.csv"
    assert len(ha.read_videos(os.fsencode(path))) == 0


@pytest.mark.parametrize("address", ["s3://bucket/v.csv", "file:///tmp/v.csv", "gs:/bucket/v.csv"])
def test_an_address_is_refused(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    report = ha.build_report(frame(type=["class"]))
    uses = (
        partial(ha.export_videos, empty_videos()),
        ha.read_videos,
        ha.VideoArchive,
        ha.read_report,
    )
    downloads = partial(ha.download_videos, empty_videos())
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
        path = ha.export_videos(frame(name=["x"]), tmp_path / f"v.{suffix}")
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
    ha.export_videos(frame(name=["x"]), link)
    assert link.is_symlink()
    assert ha.read_videos(tmp_path / "real" / "v.csv")["name"].tolist() == ["x"]
    longest = tmp_path / ("n" * 251 + ".csv")
    assert ha.export_videos(empty_videos(), longest).exists()


def test_a_frame_in_other_dtypes_is_written_like_one_of_the_schema(tmp_path):
    videos = ha.videos_from_records(
        [{"id": "7", "usedCredits": 5, "createdAt": "2024-01-15T10:00Z"}]
    )
    other = videos.astype("object").assign(
        video_id=7, used_credits="5", created_at="2024-01-15 10:00", progress=float("nan"),
        updated_at=float("nan"), status=pd.NaT,
    )  # fmt: skip
    assert ha.read_videos(ha.export_videos(other, tmp_path / "a.parquet")).equals(videos)
    ha.VideoArchive(tmp_path / "kept").append(other)
    assert ha.VideoArchive(tmp_path / "kept").videos().equals(videos)
    with pytest.raises(ValueError, match="export_videos: the column 'created_at' holds .* pass"):
        ha.export_videos(other.assign(created_at="soon"), tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("suffix", "instead", "encoding", "remedy"),
    [
        ("csv", {}, "utf-16", "save it as UTF-8"),
        ("csv", {"Clip": "Clíp"}, "cp1252", "save it as UTF-8"),
        ("csv", {"2024-01-15T": "15.01.2024 "}, "utf-8", "rewritten"),
        ("csv", {"7500": '"many"'}, "utf-8", "rewritten"),
        ("jsonl", {"7500": '"many"'}, "utf-8", "a value of duration_frames is not int64"),
    ],
)
def test_a_file_with_a_value_of_another_kind_says_what_to_do(
    tmp_path, suffix, instead, encoding, remedy
):
    videos = frame(name=["Clip"], created_at=[NOON], duration_frames=[7500])
    path = ha.export_videos(videos, tmp_path / f"v.{suffix}")
    text = path.read_text()
    for old, new in instead.items():
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=rf"v\.{suffix} cannot be read .*{remedy}"):
        ha.read_videos(path)
