"""Answers made to fill the memory: each costs little of it, and is one row that says why."""

from __future__ import annotations

import json
import sys

from hooked_analytics import HookedClient, Sandbox, fetch_videos, list_videos
from hooked_analytics.errors import HookedError
from tests.faults.harness import forget_peak, memory_mb, module
from tests.faults.proxy import spoiling

BOMBS = ("gzip_bomb", "endless", "endless_chunks", "endless_headers", "many_fields")
WORKERS = 16


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Meet each bomb *count* times alone, and once by all workers at the same time."""
    found = []
    with Sandbox(videos=WORKERS, seed=seed) as sandbox, spoiling(sandbox.url) as proxy:
        with module("bombs", proxy.url, count, *sandbox.video_ids) as child:
            for line in child.stdout:
                told = json.loads(line)
                if "arm" in told:
                    proxy.fates.extend([told["arm"]] * told["asked"])
                    child.stdin.write("armed\n")
                    child.stdin.flush()
                else:
                    found.append(told)
    return {
        "answers": sum(row["asked"] for row in found),
        "kinds": len({row["kind"] for row in found}),
        "rows missing": sum(row["asked"] - row["rows"] for row in found),
        "reasons missing": sum(row["asked"] - row["reasons"] for row in found),
        "memory up by one [MB]": max(row["up"] for row in found if row["asked"] == 1),
        "memory up by 16 at once [MB]": max(row["up"] for row in found if row["asked"] > 1),
    }


def _meet(url: str, kind: str, video_ids: list[str], *, listed: bool = False) -> None:
    asked = len(video_ids)
    print(json.dumps({"arm": kind, "asked": asked}), flush=True)
    sys.stdin.readline()
    with HookedClient("sandbox-key", base_url=url, requests_per_minute=None, max_attempts=1) as c:
        before = forget_peak()
        rows, reasons = _listed(c) if listed else _fetched(c, video_ids)
        up = round(memory_mb("VmHWM") - before, 1)
    found = {"kind": kind, "asked": asked, "rows": rows, "reasons": reasons, "up": up}
    print(json.dumps(found), flush=True)


def _fetched(client: HookedClient, video_ids: list[str]) -> tuple[int, int]:
    videos = fetch_videos(video_ids, client=client, progress=False)
    reasons = videos[["fetch_error_message", "data_issues"]].notna().any(axis=1)
    return len(videos), int(reasons.sum())


def _listed(client: HookedClient) -> tuple[int, int]:
    try:
        list_videos(client=client)
    except HookedError as error:
        return 1, len(str(error)) > 0
    return 1, 0


def main(url: str, count: str, *video_ids: str) -> None:
    with HookedClient("sandbox-key", base_url=url, requests_per_minute=None) as client:
        fetch_videos(video_ids, client=client, progress=False)  # what is loaded late is loaded
    for kind in BOMBS:
        for _ in range(int(count)):
            _meet(url, kind, [video_ids[0]])
        if kind != "many_fields":
            _meet(url, kind, [video_ids[0]], listed=True)
        _meet(url, kind, list(video_ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
