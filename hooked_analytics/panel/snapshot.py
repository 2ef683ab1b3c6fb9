"""What a panel shows, as arrays: a poll costs what it changed, not what there is."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import (
    Renders,
    ends_by_elapsed,
    ends_by_progress,
    estimate_completion,
    left_of_renders,
    read_renders,
    time_left_text,
)
from hooked_analytics.schema import ENDING_FAILURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hooked_analytics.analysis import TimeLeft
    from hooked_analytics.fetch import Archive

    Array = NDArray[Any]

# What a video is counted as, in the order of the table.
KINDS = ("rendering", "failed", "unavailable", "unknown", "waiting", "completed")
RENDERING, FAILED, UNAVAILABLE, UNKNOWN, WAITING, COMPLETED = range(6)
# Sent to the browser for each row; times are seconds after `Snapshot.base`.
_TEXTS, _ENDS = ("status", "type", "name", "message"), ("low", "high", "stuck")
FIELDS = ("kind", "progress", *_ENDS, "created", "took", "credits", *_TEXTS, "thumbnail")
MAX_LINES = 30  # videos drawn one by one; above, a band
MAX_TEXT, MAX_URL, MAX_REASONS, _MAX_POINTS = 200, 500, 4, 400
# Ends are estimated anew when a fifth of the time left, or elapsed, has gone by [s]: it takes
# longer than all the rest of a poll, and an expected end stays true meanwhile.
_REST_SHARE, _MAX_REST, _REST_WITHOUT_PACE = 0.2, 120.0, 10.0
# Expected ends sent anew in one poll beside rows that changed: those that moved most, so many or
# one of 300.
_MAX_MOVED = 10
# What an archive gives to learn from: the newest, for speed drifts and a poll shall be quick.
_MAX_LEARNT, _MAX_OBSERVATIONS = 5000, 20_000
_LEARNT = ["type", "status", "created_at", "updated_at", "fetched_at"]
_QUANTILES = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
_PAST = pd.Timedelta(hours=6)  # how far back an archive's observations are drawn
_HISTORY = {
    "observed_at": "datetime64[us, UTC]", "video_id": "string", "status": "string",
    "progress": "Float64",
}  # fmt: skip


def kinds_of(status: Array, error: Array) -> Array:
    """Number what each video is counted as, by its place in `KINDS`."""
    kinds = np.full(len(status), UNKNOWN)
    for word, kind in (("STARTED", RENDERING), ("COMPLETED", COMPLETED), ("FAILED", FAILED)):
        kinds[status == word] = kind
    refused = np.flatnonzero(~pd.isna(error))
    kinds[refused[pd.isna(status[refused])]] = WAITING
    kinds[refused[np.isin(error[refused], list(ENDING_FAILURES))]] = UNAVAILABLE
    return kinds


class Snapshot:
    """
    The last poll, what it changed, and how it came to that.

    The newest renders of an archive are learnt from, and pictures begin with what it has seen.

    >>> from hooked_analytics import videos_from_records
    >>> snapshot = Snapshot()
    >>> record = {"id": "vid_1", "status": "STARTED", "progress": 40}
    >>> for progress in (40, 40, 70):
    ...     rows = snapshot.update(videos_from_records([{**record, "progress": progress}]))
    ...     print(rows.tolist(), snapshot.columns["progress"].tolist())
    [0] [40.0]
    [] [40.0]
    [0] [70.0]
    """

    def __init__(self, archive: Archive | None = None) -> None:
        self.videos = pd.DataFrame()
        self.columns: dict[str, Array] = {}  # what the table shows, by the names of `FIELDS`
        self.base: pd.Timestamp | None = None  # the first response
        self.seen: pd.Timestamp | None = None  # the last one
        self.now = 0.0
        # of each poll its time [s], how many had ended, and quantiles of progress [%]
        self.series: list[list[float]] = []
        self.changes: list[tuple[Any, ...]] = []  # time, id, status, progress [%]
        self._began = np.nan  # when the oldest render was created
        self._learnt = self._observations = self._past = None
        if archive is not None and len(known := archive.videos()):
            self._learnt = known.nlargest(_MAX_LEARNT, "created_at")[_LEARNT]
            self._past = read_renders(self._learnt)
            if seen := getattr(archive, "observations", None):
                self._observations = seen().nlargest(_MAX_OBSERVATIONS, "observed_at")
        self._left: TimeLeft | None = None
        self._estimated_at = self._estimate_at = 0.0

    def update(self, videos: pd.DataFrame) -> Array:
        """Take a poll; return the rows that are new in it."""
        seen = videos["fetched_at"].max()
        if not pd.isna(seen):
            if self.base is None:
                self.base = seen
                self._remember(videos)
            self.seen = seen
            self.now = max(self.now, round((seen - self.base).total_seconds(), 1))
        self.videos, old, self.columns = videos, self.columns, self._columns(videos)
        new = self.columns
        if not old:
            old = {name: np.full_like(values, -1) for name, values in new.items()}
        moved = self._estimate(new, old)
        differs = {name: _differs(old[name], new[name]) for name in FIELDS if name not in _ENDS}
        self._note(differs["status"] | differs["progress"])
        return np.flatnonzero(np.logical_or.reduce([*differs.values(), moved]))

    def eta(self) -> pd.DataFrame:
        """Expect the ends of the renders under way."""
        like = self._learnt
        if like is not None:
            like = pd.concat([like, self.videos[like.columns]], ignore_index=True)
        return estimate_completion(self.videos, history=like, observations=self._observations)

    def time_left(self) -> TimeLeft | None:
        """Tell how long until all have ended, as of the last poll; None where it is not known."""
        return self._left and self._left.after(self.now - self._estimated_at)

    def history(self) -> pd.DataFrame:
        """Return each change seen: ``observed_at, video_id, status, progress`` [%]."""
        return pd.DataFrame(self.changes, columns=list(_HISTORY)).astype(_HISTORY)

    def lines(self, since: int = 0) -> list[list[Any]]:
        """Give changes as time [s], row and progress [%], for as many videos as are drawn."""
        if len(self.videos) > MAX_LINES or self.base is None:
            return []
        place = {video_id: row for row, video_id in enumerate(self.videos["video_id"])}
        return [
            [round((at - self.base).total_seconds(), 1), place[video_id], plain(progress)]
            for at, video_id, _, progress in self.changes[since:]
        ]

    def cells(self, rows: Sequence[int]) -> list[list[Any]]:
        """Give what the table shows in some rows, a list for each of `FIELDS`, as JSON holds it."""
        return [[_cell(name, v) for v in self.columns[name][rows].tolist()] for name in FIELDS]

    def totals(self) -> dict[str, Any]:
        """Return the figures over all rows; missing is None."""
        kinds, credits, left = self.columns["kind"], self.columns["credits"], self.time_left()
        progress = np.where(kinds == RENDERING, np.nan_to_num(self.columns["progress"]), 100.0)
        progress[kinds == WAITING] = 0.0
        done = np.bincount(kinds, progress, minlength=len(KINDS)) / 100 / max(len(kinds), 1)
        took = self.columns["took"][kinds == COMPLETED]
        known = ~np.isnan(credits)
        lost, failed = known & (kinds == FAILED), (kinds == FAILED) | (kinds == UNAVAILABLE)
        why = Counter(self.columns["message"][failed].tolist()).most_common(MAX_REASONS)
        told: dict[str, Any] = {
            "counts": np.bincount(kinds, minlength=len(KINDS)).tolist(),
            "done": np.round(done, 4).tolist(),
            "credits": plain(credits[known].sum()) if known.any() else None,
            "failed_credits": plain(credits[lost].sum()) if lost.any() else None,
            "credits_unknown": int((~known).sum()),
            "reasons": [[one_line(r or "no reason given", MAX_TEXT), n] for r, n in why],
            "median": plain(np.nanmedian(took)) if (took == took).any() else None,
            "elapsed": plain(self.now - self._began),
        }
        if left is not None:
            told |= {"pace": plain(left.seconds), "remaining": left.remaining,
                     "text": time_left_text(left)}  # fmt: skip
            if left.compared:
                ends = [plain(left.low_seconds), plain(left.high_seconds)]
                told |= {"left": ends, "compared": left.compared}
        return told

    def _columns(self, videos: pd.DataFrame) -> dict[str, Array]:
        text = {name: _objects(videos[name]) for name in (*_TEXTS, "thumbnail")}
        error = self._error = _objects(videos["fetch_error"])
        kinds = kinds_of(text["status"], error)
        if (gone := kinds == UNAVAILABLE).any():
            for name, told in (("status", "fetch_error"), ("message", "fetch_error_message")):
                text[name] = np.where(gone, _objects(videos[told]), text[name])
        created = self._since(videos["created_at"])
        took = self._since(videos["updated_at"]) - created
        ended = ((kinds == FAILED) | (kinds == COMPLETED)) & (took >= 0)
        return {
            "kind": kinds,
            "progress": np.where(kinds == COMPLETED, 100.0, _floats(videos["progress"])),
            **{end: np.full(len(videos), np.nan) for end in _ENDS},
            "created": created,
            "took": np.where(ended, took, np.nan),
            "credits": _floats(videos["used_credits"]),
            **text,
        }

    def _estimate(self, new: dict[str, Array], old: dict[str, Array]) -> Array:
        """Fill in expected ends; return the rows whose end has moved noticeably."""
        running: Array = new["kind"] == RENDERING
        begun = running & (old["kind"] != RENDERING)
        new.update({n: np.where(running & ~begun, old[n], new[n]) for n in _ENDS})
        if not running.any():
            self._left = None
            return running
        if np.isnan(self._began):
            self._began = float(np.fmin.reduce(new["created"][running]))
        if self.now < self._estimate_at:
            return np.zeros(len(running), bool)
        told = self._ends(new)
        rest, elapsed = _REST_WITHOUT_PACE, self.now - self._began
        if self._left:
            rest = min(_REST_SHARE * min(self._left.seconds, elapsed), _MAX_REST)
        self._estimated_at, self._estimate_at = self.now, self.now + rest
        far = np.fmax(*(np.abs(told[end] - new[end]) for end in ("low", "high")))
        appeared = np.isnan(told["low"]) != np.isnan(new["low"])
        far[appeared | _differs(told["stuck"], new["stuck"])] = np.inf
        far[begun] = np.nan
        best = np.argsort(-far, kind="stable")[: max(_MAX_MOVED, len(running) // 300)]
        taken: Array = begun.copy()
        taken[best] |= (far > np.fmax(10.0, 0.2 * np.nan_to_num(told["high"] - self.now)))[best]
        new.update({name: np.where(taken, told[name], new[name]) for name in told})
        return taken

    def _ends(self, new: dict[str, Array]) -> dict[str, Array]:
        """Do what `estimate_completion` and `batch_time_left` do, with the arrays of a poll."""
        now, past = read_renders(self.videos), self._past
        like = now
        if past is not None:
            pairs = zip(past[1:], now[1:], strict=True)
            types = pd.concat([past.types, now.types], ignore_index=True)
            like = Renders(types, *(np.concatenate(pair) for pair in pairs))
        self._left = left_of_renders(now, np.nan_to_num(new["progress"]), like)
        found, place = ends_by_elapsed(now, like), np.flatnonzero(now.rendering)
        if self._observations is not None:
            ends_by_progress(found, self.videos.iloc[place], self._observations)
        ends = {name: np.full(len(self.videos), np.nan) for name in _ENDS}
        for name, total in (("low", found.total[0]), ("high", found.total[2])):
            ends[name][place] = np.round(new["created"][place] + total, 1)
        ends["stuck"][place] = found.stuck
        return ends

    def _note(self, changed: Array) -> None:
        """Keep what changed in status and progress, and a point of the pictures."""
        if self.base is None:
            return
        new, kinds = self.columns, self.columns["kind"]
        rows = np.flatnonzero(changed & (kinds != WAITING) & pd.isna(self._error))
        at = self.base + pd.Timedelta(seconds=self.now)
        ids = _objects(self.videos["video_id"])[rows]
        told = zip(ids, new["status"][rows], new["progress"][rows].tolist(), strict=True)
        self.changes += [(at, *each) for each in told]
        self._point(self.now, kinds, new["progress"])

    def _point(self, at: float, kinds: Array, progress: Array) -> None:
        over = int(((kinds == FAILED) | (kinds == COMPLETED)).sum())
        known = np.sort(progress[(kinds != FAILED) & ~np.isnan(progress)])
        point = [round(at, 1), over]
        if len(known):  # np.quantile takes ten times as long
            ranks = _QUANTILES * (len(known) - 1)
            point += np.interp(ranks, np.arange(len(known)), known).round(1).tolist()
        if len(self.series) > 1:
            (before, *other), (_, *last) = self.series[-2:]
            if other == last == point[1:] or at - before < 1:
                self.series.pop()  # a level stretch needs its two ends alone, a second one point
        self.series.append(point)
        if len(self.series) > _MAX_POINTS:
            self.series = [*self.series[:-1:2], self.series[-1]]

    def _remember(self, videos: pd.DataFrame) -> None:
        """Begin the pictures with what an archive has seen of these videos."""
        seen, base = self._observations, self.base
        if seen is None or base is None:
            return
        place = {video_id: row for row, video_id in enumerate(videos["video_id"])}
        recent = seen["observed_at"].between(base - _PAST, base, inclusive="left")
        seen = seen[recent & seen["video_id"].isin(list(place)) & seen["status"].notna()]
        seen = seen.sort_values("observed_at", kind="stable")
        status = _objects(seen["status"])
        shares = np.where(status == "COMPLETED", 100.0, _floats(seen["progress"]))
        self.changes = [*zip(seen["observed_at"], seen["video_id"], status, shares, strict=True)]
        told = kinds_of(status, np.full(len(seen), None, object))
        rows, times = seen["video_id"].map(place).to_numpy(), self._since(seen["observed_at"])
        kinds, progress = np.full(len(place), WAITING), np.full(len(place), np.nan)
        ends = np.flatnonzero(np.diff(np.trunc(times), append=1.0)) + 1  # a point a second
        for first, end in pairwise([0, *ends]):
            kinds[rows[first:end]] = told[first:end]
            progress[rows[first:end]] = shares[first:end]
            self._point(times[end - 1], kinds, progress)

    def _since(self, times: pd.Series) -> Array:
        """Seconds after the base, in tenths; missing before there is one."""
        base = np.datetime64("NaT") if self.base is None else self.base.to_datetime64()
        after = times.to_numpy(dtype="datetime64[us]") - base
        return np.asarray(np.round(after / np.timedelta64(1, "s"), 1))


def _objects(values: pd.Series) -> Array:
    known: Any = values  # its types know of no None
    found: Array = known.to_numpy(dtype=object, na_value=None)
    return found


def _floats(values: pd.Series) -> Array:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _differs(one: Array, other: Array) -> Array:
    """Where two arrays differ; missing equals missing."""
    differs: Array = one != other
    return differs if one.dtype == object else differs & ((one == one) | (other == other))


def _cell(name: str, value: Any) -> Any:
    if name != "thumbnail":
        return plain(value)
    loads = value and value.startswith(("https://", "http://")) and len(value) <= MAX_URL
    return value if loads else None


def plain(value: Any) -> float | str | None:
    """
    Give a value as JSON holds it: a number, text on one line, or None where there is none.

    >>> [plain(value) for value in (2.0, 2.34, float("inf"), pd.NA, True)]
    [2, 2.3, None, None, 'True']
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            return None
        return int(value) if value == int(value) else round(float(value), 1)
    missing = value is None or value is pd.NA or value is pd.NaT
    return None if missing else one_line(str(value), MAX_TEXT)
