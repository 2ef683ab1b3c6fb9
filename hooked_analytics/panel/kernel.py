"""The kernel a panel lives in: its main loop, its interrupts, its displays."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


# A kernel puts its own handler back a moment after a cell is over.
_AFTER_CELL_SECONDS = 0.1


def kernel() -> Any:
    """Give the kernel of the notebook we run in; None in a terminal or a script."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def soon(job: Callable[[], None]) -> None:
    """Do something in the kernel's main thread between cells; nothing where there is no kernel."""
    loop = getattr(kernel(), "io_loop", None)
    if loop is not None:
        loop.add_callback(loop.call_later, _AFTER_CELL_SECONDS, job)


def show(bundle: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
    """Put an output under the cell, or in place of the one with the same id."""
    from IPython import display

    publish: Any = display.publish_display_data
    transient = {"display_id": display_id} if display_id else {}
    publish(bundle, transient=transient, update=update)


class Interrupts:
    """
    Hear the stop button, whether a cell is running or not; it works in notebooks alone.

    While a cell runs, the interrupt is raised there, and seen when the cell is over. Between
    cells a kernel ignores it, so a handler of our own is put in front of the kernel's.

    Parameters
    ----------
    heard : called in the main thread, between cells

    Examples
    --------
    >>> interrupts = Interrupts(lambda: print("stop"))
    >>> interrupts.listen()
    >>> interrupts.close()
    """

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._before: Any = None
        self._open = False

    def listen(self) -> None:
        """Begin to hear; once is enough."""
        if self._open or kernel() is None:
            return
        self._open = True
        _events().register("post_run_cell", self._cell_over)
        soon(self._put_in_front)

    def close(self) -> None:
        """Hear no more; any thread may call it."""
        if self._open:
            self._open = False
            with contextlib.suppress(ValueError):  # it was not registered any more
                _events().unregister("post_run_cell", self._cell_over)
            soon(self._take_away)

    def _cell_over(self, result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._heard()
        soon(self._put_in_front)

    def _put_in_front(self) -> None:
        now = signal.getsignal(signal.SIGINT)
        in_a_cell = now is signal.default_int_handler
        if self._open and _in_main_thread() and not in_a_cell and now != self._interrupted:
            self._before = signal.signal(signal.SIGINT, self._interrupted)

    def _take_away(self) -> None:
        if _in_main_thread() and signal.getsignal(signal.SIGINT) == self._interrupted:
            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: Any) -> None:
        # a handler may come between any two steps of the main thread, so the loop does the work
        kernel().io_loop.add_callback(self._heard)
        if callable(self._before):
            self._before(number, frame)


def _events() -> Any:
    return kernel().shell.events


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
