"""Counts and seconds of a command in Prometheus text format, for the node exporter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics._internal.safe_text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

MAX_LABEL = 40


def write_metrics(
    path: Path,
    command: str,
    videos: pd.DataFrame | None,
    *,
    status: int,
    seconds: float,
    requests: int,
) -> None:
    """Write the textfile whole; labels hold the command, a status or an error, never an id."""
    # name, help, value for each further label
    metrics: list[tuple[str, str, dict[str, float]]] = [
        ("exit_status", "Exit status of the last run.", {"": int(status)}),
        ("last_run_timestamp_seconds", "When the last run ended.", {"": time.time()}),
        ("run_seconds", "Duration of the last run.", {"": seconds}),
        ("requests", "Requests sent by the last run.", {"": requests}),
    ]
    if videos is not None:
        credits = videos["used_credits"]
        metrics += [
            ("videos", "Videos by status.", _counts(videos["status"], "status")),
            ("fetch_errors", "Videos without details.", _counts(videos["fetch_error"], "error")),
            ("used_credits", "Known credits.", {"": float(credits.sum())}),
            ("credits_unknown", "Videos without credits.", {"": int(credits.isna().sum())}),
        ]
    lines = []
    for name, about, values in metrics:
        lines += [f"# HELP hooked_{name} {about}", f"# TYPE hooked_{name} gauge"]
        for label, value in values.items():
            lines.append(f'hooked_{name}{{command="{command}"{label}}} {value!r}')
    with atomic_write(path) as beside:
        beside.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _counts(values: pd.Series[str], label: str) -> dict[str, float]:
    quoted = str.maketrans({"\\": r"\\", '"': r"\""})
    return {
        f',{label}="{one_line(str(value), MAX_LABEL).translate(quoted)}"': int(count)
        for value, count in values.dropna().value_counts().items()
    }
