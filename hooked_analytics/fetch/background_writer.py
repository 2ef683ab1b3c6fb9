"""Keep rows as they arrive: a thread that hands them on every half minute and at the end."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

from hooked_analytics.schema import Row, frame_from_rows

if TYPE_CHECKING:
    import pandas as pd

KEEP_SECONDS = 30.0


class Archive(Protocol):
    """What a fetch needs of an archive."""

    def videos(self) -> pd.DataFrame:
        """Newest row of each video."""

    def append(self, videos: pd.DataFrame) -> None:
        """Keep rows."""


class BackgroundWriter:
    """
    Append rows to an archive in the background, so that a kill costs half a minute at most.

    It works in a thread of its own because an interrupt reaches the main thread alone: there
    it could end an append just before or just after its file is in place, with no way to tell.

    Parameters
    ----------
    archive : where to keep rows; None keeps nothing

    Attributes
    ----------
    fault : what stopped the archive from taking rows, if anything did

    Examples
    --------
    >>> keeper = BackgroundWriter(None)
    >>> keeper.close()
    """

    def __init__(self, archive: Archive | None) -> None:
        self.fault: Exception | None = None
        self._archive = archive
        self._rows: deque[Row] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hooked-keep", daemon=True)
        if archive is not None:
            self._thread.start()

    def put(self, row: Row) -> None:
        """Take a row; any thread may."""
        if self._archive is not None:
            self._rows.append(row)

    def close(self) -> None:
        """Wait until every row taken so far is kept, or `fault` says why it is not."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(KEEP_SECONDS):
            self._keep()
        self._keep()

    def _keep(self) -> None:
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        if not rows or self._archive is None or self.fault is not None:
            return
        try:
            self._archive.append(frame_from_rows(rows))
        except Exception as fault:  # noqa: BLE001 - raised on by the fetch, with every row
            self.fault = fault
