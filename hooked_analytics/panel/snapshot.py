"""What a panel shows, as arrays: a poll costs what it changed, not what there is."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import batch_time_left, estimate_completion
from hooked_analytics.schema import ENDING_FAILURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hooked_analytics.analysis import TimeLeft

    Array = NDArray[Any]

# What a video is counted as, in the order of the table.
KINDS = ("rendering", "failed", "unavailable", "unknown", "waiting", "completed")
RENDERING, FAILED, UNAVAILABLE, UNKNOWN, WAITING, COMPLETED = range(6)
# Sent to the browser for each row; times are seconds after `Snapshot.base`.
FIELDS = ("kind", "progress", "low", "high", "stuck", "created", "took", "credits", "status",
          "type", "name", "message", "thumbnail")  # fmt: skip
MAX_LINES = 30  # videos drawn one by one; above, a band
MAX_TEXT, MAX_REASONS = 200, 4
_MAX_POINTS = 400
# Expected ends sent anew in one poll beside rows that changed: those that moved most, so many or
# one of 300.
_MAX_MOVED = 10
# Estimating takes this many times its own time off; an expected end stays true meanwhile.
_REST_AFTER_ESTIMATING = 20
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_PAST = pd.Timedelta(hours=6)  # how far back an archive's observations are drawn
_HISTORY = {
    "observed_at": "datetime64[us, UTC]", "video_id": "string", "status": "string",
    "progress": "Float64",
}  # fmt: skip


def kinds_of(videos: pd.DataFrame) -> Array:
    """
    Number what each video is counted as, by its place in `KINDS`.

    Examples
    --------
    >>> kinds_of(pd.DataFrame({
    ...     "status": ["STARTED", "NEW", None], "fetch_error": [None, None, "timeout"],
    ... }).astype("string")).tolist()
    [0, 3, 4]
    """
    status, error = _objects(videos["status"]), _objects(videos["fetch_error"])
    kinds = np.full(len(videos), UNKNOWN)
    for word, kind in (("STARTED", RENDERING), ("COMPLETED", COMPLETED), ("FAILED", FAILED)):
        kinds[status == word] = kind
    kinds[pd.isna(status) & ~pd.isna(error)] = WAITING
    kinds[np.isin(error.astype(str), list(ENDING_FAILURES))] = UNAVAILABLE
    return kinds


class Snapshot:
    """
    The last poll, what it changed, and how it came to that.

    Parameters
    ----------
    learnt : DataFrame, optional
        Renders to learn from, beside those polled.
    observations : DataFrame, optional
        What an archive has seen on the way.

    Attributes
    ----------
    videos : DataFrame
        The last poll.
    columns : dict of array
        What the table shows, by the names of `FIELDS`.
    series : list of list
        For each poll its time [s], how many had ended, and quantiles of progress [%].
    changes : list of tuple
        Time, id, status and progress [%] of each change seen.

    Examples
    --------
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

    def __init__(
        self, learnt: pd.DataFrame | None = None, observations: pd.DataFrame | None = None
    ) -> None:
        self.videos = pd.DataFrame()
        self.columns: dict[str, Array] = {}
        self.base: pd.Timestamp | None = None  # the first response
        self.seen: pd.Timestamp | None = None  # the last one
        self.now = 0.0
        self.series: list[list[float]] = []
        self.changes: list[tuple[Any, ...]] = []
        self._began: float | None = None
        self._learnt, self._observations = learnt, observations
        self._left: TimeLeft | None = None
        self._estimated_at = self._next_estimate = 0.0

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
        names = [name for name in FIELDS if name not in ("low", "high", "stuck")]
        changed = np.logical_or.reduce([_differs(old[name], new[name]) for name in names])
        self._note(np.flatnonzero(changed), old)
        return np.flatnonzero(changed | moved)

    def eta(self) -> pd.DataFrame:
        """Expect the ends of the renders under way."""
        return estimate_completion(
            self.videos, history=self._like(), observations=self._observations
        )

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

    def totals(self) -> dict[str, Any]:
        """Return the figures over all rows; missing is None."""
        kinds, credits, left = self.columns["kind"], self.columns["credits"], self.time_left()
        counts = np.bincount(kinds, minlength=len(KINDS))
        progress = np.where(kinds == RENDERING, np.nan_to_num(self.columns["progress"]), 100.0)
        progress[kinds == WAITING] = 0.0
        done = np.bincount(kinds, progress, minlength=len(KINDS)) / 100 / max(len(kinds), 1)
        took = self.columns["took"][kinds == COMPLETED]
        known = ~np.isnan(credits)
        lost = known & (kinds == FAILED)
        failed = np.isin(kinds, (FAILED, UNAVAILABLE))
        why = Counter(self.columns["message"][failed].tolist()).most_common(MAX_REASONS)
        told: dict[str, Any] = {
            "counts": counts.tolist(),
            "done": np.round(done, 4).tolist(),
            "credits": number_or_none(credits[known].sum()) if known.any() else None,
            "failed_credits": number_or_none(credits[lost].sum()) if lost.any() else None,
            "credits_unknown": int((~known).sum()),
            "reasons": [[one_line(r or "no reason given", MAX_TEXT), n] for r, n in why],
            "median": number_or_none(np.nanmedian(took)) if (took == took).any() else None,
            "elapsed": None if self._began is None else number_or_none(self.now - self._began),
        }
        if left is not None:
            told |= {"pace": number_or_none(left.seconds), "remaining": left.remaining}
            if left.compared:
                ends = [number_or_none(left.low_seconds), number_or_none(left.high_seconds)]
                told |= {"left": ends, "compared": left.compared}
        return told

    def _like(self) -> pd.DataFrame:
        """Renders to learn from: those of an archive, and these."""
        if self._learnt is None:
            return self.videos
        return pd.concat([self._learnt, self.videos[self._learnt.columns]], ignore_index=True)

    def _columns(self, videos: pd.DataFrame) -> dict[str, Array]:
        kinds = kinds_of(videos)
        created, updated = self._since(videos["created_at"]), self._since(videos["updated_at"])
        took = np.where(np.isin(kinds, (FAILED, COMPLETED)), updated - created, np.nan)
        text = {name: _objects(videos[name]) for name in ("status", "type", "name", "message")}
        for name, source in (("status", "fetch_error"), ("message", "fetch_error_message")):
            text[name] = np.where(kinds == UNAVAILABLE, _objects(videos[source]), text[name])
        return {
            "kind": kinds,
            "progress": np.where(kinds == COMPLETED, 100.0, _floats(videos["progress"])),
            "low": np.full(len(videos), np.nan),
            "high": np.full(len(videos), np.nan),
            "stuck": np.zeros(len(videos), bool),
            "created": created,
            "took": np.where(took >= 0, took, np.nan),
            "credits": _floats(videos["used_credits"]),
            **text,
            "thumbnail": _objects(videos["thumbnail"]),
        }

    def _estimate(self, new: dict[str, Array], old: dict[str, Array]) -> Array:
        """Fill in expected ends; return the rows whose end has moved noticeably."""
        running, began = new["kind"] == RENDERING, time.monotonic()
        begun = running & (old["kind"] != RENDERING)
        for name in ("low", "high", "stuck"):
            new[name] = np.where(running & ~begun, old[name], new[name])
        if not running.any():
            self._left = None
        if began < self._next_estimate or not running.any():
            return np.zeros(len(running), bool)
        ends = self.eta().set_index("video_id").reindex(self.videos["video_id"])
        self._left = batch_time_left(self.videos, history=self._like())
        self._estimated_at = self.now
        told = {"low": self._since(ends["eta_low"]), "high": self._since(ends["eta_high"]),
                "stuck": running & (_floats(ends["stuck"]) == 1)}  # fmt: skip
        far = np.fmax(*(np.abs(told[end] - new[end]) for end in ("low", "high")))
        far[np.isnan(told["low"]) != np.isnan(new["low"])] = np.inf
        far[told["stuck"] != new["stuck"]] = np.inf
        noticed = far > np.fmax(10.0, 0.2 * np.nan_to_num(told["high"] - self.now))
        moved = np.flatnonzero(running & ~begun & noticed)
        taken: Array = begun.copy()
        most = max(_MAX_MOVED, len(taken) // 300)
        taken[moved[np.argsort(-far[moved], kind="stable")][:most]] = True
        new.update({name: np.where(taken, told[name], new[name]) for name in told})
        self._next_estimate = began + (1 + _REST_AFTER_ESTIMATING) * (time.monotonic() - began)
        return taken

    def _note(self, rows: Array, old: dict[str, Array]) -> None:
        """Keep what changed in status and progress, and a point of the pictures."""
        if self.base is None:
            return
        new, kinds = self.columns, self.columns["kind"]
        told = pd.isna(_objects(self.videos["fetch_error"])[rows]) & (kinds[rows] != WAITING)
        told &= np.logical_or(*(_differs(old[n], new[n])[rows] for n in ("progress", "status")))
        at, ids = self.base + pd.Timedelta(seconds=self.now), self.videos["video_id"]
        for row in rows[told].tolist():
            self.changes.append((at, ids.iat[row], new["status"][row], new["progress"][row]))
        began = new["created"][kinds == RENDERING]
        if self._began is None and (began == began).any():
            self._began = float(np.nanmin(began))
        self._point(self.now, kinds, new["progress"])

    def _point(self, at: float, kinds: Array, progress: Array) -> None:
        over = int(np.isin(kinds, (FAILED, COMPLETED)).sum())
        known = progress[(kinds != FAILED) & ~np.isnan(progress)]
        band = np.quantile(known, _QUANTILES).round(1).tolist() if len(known) else []
        point = [round(at, 1), over, *band]
        if len(self.series) > 1:
            (before, *other), (_, *last) = self.series[-2:]
            if other == last == point[1:] or at - before < 1:
                self.series.pop()  # a level stretch needs its two ends alone, a second one point
        self.series.append(point)
        if len(self.series) > _MAX_POINTS:
            self.series = [*self.series[:-1:2], self.series[-1]]

    def _remember(self, videos: pd.DataFrame) -> None:
        """Begin the pictures with what an archive has seen of these videos."""
        seen = self._observations
        if seen is None or self.base is None:
            return
        place = {video_id: row for row, video_id in enumerate(videos["video_id"])}
        recent = seen["observed_at"].between(self.base - _PAST, self.base, inclusive="left")
        seen = (
            seen[recent & seen["video_id"].isin(list(place)) & seen["status"].notna()]
            .sort_values("observed_at", kind="stable")
            .assign(fetch_error=None)
        )
        kinds, progress = np.full(len(place), WAITING), np.full(len(place), np.nan)
        shares = np.where(seen["status"] == "COMPLETED", 100.0, _floats(seen["progress"]))
        each = zip(seen["observed_at"], seen["video_id"], seen["status"], shares, strict=True)
        for change, kind in zip(each, kinds_of(seen).tolist(), strict=True):
            row = place[change[1]]
            kinds[row], progress[row] = kind, change[3]
            self.changes.append(change)
            self._point((change[0] - self.base).total_seconds(), kinds, progress)

    def _since(self, times: pd.Series) -> Array:
        """Seconds after the base."""
        if self.base is None:
            return np.full(len(times), np.nan)
        seconds = (times - self.base).dt.total_seconds().to_numpy(float, na_value=np.nan)
        rounded: Array = np.round(seconds, 1)
        return rounded


def _objects(values: pd.Series) -> Array:
    known: Any = values  # its types know of no None
    found: Array = known.to_numpy(dtype=object, na_value=None)
    return found


def _floats(values: pd.Series) -> Array:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _differs(one: Array, other: Array) -> Array:
    """Where two arrays differ; missing equals missing."""
    differs: Array = (one != other) & ((one == one) | (other == other))
    return differs


def number_or_none(value: Any) -> float | int | None:
    """A number JSON can hold, whole where it is whole."""
    if value is None or value != value:
        return None
    return int(value) if value == int(value) else round(float(value), 1)
