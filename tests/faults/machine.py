"""
The state machine, run: `History`, and downloads whose links die, calls that lie or come late.

After a step every promise must hold; a broken one is raised with the steps that led to it.
"""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from unittest import mock

import pandas as pd
from hypothesis import HealthCheck, Phase, seed as seeded, settings, strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

import hooked_analytics as ha
from hooked_analytics.client import retry
from tests.faults.history import FIRST_DELAY_SECONDS, KEY, History, press_stop, seconds, several
from tests.faults.promises import sha256_of
from tests.faults.webhook_storm import event, send_call

DAY_SECONDS = 86_400
REQUESTS_PER_FILE = 3  # for a link, for the file, and once more where the link had died
STEPS = 30
STATES = ("completed", "failed", "processing")

# (video, what is said of it, in which shape): true, false, repeated or late as it comes
calls = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(STATES), st.booleans()), max_size=6)


class FilesAndCalls(History):
    """A history with downloads into one folder and a receiver that everybody may call."""

    receiver: ClassVar[ha.WebhookReceiver]

    def __init__(self) -> None:
        super().__init__()
        self.webhook = self.receiver.url
        self.films = Path(self.folder.parent, "films")

    @rule(which=several, ahead=seconds, expired=st.booleans())
    def download(self, which: list[int], ahead: int, expired: bool) -> None:
        video_ids = self._some(which)
        self.sandbox.advance(ahead)
        with self._counted(len(video_ids)):
            videos = ha.fetch_videos(video_ids, client=self.client, progress=False)
        if expired:
            self.sandbox.advance(DAY_SECONDS + 60)
            self.counts["links expired"] += int(videos["url"].notna().sum())
        files = self._download(videos)
        assert files["video_id"].tolist() == video_ids
        self._check(files)

    @rule(which=several)
    def download_from_the_archive(self, which: list[int]) -> None:
        known = self.archive.videos()
        self._check(self._download(known[known["video_id"].isin(self._some(which))]))

    @rule(which=several, nth=st.integers(1, 4))
    def interrupt_a_download(self, which: list[int], nth: int) -> None:
        known = self.archive.videos()
        with self._at_request(nth, press_stop):
            try:
                files = self._download(known[known["video_id"].isin(self._some(which))])
            except ha.FetchInterrupted as stopped:
                self.counts["interrupts"] += 1
                files = stopped.videos
                self.seen.append(stopped)
        self._silence()
        self._check(files)

    @rule(which=several, advances=st.lists(seconds, min_size=1, max_size=4), said=calls)
    def poll_and_be_called(
        self, which: list[int], advances: list[int], said: list[tuple[int, str, bool]]
    ) -> None:
        video_ids = self._some(which)
        open_ids = self._open(video_ids)
        # every call may cost a request: those made up here, and the sandbox's own
        most = len(advances) * (2 + len(open_ids)) + len(said) + len(open_ids)
        rounds = self._polled(video_ids, webhooks=self.receiver)
        with self._counted(most), contextlib.closing(rounds):
            for videos, ahead in zip(rounds, advances, strict=False):
                self.promises.of_a_frame(videos, video_ids)
                self._call(said)
                self.sandbox.advance(ahead)
                said = said[len(said) // 2 :]

    @invariant()
    def every_file_is_whole(self) -> None:
        self.promises.of_files(self.films)

    def _call(self, said: Sequence[tuple[int, str, bool]]) -> None:
        for which, state, flat in said:
            video_id = self._some([which])[0]
            status, _ = send_call(self.receiver.url, event(video_id, state, flat=flat))
            assert status == 200
            self.counts["calls"] += 1

    def _download(self, videos: pd.DataFrame) -> pd.DataFrame:
        there = {name.removesuffix(".mp4") for name in self.promises.whole}
        wanted = set(videos["video_id"]) - there
        with self._counted(REQUESTS_PER_FILE * len(wanted)):
            files = ha.download_videos(videos, self.films, client=self.client, progress=False)
        self.seen.append(files)
        return files

    def _check(self, files: pd.DataFrame) -> None:
        """A row without an error is a whole file; each video is one row."""
        whole = self.promises.of_files(self.films)
        assert not files["video_id"].duplicated().any()
        for video_id, sha256 in files.loc[files["error"].isna(), ["video_id", "sha256"]].itertuples(
            index=False
        ):
            assert f"{video_id}.mp4" in whole
            assert sha256 == sha256_of(video_id)
            self.counts["files"] += 1


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Go through *count* histories, and count what happened in them."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    FilesAndCalls.counts = Counter()
    often = settings(
        max_examples=count, stateful_step_count=STEPS, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),  # to shorten a history takes minutes
    )  # fmt: skip
    try:
        with (
            ha.Sandbox(videos=1, time_scale=0, api_key=KEY, seed=seed) as sandbox,
            ha.WebhookReceiver() as receiver,
            mock.patch.object(retry, "FIRST_DELAY_SECONDS", FIRST_DELAY_SECONDS),
            warnings.catch_warnings(action="ignore"),  # of what could not be fetched
        ):
            FilesAndCalls.sandbox, FilesAndCalls.receiver = sandbox, receiver
            run_state_machine_as_test(seeded(seed)(FilesAndCalls), settings=often)
    finally:
        signal.signal(signal.SIGINT, heard)
    return {"broken promises": 0, **FilesAndCalls.counts}
