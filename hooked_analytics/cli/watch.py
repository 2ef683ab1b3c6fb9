"""`hooked-analytics watch`: a line with per cent and time left, at least every five seconds."""

from __future__ import annotations

import math
import sys
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast

import pandas as pd

import hooked_analytics as ha
from hooked_analytics.analysis import TimeLeft, batch_time_left, time_left_text
from hooked_analytics.cli.arguments import Status
from hooked_analytics.cli.show import clean, columns, fit, say, show_table, without_python
from hooked_analytics.fetch import last_frame, summary

if TYPE_CHECKING:
    from hooked_analytics.cli.run import Run

SECONDS_PER_LINE = 5.0


class _Stuck(ha.HookedError):
    """A render makes no more progress."""


def watch(run: Run) -> int:
    """Poll the videos of a file until all have ended."""
    arguments, archive, status = run.arguments, run.archive(), Status.SUCCESS
    past = archive.videos() if archive else None
    settings: dict[str, Any] = {"interval_seconds": arguments.interval}
    if arguments.timeout is not None:
        settings["timeout_seconds"] = arguments.timeout
    with run.client() as client, _StatusLine(client, past, quiet=arguments.json) as line:
        polls = ha.poll_videos(run.read_ids(client), client=client, archive=archive, **settings)

        def each(videos: pd.DataFrame) -> None:
            run.videos = videos
            line.update(videos)
            run.tell(**line.figures)
            if arguments.until_stuck and (stuck := _stuck(videos, past, archive)):
                raise _Stuck(f"no more progress: {', '.join(stuck)}", videos=videos)

        try:
            videos = last_frame(polls, each)
        except (_Stuck, ha.WaitTimeoutError) as end:
            status = Status.STUCK if isinstance(end, _Stuck) else Status.TIMEOUT
            why, videos = without_python(str(end)), cast("pd.DataFrame", end.videos)
    run.save(videos)
    if status:
        say(f"hooked-analytics: {why}")
    failed = _show_failures(videos, quiet=arguments.json)
    return run.status or status or (Status.VIDEOS_FAILED if failed else Status.SUCCESS)


def _stuck(
    videos: pd.DataFrame, past: pd.DataFrame | None, archive: ha.VideoArchive | None
) -> list[str]:
    """Ids of the renders that are stuck, judged by those of the archive."""
    seen = archive.observations() if archive else None
    history = videos if past is None else pd.concat([videos, past]).drop_duplicates("video_id")
    estimates = ha.estimate_completion(videos, history=history, observations=seen)
    return list(estimates.loc[estimates["stuck"].fillna(False), "video_id"])


def _show_failures(videos: pd.DataFrame, *, quiet: bool) -> int:
    """Print what failed, what it cost, and why: the render's reason or that of the fetch."""
    reasons = videos["fetch_error_message"].fillna(videos["message"])
    failed = ha.failures(videos.assign(message=reasons))
    if len(failed) and not quiet:
        print("\nWhat failed, what it cost, why")
        costs = failed["used_credits"].map("{:,.1f}".format, na_action="ignore")
        rows = zip(failed["video_id"], costs, failed["message"], strict=True)
        show_table(("video", "credits", "reason"), rows)
    return len(failed)


class _StatusLine:
    """The line that tells how far the videos are; a thread writes it again between polls."""

    def __init__(self, client: ha.HookedClient, past: pd.DataFrame | None, *, quiet: bool) -> None:
        self.figures: dict[str, object] = {}
        self._client, self._past, self._quiet = client, past, quiet
        self._state, self._percent, self._at, self._written = "", 0, 0.0, 0.0
        self._left: TimeLeft | None = None
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="hooked-status", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._state and not self._quiet and sys.stdout.isatty():
            print()

    def update(self, videos: pd.DataFrame) -> None:
        """Take the frame of a poll, and show it."""
        left = batch_time_left(videos, history=self._past)
        final, progress = ha.is_final(videos), videos["progress"].fillna(0.0)
        waiting = videos["fetch_error"].eq("not_fetched")  # as the state says
        unavailable = videos["fetch_error_message"].mask(waiting).dropna()
        percent = math.floor(progress.where(~final, 100.0).mean()) if len(videos) else 100
        state = summary(videos)
        if many := len(unavailable):
            state += f" · {many:,} unavailable, the first: {clean(unavailable.iloc[0])}"
        with self._lock:
            changed = state != self._state
            self._state, self._percent, self._left = state, percent, left
            self._at = time.monotonic()
        counts = {"videos": len(videos), "ended": int(final.sum()), "unavailable": many}
        self.figures = {**counts, "percent": percent}
        names = ("left_low_seconds", "left_seconds", "left_high_seconds")
        for name, end in zip(names, left or (math.nan,) * 3, strict=False):
            self.figures[name] = None if math.isnan(end) else round(end)
        if changed or sys.stdout.isatty():
            self._write()

    def _repeat(self) -> None:
        while not self._ended.wait(SECONDS_PER_LINE / 10):
            if self._state and time.monotonic() - self._written >= 0.9 * SECONDS_PER_LINE:
                self._write()

    def _write(self) -> None:
        if self._quiet:
            return
        with self._lock:
            self._written = time.monotonic()
            text = time_left_text(self._left and self._left.after(self._written - self._at))
            left = f" · {text} left" if text else ""
            if not self._client.requests_left:
                limit = self._client.requests_per_minute
                left += f" · waiting for the limit of {limit:g} requests a minute"
            line = f"{datetime.now().astimezone():%H:%M:%S}  {self._percent}%{left} · {self._state}"
            if sys.stdout.isatty():
                print(f"\r{fit(line, columns() - 1)}", end="", flush=True)
            else:
                print(line, flush=True)
