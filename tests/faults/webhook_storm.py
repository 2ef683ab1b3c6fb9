"""
Forged, repeated and late webhooks against a watch: none may change what the API says.

The callers are a process of their own, so that what is timed is the receiver and not its rivals:
it reads ``{"url": ..., "calls": [[Unix time, body], ...]}``, writes ``[[status, ms], ...]``.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from urllib.parse import urlsplit

from hooked_analytics import Sandbox, WebhookReceiver, poll_videos
from tests.faults.harness import module

VIDEOS = 40
SHORTEST, LONGEST = 30.0, 150.0  # renders, in sandbox time [s]
START_SECONDS = 1.0  # until the callers are there and have read their orders
CALLERS = 8
FINAL = {"COMPLETED", "FAILED"}
KINDS = ("forged", "stranger", "replayed", "duplicate", "late")


def send_call(url: str, body: str, at: float = 0.0) -> tuple[int, float]:
    """Make one call, not before a Unix time; give its status and how long it took [ms]."""
    time.sleep(max(0.0, at - time.time()))
    parts = urlsplit(url)
    began = time.perf_counter()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", parts.path, body.encode(), headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    return status, 1000 * (time.perf_counter() - began)


def make_calls(url: str, calls: list[tuple[float, str]]) -> list[tuple[int, float]]:
    """Make each call at its Unix time, by another process; give status and time taken [ms]."""
    with module("webhook_storm") as callers:
        said, _ = callers.communicate(json.dumps({"url": url, "calls": calls}))
    return [tuple(each) for each in json.loads(said)]


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Storm a receiver while a watch uses it, with calls before, at and after the ends."""
    random = Random(seed)
    seconds = max(2.0, count / 200)  # how long the last render takes, in real time [s]
    with (
        Sandbox(videos=1, time_scale=LONGEST / seconds) as sandbox,
        WebhookReceiver() as receiver,
        sandbox.client() as client,
    ):
        world = _World(sandbox, receiver.url, random, lead=START_SECONDS * LONGEST / seconds)
        watch = threading.Thread(target=world.watch, args=(client, receiver))
        watch.start()
        began = time.time()
        moments = sorted(random.uniform(0, seconds) for _ in range(count))
        calls = [(began + START_SECONDS + moment, world.body(random)) for moment in moments]
        answered = make_calls(receiver.url, calls)
        watch.join()
        took = sorted(ms for status, ms in answered if status == 200)
        return {
            "calls": len(took),
            "wrong_states": world.wrong_states,
            "p99_ms": round(took[min(len(took) - 1, int(0.99 * len(took)))], 1),
            "api_requests": client.requests_sent,
        }


class _World:
    """Videos whose ends are known beforehand, and what a watch may say of them when."""

    def __init__(self, sandbox: Sandbox, url: str, random: Random, lead: float) -> None:
        self.sandbox = sandbox
        self.ends: dict[str, tuple[float, str]] = {}
        self.wrong_states = 0
        self.numbers = itertools.count()
        for number in range(VIDEOS):
            seconds = lead + random.uniform(SHORTEST, LONGEST)
            fails = "" if number % 5 else "Out of film"
            created = sandbox.now()
            video_id = sandbox.create_video(
                "class", render_seconds=seconds, fails=fails or False, created_at=created,
                webhook=url,
            )  # fmt: skip
            outcome = "FAILED" if fails else "COMPLETED"
            self.ends[video_id] = (created.timestamp() + seconds, outcome)
        self.ids = list(self.ends)

    def watch(self, client, receiver) -> None:
        last: dict[str, str] = {}
        for videos in poll_videos(self.ids, client=client, webhooks=receiver, interval_seconds=0.5):
            now = self.sandbox.now().timestamp()
            for video_id, status in zip(videos["video_id"], videos["status"], strict=True):
                end, outcome = self.ends[video_id]
                early = status in FINAL and now < end
                other = status in FINAL and status != outcome
                back = last.get(video_id) in FINAL and status != last[video_id]
                self.wrong_states += early or other or back
                last[video_id] = status
        self.wrong_states += sum(status not in FINAL for status in last.values())

    def body(self, random: Random) -> str:
        kind, video_id = random.choice(KINDS), random.choice(self.ids)
        state = "completed" if self.ends[video_id][1] == "FAILED" else "failed"  # a lie
        if kind == "stranger":
            video_id = f"vid_stranger{next(self.numbers)}"
        elif kind == "replayed":
            video_id, state = self.ids[0], "completed"
        elif kind == "late":
            state = "processing"
        elif kind == "duplicate":
            state = self.ends[video_id][1].lower()
        return event(video_id, state, flat=random.random() < 0.5)


def event(video_id: str, state: str, *, flat: bool) -> str:
    """A body in one of the two shapes that Hooked documents."""
    video = {"id": video_id, "url": "https://elsewhere.example/v.mp4"}
    body = {"event": f"project.{state}", "status": state, "video": video}
    if flat:
        body = {"event": f"video.{state}", "videoId": video_id, "status": state}
    return json.dumps(body)


if __name__ == "__main__":
    orders = json.load(sys.stdin)
    with ThreadPoolExecutor(CALLERS) as callers:
        made = callers.map(lambda call: send_call(orders["url"], call[1], call[0]), orders["calls"])
        json.dump(list(made), sys.stdout)
