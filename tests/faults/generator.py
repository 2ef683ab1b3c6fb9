"""Hostile answers, signals and machine faults, drawn from a seed, against all that fetches."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import FrameType
from unittest import mock

import pandas as pd

import hooked_analytics as ha
from hooked_analytics.cli import main
from hooked_analytics.sandbox import mp4_file
from tests.scripted import Request, Reset, ScriptedServer, answer, serving, video

HEADERS = (
    "Date", "Retry-After", "Location", "Content-Length", "Content-Encoding", "Transfer-Encoding",
    "ETag", "Content-Range", "Content-Type", "Last-Modified", "Connection", "Set-Cookie",
)  # fmt: skip
PARTS = (
    "Mon, 15 Jan 2024 12:00:30 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359", "01 Jan 0001 00:00:00 +2359", "Mon, 30 Feb 2024", "-1", "0",
    "5", "1e400", "0.5", "9" * 5000, "nan", "١٢", "https://[cdn/", "//u:p@[::1]:99999999/", "..",
    "http://127.0.0.1:1/", "javascript:", "gzip", "deflate", "br", "zstd", "identity", "chunked",
    "gzip, gzip", "close", "keep-alive", '"tag"', 'W/"tag"', "bytes 5-9/10", "bytes */0",
    "bytes 0-99999999999999999999/*", "\xff", "\t", " ", ",", ";", "=", "\0", "\x85", "é",
)  # fmt: skip
OTHER_STATUSES = (100, 101, 200, 204, 206, 301, 302, 304, 308, 400, 402, 403, 404, 408, 410, 416,
                  425, 429, 500, 502, 503, 504)  # fmt: skip
VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "ICY", "")
LATIN = [code for code in range(256) if chr(code) not in "\r\n"]
FILE = mp4_file("vid_1", 30)
IDS = [f"vid_{n}" for n in range(12)]
WAITS = (
    "client.rate_limiter.MAX_PAUSE_SECONDS", "client.retry.FIRST_DELAY_SECONDS",
    "download.worker.MAX_RETRY_AFTER_SECONDS",
)  # fmt: skip
MAX_SECONDS = 2.0  # a run that has not ended by itself is stopped then
KINDS = ("good",) * 6 + ("headers",) * 3 + ("fields", "body", "status", "cut", "reset")
VALUES = (None, True, -1, 0, 1e308, 10**400, "", "\0\x1b[2J", "é" * 300, [], {}, [[]], "NaN", 5)
FIELDS = ("id", "status", "progress", "createdAt", "usedCredits", "type", "url", "data", "metadata")
BODIES = (b"", b"{", b"[]", b"null", b"NaN", b"\xff\xfe", b"[" * 5000, b'{"data": null}', b"<html>")


class Hostile:
    """A server whose answers are drawn by the seed of the run, which is in the request's key."""

    def __init__(self) -> None:
        self.seeds: dict[str, Random] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> bytes | Iterator[bytes]:
        with self._lock:
            random = self.seeds.get(request.headers.get("x-api-key", ""), Random(0))
            time.sleep(random.choice((0, 0, 0.005)))
            return self._answer(request, random)

    def _answer(self, request: Request, random: Random) -> bytes | Iterator[bytes]:
        kind = random.choice(KINDS)
        said = answer(self._body(request, random, hostile=kind == "fields"))
        if kind == "reset":
            raise Reset
        if kind == "cut":
            return iter([said[: random.randrange(len(said))]])
        if kind == "body":
            return answer(random.choice(BODIES), random.choice((200, 200, 500)))
        if kind == "status":
            # a key that is refused ends the batch, so it comes seldom
            status = random.choice(OTHER_STATUSES * 5 + (401,))
            return answer({"message": "no\x1b[2J"}, status)
        if kind == "headers":
            head = self._head(random).encode("latin-1", "replace")
            spoilt = head + said.partition(b"\r\n")[2]
            return iter([spoilt[: len(spoilt) - random.choice((0, 0, 9))]])
        return said

    def _head(self, random: Random) -> str:
        """Make up a status line, and up to four of the headers that are read."""
        status = random.choice((200, 200, 200, *OTHER_STATUSES, random.randint(-9, 1_500)))
        line = f"{random.choice(VERSIONS)} {status} {self._text(random)}"
        fields = [f"{name}: {self._text(random)}" for name in random.choices(HEADERS, k=4)]
        return "\r\n".join([line, *fields[random.randrange(5) :], ""])

    def _text(self, random: Random) -> str:
        latin = "".join(map(chr, random.choices(LATIN, k=random.randrange(9))))
        return "".join(random.choices((*PARTS, latin), k=random.randrange(4)))

    def _body(self, request: Request, random: Random, *, hostile: bool) -> object:
        if request.path == "/file.mp4":
            return FILE
        at = f"http://{request.headers.get('host')}/file.mp4"
        made = {"createdAt": "2026-01-05T10:00:00Z", "url": at, "usedCredits": 5, "type": "class"}

        def record(video_id: str) -> dict[str, object]:
            status = random.choice(("STARTED", "COMPLETED", "FAILED"))
            spoilt = {random.choice(FIELDS): random.choice(VALUES)} if hostile else {}
            return {"id": video_id, "status": status, "progress": 50, **made, **spoilt}

        if "/v1/video/list" in request.path:
            total = random.choice(VALUES) if hostile else len(IDS)
            return {"success": True, "data": {"videos": [*map(record, IDS)], "total": total}}
        fields = record(request.path.rsplit("/", 1)[-1])
        return video(str(fields.pop("id")), **fields)


