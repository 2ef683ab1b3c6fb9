"""Every header that is read, and the status line, made up by hypothesis: one row, no fault."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, Phase, given, seed as seeded, settings, strategies as st

from hooked_analytics import AuthenticationError, HookedClient, HookedError, SubscriptionError
from hooked_analytics.sandbox import mp4_file
from tests.faults.generator import HEADERS, OTHER_STATUSES, PARTS, Operations
from tests.scripted import Request, answer, serving, video

_LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
_VALUES = st.lists(st.sampled_from(PARTS) | _LATIN, max_size=3).map("".join)
_STATUS = st.sampled_from((200, 401, *OTHER_STATUSES)) | st.integers(-9, 1_500)
_LINES = _STATUS.map(lambda status: f"HTTP/1.1 {status} X") | st.builds(
    "{} {}{}".format, st.sampled_from(("HTTP/1.1", "HTTP/1.0", "HTTP/2", "ICY", "")), _STATUS,
    _LATIN,
)  # fmt: skip
_FIELDS = st.dictionaries(st.sampled_from(HEADERS), _VALUES, max_size=4)
FILE = mp4_file("vid_1", 30)
WAYS = ("fetch", "list", "poll", "download")
NO_WAITING = (
    "client.rate_limiter.MAX_PAUSE_SECONDS", "client.retry.FIRST_DELAY_SECONDS",
    "download.worker.MAX_RETRY_AFTER_SECONDS",
)  # fmt: skip


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Meet *count* made-up answers by fetch, list, poll and download in turn."""
    said = [b""]
    found, faults = Counter[str](), Counter[str]()

    def handler(request: Request) -> Iterator[bytes]:
        yield said[0]

    with contextlib.ExitStack() as stack:
        for name in NO_WAITING:
            stack.enter_context(mock.patch(f"hooked_analytics.{name}", 0.0))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        server = stack.enter_context(serving(handler))

        @seeded(seed)
        @settings(
            max_examples=count, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(_LINES, _FIELDS, st.booleans())
        def meet(line: str, fields: dict[str, str], cut: bool) -> None:
            way = WAYS[found.total() % len(WAYS)]
            said[0] = _response(way, line, fields, cut=cut)
            found[way] += 1
            if fault := _meet(way, server.url, line):
                faults[f"{way}: {fault}"[:200]] += 1

        meet()
    ways = {f"by {way}": found[way] for way in WAYS}
    counts = {"answers": found.total(), **ways, "other exceptions": faults.total()}
    return {**counts, **({"which": dict(faults)} if faults else {})}


def _meet(way: str, url: str, line: str) -> str | None:
    """Do one thing; say what came of it other than a row, or an error that the answer asks for."""
    options = {"requests_per_minute": None, "max_attempts": 1, "timeout_seconds": 4}
    with (
        tempfile.TemporaryDirectory() as folder,
        HookedClient("k", base_url=url, **options) as client,
    ):
        operations = Operations(client, Path(folder), ["vid_1"])
        try:
            if way == "poll":
                with contextlib.closing(operations.polls()) as polls:
                    rows = len(next(polls))
            else:
                rows = len(getattr(operations, way)())
        except (AuthenticationError, SubscriptionError) as refused:
            expected = f" {refused.status_code}" in line
            return None if expected else type(refused).__name__
        except HookedError as error:  # only a list has no rows of its own to say it in
            return None if way == "list" else f"{type(error).__name__}: {error}"
        except Exception as fault:  # noqa: BLE001 - it is what is looked for
            return f"{type(fault).__name__}: {fault}"
    return None if rows == 1 or way == "list" else f"{rows} rows"


def _response(way: str, line: str, fields: dict[str, str], *, cut: bool) -> bytes:
    """Put the made-up lines before a good body, whole or cut."""
    body: object = {"videos": [{"id": "vid_1"}], "total": 1} if way == "list" else video()
    good = answer(FILE if way == "download" else body)
    raw = good.partition(b"\r\n\r\n")[2]
    fields = {"Content-Length": str(len(raw)), **fields}
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items()), "", ""])
    return head.encode("latin-1", "replace") + (raw[: len(raw) // 2] if cut else raw)
