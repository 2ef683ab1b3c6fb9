"""
`check` on text against grep with the same patterns, in CPU seconds, and on texts twice as long.

The log names a key or a signature in one line of thirty; the other texts are the package's own
source and JSON lines. With a known key, grep searches for it too.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, median, spread
from hooked_analytics.secrets_scan import SearchedKeys, check_files

KEY = "hk_live_9f86D0819f86D081"
PATTERN = (
    r"api[-_]?key|https?:[\\]{0,2}/[\\]{0,2}/[^[:space:]\"'<>`]*[?&;#](x-(amz|goog)-(signature|date"
    r'|expires)|signature|sig|expires|se|policy)=|"PasswordModel"'
)
MIN_RATIO, MAX_GROWTH, MEGABYTES = 0.2, 2.6, 16
WORDS = ("render", "finished", "credits", "and", "the", "archive", "polled", "again", "by", "sound")


def bench_check(rounds: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _texts().items():
            path = Path(folder, name)
            for keys, known in ((None, ""), (SearchedKeys(KEY), f"|{KEY}")):
                path.write_text(text)
                ours = [_ours(path, keys) for _ in range(rounds)]
                theirs = [_grep(path, PATTERN + known) for _ in range(rounds)]
                path.write_text(text * 2)
                growth = median([_ours(path, keys) for _ in range(rounds)]) / median(ours)
                ratio = median(theirs) / median(ours)
                sides = spread(ours) + " s", spread(theirs) + " s"
                what = f"check, {name}{', a known key' if known else ''}"
                figures.append(
                    Figure(f"{what}; a text twice as long takes {growth:.2f} times as long",
                           "grep -aiE", f"{MIN_RATIO} x", *sides,
                           f"{ratio:.2f} x", ratio >= MIN_RATIO and growth <= MAX_GROWTH)
                )  # fmt: skip
    return figures


def _texts() -> dict[str, str]:
    drawn, source = random.Random(0), Path(__file__).parents[1] / "hooked_analytics"
    code = "\n".join(path.read_text("utf-8") for path in sorted(source.rglob("*.py")))

    def words() -> str:
        return " ".join(drawn.choices(WORDS, k=8))

    def log(n: int) -> str:
        said = ("api_key=None", "signature")[n % 2] if n % 30 == 0 else ""
        return f"2026-11-26 12:00:{n % 60:02d} DEBUG GET /v1/video/vid_{n} 200 {words()} {said}\n"

    def row(n: int) -> str:
        return (
            json.dumps({"id": f"vid_{n}", "script": f'"{words()}"\n', "n": drawn.random()}) + "\n"
        )

    size = MEGABYTES * 2**20
    return {
        "dense log": "".join(map(log, range(size // 110))),
        "JSON lines": "".join(map(row, range(size // 110))),
        "source": code * (size // len(code)),
    }


def _ours(path: Path, keys: SearchedKeys | None) -> float:
    began = time.process_time()
    check_files([path], keys)
    return time.process_time() - began


def _grep(path: Path, pattern: str) -> float:
    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    began = used()
    # into a pipe: it stops at the first line where the output goes nowhere
    subprocess.run(
        ["grep", "-caiE", pattern, path],
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    return used() - began
