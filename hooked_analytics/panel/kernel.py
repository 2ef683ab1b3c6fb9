"""The kernel a panel lives in: its displays and its stop button."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def kernel() -> Any:
    """Return the kernel of the notebook we run in; None in a terminal or a script."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def soon(job: Callable[[], None]) -> None:
    """Run a job in the kernel's main thread between cells; nothing where there is no kernel."""
    loop = getattr(kernel(), "io_loop", None)
    if loop is not None:
        loop.add_callback(job)


def show(bundle: dict[str, Any], *, update: bool = False, **transient: str) -> None:
    """Put an output under the cell, or in place of the one with the same ``display_id``."""
    from IPython import display

    publish: Any = display.publish_display_data
    publish(bundle, transient=transient, update=update)


def interrupt_listeners() -> set[Callable[[], None]]:
    """Return what this kernel's stop button calls; nothing is called where there is no kernel."""
    here = kernel()
    found = getattr(getattr(here, "pre_handler_hook", None), "__self__", None)
    if isinstance(found, _Interrupts):
        return found.listeners
    if found is None or threading.current_thread() is not threading.main_thread():
        return set()
    return _Interrupts(here).listeners


class _Interrupts:
    """
    The stop button of one kernel, heard in a cell and between cells.

    A kernel raises an interrupt while it handles a message and ignores it otherwise. Handlers for
    both times take the place of its own, so there is no moment between in which the button is not
    heard. Listeners are called in the main thread, after the cell that was interrupted.
    """

    def __init__(self, here: Any) -> None:
        self._kernel = here
        self._idle: Any = signal.SIG_IGN  # what the kernel does between messages
        self.listeners: set[Callable[[], None]] = set()

        here.pre_handler_hook = self._begin_message
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._idle, here.saved_sigint_handler = here.saved_sigint_handler, self._between_cells
            signal.signal(signal.SIGINT, self._in_cell)
        else:
            self._idle = signal.signal(signal.SIGINT, self._between_cells)

    def _begin_message(self) -> None:
        # as the kernel does it, with a handler of ours; it puts the saved one back afterwards
        self._kernel.saved_sigint_handler = signal.signal(signal.SIGINT, self._in_cell)

    def _in_cell(self, number: int, frame: FrameType | None) -> None:
        self._tell()
        signal.default_int_handler(number, frame)

    def _between_cells(self, number: int, frame: FrameType | None) -> None:
        self._tell()
        if callable(self._idle):
            self._idle(number, frame)

    def _tell(self) -> None:
        # a handler may run between any two steps of the main thread, so the loop does the work
        for listener in tuple(self.listeners):
            self._kernel.io_loop.add_callback(listener)
