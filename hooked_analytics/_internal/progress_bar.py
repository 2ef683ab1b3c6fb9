"""A progress bar where somebody watches: tqdm in notebook and terminal, then one line."""

from __future__ import annotations

import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from typing import TextIO


class ProgressBar:
    """
    Show how far a batch is, with rate and time left, and one line when it ends.

    The bar is drawn only in a notebook and on a terminal; a log gets the line. In a notebook it
    stays, green and full when all went well, red when something failed.

    >>> with ProgressBar(2, shown=False) as bar:
    ...     bar.show(1)
    ...     bar.close("2 videos")
    """

    def __init__(self, total: int, *, shown: bool | None, unit: str = "video") -> None:
        self._notebook = _in_notebook()
        watched = self._notebook or sys.stderr.isatty()
        self._shown = watched if shown is None else shown
        self._began = time.monotonic()
        self._bar: Any = None
        if self._shown and watched and total:
            with warnings.catch_warnings():
                # without ipywidgets tqdm falls back to text and warns about it
                warnings.filterwarnings("ignore", message="IProgress")
                from tqdm.auto import tqdm

                self._bar = tqdm(
                    total=total,
                    unit=unit,
                    unit_scale=unit == "B",
                    leave=self._notebook,
                    file=self._stream(),
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._end(failed=True, full=False)

    def show(self, done: int, *, total: int | None = None) -> None:
        """Move the bar to *done* steps, of a *total* that may have become known meanwhile."""
        if self._bar is not None:
            self._bar.total = total or self._bar.total
            self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        """Write a line beside the bar, where one is wanted."""
        if self._shown:
            self._stream().write(f"{line}\n")

    def close(self, line: str, *, failed: bool = False) -> None:
        """End the bar and leave *line* with the time it took; *failed* colours the bar red."""
        self._end(failed=failed, full=True)
        self.say(f"{line} · {time.monotonic() - self._began:.1f} s")

    def _end(self, *, failed: bool, full: bool) -> None:
        bar, self._bar = self._bar, None
        if bar is None:
            return
        if full:
            # tqdm paints a bar that ends before its total red
            bar.n = bar.total
            bar.refresh()
        bar.close()
        if failed and hasattr(bar, "container"):
            bar.disp(bar_style="danger")

    def _stream(self) -> TextIO:
        # a notebook paints stderr as an error
        return sys.stdout if self._notebook else sys.stderr


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this, told without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")
