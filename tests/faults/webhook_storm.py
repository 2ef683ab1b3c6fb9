"""
Forged, repeated and late webhooks against a watch: none may change what the API says.

``run(1000)`` is the full count; it prints nothing and gives its figures.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from random import Random

from hooked_analytics import Sandbox, WebhookReceiver, poll_videos
from tests.faults.callers import START_SECONDS, make_calls

VIDEOS = 40
SHORTEST, LONGEST = 30.0, 150.0  # renders, in sandbox time [s]
FINAL = {"COMPLETED", "FAILED"}
KINDS = ("forged", "stranger", "replayed", "duplicate", "late")


def run(count: int, seed: int = 0) -> dict[str, object]:
    """
    Storm a receiver while a watch uses it.

    Returns
    -------
    ``calls`` that were answered, ``wrong_states`` seen in any frame, ``p99_ms`` of the
    answers, ``api_requests`` of the watch, from its beginning to its end
    """
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
        # spread over the renders, so that calls meet videos before, at and after their ends
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
        for number in range(VIDEOS):
            seconds = lead + random.uniform(SHORTEST, LONGEST)
            fails = number % 5 == 0
            created = sandbox.now()
            video_id = sandbox.create_video(
                "class",
                render_seconds=seconds,
                fails="Out of film" if fails else False,
                created_at=created,
                webhook=url,
            )
            end = created.timestamp() + seconds
            self.ends[video_id] = (end, "FAILED" if fails else "COMPLETED")
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

    def body(self, random: Random, numbers=itertools.count()) -> str:  # noqa: B008 - one sequence
        kind, video_id = random.choice(KINDS), random.choice(self.ids)
        state = "completed" if self.ends[video_id][1] == "FAILED" else "failed"  # a lie
        if kind == "stranger":
            video_id = f"vid_stranger{next(numbers)}"
        elif kind == "replayed":
            video_id, state = self.ids[0], "completed"
        elif kind == "late":
            state = "processing"
        elif kind == "duplicate":
            state = self.ends[video_id][1].lower()
        if random.random() < 0.5:
            said = {"event": f"video.{state}", "videoId": video_id, "status": state}
        else:
            video = {"id": video_id, "url": "https://a.example/v.mp4"}
            said = {"event": f"project.{state}", "status": state, "video": video}
        return json.dumps(said)
