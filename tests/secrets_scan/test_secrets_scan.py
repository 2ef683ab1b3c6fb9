"""A secret is found wherever it lies, and the place is told without any part of it."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given, settings, strategies as st

from hooked_analytics._internal import unpack
from hooked_analytics.cli import main
from hooked_analytics.schema import videos_from_records
from hooked_analytics.secrets_scan import SearchedKeys, check_files, key_of_environment
from hooked_analytics.storage import FORMATS as EXPORTS, export_videos
from tests import planting
from tests.planting import FORMATS, WRITINGS

ROOT = Path(__file__).parents[2]
KEY = "9f86D081" * 4
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# quotes and backslashes in a key are told apart from those of a writing where it was written once
SIGNS = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\"'\\")
ANY_KEY = st.text(SIGNS, min_size=16, max_size=64)
PLAIN_KEY = st.text(LETTERS + "_-", min_size=24, max_size=64).filter(str.isascii)


def pieces(key: str, said: str) -> list[str]:
    """Six characters of the key in a row that were said."""
    return [key[at : at + 6] for at in range(len(key) - 5) if key[at : at + 6] in said]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=5)
@given(key=ANY_KEY | PLAIN_KEY, writing=st.sampled_from(list(WRITINGS)))
@example(key="!" * 16, writing="json")
@example(key='0000000000000&""', writing="plain")  # XML writes & in another way, and quotes not
def test_the_key_is_found_in_every_format_and_writing(tmp_path_factory, name, key, writing):
    path = tmp_path_factory.mktemp("shared") / name
    # base64 of base64 is no accident
    FORMATS[name](path, WRITINGS["plain" if "picture" in name else writing](key))
    checked = check_files([path], SearchedKeys(key))
    assert len(checked.leaks) >= 1, (key, writing)
    assert checked.unread == []
    assert pieces(key, " ".join(checked.leaks).replace(str(path), "")) == []
    assert check_files([path], SearchedKeys(f"another{key}")).leaks == []


# -- keys that nobody told us -----------------------------------------------------------------

NAMED = """
x-api-key: {key}
X-API-Key:{key}
{{"x-api-key": "{key}", "accept": "*/*"}}
{{'x-api-key': '{key}'}}
client = HookedClient(api_key="{key}")
client = HookedClient(api_key = b'{key}')
def f(api_key: str | None = "{key}"): ...
export HOOKED_API_KEY={key}
%env HOOKED_API_KEY={key}
%env HOOKED_API_KEY {key}
set "HOOKED_API_KEY={key}"
os.environ["HOOKED_API_KEY"] = "{key}"
curl -H 'x-api-key: {key}' https://api.hooked.so/v1/video/list
send: b'GET / HTTP/1.1\\r\\nx-api-key: {key}\\r\\nAccept: */*'
GET https://api.example/v1?api_key={key}&page=2
[(b'x-api-key', b'{key}')]
api_key: {key}
apiKey={key}
<span class="n">api_key</span><span class="o">=</span><span class="s2">"{key}"</span></pre>
\x1b[32m'x-api-key'\x1b[39m: \x1b[33m'{key}'\x1b[39m
""".strip().split("\n")
HARMLESS = """
x-api-key: ...
x-api-key: <your key>
x-api-key: YOUR_API_KEY
x-api-key: $HOOKED_API_KEY
x-api-key: ${{HOOKED_API_KEY}}
curl -H 'x-api-key: ********'
export HOOKED_API_KEY=...
HOOKED_API_KEY=xxxxxxxxxxxxxxxx
HOOKED_API_KEY=sandbox-key
api_key="your-key-here-123"
api_key=os.environ["HOOKED_API_KEY"]
api_key=os.environ.get('HOOKED_API_KEY')
api_key=getpass.getpass()
HookedClient(api_key=api_key)
HookedClient(api_key=settings.api_key_2)
HookedClient(api_key=read_key(path1))
def __init__(self, api_key: str | None = None, *, base_url=None)
return {"x-api-key": self._text}
The header x-api-key: everywhere, whatever is asked
the variable HOOKED_API_KEY holds it, api_key=None
["x-api-key", "content-type", "accept-encoding"]
api_key == other.api_key
f"x-api-key: {key}"
"""


@pytest.mark.parametrize("name", ["debug.log", "source.ipynb", "all.zip"])
@settings(max_examples=4, deadline=None)
@given(drawn=st.text(LETTERS, min_size=24, max_size=48))
@example(drawn="k_live_" + "9f86D081" * 3)
def test_a_value_behind_the_name_of_a_key_is_found(tmp_path_factory, name, drawn):
    folder, key = tmp_path_factory.mktemp("named"), f"7{drawn}"
    for number, line in enumerate(NAMED):
        FORMATS[name](folder / f"{number}-{name}", line.format(key=key))
    leaks = check_files([folder], None).leaks
    assert sum("a value behind " in leak for leak in leaks) == len(leaks) == len(NAMED)
    assert pieces(key, " ".join(leaks)) == []


def test_what_stands_for_a_key_is_no_key(tmp_path):
    for name in ("source.ipynb", "debug.log"):
        FORMATS[name](tmp_path / name, HARMLESS)
    assert check_files([tmp_path], None).leaks == []


def test_a_password_in_a_widget_and_a_column_of_keys_are_found(tmp_path):
    model = {"model_name": "PasswordModel", "state": {"value": KEY}}
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"a": model}}}
    (tmp_path / "w.ipynb").write_text(json.dumps({"cells": [], "metadata": {"widgets": state}}))
    pq.write_table(pa.table({"api_key": [KEY]}), tmp_path / "settings.parquet")
    leaks = check_files([tmp_path], None).leaks
    assert [leak.rsplit(": ", 1)[1] for leak in leaks] == [
        "a value behind api_key", "a value in a password field",
    ]  # fmt: skip


def test_pickles_and_anything_else_are_named_as_not_searched(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("HOOKED_API_KEY", raising=False)
    (tmp_path / "a.pickle").write_bytes(pickle.dumps({"x-api-key": KEY}))
    (tmp_path / "b.xz").write_bytes(b"\xfd7zXZ\0 and more")
    assert main(["check", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("are searched") == 2


@pytest.mark.parametrize("ending", ["", "_STAGING"])
def test_every_key_of_the_environment_is_searched_for(tmp_path, monkeypatch, ending):
    key, other = "a-key-of-no-one", "another-key-of-no-one"
    monkeypatch.setenv("HOOKED_API_KEY", other)
    monkeypatch.setenv(f"HOOKED_API_KEY{ending}", key)
    (tmp_path / "a.log").write_text(key)
    assert len(check_files([tmp_path], key_of_environment()).leaks) == 1


@pytest.mark.parametrize(
    "repeated", [" ", "\t", '"', ":", "=", " : a", "a", "%61", "\\u0061", "&#97;"]
)
def test_the_search_takes_linear_time(tmp_path, repeated):
    def seconds(times: int) -> float:
        (tmp_path / "a.log").write_text("api_key" + repeated * (times // len(repeated)))
        began = time.process_time()
        check_files([tmp_path], None)
        return time.process_time() - began

    assert min(seconds(200_000) for _ in range(3)) < 5 * min(seconds(100_000) for _ in range(3))


def bombs(folder: Path) -> None:
    """Small files that hold more than may be unpacked."""
    table = pa.table({"a": ["x" * 2**20] * 400})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(folder / "bomb.arrow", table.schema, options=options) as file:
        file.write_table(table)
    (folder / "bomb.gz").write_bytes(
        gzip.compress(f"api_key={KEY}".encode() + bytes(b"\n" * 5_000_000))
    )
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.txt", b"\n" * 900_000)
    body = KEY.encode()
    for _ in range(6):
        body = gzip.compress(body)
    (folder / "nested.gz").write_bytes(body)


def test_what_unpacks_to_too_much_is_named_and_takes_little_memory(tmp_path, monkeypatch):
    bombs(tmp_path)
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 2_000_000)
    checked = check_files([tmp_path], None)
    assert ["bomb.gz" in line for line in checked.leaks] == [True]
    said = [line.rsplit(": ", 1)[1] for line in checked.unread]
    assert said[0] == "it needs more than 188,743,680 bytes of memory"
    assert said[1:-1] == ["it unpacks to more than is searched"] * 4
    assert said[-1] == "it is packed too many times over"


# -- signed links -----------------------------------------------------------------------------

NOW = datetime.now(UTC)


def amazon(hours: float, life: int = 86_400, cloud: str = "Amz") -> str:
    date = NOW + timedelta(hours=hours, seconds=-life)
    return (
        f"https://bucket.s3.amazonaws.com/v.mp4?X-{cloud}-Algorithm=AWS4-HMAC-SHA256"
        f"&X-{cloud}-Date={date:%Y%m%dT%H%M%SZ}&X-{cloud}-Expires={life}"
        f"&X-{cloud}-Signature={'9f86d081' * 8}"
    )


def cloudfront(hours: float) -> str:
    ends = int((NOW + timedelta(hours=hours)).timestamp())
    return f"https://cdn.example/v.mp4?Expires={ends}&Signature={'9f86D081~-' * 9}&Key-Pair-Id=K2"


def with_policy(hours: float) -> str:
    ends = int((NOW + timedelta(hours=hours)).timestamp())
    limit = {"Condition": {"DateLessThan": {"AWS:EpochTime": ends}}}
    policy = base64.b64encode(json.dumps({"Statement": [limit]}).encode()).decode()
    policy = policy.translate(str.maketrans("+=/", "-_~"))
    return f"https://cdn.example/v.mp4?Policy={policy}&Signature={'9f86D081~-' * 9}&Key-Pair-Id=K2"


def azure(hours: float) -> str:
    ends = f"{NOW + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}".replace(":", "%3A")
    return f"https://a.blob.core.windows.net/v.mp4?sv=2022-11-02&se={ends}&sig={'9f86D081' * 5}%3D"


SIGNERS = [amazon, partial(amazon, cloud="Goog"), cloudfront, with_policy, azure]


@pytest.mark.parametrize("write", [str, html.escape, json.dumps, lambda s: s.replace("/", r"\/"),
                                   lambda s: s.replace("&", r"\u0026")])  # fmt: skip
@pytest.mark.parametrize("signer", SIGNERS)
def test_a_live_link_is_found_and_a_dead_one_counted(tmp_path, signer, write):
    (tmp_path / "dead.log").write_text(f"at {write(signer(-1))} now\n")
    checked = check_files([tmp_path], None)
    assert (checked.leaks, checked.dead_links) == ([], 1)
    (tmp_path / "live.log").write_text(f"\n\nat {write(signer(1))} now\n")
    (leak,) = check_files([tmp_path], None).leaks
    ends = NOW + timedelta(hours=1)
    assert leak.endswith(
        f"live.log: line 3: a signed link that opens until {ends:%Y-%m-%d %H:%M} UTC"
    )
    assert "9f86" not in leak


def test_a_live_link_is_found_in_every_format(tmp_path):
    # exports take the signature off, and nobody signs the bytes of a picture
    names = [n for n in FORMATS if FORMATS[n] not in {planting.frame, planting.picture}]
    for name in names:
        FORMATS[name](tmp_path / name, f"see {amazon(1)}")
    leaks = check_files([tmp_path], None).leaks
    assert [Path(leak.split(":")[0]).name for leak in leaks] == sorted(names)
    assert all("a signed link that opens until" in leak for leak in leaks)


@pytest.mark.parametrize("suffix", [f.suffix[1:] for f in EXPORTS.values() if f.searched])
def test_an_export_with_links_is_found_and_one_without_is_not(tmp_path, suffix):
    videos = videos_from_records([{"id": "vid_1"}, {"id": "vid_2", "url": amazon(20)}])
    export_videos(videos, tmp_path / f"videos.{suffix}")
    assert check_files([tmp_path], None).leaks == []
    with pytest.warns(UserWarning, match="24 h"):
        export_videos(videos, tmp_path / f"videos.{suffix}", include_urls=True)
    (leak,) = check_files([tmp_path], None).leaks
    places = {"parquet": "url, rows 1 to 2", "xlsx": "cell V3", "csv": "line 3", "jsonl": "line 2"}
    assert places.get(suffix, "") in leak


def test_a_link_that_does_not_say_when_it_ends_counts_as_live(tmp_path):
    for change in [("Date=2", "Date=x"), ("Expires=", "Expires=9999999999999")]:
        (tmp_path / "a.log").write_text(amazon(-5).replace(*change))
        (leak,) = check_files([tmp_path], None).leaks
        assert "does not say when it ends" in leak
    (tmp_path / "a.log").write_text(
        "https://a.example/v.mp4?X-Amz-Signature=abc https://a.example/v?page=2&signature= "
        "https://s3.amazonaws.com/hooked-videos/vid_abc123.mp4 https://a.example/?design=1"
    )
    assert check_files([tmp_path], None) == ([], [], 1, 0)  # those of a manual are no secrets


# -- places, and what cannot be searched ------------------------------------------------------


def test_places_are_named_so_that_a_person_finds_them(tmp_path):
    planted = {
        "source.ipynb": "line 19",
        "debug.log": "line 11",
        "videos.csv": "line 3",
        "videos.xlsx": "member xl/worksheets/sheet1.xml, cell B3",
        "videos.parquet": "column name, rows 1 to 2",
        "metadata.parquet": "names and notes of the table",
        "all.zip": "member a/videos.parquet, column name, rows 1 to 2",
        "debug.log.gz": "line 3",
    }
    for name, place in planted.items():
        FORMATS[name](tmp_path / name, KEY)
        leaks = check_files([tmp_path / name], SearchedKeys(KEY)).leaks
        assert leaks[0] == f"{tmp_path / name}: {place}: the API key of this environment"


def test_names_that_hold_the_key_are_not_shown(tmp_path):
    folder = tmp_path / f"run {KEY}"
    folder.mkdir()
    (folder / f"a\x1b[2J{KEY}.log").write_text(KEY)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(f"x/{KEY[:20]}/{KEY}.log", KEY)
    pq.write_table(pa.table({f"of {KEY}": [KEY]}), folder / "a.parquet")
    named = "HOOKED_API_KEY=" + "0a1B2c3D4" * 4
    (folder / named).write_text("")
    for known in (SearchedKeys(KEY), None):
        checked = check_files([folder, folder / f"no {KEY}"], known)
        said = "\n".join(checked.leaks + checked.unread)
        assert "\x1b" not in said
        assert pieces(named[15:], said) == []
        if known:
            assert pieces(KEY, said) == []
            assert len(checked.leaks) == 10


def test_what_cannot_be_read_is_named_and_the_rest_is_searched(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + KEY.encode())
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + KEY.encode())
    (tmp_path / "broken.ipynb").write_text('{"cells": [' + KEY)
    whole = gzip.compress(KEY.encode() + os.urandom(50_000).hex().encode())
    (tmp_path / "cut.gz").write_bytes(whole[:30_000])
    (tmp_path / "empty.ipynb").write_text("")
    os.mkfifo(tmp_path / "pipe")
    checked = check_files([tmp_path, tmp_path / "pipe", tmp_path / "none"], SearchedKeys(KEY))
    assert [Path(line.split(":")[0]).name for line in checked.leaks] == [
        "broken.ipynb", "cut.gz",
    ]  # fmt: skip
    assert [line.rsplit("/", 1)[1] for line in checked.unread] == [
        "broken.parquet: its contents are damaged (ArrowInvalid)",
        "broken.zip: its contents are damaged (BadZipFile)",
        "cut.gz: its contents are damaged (EOFError)",
        "pipe: it is neither a file nor a folder",
        "none: there is no such file",
    ]


@pytest.mark.parametrize("before", range(0, 60, 7))
def test_what_lies_across_two_windows_is_judged_whole(tmp_path, before):
    path = tmp_path / "a.log"
    path.write_text("." * (2**20 - before) + " HOOKED_API_KEY=sandbox-key\n" + "." * 99)
    assert check_files([path], None).leaks == []
    path.write_text("." * (2**20 - before * 6) + f" {amazon(-1)}\n" + "." * 99)
    checked = check_files([path], None)
    assert (checked.leaks, checked.dead_links) == ([], 1)


def test_links_are_not_followed_out_of_the_folder(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.log").write_text(KEY)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "b.log").write_text("nothing")
    (inside / "link.log").symlink_to(tmp_path / "outside" / "a.log")
    (inside / "linked").symlink_to(tmp_path / "outside")
    (inside / "round").symlink_to(inside)
    assert check_files([inside], SearchedKeys(KEY)) == ([], [], 1, 0)
    assert len(check_files([inside / "link.log"], SearchedKeys(KEY)).leaks) == 1
    (inside / "b.log").write_text(f"api_key={KEY}\n" * 1000)  # a file full of secrets
    leaks = check_files([inside], None).leaks
    assert len(leaks) == 21
    assert "the rest was not searched" in leaks[-1]


# -- the command ------------------------------------------------------------------------------


def test_the_command_tells_the_place_and_the_exit_status(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOOKED_API_KEY", KEY)
    fine, leaking = tmp_path / "fine.log", tmp_path / "leaking.log"
    fine.write_text(amazon(-1))
    assert main(["check", str(fine)]) == 0
    said = capsys.readouterr()
    assert said.out + said.err == "No key and no live link in 1 file, 1 expired link.\n"
    with monkeypatch.context() as patch:  # the sandbox's key is no secret
        patch.setenv("HOOKED_API_KEY", "sandbox-key")
        (tmp_path / "sandbox.log").write_text("x-api-key: sandbox-key")
        assert main(["check", str(tmp_path / "sandbox.log")]) == 0
    capsys.readouterr()
    assert main(["check", str(fine), str(tmp_path / "none")]) == 2
    assert "none: there is no such file" in capsys.readouterr().err
    leaking.write_text(f"\n{KEY}")
    assert main(["check", "--", str(tmp_path), "nowhere"]) == 1
    said = capsys.readouterr()
    assert said.out == f"{leaking}: line 2: the API key of this environment\n"
    assert "1 place holds a secret" in said.err
    assert pieces(KEY, said.out + said.err) == []


@pytest.mark.parametrize("key", ["short", "\u2713" * 9])
def test_a_key_that_cannot_be_searched_for_is_said(tmp_path, monkeypatch, capsys, key):
    monkeypatch.setenv("HOOKED_API_KEY", key)
    assert main(["check", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "HOOKED_API_KEY is no key that can be searched for" in said
    assert key not in said.replace("HOOKED_API_KEY", "")


def test_nothing_of_this_repository_holds_a_secret():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    paths = [ROOT / name for name in names] or [ROOT]
    checked = check_files([path for path in paths if path.exists()], None)
    assert checked.leaks == []
    assert [line for line in checked.unread if not re.search(r"\.(png|mp4): ", line)] == []
    assert checked.files > 100 or not names


def test_the_hook_stops_a_commit_that_holds_a_key(tmp_path):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    entry = hook["entry"].split()
    assert entry[0] in (ROOT / "pyproject.toml").read_text()
    command = [sys.executable, "-m", "hooked_analytics.cli", *entry[1:]]
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {**os.environ, **home, "HOOKED_API_KEY": ""}

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    git("init", "-q", ".")
    script = tmp_path / ".git" / "hooks" / "pre-commit"
    # as pre-commit does it: the names of what is staged follow the entry
    script.write_text(
        f"#!/bin/sh\ngit diff --cached --name-only -z | xargs -0 {shlex.join(command)}\n"
    )
    script.chmod(0o755)
    (tmp_path / "-notes.txt").write_text("api_key=...")
    git("add", "--all")
    assert git("commit", "-m", "fine").returncode == 0
    (tmp_path / "settings.py").write_text(f'API_KEY = "{KEY}"')
    git("add", "--all")
    refused = git("commit", "-m", "leaks")
    assert refused.returncode != 0
    assert "settings.py: line 1: a value behind api_key" in refused.stdout + refused.stderr
    assert git("log", "--oneline").stdout.count("\n") == 1


# -- what SECURITY.md says --------------------------------------------------------------------


def test_every_test_that_security_md_names_is_there():
    promises = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`?(?:::|, )?`?(test_\w+)?", promises)
    assert len(named) > 15
    for path, _ in named:
        assert (ROOT / path).is_file(), path
    tests = re.findall(r"`(test_\w+)`", promises)
    held = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in tests if f"def {name}(" not in held] == []
