"""A JupyterLab of our own, in a folder of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The news prompt and the save dialogue would stand before the panel.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False, "renameUntitledFileOnSave": False},
}

# true in the page once the notebook's kernel is there and has nothing to do
IDLE = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def settle(home: Path, theme: str) -> None:
    """Write the settings that the next page of the JupyterLab in *home* has."""
    for name, values in {**SETTINGS, "apputils-extension/themes": {"theme": theme}}.items():
        path = home / ".settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


@contextmanager
def lab(home: Path, **environment: str) -> Iterator[str]:
    """Run JupyterLab on the notebooks in *home*; gives its address, which asks for no token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": home / ".settings", "JUPYTER_CONFIG_DIR": home / ".config",
           "JUPYTER_RUNTIME_DIR": home / ".runtime", "JUPYTERLAB_WORKSPACES_DIR": home / ".work",
           "IPYTHONDIR": home / ".ipython"}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=",
               "--ServerApp.port_retries=0", "--ServerApp.disable_check_xsrf=True",
               "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={home}"]  # fmt: skip
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, **{name: str(path) for name, path in own.items()}, **environment},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api", server, home / "lab.log")
        yield url
    finally:
        end_sessions(url)
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(400):
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not come up: {log.read_text()}")


def end_sessions(url: str) -> None:
    """End every notebook's session, and its kernel with it."""
    with suppress(OSError):
        with urllib.request.urlopen(f"{url}/api/sessions", timeout=10) as told:
            sessions = json.load(told)
        for session in sessions:
            path = f"{url}/api/sessions/{session['id']}"
            urllib.request.urlopen(
                urllib.request.Request(path, method="DELETE"), timeout=10
            ).close()
