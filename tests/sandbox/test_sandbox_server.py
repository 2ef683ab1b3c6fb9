"""Starting, stopping, counting; threads, forks and the end of the process; the terminal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from hooked_analytics import Sandbox


# The Python sample of the API's own page, word for word.
def run(program: str) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_refused(url: str) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", urlsplit(url).port)) != 0


def test_closing_frees_the_port_and_ends_the_thread():
    before = threading.active_count()
    sandbox = Sandbox(videos=1).start()
    assert sandbox.start() is sandbox
    url, port = sandbox.url, urlsplit(sandbox.url).port
    with pytest.raises(OSError, match=f"port {port} cannot be used"):
        Sandbox(videos=1).start(port=port)
    with requests.Session() as session:
        session.get(f"{url}/v1/video/list", timeout=10)  # leaves a connection open
        sandbox.close()
        assert threading.active_count() == before
        assert is_refused(url)
    sandbox.close()  # once more does nothing
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url

    async def cell() -> int:
        """Start it again, inside a running loop as a notebook's."""
        with sandbox:
            return (await asyncio.to_thread(requests.get, sandbox.url, timeout=10)).status_code

    assert asyncio.run(cell()) == 404


def test_eight_threads_start_one_server():
    sandbox = Sandbox(videos=1)
    together = threading.Barrier(8)

    def start(_: int) -> str:
        together.wait()
        return sandbox.start().url

    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(start, range(8)))
    names = [t.name for t in threading.enumerate() if t.name == "hooked-sandbox"]
    sandbox.close()
    assert (len(urls), names) == (1, ["hooked-sandbox"])
    assert is_refused(urls.pop())


def test_a_dropped_sandbox_leaves_no_descriptor_and_no_thread():
    gc.collect()
    threads, descriptors = threading.active_count(), open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(3):
            sandbox = Sandbox(videos=1).start()
            sandbox.create_video("class", webhook="http://127.0.0.1:9/hook")
            assert requests.get(sandbox.url, timeout=10).status_code == 404
            del sandbox
        gc.collect()
        deadline = time.monotonic() + 30
        while threading.active_count() > threads and time.monotonic() < deadline:
            time.sleep(0.02)
    assert threading.active_count() == threads
    assert open_files() == descriptors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_holds_no_socket_of_the_sandbox(get):
    with Sandbox(videos=1) as sandbox, requests.Session() as session:
        url, path = sandbox.url, "/v1/video/vid_abc123"
        assert session.get(url, timeout=10).status_code == 404
        here, there = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads run; that is the point
            child = os.fork()
        if not child:
            status = get(sandbox, path).status_code  # the parent's server
            sandbox.close()  # does not end the parent's
            os.write(there, str(status).encode())
            time.sleep(60)
            os._exit(0)
        try:
            assert os.read(here, 10) == b"200"
            assert session.get(url, timeout=10).status_code == 404
            sandbox.close()  # the child still lives, and keeps neither port nor connection
            assert is_refused(url)
            with pytest.raises(requests.ConnectionError):
                session.get(url, timeout=10)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(here)
            os.close(there)


def test_the_process_ends_while_a_sandbox_runs_and_sends():
    program = """
import socket, time
from hooked_analytics import Sandbox
deaf = socket.create_server(("127.0.0.1", 0))
sandbox = Sandbox(videos=1).start()
url = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook"
ids = [sandbox.create_video("class", render_seconds=0, webhook=url) for _ in range(20)]
deaf.accept()
print("ends")
"""
    began = time.monotonic()
    assert run(program) == "ends\n"
    assert time.monotonic() - began < 30


def test_requests_are_counted_by_kind(still, get, details):
    url = details(still)["url"]
    get(still, "/v1/video/list?limit=5")
    get(still, "/v1/video/a%2Fb")
    get(still, url)
    get(still, "/nowhere", method="POST")
    counts = {"details": 2, "list": 1, "download": 1, "thumbnail": 0, "other": 1}
    assert still.request_counts == counts
    assert still.requests_seen[1:3] == [
        ("GET", "/v1/video/list?limit=5"),
        ("GET", "/v1/video/a%2Fb"),
    ]
    assert still.requests_seen[-1] == ("POST", "/nowhere")
