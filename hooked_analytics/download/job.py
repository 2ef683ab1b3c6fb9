"""One video's file: asked for, gone on with, checked, moved into place."""

from __future__ import annotations

import errno
import hashlib
import shutil
from typing import TYPE_CHECKING, Any

from hooked_analytics.client import Cancelled, CancelToken, HookedClient
from hooked_analytics.client.retry import MAX_RETRY_AFTER_SECONDS, backoff_seconds
from hooked_analytics.download.failure import DownloadFailed, LinkDied, fail
from hooked_analytics.download.formats import HEAD_BYTES
from hooked_analytics.download.links import about_to_die
from hooked_analytics.download.part import CHUNK_BYTES, Part, TargetIsThere, hash_file, note_path
from hooked_analytics.download.plan import Outcome
from hooked_analytics.download.ranges import content_length, content_range, note_of
from hooked_analytics.errors import HookedError
from hooked_analytics.schema import NAMES, parse_record

if TYPE_CHECKING:
    from pathlib import Path

    from hooked_analytics.download.downloader import Courier
    from hooked_analytics.download.links import Link, LinkRules
    from hooked_analytics.download.plan import Wanted

MAX_ATTEMPTS = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Jobs:
    """
    What the downloads of one call share.

    Parameters
    ----------
    client : asked for fresh links, once for each video at most
    batch : stops everything
    patience_seconds : how long to wait for another owner of a part that does not grow [s]
    """

    def __init__(
        self,
        client: HookedClient,
        courier: Courier,
        rules: LinkRules,
        batch: CancelToken,
        *,
        patience_seconds: float,
    ) -> None:
        self._client = client
        self._courier = courier
        self._rules = rules
        self._batch = batch
        self._patience_seconds = patience_seconds
        self._disk_is_full = False

    def do(self, wanted: Wanted) -> None:
        """Download one file; whatever comes of it is its outcome."""
        try:
            wanted.outcome = self._there(wanted) or self._fetched(wanted)
        except DownloadFailed as failed:
            wanted.outcome = _row(failed.why, f"{wanted.video_id}: {failed}")
        except HookedError as error:
            if error.kind is None:
                raise
            wanted.outcome = _row(error.kind, str(error))
        except OSError as error:
            self._disk_is_full |= error.errno in _FULL
            reason = error.strerror or type(error).__name__
            wanted.outcome = _row("disk", f"{wanted.video_id}: the file was not written: {reason}")

    def _there(self, wanted: Wanted) -> Outcome | None:
        """Take the file that is there already, if it is whole; no request is sent."""
        found = wanted.whole_file()
        if found is None:
            return None
        path, size = found
        if not wanted.part.exists():  # its owner was killed between the move and the last word
            note_path(wanted.part).unlink(missing_ok=True)
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            hash_file(file, digest, self._batch.stop)
        wanted.done_bytes = wanted.total_bytes = size
        return _done(wanted, path, size, resumed=False, sha256=digest.hexdigest())

    def _fetched(self, wanted: Wanted) -> Outcome:
        if self._disk_is_full:
            fail("disk", "not begun, for the disk is full; make room and ask again")
        try:
            part = Part(
                wanted.part,
                self._batch.stop,
                patience_seconds=self._patience_seconds,
                over=lambda: wanted.whole_file() is not None,
            )
        except TargetIsThere:
            return self._there(wanted) or fail("in_use", "another download took the file away")
        try:
            # while this one waited for the lock, its last owner may have finished
            there = self._there(wanted)
            if there is not None:
                part.restart(None)
            return there or self._completed(wanted, part)
        finally:
            part.close()

    def _completed(self, wanted: Wanted, part: Part) -> Outcome:
        """Try until the file is whole, with one fresh link if the first has died."""
        fresh = False
        link: Link | None = None
        attempt = 0
        if about_to_die(wanted.url or "", wanted.fetched_at):
            fresh, link = True, self._fresh_link(wanted)
        while True:
            try:
                link = link or self._rules.check(wanted.url or "")
                self._transfer(wanted, part, link)
                return self._finish(wanted, part)
            except LinkDied as refused:
                if fresh:
                    fail("forbidden", f"{refused}, though it was fresh")
                fresh, link = True, self._fresh_link(wanted)
            except DownloadFailed as failed:
                attempt += 1
                self._wait_or_raise(failed, attempt)

    def _wait_or_raise(self, failed: DownloadFailed, attempt: int) -> None:
        delay = max(failed.retry_after_seconds or 0.0, backoff_seconds(attempt))
        if not failed.retryable or attempt >= MAX_ATTEMPTS or delay > MAX_RETRY_AFTER_SECONDS:
            raise failed
        if self._batch.stop.wait(delay):
            raise Cancelled

    def _fresh_link(self, wanted: Wanted) -> Link:
        """Ask the API for the video again, and take its link of now."""
        answer = self._client.ask_video(wanted.video_id or "", batch=self._batch)
        row = parse_record(answer.record, fetched_at=answer.seen_at, flags=answer.flags)
        now = dict(zip(NAMES, row, strict=True))
        if now["status"] != "COMPLETED":
            fail("not_ready", f"Hooked now says {now['status']}")
        if not now[wanted.kind.column]:
            fail("no_link", f"Hooked no longer gives a link to its {wanted.kind.name}")
        if wanted.kind.size_column and now[wanted.kind.size_column]:
            wanted.stated_bytes = now[wanted.kind.size_column]
        return self._rules.check(str(now[wanted.kind.column]))

    def _transfer(self, wanted: Wanted, part: Part, link: Link) -> None:
        """Ask once and write what comes; afterwards the part has all that was announced."""
        headers = {}
        if part.note is not None and part.note.place != link.place:
            part.restart(None)
        if part.note is not None and part.size:
            if part.size == part.note.total:
                return  # an earlier download was ended between the last byte and the move
            headers = {"Range": f"bytes={part.size}-", "If-Range": part.note.validator}
        with self._courier.get(link, headers) as raw:
            self._begin(part, raw, link, resuming=bool(headers))
            self._check_size(wanted, part)
            self._receive(wanted, part, raw)
        total = part.announced
        if total is not None and part.size != total:
            fail("network", f"{link.host} sent {part.size:,} of {total:,} bytes", retryable=True)

    def _begin(self, part: Part, raw: Any, link: Link, *, resuming: bool) -> None:
        """Make the part ready for the body of this answer."""
        if raw.headers.get("Content-Encoding", "identity").lower() != "identity":
            fail("bad_response", f"{link.host} sent the file packed, which was not asked for")
        if raw.status == 200:
            part.restart(note_of(raw.headers, link.place))
            part.announced = content_length(raw.headers.get("Content-Length"))
            return
        if resuming and raw.status == 206 and part.note is not None:
            stated = content_range(raw.headers.get("Content-Range"))
            same_tag = raw.headers.get("ETag") in {None, part.note.validator} or (
                not part.note.validator.startswith('"')
            )
            if stated == (part.size, part.note.total) and same_tag:
                part.resumed = True
                return
        part.restart(None)
        fail(
            "bad_response", f"{link.host} did not send the rest that was asked for", retryable=True
        )

    def _check_size(self, wanted: Wanted, part: Part) -> None:
        total = part.announced
        if total is None:
            return
        wanted.total_bytes = total
        if total > wanted.kind.largest_bytes:
            fail("bad_response", f"{total:,} bytes is more than any {wanted.kind.name} has")
        free = shutil.disk_usage(part.path.parent).free
        if total - part.size > free:
            fail("disk", f"{total - part.size:,} bytes are to come and the disk has {free:,} free")

    def _receive(self, wanted: Wanted, part: Part, raw: Any) -> None:
        kind = wanted.kind
        known = False
        wanted.done_bytes = part.size
        while chunk := raw.read1(CHUNK_BYTES):
            part.write(chunk)
            wanted.done_bytes = part.size
            if not known and len(part.head) >= HEAD_BYTES:
                known = kind.suffix_of(part.head) is not None
                if not known:
                    part.restart(None)
                    fail("bad_response", f"what came is not {kind.expected}")
            if part.size > kind.largest_bytes:
                part.restart(None)
                fail("bad_response", f"the answer is larger than any {kind.name}")

    def _finish(self, wanted: Wanted, part: Part) -> Outcome:
        """Check the whole file and give it its name."""
        kind, size, stated = wanted.kind, part.size, part.announced
        suffix = kind.suffix_of(part.head)
        if suffix is None:
            part.restart(None)
            fail("bad_response", f"what came ({size:,} bytes) is not {kind.expected}")
        agree = [stated == size, wanted.stated_bytes == size, kind.adds_up(part.file, size)]
        if sum(agree) < kind.witnesses:
            part.restart(None)
            fail("bad_response", _disagreement(size, stated, wanted.stated_bytes), retryable=True)
        target = wanted.target(suffix)
        part.finish(target)
        wanted.done_bytes = wanted.total_bytes = size
        return _done(wanted, target, size, resumed=part.resumed, sha256=part.sha256.hexdigest())


def _disagreement(size: int, stated: int | None, api: int | None) -> str:
    server = f"{stated:,}" if stated else "no length"
    by_api = f"{api:,}" if api else "none"
    return (
        f"{size:,} bytes came, and the file itself does not end there; the server announced "
        f"{server}, the API {by_api}"
    )


def _done(wanted: Wanted, path: Path, size: int, *, resumed: bool, sha256: str) -> Outcome:
    wanted.size_differs = wanted.stated_bytes not in {None, size}
    return Outcome(path=path, size_bytes=size, resumed=resumed, sha256=sha256)


def _row(error: str, message: str) -> Outcome:
    return Outcome(error=error, error_message=message)
