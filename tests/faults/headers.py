"""Every header that is read, and the status line, made up by hypothesis: one row, no fault."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, Phase, given, seed as seeded, settings, strategies as st

from hooked_analytics import (
    AuthenticationError,
    HookedClient,
    HookedError,
    SubscriptionError,
    download_videos,
    fetch_videos,
    list_videos,
    poll_videos,
    videos_from_records,
)
from hooked_analytics.sandbox import mp4_file
from tests.scripted import Request, answer, serving, video

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
STATUSES = (100, 101, 200, 204, 206, 301, 302, 304, 308, 400, 401, 402, 403, 404, 408, 410, 416,
            425, 429, 500, 502, 503, 504)  # fmt: skip

_LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
_VALUES = st.lists(st.sampled_from(PARTS) | _LATIN, max_size=3).map("".join)
_STATUS = st.sampled_from((200, *STATUSES)) | st.integers(-9, 1_500)
_LINES = _STATUS.map(lambda status: f"HTTP/1.1 {status} X") | st.builds(
    "{} {}{}".format, st.sampled_from(("HTTP/1.1", "HTTP/1.0", "HTTP/2", "ICY", "")), _STATUS,
    _LATIN,
)  # fmt: skip
ANSWERS = st.tuples(
    _LINES, st.dictionaries(st.sampled_from(HEADERS), _VALUES, max_size=4), st.booleans()
)
FILE = mp4_file("vid_1", 30)


class Headers:
    """A server that gives the same made-up answer to everything, and what becomes of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.found: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def fetch(self, client: HookedClient) -> int:
        return len(fetch_videos("vid_1", client=client, progress=False))

    def list(self, client: HookedClient) -> int:
        try:
            return min(len(list_videos(client=client, limit=1)), 1) or 1
        except HookedError:  # a list has no rows of its own to say it in
            return 1

    def poll(self, client: HookedClient) -> int:
        polls = poll_videos("vid_1", client=client, interval_seconds=1, timeout_seconds=60)
        rows = len(next(polls))
        polls.close()  # type: ignore[attr-defined]
        return rows

    def download(self, client: HookedClient) -> int:
        videos = videos_from_records(
            [{"id": "vid_1", "status": "COMPLETED", "url": f"{self.url}/file.mp4"}]
        )
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            files = download_videos(
                videos, folder, client=client, allowed_hosts=["127.0.0.1"], progress=False,
                timeout_seconds=2,
            )  # fmt: skip
        return len(files)

    def meet(self, name: str, status: str) -> None:
        self.found[name] += 1
        settings = {"requests_per_minute": None, "max_attempts": 1, "timeout_seconds": 4}
        with HookedClient("k", base_url=self.url, **settings) as client:
            try:
                if getattr(self, name)(client) != 1:
                    self.faults[f"{name}: no row"] += 1
            except (AuthenticationError, SubscriptionError) as refused:
                if f" {refused.status_code}" not in status:
                    self.faults[f"{name}: {type(refused).__name__}"] += 1
            except Exception as fault:  # noqa: BLE001 - it is what is looked for
                self.faults[f"{name}: {type(fault).__name__}: {fault}"[:200]] += 1


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Meet *count* made-up answers by fetch, list, poll and download in turn."""
    said = [b""]

    def handler(request: Request) -> Iterator[bytes]:
        yield said[0]

    with (
        tempfile.TemporaryDirectory() as folder,
        serving(handler) as server,
        mock.patch("hooked_analytics.client.rate_limiter.MAX_PAUSE_SECONDS", 0.0),
        mock.patch("hooked_analytics.client.retry.FIRST_DELAY_SECONDS", 0.0),
        mock.patch("hooked_analytics.download.worker.MAX_RETRY_AFTER_SECONDS", 0.0),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        headers = Headers(server.url, Path(folder))
        ways: tuple[str, ...] = ("fetch", "list", "poll", "download")

        @seeded(seed)
        @settings(
            max_examples=count, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(ANSWERS)
        def meet(made: tuple[str, dict[str, str], bool]) -> None:
            line, fields, cut = made
            way = ways[headers.found.total() % len(ways)]
            said[0] = _response(way, line, fields, cut=cut)
            headers.meet(way, line)

        meet()
    return {
        "answers": headers.found.total(),
        **{f"by {way}": headers.found[way] for way in ways},
        "other exceptions": headers.faults.total(),
        **({"which": dict(headers.faults)} if headers.faults else {}),
    }


def _response(way: str, line: str, fields: dict[str, str], *, cut: bool) -> bytes:
    """Put the made-up lines before a good body, whole or cut."""
    body: object = {"videos": [{"id": "vid_1"}], "total": 1} if way == "list" else video()
    good = answer(FILE if way == "download" else body)
    raw = good.partition(b"\r\n\r\n")[2]
    fields = {"Content-Length": str(len(raw)), **fields}
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items()), "", ""])
    return head.encode("latin-1", "replace") + (raw[: len(raw) // 2] if cut else raw)
