"""What a panel shows, as arrays: a poll costs what it changed, not what there is."""

from __future__ import annotations

from collections import Counter
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

    def lines(self, since: int = 0) -> list[list[float | None]]:
        """Give changes as time [s], row and progress [%], for as many videos as are drawn."""
        if len(self.videos) > MAX_LINES or self.base is None:
            return []
        place = {video_id: row for row, video_id in enumerate(self.videos["video_id"])}
        return [
            [round((at - self.base).total_seconds(), 1), place[video_id], number_or_none(progress)]
            for at, video_id, _, progress in self.changes[since:]
        ]

    def cells(self, rows: list[int] | slice) -> list[list[Any]]:
        """Give what the table shows in some rows, a list for each of `FIELDS`, as JSON holds it."""
        return [[_json(name, v) for v in self.columns[name][rows].tolist()] for name in FIELDS]

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
            "credits": number_or_none(credits[known].sum()) if known.any() else None,
            "failed_credits": number_or_none(credits[lost].sum()) if lost.any() else None,
            "credits_unknown": int((~known).sum()),
            "reasons": [[one_line(r or "no reason given", MAX_TEXT), n] for r, n in why],
            "median": number_or_none(np.nanmedian(took)) if (took == took).any() else None,
            "elapsed": number_or_none(self.now - self._began),
        }
        if left is not None:
            told |= {"pace": number_or_none(left.seconds), "remaining": left.remaining,
                     "text": time_left_text(left)}  # fmt: skip
            if left.compared:
                ends = [number_or_none(left.low_seconds), number_or_none(left.high_seconds)]
                told |= {"left": ends, "compared": left.compared}
        return told

    def _columns(self, videos: pd.DataFrame) -> dict[str, Array]:
        text = {name: _objects(videos[name]) for name in (*_TEXTS, "thumbnail")}
        error = self._error = _objects(videos["fetch_error"])
        kinds = kinds_of(text["status"], error)
        gone = kinds == UNAVAILABLE
        if gone.any():
            text["status"] = np.where(gone, error, text["status"])
            told = _objects(videos["fetch_error_message"])
            text["message"] = np.where(gone, told, text["message"])
        created = self._since(videos["created_at"])
        took = self._since(videos["updated_at"]) - created
        ended = ((kinds == FAILED) | (kinds == COMPLETED)) & (took >= 0)
        return {
            "kind": kinds,
            "progress": np.where(kinds == COMPLETED, 100.0, _floats(videos["progress"])),
            "low": np.full(len(videos), np.nan),
            "high": np.full(len(videos), np.nan),
            "stuck": np.zeros(len(videos), bool),
            "created": created,
            "took": np.where(ended, took, np.nan),
            "credits": _floats(videos["used_credits"]),
            **text,
        }

    def _estimate(self, new: dict[str, Array], old: dict[str, Array]) -> Array:
        """Fill in expected ends; return the rows whose end has moved noticeably."""
        running = new["kind"] == RENDERING
        begun = running & (old["kind"] != RENDERING)
        new.update({n: np.where(running & ~begun, old[n], new[n]) for n in _ENDS})
        if not running.any():
            self._left = None
        elif np.isnan(self._began):
            self._began = float(np.fmin.reduce(new["created"][running]))
        if not running.any() or self.now < self._estimate_at:
            return np.zeros(len(running), bool)
        told = self._ends(new)
        rest, elapsed = _REST_WITHOUT_PACE, self.now - self._began
        if self._left:
            rest = min(_REST_SHARE * min(self._left.seconds, elapsed), _MAX_REST)
        self._estimated_at, self._estimate_at = self.now, self.now + rest
        far = np.fmax(*(np.abs(told[end] - new[end]) for end in ("low", "high")))
        appeared = np.isnan(told["low"]) != np.isnan(new["low"])
        far[appeared | (told["stuck"] != new["stuck"])] = np.inf
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
        start = self._after(now.created[place])
        for name, total in (("low", found.total[0]), ("high", found.total[2])):
            ends[name][place] = np.round(start + total, 1)
        ends["stuck"][place] = found.stuck
        return {**ends, "stuck": ends["stuck"] == 1}

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
        kinds, progress = np.full(len(place), WAITING), np.full(len(place), np.nan)
        told = kinds_of(status, np.full(len(seen), None, object)).tolist()
        times = self._since(seen["observed_at"]).tolist()
        each = zip(self.changes, told, times, [*times, 0.0][1:], strict=True)
        for (_, video_id, _, share), kind, at, following in each:
            kinds[place[video_id]], progress[place[video_id]] = kind, share
            if int(following) > int(at) or following == 0:  # a point a second is enough
                self._point(at, kinds, progress)

    def _since(self, times: pd.Series) -> Array:
        """Seconds after the base, in tenths."""
        seconds: Array = np.round(self._after(times.to_numpy(dtype="datetime64[us]")), 1)
        return seconds

    def _after(self, times: Array) -> Array:
        """Seconds after the base; missing before there is one."""
        base = np.datetime64("NaT") if self.base is None else self.base.to_datetime64()
        seconds: Array = (times - base) / np.timedelta64(1, "s")
        return seconds


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


def _json(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return value and one_line(value, MAX_TEXT)
    if name == "thumbnail":
        loads = value and value.startswith(("https://", "http://")) and len(value) <= MAX_URL
        return value if loads else None
    return number_or_none(value)


def number_or_none(value: Any) -> float | int | None:
    """A number JSON can hold, whole where it is whole."""
    if value is None or value is pd.NA or value != value:
        return None
    return int(value) if value == int(value) else round(float(value), 1)
