"""Answers made to fill the memory: each costs little of it, and is one row that says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hooked_analytics import HookedClient, Sandbox, fetch_videos, list_videos
from hooked_analytics.errors import HookedError
from tests.faults.proxy import FaultProxy, spoiling

BOMBS = ("gzip_bomb", "endless", "endless_chunks", "endless_headers", "many_fields")
WORKERS = 16
ROOT = Path(__file__).parent.parent.parent
KEY = "sandbox-key"


def run(count: int, seed: int = 0) -> dict[str, object]:
    """
    Meet each bomb *count* times alone, and once by all workers at the same time.

    A process of its own meets them, so that its memory is the client's alone.
    """
    with Sandbox(videos=WORKERS, seed=seed) as sandbox, spoiling(sandbox.url) as proxy:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.bombs", proxy.url, str(count), *sandbox.video_ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        with child:
            found = list(_met(child, proxy))
    if child.returncode:
        raise RuntimeError(f"the process that meets the bombs ended with {child.returncode}")
    return {
        "answers": sum(row["asked"] for row in found),
        "kinds": len({row["kind"] for row in found}),
        "rows missing": sum(row["asked"] - row["rows"] for row in found),
        "reasons missing": sum(row["asked"] - row["reasons"] for row in found),
        "memory up by one [MB]": max(row["up"] for row in found if row["asked"] == 1),
        "memory up by 16 at once [MB]": max(row["up"] for row in found if row["asked"] > 1),
    }


def _met(child: subprocess.Popen[str], proxy: FaultProxy) -> Iterator[dict[str, object]]:
    """Arm the proxy when the child is ready; every line it writes is one finding."""
    for line in child.stdout:
        told = json.loads(line)
        if "arm" in told:
            proxy.fates.extend([told["arm"]] * told["asked"])
            child.stdin.write("armed\n")
            child.stdin.flush()
        else:
            yield told


def _memory_mb(name: str) -> float:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if name in x)
    return int(line.split()[1]) / 1024


def _meet(url: str, kind: str, video_ids: list[str], *, listed: bool = False) -> None:
    print(json.dumps({"arm": kind, "asked": len(video_ids)}), flush=True)
    sys.stdin.readline()
    with HookedClient(KEY, base_url=url, requests_per_minute=None, max_attempts=1) as client:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _memory_mb("VmRSS")
        if listed:
            rows, reasons = _list_reason(client)
        else:
            videos = fetch_videos(video_ids, client=client, progress=False)
            rows = len(videos)
            reasons = int(videos[["fetch_error_message", "data_issues"]].notna().any(axis=1).sum())
        up = _memory_mb("VmHWM") - before
    found = {"kind": kind, "asked": len(video_ids), "rows": rows, "reasons": reasons}
    print(json.dumps({**found, "up": round(up, 1)}), flush=True)


def _list_reason(client: HookedClient) -> tuple[int, int]:
    try:
        list_videos(client=client)
    except HookedError as error:
        return 1, len(str(error)) > 0
    return 1, 0


def main(url: str, count: str, *video_ids: str) -> None:
    with HookedClient(KEY, base_url=url, requests_per_minute=None) as client:
        fetch_videos(video_ids, client=client, progress=False)  # what is loaded late is loaded
    for kind in BOMBS:
        for _ in range(int(count)):
            _meet(url, kind, [video_ids[0]])
        if kind != "many_fields":
            _meet(url, kind, [video_ids[0]], listed=True)
        _meet(url, kind, list(video_ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
