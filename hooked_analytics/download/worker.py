"""One video's file: requested, resumed, checked, moved into place."""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import shutil
import time
from typing import TYPE_CHECKING, Any, NoReturn

from hooked_analytics.client import Cancelled, CancelToken, HookedClient
from hooked_analytics.client.retry import MAX_RETRY_AFTER_SECONDS, backoff_seconds
from hooked_analytics.download.downloader import ends_soon
from hooked_analytics.download.part import CHUNK_BYTES, Part, ResumeInfo, hash_file, info_path
from hooked_analytics.download.tasks import HEAD_BYTES, DownloadError, DownloadResult, fail
from hooked_analytics.errors import HookedError
from hooked_analytics.schema import NAMES, parse_record

if TYPE_CHECKING:
    from pathlib import Path

    from hooked_analytics.download.downloader import HTTPDownloader, Link, LinkRules
    from hooked_analytics.download.tasks import DownloadTask

MAX_ATTEMPTS = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PACKED = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
_log = logging.getLogger("hooked_analytics.download")


class DownloadWorker:
    """What the downloads of one call share; `run` does one of them."""

    def __init__(
        self,
        client: HookedClient,
        downloader: HTTPDownloader,
        rules: LinkRules,
        token: CancelToken,
        *,
        patience_seconds: float,
    ) -> None:
        self._client = client
        self._downloader = downloader
        self._rules = rules
        self._token = token
        self._patience_seconds = patience_seconds
        self._disk_is_full = False

    def run(self, task: DownloadTask) -> None:
        """Download one file; whatever comes of it is the task's result."""
        try:
            task.result = self._there(task) or self._fetched(task)
        except HookedError as error:
            if error.kind is None:
                raise
            # another owner may have finished the file and still be hashing it
            there = self._there(task) if error.kind == "in_use" else None
            said = f"{task.video_id}: {error}" if isinstance(error, DownloadError) else str(error)
            task.result = there or DownloadResult(error=error.kind, error_message=said)
        except OSError as error:
            self._disk_is_full |= error.errno in _FULL
            reason = error.strerror or type(error).__name__
            said = f"{task.video_id}: the file was not written: {reason}"
            task.result = DownloadResult(error="disk", error_message=said)

    def _there(self, task: DownloadTask) -> DownloadResult | None:
        """Take the file that is there already, if it is whole; no request is sent."""
        found = task.finished_file()
        if found is None:
            return None
        path, size = found
        part = task.path(task.kind.part_suffix)
        if not part.exists():  # its owner was killed between the move and the last word
            info_path(part).unlink(missing_ok=True)
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            hash_file(file, digest, self._token.stop)
        return _done(task, path, size, resumed=False, sha256=digest.hexdigest())

    def _fetched(self, task: DownloadTask) -> DownloadResult:
        if self._disk_is_full:
            fail("disk", "not begun, for the disk is full; make room and call again")
        for target in map(task.path, task.kind.suffixes):
            if target.is_dir() and not target.is_symlink():
                fail("disk", f"there is a folder named {target.name}; move it away and call again")
        path = task.path(task.kind.part_suffix)
        part = Part(path, self._token.stop, patience_seconds=self._patience_seconds)
        try:
            # while this one waited for the lock, its last owner may have finished
            there = self._there(task)
            if there is not None:
                part.restart(None)
            return there or self._completed(task, part)
        finally:
            part.close()

    def _completed(self, task: DownloadTask, part: Part) -> DownloadResult:
        """Try until the file is whole, with one fresh link if the first does not do."""
        link: Link | None = None
        fresh, attempt = ends_soon(task.url, task.fetched_at), 0
        while True:
            try:
                if link is None and not fresh:
                    link = self._rules.check(task.url, is_fresh=False)
                link = link or self._fresh_link(task)
                self._transfer(task, part, link)
                return self._finish(task, part)
            except DownloadError as failed:
                if failed.kind in {"forbidden", "link_refused"} and not fresh:
                    fresh, link = True, None
                    continue
                attempt += 1
                delay = max(failed.retry_after_seconds, backoff_seconds(attempt))
                last = attempt >= MAX_ATTEMPTS or delay > MAX_RETRY_AFTER_SECONDS
                if last or not failed.retryable:
                    raise
                if self._token.stop.wait(delay):
                    raise Cancelled from None

    def _fresh_link(self, task: DownloadTask) -> Link:
        """Request the video's details, and take its link of now."""
        answer = self._client.request_video(task.video_id, cancel=self._token)
        row = parse_record(answer.record, fetched_at=answer.seen_at, flags=answer.flags)
        now = dict(zip(NAMES, row, strict=True))
        link, kind = now[task.kind.column], task.kind
        if now["status"] != "COMPLETED":
            fail("not_ready", f"Hooked now says {now['status']}")
        if not link:
            fail("no_link", f"Hooked no longer gives a link to its {kind.name}")
        task.api_bytes = (kind.size_column and now[kind.size_column]) or task.api_bytes
        return self._rules.check(str(link), is_fresh=True)

    def _transfer(self, task: DownloadTask, part: Part, link: Link) -> None:
        """Request once and write what comes; afterwards the part has all that was announced."""
        headers = {}
        if part.info is not None and part.info.place != link.place:
            part.restart(None)
        if part.info is not None and part.size:
            if part.size == part.info.total:
                return  # an earlier download was ended between the last byte and the move
            headers = {"Range": f"bytes={part.size}-", "If-Range": part.info.validator}
        began, had = time.monotonic(), part.size
        with self._downloader.get(link, headers) as raw:
            self._begin(part, raw, link, resuming=bool(headers))
            if part.resumed:
                _log.info("%s: resumed at %d of %d bytes", task.video_id, had, part.announced)
            self._check_size(task, part)
            self._receive(task, part, raw)
        seconds = time.monotonic() - began
        _log.info("%s: %d bytes after %.1f s", task.video_id, part.size, seconds)
        total = part.announced
        if total is not None and part.size != total:
            fail("network", f"{link.host} sent {part.size:,} of {total:,} bytes", retryable=True)

    def _begin(self, part: Part, raw: Any, link: Link, *, resuming: bool) -> None:
        """Make the part ready for the body of this answer."""
        # stores give other words for a file as it is: "", "aws-chunked"
        if _PACKED.intersection(
            re.split(r"[ ,]+", raw.headers.get("Content-Encoding", "").lower())
        ):
            fail("bad_response", f"{link.host} sent the file packed, which was not requested")
        if raw.status == 200:
            part.restart(ResumeInfo.of(link.place, raw.length_remaining, raw.headers))
            part.announced = raw.length_remaining
        elif resuming and raw.status == 206 and part.continues_with(raw.headers):
            part.resumed = True
        else:
            _drop(part, f"{link.host} did not send the rest as requested", retryable=True)

    def _check_size(self, task: DownloadTask, part: Part) -> None:
        task.total_bytes = part.announced or 0
        if task.total_bytes > task.kind.max_bytes:
            said = f"{task.total_bytes:,} bytes is more than any {task.kind.name} has"
            fail("bad_response", said)
        missing = task.total_bytes - part.size
        free = shutil.disk_usage(part.path.parent).free
        if missing > free:
            fail("disk", f"{missing:,} bytes are to come and the disk has {free:,} free")

    def _receive(self, task: DownloadTask, part: Part, raw: Any) -> None:
        task.done_bytes = part.size
        while chunk := raw.read1(CHUNK_BYTES):
            part.write(chunk)
            task.done_bytes = part.size
            if len(part.head) == HEAD_BYTES:
                _suffix(task, part)
            if part.size > task.kind.max_bytes:
                _drop(part, f"the answer is larger than any {task.kind.name}")

    def _finish(self, task: DownloadTask, part: Part) -> DownloadResult:
        """Check the whole file and give it its name."""
        size, announced, api = part.size, part.announced, task.api_bytes
        target = task.path(_suffix(task, part))
        agree = [announced == size, api == size, task.kind.is_complete(part.file, size)]
        if sum(agree) < (2 if task.kind.size_column else 1):
            said = (
                f"{size:,} bytes came, and the file itself does not end there; the server "
                f"announced {announced or 0:,}, the API {api or 0:,} (0: nothing)"
            )
            _drop(part, said, retryable=True)
        part.finish(target)
        return _done(task, target, size, resumed=part.resumed, sha256=part.sha256.hexdigest())


def _suffix(task: DownloadTask, part: Part) -> str:
    """Tell the file's suffix by how it begins."""
    suffix = task.kind.suffix_of(part.head)
    return suffix or _drop(part, f"what came is not {task.kind.expected}")


def _drop(part: Part, message: str, *, retryable: bool = False) -> NoReturn:
    """Keep nothing of what came: it is not the file."""
    part.restart(None)
    fail("bad_response", message, retryable=retryable)


def _done(
    task: DownloadTask, path: Path, size: int, *, resumed: bool, sha256: str
) -> DownloadResult:
    task.done_bytes = task.total_bytes = size
    task.size_differs = task.api_bytes not in {None, size}
    return DownloadResult(path=str(path), size_bytes=size, resumed=resumed, sha256=sha256)
