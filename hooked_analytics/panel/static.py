"""A panel as it last was, in plain HTML that needs no kernel, no script and no style sheet."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from hooked_analytics._internal.formatting import duration
from hooked_analytics.panel.html import (
    WORDS,
    amount,
    progress_text,
    reasons,
    text,
    videos_in_words,
)

if TYPE_CHECKING:
    from hooked_analytics.panel.snapshot import Facts

MAX_ROWS = 100
# What has something to tell comes first when not all rows fit.
_ORDER = ("failed", "problem", "rendering", "unknown", "waiting", "completed")
_HEADINGS = ("Video", "Name", "Type", "Progress", "Elapsed", "Credits", "Message")
# Notebooks align every cell right unless a style says otherwise; sites that drop styles read align.
_RIGHT = ' align="right"'
_LEFT = ' align="left" style="text-align:left"'


def frozen(shown: Facts, *, png: bytes | None, seen: str, why: str = "") -> str:
    """
    Write the last look as one piece of HTML; sites that take styles away leave it readable.

    Parameters
    ----------
    shown : the last look
    png : the picture that goes with it
    seen : when that was, in words
    why : what ended the watch, if something did

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> from hooked_analytics.panel.snapshot import facts
    >>> page = frozen(facts(videos_from_records([{"id": "vid_1", "status": "COMPLETED"}])),
    ...     png=None, seen="2024-01-15 10:00 UTC")
    >>> "1 video" in page, "1 completed" in page, "<script" in page
    (True, True, False)
    """
    counts = ", ".join(f"{n:,} {WORDS[kind]}" for kind, n in shown.counts.items() if n)
    unknown = f", {shown.credits_unknown:,} not known" if shown.credits_unknown else ""
    lines = [
        f"<p><b>{videos_in_words(shown.total)}</b>: {counts or 'none'}<br>"
        f"{amount(shown.credits)} credits{unknown} · {amount(shown.wasted)} on failures · "
        f"watched for {duration(shown.elapsed_seconds)} · as of {seen}</p>"
    ]
    if why:
        lines.append(f"<p><b>{text(why)}</b></p>")
    if told := reasons(shown):
        lines.append(f"<p>{told}</p>")
    if png is not None:
        data = base64.b64encode(png).decode()
        lines.append(
            f'<p><img src="data:image/png;base64,{data}" width="1000" '
            'alt="Progress and finished videos over time"></p>'
        )
    return "\n".join([*lines, _table(shown)])


def _table(shown: Facts) -> str:
    if not shown.total:
        return ""
    rank = shown.rows["kind"].map({kind: n for n, kind in enumerate(_ORDER)}).astype("int64")
    rows = shown.rows
    if len(rows) > MAX_ROWS:
        rows = rows.loc[rank.sort_values(kind="stable").index[:MAX_ROWS]]
    heads = "".join(f"<th{_LEFT}>{each}</th>" for each in _HEADINGS)
    body = "\n".join(
        f"<tr><td{_LEFT}><code>{text(row['video_id'])}</code></td>"
        f"<td{_LEFT}>{text(row['name'])}</td><td{_LEFT}>{text(row['type'])}</td>"
        f"<td{_RIGHT}>{progress_text(row)}</td>"
        f"<td{_RIGHT}>{duration(row['elapsed_seconds'])}</td>"
        f"<td{_RIGHT}>{amount(row['used_credits'])}</td>"
        f"<td{_LEFT}>{text(row['reason'])}</td></tr>"
        for row in rows.to_dict("records")
    )
    left_out = shown.total - len(rows)
    more = f"<p>{left_out:,} more are not shown: .videos holds them all.</p>" if left_out else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>{more}"
