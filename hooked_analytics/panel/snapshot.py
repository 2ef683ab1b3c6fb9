"""What a panel shows, as arrays: a poll costs what it changed, not what there is."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import batch_time_left, estimate_completion
from hooked_analytics.fetch import ENDING_FAILURES

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
_TEXTS = FIELDS[FIELDS.index("status") :]
_MAX_POINTS = 400
# Expected ends sent anew in one poll, those that moved most, beside rows that changed.
_MAX_MOVED = 10
# Estimating takes this many times its own time off; an expected end stays true meanwhile.
_REST_AFTER_ESTIMATING = 20
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_PAST = pd.Timedelta(hours=6)  # how far back an archive's observations are drawn
NO_REASON = "no reason given"


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
        self.base: pd.Timestamp | None = None
        self.seen: pd.Timestamp | None = None
        self.now = 0.0
        self.series: list[list[float]] = []
        self.left: TimeLeft | None = None
        self._began: float | None = None
        self._learnt, self._observations = learnt, observations
        self._next_estimate = 0.0
        self._changes: list[tuple[Any, ...]] = []  # time, id, status, progress

    def update(self, videos: pd.DataFrame) -> Array:
        """Take a poll; return the rows that are new in it."""
        seen = videos["fetched_at"].max()
        if not self.columns:
            self.base = pd.Timestamp.now("UTC") if pd.isna(seen) else seen
            self._remember(videos)
        if not pd.isna(seen):
            self.seen = seen
            self.now = max(self.now, self._since(videos["fetched_at"]).max())
        self.videos, old = videos, self.columns
        new = self._columns(videos)
        moved = self._estimate(videos, new, old)
        if not (new["kind"] == RENDERING).any():
            self.left = None
        changed = np.ones(len(videos), bool) if not old else np.zeros(len(videos), bool)
        for name in FIELDS if old else ():
            if name not in ("low", "high"):
                changed |= _differs(old[name], new[name])
        self.columns = new
        self._note(np.flatnonzero(changed), old)
        return np.flatnonzero(changed | moved)

    def _like(self) -> pd.DataFrame:
        """Renders to learn from: those of an archive, and these."""
        if self._learnt is None:
            return self.videos
        return pd.concat([self._learnt, self.videos[self._learnt.columns]], ignore_index=True)

    def eta(self) -> pd.DataFrame:
        """Expect the ends of the renders under way."""
        like, seen = self._like(), self._observations
        return estimate_completion(self.videos, history=like, observations=seen)

    def history(self) -> pd.DataFrame:
        """Return each change seen: ``observed_at, video_id, status, progress`` [%]."""
        at, ids, status, progress = zip(*self._changes, strict=True) if self._changes else ((),) * 4
        return pd.DataFrame({
            "observed_at": pd.Series(list(at), dtype="datetime64[us, UTC]"),
            "video_id": pd.Series(list(ids), dtype="string"),
            "status": pd.Series(list(status), dtype="string"),
            "progress": pd.Series(list(progress), dtype="Float64"),
        })  # fmt: skip

    def lines(self, since: int = 0) -> list[list[float | None]]:
        """Give changes as time [s], row and progress [%], for as many videos as are drawn."""
        if len(self.videos) > MAX_LINES or self.base is None:
            return []
        place = {video_id: row for row, video_id in enumerate(self.videos["video_id"])}
        return [
            [round((at - self.base).total_seconds(), 1), place[video_id], number_or_none(progress)]
            for at, video_id, _, progress in self._changes[since:]
        ]

    @property
    def changes(self) -> int:
        """How many changes were seen."""
        return len(self._changes)

    def totals(self) -> dict[str, Any]:
        """Return the figures over all rows; missing is None."""
        kinds, credits = self.columns["kind"], self.columns["credits"]
        counts = np.bincount(kinds, minlength=len(KINDS))
        progress = np.where(kinds == RENDERING, np.nan_to_num(self.columns["progress"]), 100.0)
        done = np.bincount(kinds, progress, minlength=len(KINDS)) / 100 / max(len(kinds), 1)
        took = self.columns["took"][kinds == COMPLETED]
        known = ~np.isnan(credits)
        lost = known & (kinds == FAILED)
        why = Counter(
            self.columns["message"][np.isin(kinds, (FAILED, UNAVAILABLE))].tolist()
        ).most_common()
        return {
            "counts": counts.tolist(),
            "done": np.round(done, 4).tolist(),
            "credits": number_or_none(credits[known].sum()) if known.any() else None,
            "failed_credits": number_or_none(credits[lost].sum()) if lost.any() else None,
            "credits_unknown": int((~known).sum()),
            "reasons": [[one_line(r or NO_REASON, MAX_TEXT), n] for r, n in why[:MAX_REASONS]],
            "median": number_or_none(np.nanmedian(took)) if (took == took).any() else None,
            "elapsed": None if self._began is None else number_or_none(self.now - self._began),
            **self._left(),
        }

    def _left(self) -> dict[str, Any]:
        """When all will have ended: a range where past batches give one, and the pace."""
        if self.left is None:
            return {}
        left = self.left.after(self.now - self._estimated_at)
        told: dict[str, Any] = {"pace": number_or_none(left.seconds), "remaining": left.remaining}
        if left.compared:
            ends = [number_or_none(left.low_seconds), number_or_none(left.high_seconds)]
            told |= {"left": ends, "compared": left.compared}
        return told

    def _columns(self, videos: pd.DataFrame) -> dict[str, Array]:
        kinds = kinds_of(videos)
        created, updated = self._since(videos["created_at"]), self._since(videos["updated_at"])
        took = np.where(np.isin(kinds, (FAILED, COMPLETED)), updated - created, np.nan)
        gone = kinds == UNAVAILABLE
        message = np.where(
            gone, _objects(videos["fetch_error_message"]), _objects(videos["message"])
        )
        return {
            "kind": kinds,
            "progress": np.where(kinds == COMPLETED, 100.0, _floats(videos["progress"])),
            "low": np.full(len(videos), np.nan),
            "high": np.full(len(videos), np.nan),
            "stuck": np.zeros(len(videos), bool),
            "created": created,
            "took": np.where(took >= 0, took, np.nan),
            "credits": _floats(videos["used_credits"]),
            "status": np.where(gone, _objects(videos["fetch_error"]), _objects(videos["status"])),
            "type": _objects(videos["type"]),
            "name": _objects(videos["name"]),
            "message": message,
            "thumbnail": _objects(videos["thumbnail"]),
        }  # fmt: skip

    def _estimate(
        self, videos: pd.DataFrame, new: dict[str, Array], old: dict[str, Array]
    ) -> Array:
        """Fill in expected ends; return the rows whose end has moved noticeably."""
        running = new["kind"] == RENDERING
        for name in ("low", "high", "stuck") if old else ():
            new[name] = np.where(running, old[name], new[name])
        began = time.monotonic()
        if began < self._next_estimate:
            return np.zeros(len(videos), bool)
        estimates = self.eta()
        self.left = batch_time_left(videos, history=self._like())
        self._estimated_at = self.now
        place = np.flatnonzero(_objects(videos["status"]) == "STARTED")
        low, high = np.full((2, len(videos)), np.nan)
        low[place], high[place] = (self._since(estimates[f"eta_{e}"]) for e in ("low", "high"))
        new["stuck"][place] = _floats(estimates["stuck"]) == 1
        new["stuck"] &= running
        by = np.fmax(np.abs(low - new["low"]), np.abs(high - new["high"]))
        by[_differs(np.isnan(low), np.isnan(new["low"])) | ~running] = np.inf
        moved = running & (by > np.fmax(10.0, 0.2 * np.nan_to_num(high - self.now)))
        if old and moved.sum() > _MAX_MOVED:
            moved &= by >= np.sort(by[moved])[-_MAX_MOVED]
        new["low"], new["high"] = (
            np.where(moved | ~running, now, before)
            for now, before in ((low, new["low"]), (high, new["high"]))
        )
        took = time.monotonic() - began
        self._next_estimate = began + (1 + _REST_AFTER_ESTIMATING) * took
        found: Array = moved
        return found

    def _note(self, rows: Array, old: dict[str, Array]) -> None:
        """Keep what changed in status and progress, and a point of the pictures."""
        new, kinds = self.columns, self.columns["kind"]
        told = pd.isna(_objects(self.videos["fetch_error"])[rows]) & (kinds[rows] != WAITING)
        if old:
            told &= np.logical_or(*(_differs(old[n], new[n])[rows] for n in ("progress", "status")))
        at = None if self.base is None else self.base + pd.Timedelta(seconds=self.now)
        ids = self.videos["video_id"]
        for row in rows[told].tolist():
            self._changes.append((at, ids.iat[row], new["status"][row], new["progress"][row]))
        if self._began is None and (kinds == RENDERING).any():
            began = new["created"][kinds == RENDERING]
            self._began = float(np.nanmin(began)) if (began == began).any() else None
        self._point(self.now, kinds, new["progress"])

    def _point(self, at: float, kinds: Array, progress: Array) -> None:
        over = int(np.isin(kinds, (FAILED, COMPLETED)).sum())
        known = progress[(kinds != FAILED) & ~np.isnan(progress)]
        band = np.quantile(known, _QUANTILES).round(1).tolist() if len(known) else []
        point = [round(at, 1), over, *band]
        if len(self.series) > 1 and self.series[-1][1:] == self.series[-2][1:] == point[1:]:
            self.series.pop()  # a level stretch needs its two ends alone
        self.series.append(point)
        if len(self.series) > _MAX_POINTS:
            self.series = [*self.series[:-1:2], self.series[-1]]

    def _remember(self, videos: pd.DataFrame) -> None:
        """Begin the pictures with what an archive has seen of these videos."""
        if self._observations is None or self.base is None:
            return
        ids = videos["video_id"].tolist()
        seen = self._observations
        ours = seen["video_id"].isin(ids) & seen["status"].notna()
        recent = seen["observed_at"].between(self.base - _PAST, self.base, inclusive="left")
        seen = seen[ours & recent].sort_values("observed_at", kind="stable")
        kinds, progress = np.full(len(ids), WAITING), np.full(len(ids), np.nan)
        place = {video_id: row for row, video_id in enumerate(ids)}
        numbers = kinds_of(
            seen.assign(fetch_error=pd.array([pd.NA] * len(seen), "string"))
        ).tolist()
        for at, video_id, status, value, kind in zip(
            seen["observed_at"], seen["video_id"], seen["status"], _floats(seen["progress"]),
            numbers, strict=True,
        ):  # fmt: skip
            row = place[video_id]
            kinds[row], progress[row] = kind, 100.0 if kind == COMPLETED else value
            self._changes.append((at, video_id, status, progress[row]))
            self._point((at - self.base).total_seconds(), kinds, progress)

    def _since(self, times: pd.Series) -> Array:
        """Seconds after the base."""
        if self.base is None:
            return np.full(len(times), np.nan)
        seconds: Array = np.round(
            (times - self.base).dt.total_seconds().to_numpy(float, na_value=np.nan), 1
        )
        return seconds


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
