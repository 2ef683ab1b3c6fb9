"""Clients in several processes: a fork makes its own connections; a limit can be shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from hooked_analytics import HookedClient, Sandbox, StorageError, fetch_videos
from hooked_analytics.client.rate_limiter import SharedWindow
from hooked_analytics.sandbox import middleware
from tests.scripted import echo, serving

KEY = "canary-2f6b-shared"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_makes_its_own_connections_and_gets_its_own_rows():
    ids = [f"vid_{n}" for n in range(60)]
    with serving(echo) as server:
        with HookedClient(KEY, base_url=server.url, requests_per_minute=None) as client:
            fetch_videos(ids, client=client)
            before = server.connections
            children = []
            for _ in range(3):
                child = os.fork()
                if not child:  # neither pytest's nor the server's end belongs to the child
                    try:
                        videos = fetch_videos(ids, client=client, progress=False)
                        right = videos["video_id"].tolist() == ids
                        right &= bool((videos["status"] == "COMPLETED").all())
                        os._exit(0 if right else 1)
                    finally:
                        os._exit(2)
                children.append(child)
            videos = fetch_videos(ids, client=client)
            ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert server.connections >= before + 3
    assert ends == [0, 0, 0]
    assert videos["fetch_error"].isna().all()


def test_a_fork_while_another_thread_holds_the_limit_does_not_hang():
    with serving(echo) as server:
        client = HookedClient(KEY, base_url=server.url, requests_per_minute=None)
        with client._sender().limiter._lock:
            child = os.fork()
            if not child:
                signalled = threading.Timer(20, os._exit, [3])
                signalled.daemon = True
                signalled.start()
                client.get_video("vid_1")
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_processes_share_one_limit_and_the_sandbox_refuses_none(tmp_path, monkeypatch):
    code = """
import sys, hooked_analytics as ha
from hooked_analytics.client import rate_limiter
rate_limiter.WINDOW_SECONDS = 2.5
client = ha.HookedClient(
    sys.argv[1], base_url=sys.argv[2], requests_per_minute=60, shared_limit=True
)
ids = sys.argv[3].split()
videos = ha.fetch_videos(ids, client=client, progress=False)
assert videos["fetch_error"].isna().all(), videos["fetch_error_message"].dropna().iloc[0]
print(client.requests_sent)
"""
    monkeypatch.setattr(middleware, "MINUTE_SECONDS", 2.0)
    with Sandbox(videos=20, requests_per_minute=60, api_key=KEY) as sandbox:
        given = [sys.executable, "-c", code, KEY, sandbox.url, " ".join(sandbox.video_ids)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        processes = [
            subprocess.Popen(given, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        sent = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sent == [20] * 4  # a refused request would have been sent again
    names = [path.name for path in (tmp_path / "hooked_analytics").iterdir()]
    text = " ".join(names) + (tmp_path / "hooked_analytics" / min(names, key=len)).read_text()
    assert not any(KEY[at : at + 5] in text for at in range(len(KEY) - 5))


def test_a_killed_process_keeps_its_place_only_as_long_as_a_request_lasts(tmp_path):
    path = tmp_path / "limit.json"
    window = SharedWindow(path, 1, window_seconds=0.2, request_seconds=0.3)
    assert window.take() == 0.0
    others = SharedWindow(path, 1, window_seconds=0.2, request_seconds=0.3)
    assert 0 < others.take() < 0.3
    time.sleep(0.6)
    assert others.take() == 0.0


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", json.dumps({"ended": [9e99], "running": {}, "paused_until": 9e99})],
)
def test_a_damaged_file_of_the_limit_counts_as_empty(tmp_path, content):
    path = tmp_path / "limit.json"
    path.write_text(content)
    assert SharedWindow(path, 1, 60, 30).take() == 0.0


def test_the_limit_of_a_home_is_kept_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "~/cache")
    HookedClient(KEY, shared_limit=True).close()
    assert list(tmp_path.glob("cache/hooked_analytics/limit-*.json"))


def test_a_limit_that_cannot_be_written_is_said_when_the_client_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="shared_limit=True"):
        HookedClient(KEY, shared_limit=True)