class Operations:
    """What is run: each gives the frame that it ends with."""

    def __init__(
        self, client: ha.HookedClient, folder: Path, ids: list[str],
        archive: ha.VideoArchive | None = None, stop: threading.Event | None = None,
    ) -> None:  # fmt: skip
        self.client, self.folder, self.ids, self.stop = client, folder, ids, stop
        self.archive = archive
        self.told = ""  # by the command

    def fetch(self) -> pd.DataFrame:
        return ha.fetch_videos(self.ids, client=self.client, archive=self.archive, progress=False)

    def list(self) -> pd.DataFrame:
        return ha.list_videos(client=self.client)

    def polls(self) -> Iterator[pd.DataFrame]:
        return ha.poll_videos(
            self.ids, client=self.client, archive=self.archive, interval_seconds=0.05,
            timeout_seconds=1, stop=self.stop,
        )  # fmt: skip

    def poll(self) -> pd.DataFrame:
        return list(self.polls())[-1]

    def download(self) -> pd.DataFrame:
        link = {"status": "COMPLETED", "url": f"{self.client.base_url}/file.mp4"}
        videos = ha.videos_from_records([{"id": video_id, **link} for video_id in self.ids])
        return ha.download_videos(
            videos, self.folder / "files", client=self.client, allowed_hosts=["127.0.0.1"],
            progress=False, timeout_seconds=1,
        )  # fmt: skip

    def command(self) -> Path | None:
        ids, out = self.folder / "ids.txt", self.folder / "videos.jsonl"
        ids.write_text("\n".join(self.ids))
        told = io.StringIO()
        words = ["fetch", str(ids), "-o", str(out), "--requests-per-minute", "100000"]
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            main(words)
        if "fault of hooked-analytics" in told.getvalue():
            raise AssertionError(told.getvalue())
        self.told = told.getvalue()
        return out if out.exists() else None


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Make *count* runs; each key stands for a run, so that late requests are known by it."""
    found: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    stops: dict[str, float] = {}
    server_side = Hostile()
    with contextlib.ExitStack() as stack:
        for name in WAITS:
            stack.enter_context(mock.patch(f"hooked_analytics.{name}", 0.002))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        server = stack.enter_context(serving(server_side))
        for number in range(count):
            key = f"key-{number}"
            random = Random(f"{seed} {number}")
            server_side.seeds[key] = random
            name = random.choice(("fetch", "list", "poll", "download", "command"))
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                fault = _one_run(name, key, server, Path(folder), Random(number), stops)
            found[name] += 1
            if fault is not None:
                faults[f"{name} {number}: {fault}"[:400]] += 1
        time.sleep(1.5)
        late = sum(
            request.at > stops.get(request.headers.get("x-api-key", ""), float("inf")) + 1
            for request in server.requests
        )
    return {
        "runs": count, **found, "stopped": len(stops), "requests": len(server.requests),
        "rows lost": sum(" rows" in fault for fault in faults),
        "bare exceptions": sum(" rows" not in fault for fault in faults),
        "requests after the stop": late, "examples": list(faults)[:5],
    }  # fmt: skip


def _one_run(
    name: str, key: str, server: ScriptedServer, folder: Path, random: Random,
    stops: dict[str, float],
) -> str | None:  # fmt: skip
    """Run an operation while a signal and a machine fault may come; say what broke a promise."""
    stop, before = threading.Event(), len(server.requests)
    settings = {"requests_per_minute": None, "timeout_seconds": 1, "max_attempts": 2}
    environment = {"HOOKED_API_URL": server.url, "HOOKED_API_KEY": key}
    with (
        ha.HookedClient(key, base_url=server.url, **settings) as client,
        mock.patch.dict(os.environ, environment),
    ):
        operations = Operations(client, folder, IDS, ha.VideoArchive(folder / "archive"), stop)
        break_machine = random.choice((None, None, "disk", "folder"))
        if name not in {"fetch", "poll", "download"}:
            break_machine = None  # the command's own file is what its rows are read from
        after = random.choice((MAX_SECONDS, random.uniform(0, 0.1)))
        by_event = name == "poll" and random.random() < 0.5
        ended: str | None = None
        frame: object = None
        try:
            with _broken(break_machine, folder), _stopped(after, stop if by_event else None) as at:
                frame = getattr(operations, name)()
        except (ha.HookedError, ha.FetchInterrupted) as error:
            frame = error.videos
            disk = isinstance(error, ha.StorageError)
            ended = None if frame is not None or disk else f"no rows with {error!r}"
        except OSError as error:
            ended = None if break_machine else f"bare {error!r}"
        except BaseException as error:  # noqa: BLE001 - it is what is looked for
            where = [f"{e.name}:{e.lineno}" for e in traceback.extract_tb(error.__traceback__)]
            ended = f"bare {error!r} in {' '.join(where[-9:])}"
        if at:
            stops[key] = at[0]
    if isinstance(frame, Path):
        frame = ha.read_videos(frame)
    sent = any(request.headers.get("x-api-key") == key for request in server.requests[before:])
    if not sent and frame is None:
        return None  # stopped before its first request: nothing came
    if frame is None and ended is None and name == "command":
        return f"no rows in a file: {operations.told}"
    if isinstance(frame, pd.DataFrame) and name != "list":
        ids = frame["video_id"].tolist()
        ended = ended if ids == operations.ids else f"lost rows: {ids}"
    return ended


@contextlib.contextmanager
def _stopped(after: float, event: threading.Event | None) -> Iterator[list[float]]:
    """Set the event, or send a true SIGINT; one that comes when all has ended is nothing."""
    at: list[float] = []
    inside = True

    def receive(_: int, frame: FrameType | None) -> None:
        while inside and frame is not None:  # what interrupts this file here proves nothing
            if "/hooked_analytics/" in frame.f_code.co_filename:
                raise KeyboardInterrupt
            frame = frame.f_back
        at.clear()

    def unheard(_: object) -> None:
        at.clear()

    def stop() -> None:
        at.append(time.monotonic())
        if event is not None:
            event.set()
        else:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, receive)
    timer = threading.Timer(after, stop)
    try:
        # Python drops an interrupt that meets a finalizer: nobody is told, so nothing stops
        with mock.patch.object(sys, "unraisablehook", unheard):
            timer.start()
            yield at
    finally:
        inside = False
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _broken(what: str | None, folder: Path) -> Iterator[None]:
    """A disk that takes no more, or a file where the archive and the downloads want a folder."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if what == "folder":
        for name in ("archive", "files"):
            (folder / name).write_text(json.dumps("no folder"))
    if what == "disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
