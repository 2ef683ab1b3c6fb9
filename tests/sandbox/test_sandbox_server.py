"""Starting, stopping, counting; the page's sample; the terminal."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
import warnings

import pytest
import requests

from hooked_analytics.sandbox import Sandbox, serve

# The Python sample of the API's own page, word for word.
PAGE_SAMPLE = """\
import requests

video_id = 'vid_abc123'
response = requests.get(
    f'https://api.hooked.so/v1/video/{video_id}',
    headers={'x-api-key': 'your_api_key_here'}
)

data = response.json()['data']
print(f"Video status: {data['status']}")
print(f"Duration: {data['durationInSeconds']}s")
"""


def test_the_pages_own_sample_runs_with_only_the_host_changed():
    with Sandbox(api_key="your_api_key_here") as sandbox:
        program = PAGE_SAMPLE.replace("https://api.hooked.so", sandbox.url)
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
    assert done.stdout == "Video status: COMPLETED\nDuration: 300s\n"


def test_closing_frees_the_port_and_ends_the_thread():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        before = threading.active_count()
        with Sandbox(videos=1) as sandbox:
            url, port = sandbox.url, int(sandbox.url.rpartition(":")[2])
            session = requests.Session()
            session.get(f"{url}/v1/video/list", timeout=10)  # leaves a connection open
        assert threading.active_count() == before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)
        with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
            sock.connect(("127.0.0.1", port))
        session.close()
        del sandbox
        gc.collect()


def test_closing_twice_and_starting_again():
    sandbox = Sandbox(videos=1).start()
    assert sandbox.start() is sandbox
    sandbox.close()
    sandbox.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    with sandbox:
        assert requests.get(sandbox.url, timeout=10).status_code == 404


def test_a_port_in_use_is_named():
    with Sandbox(videos=1) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"port {port} cannot be used"):
            Sandbox(videos=1, port=port).start()


def test_it_starts_inside_a_running_loop():
    async def cell() -> int:
        with Sandbox(videos=1) as sandbox:
            answer = await asyncio.to_thread(requests.get, sandbox.url, timeout=10)
            return answer.status_code

    assert asyncio.run(cell()) == 404


def test_requests_are_counted_by_kind(still, ask):
    url = ask(still, "/v1/video/vid_abc123").json()["data"]["url"]
    ask(still, "/v1/video/list?limit=5")
    ask(still, "/v1/video/a%2Fb")
    ask(still, url)
    ask(still, "/nowhere", method="POST")
    assert still.request_counts == {
        "details": 2,
        "list": 1,
        "download": 1,
        "thumbnail": 0,
        "other": 1,
    }
    seen = still.requests_seen
    assert seen[:3] == [
        ("GET", "/v1/video/vid_abc123"),
        ("GET", "/v1/video/list?limit=5"),
        ("GET", "/v1/video/a%2Fb"),
    ]
    assert seen[-1] == ("POST", "/nowhere")


def test_latency_is_added_to_api_answers(ask):
    with Sandbox(videos=1, latency_seconds=0.2) as sandbox:
        began = time.monotonic()
        ask(sandbox, "/v1/video/list")
        assert time.monotonic() - began >= 0.2


def test_many_callers_at_once(ask):
    with Sandbox(videos=1) as sandbox:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(ask(sandbox, "/v1/video/vid_abc123")))
            for _ in range(32)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answer.status_code for answer in answers] == [200] * 32


def test_the_terminal_is_told_what_to_try():
    lines: list[str] = []
    over = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        if "curl" in line:
            url = line.split()[-1]
            lines.append(str(requests.get(url, headers={"x-api-key": "k"}, timeout=10).status_code))
        over.set()

    serve(port=0, api_key="k", videos=25, say=say, stop=over)
    assert "25 invented videos" in lines[0]
    assert lines[3] == "200"
    assert any("HOOKED_API_URL=http://127.0.0.1:" in line for line in lines)


def test_ctrl_c_ends_the_foreground():
    program = "from hooked_analytics.sandbox import serve; serve(port=0, videos=1)"
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True
    )
    with child:
        while "Ctrl-C" not in child.stdout.readline():
            pass
        child.send_signal(2)
        assert child.stdout.read() == "The sandbox has ended.\n"
    assert child.returncode == 0


def test_a_missing_extra_is_named_when_used(monkeypatch):
    monkeypatch.setattr("hooked_analytics.sandbox.sandbox.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "hooked-analytics\[sandbox\]"'):
        Sandbox()


def test_importing_loads_neither_starlette_nor_uvicorn():
    program = (
        "import sys, hooked_analytics.sandbox; print({'starlette', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"
