"""
A notebook goes through everything that can go wrong, in the most talkative mode there is;
then nothing it left behind holds the key.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import nbformat
from nbclient import NotebookClient

from tests.faults.leaks import leaks
from tests.scripted import Request, answer, echo, serving

KEY = "canary+key/9c2f=41"
CELLS = [
    "%xmode Verbose",
    """
import faulthandler, logging, os, pickle, threading, _thread
import rich.console, rich.traceback
faulthandler.enable(open("fault.log", "w"))
logging.basicConfig(filename="debug.log", level=logging.DEBUG, force=True)
import hooked_analytics as ha
client = ha.HookedClient(timeout_seconds=1)
client
""",
    "videos = ha.fetch_videos(['vid_1', 'vid_2', 'no/id', 'gone', 'slow'], client=client)\nvideos",
    "client.get_video('gone')",
    "client.get_video('theirs')",
    "client.get_video('slow')",
    "client.get_video('moved')",
    "client.get_video('cut')",
    "client.get_video('refused')",
    "ha.fetch_videos(['vid_1', 'refused'], client=client)",
    "ha.fetch_videos(['vid_1', 'gone'], client=client, errors='raise')",
    "threading.Timer(0.3, _thread.interrupt_main).start()\nclient.get_video('slow')",
    """
threading.Timer(0.3, _thread.interrupt_main).start()
ha.fetch_videos(["slow"], client=client)
""",
    "ha.HookedClient(os.environ['HOOKED_API_KEY'] + '\\n' + 'x')",
    "ha.HookedClient(os.environ['HOOKED_API_KEY'] + '\\u2713')",
    "ha.HookedClient('bad\\nkey')",
    "ha.HookedClient(profile='a b')",
    "ha.HookedClient(profile='nobody')",
    "ha.HookedClient(timeout_seconds=-1)",
    "ha.HookedClient(base_url='https://[::1')",
    "client.get_video('unpaid')",
    "pickle.dumps(client)",
    """
for name in ("parquet", "csv", "jsonl", "xlsx"):
    ha.export_videos(videos, f"videos.{name}")
videos.to_pickle("videos.pickle")
faulthandler.dump_traceback(open("fault.log", "w"), all_threads=True)
try:
    client.get_video("gone")
except ha.HookedError as error:
    open("error.pickle", "wb").write(pickle.dumps(error))
vars(client), client.__dict__
""",
    """
page = rich.console.Console(file=open("rich.txt", "w"), width=300, force_jupyter=False)
every = {"show_locals": True, "locals_max_length": None, "locals_max_string": None}
for wrong in (
    lambda: ha.HookedClient("bad\\nkey"), lambda: ha.HookedClient(profile="nobody"),
    lambda: client.get_video("gone"), lambda: client.get_video("cut"),
    lambda: ha.fetch_videos(["vid_1", "refused"], client=client),
):
    try:
        wrong()
    except Exception:
        page.print(rich.traceback.Traceback(**every))
page.file.close()
""",
    "%tb",
]
REPLIES = {
    "gone": answer({"message": "Video not found"}, 404),
    "theirs": answer({"message": "Video does not belong to the user"}, 403),
    "refused": answer({"message": f"Not authenticated: {KEY}"}, 403),
    "moved": answer(b"", 302, Location="https://elsewhere.example/x"),
    "cut": iter([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"]),
    "slow": None,
    "unpaid": answer({"error": {"code": "SUBSCRIPTION_REQUIRED"}}, 403),
}


ERRORS = [
    "VideoNotFoundError", "ForbiddenError", "NetworkError", "BadResponseError", "NetworkError",
    "AuthenticationError", "AuthenticationError", "FetchError", "KeyboardInterrupt",
    "FetchInterrupted", "AuthenticationError", "AuthenticationError", "AuthenticationError",
    "ValueError", "AuthenticationError", "ValueError", "ValueError", "SubscriptionError",
    "TypeError", "TypeError",  # the last traceback again, by %tb
]  # fmt: skip


def run_notebook(directory: Path) -> tuple[nbformat.NotebookNode, list[str]]:
    """Run it in *directory* and keep it there; gives it and the keys the server was sent."""
    seen = []

    def handler(request: Request) -> object:
        seen.append(request.headers["x-api-key"])
        last = request.path.rsplit("/", 1)[-1]
        return REPLIES[last] if last in REPLIES else echo(request)

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    with serving(handler) as server:
        settings = {
            "HOOKED_API_KEY": KEY,
            "HOOKED_API_URL": server.url,
            "JUPYTER_ALLOW_INSECURE_WRITES": "1",
        }
        client = NotebookClient(
            notebook,
            timeout=60,
            allow_errors=True,
            resources={"metadata": {"path": str(directory)}},
        )
        with mock.patch.dict(os.environ, settings):
            done = client.execute()
    nbformat.write(done, directory / "done.ipynb")
    return done, seen


def test_the_key_is_in_nothing_a_notebook_leaves_behind(tmp_path: Path):
    done, seen = run_notebook(tmp_path)
    errors = [o.ename for cell in done.cells for o in cell.outputs if o.output_type == "error"]
    assert errors == ERRORS
    assert set(seen) == {KEY}
    written = {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "rich.txt").read_text().count("locals") > 10
    assert {"debug.log", "done.ipynb", "error.pickle", "videos.parquet", "videos.xlsx"} <= written
    assert (tmp_path / "debug.log").stat().st_size > 0
    assert leaks(KEY, tmp_path) == []
