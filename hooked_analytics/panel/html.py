"""What a panel says, as HTML: every text of the API is escaped here, and nowhere else."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

from hooked_analytics._internal.formatting import duration, share as in_per_cent
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import seconds_range_text, time_left_text
from hooked_analytics.panel.css import COLOURS

if TYPE_CHECKING:
    import pandas as pd

    from hooked_analytics.analysis import TimeLeft
    from hooked_analytics.panel.snapshot import Facts

WORDS = {
    "rendering": "rendering",
    "completed": "completed",
    "failed": "failed",
    "problem": "not to be had",
    "waiting": "not seen yet",
    "unknown": "in an unknown state",
}
# Heading, share of the width [%], and whether it holds figures.
_COLUMNS = (
    ("Video", 22, False),
    ("Type", 13, False),
    ("Progress", 17, False),
    ("Elapsed", 8, True),
    ("Left", 8, True),
    ("Credits", 8, True),
    ("Message", 24, False),
)
_MAX_TEXT = 300
_MAX_REASONS = 3


def text(value: Any) -> str:
    """
    Text for a page: harmless, on one line, of bounded length, nothing where it is missing.

    Examples
    --------
    >>> text('<img src=x onerror="alert(1)">')
    '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;'
    """
    if not isinstance(value, str):
        return ""
    return html.escape(one_line(value, _MAX_TEXT), quote=True)


def amount(credits: float) -> str:
    """
    Write a number of credits; a dash where it is not known.

    Examples
    --------
    >>> amount(1234.0), amount(2.5), amount(float("nan"))
    ('1,234', '2.5', '–')
    """
    if math.isnan(credits):
        return "–"
    return f"{credits:,.6g}" if credits % 1 else f"{credits:,.0f}"


def head(shown: Facts) -> str:
    """Title and a chip for each kind of video there is."""
    chips = "".join(
        f'<span class="hk-chip"><i class="hk-dot" style="background:{COLOURS[kind]}"></i>'
        f"{count:,} {WORDS[kind]}</span>"
        for kind, count in shown.counts.items()
        if count or kind in ("rendering", "completed", "failed")
    )
    return f'<span class="hk-title">{videos_in_words(shown.total)}</span>{chips}'


def videos_in_words(count: int) -> str:
    """Write a number of videos."""
    return f"{count:,} video{'' if count == 1 else 's'}"


def overview(shown: Facts, *, requests: int, limit: float | None) -> str:
    """One bar over all, the figures, and a line about what failed."""
    parts = "".join(
        f'<i style="width:{100 * shown.done[kind]:.2f}%;background:{COLOURS[kind]}"></i>'
        for kind in ("completed", "failed", "problem", "rendering")
        if shown.done[kind]
    )
    tiles = "".join(
        f'<div class="hk-tile" title="{label}"><b>{figure}</b><span>{label}</span></div>'
        for figure, label in _tiles(shown, requests, limit)
    )
    over = shown.total - shown.counts["rendering"] - shown.counts["waiting"]
    label = f"{over:,} of {shown.total:,} over"
    return (
        f'<div class="hk-bar" role="img" aria-label="{label}" title="{label}">{parts}</div>'
        f'<div class="hk-tiles">{tiles}</div>'
    )


def _tiles(shown: Facts, requests: int, limit: float | None) -> list[tuple[str, str]]:
    unknown = f", {shown.credits_unknown:,} unknown" if shown.credits_unknown else ""
    wasted = f" ({in_per_cent(shown.wasted / shown.credits)})" if shown.wasted > 0 else ""
    return [
        (duration(shown.elapsed_seconds), "elapsed"),
        _left(shown),
        (amount(shown.credits), f"credits{unknown}"),
        (amount(shown.wasted) if shown.counts["failed"] else "0", f"credits on failures{wasted}"),
        (f"{requests:,} / {limit:,.0f}" if limit else f"{requests:,}", "requests a minute"),
    ]


def _left(shown: Facts) -> tuple[str, str]:
    if not (shown.counts["rendering"] or shown.counts["waiting"] or shown.counts["unknown"]):
        return ("over" if shown.total else "–"), "nothing left to wait for"
    ahead: TimeLeft | None = shown.ahead
    if ahead is None:
        return "–", "left: no pace yet"
    if math.isnan(ahead.low_seconds):
        return time_left_text(ahead), "left at this pace"
    return time_left_text(ahead), "left, 80 % range"


def reasons(shown: Facts) -> str:
    """Why videos failed, most frequent reason first."""
    if not shown.reasons:
        return ""
    listed = list(shown.reasons.items())
    told = " · ".join(
        f"{text(reason)}{f' ({count:,})' if count > 1 else ''}"
        for reason, count in listed[:_MAX_REASONS]
    )
    rest = sum(count for _, count in listed[_MAX_REASONS:])
    more = f" · {rest:,} for other reasons" if rest else ""
    return f"<b>{sum(shown.reasons.values()):,} failed:</b> {told}{more}"


def table(rows: pd.DataFrame, *, height: int, empty: str) -> str:
    """
    One page of the table; rows that are not there keep their room.

    Parameters
    ----------
    rows : those of `Facts.rows` on this page
    height : rows to keep room for
    empty : what to say when there is none
    """
    heads = "".join(
        f'<th style="width:{width}%"{_right(figures)}>{name}</th>'
        for name, width, figures in _COLUMNS
    )
    body = "".join(_row(row) for row in rows.to_dict("records"))
    if rows.empty:
        body = f'<tr class="hk-gap"><td class="hk-empty" colspan="7">{empty}</td></tr>'
    gap = '<tr class="hk-gap"><td colspan="7"></td></tr>' * (height - max(len(rows), 1))
    return (
        '<div class="hk-table-box"><table class="hk-table">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}{gap}</tbody></table></div>"
    )


def _row(row: dict[Any, Any]) -> str:
    kind, colour = row["kind"], COLOURS[row["kind"]]
    word = status_word(row)
    name, video_id = text(row["name"]), text(row["video_id"])
    why = text(row["reason"])
    tone = ' class="hk-alert"' if kind in ("failed", "problem") else ' class="hk-quiet"'
    return (
        f'<tr><td title="{name or video_id}"><div class="hk-video">'
        f'<i class="hk-dot" style="background:{colour}" title="{word}"></i>'
        f"<div>{f'<span>{name}</span>' if name else ''}<code>{video_id}</code></div></div></td>"
        f'<td title="{text(row["type"])}">{text(row["type"])}</td>'
        f'<td><div class="hk-progress"><u><i style="width:{_width(row):.0f}%;'
        f'background:{colour}"></i></u><span>{progress_text(row)}</span></div></td>'
        f"<td{_right(True)}>{duration(row['elapsed_seconds'])}</td>"
        f"<td{_right(True)}>{_left_of(row)}</td>"
        f"<td{_right(True)}>{amount(row['used_credits'])}</td>"
        f'<td title="{why}"><span{tone}>{why}</span></td></tr>'
    )


def status_word(row: dict[Any, Any]) -> str:
    """Say how a video is; an unknown status as the API spells it."""
    known = row["kind"] != "unknown" or not isinstance(row["status"], str)
    return WORDS[row["kind"]] if known else text(row["status"]).lower()


def progress_text(row: dict[Any, Any]) -> str:
    """Say how far a video is, and what became of it where that is no matter of progress."""
    share = "" if math.isnan(row["progress"]) else f"{row['progress']:.0f}%"
    return {
        "completed": "100%",
        "rendering": share or "rendering",
        "failed": f"{share} failed".strip(),
        "problem": str(row["fetch_error"]).replace("_", " "),
        "waiting": "not seen yet",
    }.get(row["kind"], f"{share} {status_word(row)}".strip())


def left_text(row: dict[Any, Any]) -> str:
    """Say how long a render still takes, or that it seems stuck."""
    if row["kind"] != "rendering":
        return ""
    return (
        "stuck?" if row["stuck"] else seconds_range_text(row["left_low"], row["left_high"]) or "–"
    )


def _left_of(row: dict[Any, Any]) -> str:
    told = left_text(row)
    return f'<span class="hk-alert">{told}</span>' if told == "stuck?" else told


def _width(row: dict[Any, Any]) -> float:
    if row["kind"] == "completed":
        return 100.0
    return 0.0 if math.isnan(row["progress"]) else min(max(row["progress"], 0.0), 100.0)


def _right(figures: bool) -> str:
    return ' class="hk-right"' if figures else ""
