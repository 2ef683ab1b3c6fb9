"""The key shows nowhere: not in texts, not in copies, not in tracebacks with locals."""

from __future__ import annotations

import ast
import copy
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

import hooked_analytics
from hooked_analytics import AuthenticationError, HookedClient, HookedError
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics.client import keys_of_environment
from tests.scripted import answer, serving, video

CANARY = "canary-5d1e"


def test_no_text_form_shows_it():
    key = SecretStr(CANARY)
    assert {repr(key), str(key), f"{key}", f"{key!r:>3}"} == {"***"}
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
@pytest.mark.parametrize("holder", [SecretStr, HookedClient])
def test_no_copy_carries_it(holder, attempt):
    with pytest.raises(TypeError, match="not (pickled|JSON)"):
        attempt(holder(CANARY))


@pytest.mark.parametrize("profile", [None, "big-agency"])
def test_the_environment_gives_key_and_address(profile, monkeypatch):
    keys = {"HOOKED_API_KEY": f" {CANARY}\n", "HOOKED_API_KEY_BIG_AGENCY": "of-the-agency"}
    with serving(lambda request: answer(video())) as server:
        for name, value in {**keys, "HOOKED_API_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        HookedClient(profile=profile).get_video("vid_1")
    assert server.requests[0].headers["x-api-key"] == ("of-the-agency" if profile else CANARY)
    assert sorted(keys_of_environment()) == sorted(keys)


@pytest.mark.parametrize("profile", [None, "big-agency"])
def test_a_missing_key_names_every_way_to_give_one(profile, monkeypatch):
    for name in ("HOOKED_API_KEY", "HOOKED_API_KEY_BIG_AGENCY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(AuthenticationError) as raised:
        HookedClient(profile=profile)
    said = str(raised.value)
    assert said.startswith(f"No API key in HOOKED_API_KEY{'_BIG_AGENCY' if profile else ''}.")
    ways = ("api_key=", "variable HOOKED_API_KEY,", "profile='agency'", "HOOKED_API_KEY_AGENCY")
    assert all(way in said for way in ways)


@pytest.mark.parametrize("profile", ["", "a b", "x\0", 7, "a" * 65, "é"])
def test_a_profile_is_a_short_name(profile):
    with pytest.raises(ValueError, match="profile"):
        HookedClient(profile=profile)
    with pytest.raises(ValueError, match="not both"):
        HookedClient(CANARY, profile="agency")


def full_traceback(error: BaseException) -> str:
    """Everything a traceback with locals, chained errors included, would show."""
    lines = []
    while error is not None:
        frames = traceback.TracebackException.from_exception(error, capture_locals=True)
        lines += [line for line in frames.format() if "full_traceback" not in line]
        error = error.__context__
    return "".join(lines)


BAD_KEYS = {
    "inner newline": f"{CANARY}\nx",
    "non-latin": f"{CANARY}\u2713",
    "space": f"{CANARY} {CANARY}",
    "bytes": CANARY.encode(),
    "long": CANARY * 100,
    "address": f"https://{CANARY}.example",
    "quoted": f"'{CANARY}'",
    "assignment": f"HOOKED_API_KEY={CANARY}",
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_refused_key_is_in_no_message_and_no_local(name):
    with pytest.raises(AuthenticationError) as raised:
        HookedClient(BAD_KEYS[name])
    assert CANARY not in full_traceback(raised.value)


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 500, None])
def test_no_error_of_a_request_and_no_log_shows_it(status, caplog):
    with (
        caplog.at_level(logging.DEBUG),
        serving(lambda request: status and answer(b"<html>", status)) as server,
    ):
        client = HookedClient(CANARY, base_url=server.url, timeout_seconds=2 if status else 0.5)
        with pytest.raises(HookedError) as raised:
            client.get_video("vid_1")
    assert CANARY not in full_traceback(raised.value)
    assert CANARY not in repr(vars(client))
    assert CANARY not in caplog.text
    assert "vid_1" in caplog.text
    pickle.dumps(raised.value)


def test_an_interrupt_in_the_middle_of_a_request_does_not_show_it(monkeypatch):
    with serving(lambda request: answer({})) as server:
        client = HookedClient(CANARY, base_url=server.url)

        def interrupt(*arguments, **settings):
            headers = settings["headers"]
            assert headers["x-api-key"] == CANARY
            raise KeyboardInterrupt

        monkeypatch.setattr(client._sender().transport._pool, "urlopen", interrupt)
        with pytest.raises(KeyboardInterrupt) as raised:
            client.get_video("vid_1")
    assert CANARY not in full_traceback(raised.value)


PACKAGE = Path(hooked_analytics.__file__).parent
# the functions that may name the environment or lay a secret open: they cannot raise
OPEN = {
    ("_internal/secret.py", "variables_of_environment"),
    ("_internal/secret.py", "secret_from_environment"),
    ("_internal/secret.py", "is_same"),
    ("_internal/secret.py", "blot_out"),
    ("client/settings.py", "checked_key"),
    ("client/settings.py", "limit_file"),
    # its failures are returned as values, so that no traceback has its frame
    ("client/transport.py", "_exchange"),
}


def opened(path: Path) -> set[tuple[str, str]]:
    """Functions of a file that name `environ`, open a secret, or write the key's header."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                named = getattr(node, "attr", getattr(node, "id", getattr(node, "value", None)))
                if named in {"environ", "reveal", "x-api-key"} and not isinstance(
                    getattr(node, "ctx", None), ast.Store
                ):
                    found.add((path.relative_to(PACKAGE).as_posix(), function.name))
    return found


def test_no_frame_that_can_raise_names_the_environment_or_opens_a_secret():
    elsewhere = {"sandbox", "secrets_scan.py", "webhooks"}  # another secret, or none
    modules = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in elsewhere
    ]
    assert set().union(*map(opened, modules)) == OPEN


def test_no_name_ever_holds_an_opened_secret():
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "attr", "") in {"reveal", "getenv"}
        and "KEY" in ast.unparse(node.value).upper()
    ]
    assert wrong == []
