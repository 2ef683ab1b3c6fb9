"""Run one command: streams, signals and logging round it, and an exit status at its end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hooked_analytics._internal.safe_text import SafeStream
from hooked_analytics.cli.arguments import Status, make_parser, parse
from hooked_analytics.cli.show import say, without_python

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
    from types import FrameType
    from typing import Any

    from hooked_analytics.cli.run import Run

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# A further signal within this time is the same wish to stop; a later one stops a hung command.
PATIENCE_SECONDS = 5.0
# Within these functions an interrupt keeps the rows; elsewhere on their way it comes again soon.
KEEP_ROWS = ("FetchJob.finish", "list_videos")
AGAIN_SECONDS = 0.05


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    *argv* are its words, those of the process when missing. Gives the exit status, which
    ``hooked-analytics --help`` lists; wrong usage is ``SystemExit(2)``.
    """
    with _end_by_interrupt(argv), _safe_streams() as failed_output:
        parser = make_parser()
        if os.getenv("_ARGCOMPLETE"):
            import argcomplete

            argcomplete.autocomplete(parser)
        arguments = parse(parser, argv)
        with _messages(arguments.verbose):
            status = _run(arguments)
        return status or failed_output()


def _run(arguments: Namespace) -> int:
    from hooked_analytics.cli.commands import COMMANDS
    from hooked_analytics.cli.run import Run

    run = Run(arguments)
    with _Signals(run) as signals:
        try:
            run.status = COMMANDS[arguments.name](run)
        except (KeyboardInterrupt, Exception) as error:
            run.saving = True
            run.save_rest(error)
            if isinstance(error, KeyboardInterrupt):
                run.status = 128 + (signals.number or signal.SIGINT)
                if error.args:
                    say(describe(error))
            else:
                run.status = Status.ERROR
                say(f"hooked-analytics: {describe(error)}")
                logging.getLogger(__name__).debug("the command failed", exc_info=error)
        run.saving = True
        if signals.late and not signals.number:  # it came too late to stop anything
            run.status = 128 + signals.late
        run.write_metrics()
    return run.status


def describe(error: BaseException) -> str:
    """Say an error in a line."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file {error.filename}"
    if isinstance(error, OSError) and error.strerror:
        why = f"{error.strerror[:1].lower()}{error.strerror[1:]}"
        return f"{error.filename}: {why}" if error.filename else why
    expected = isinstance(error, OSError | ValueError | ImportError | KeyboardInterrupt)
    if expected or hasattr(error, "retryable"):
        return without_python(str(error)) or type(error).__name__
    return f"a fault of hooked-analytics, {type(error).__name__}: {error}; -vv shows where"


@contextmanager
def _end_by_interrupt(argv: Sequence[str] | None) -> Iterator[None]:
    """End silently on Ctrl-C where the process is ours, until `_Signals` takes it."""
    before = signal.getsignal(signal.SIGINT)
    mine = argv is None and before is signal.default_int_handler
    mine = mine and threading.current_thread() is threading.main_thread()
    if mine:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


class _Signals:
    """
    Make Ctrl-C, SIGTERM and SIGHUP one interrupt; what follows it waits until rows are saved.

    A signal that is ignored when the command starts (``nohup``, a background job) stays ignored.
    """

    def __init__(self, run: Run) -> None:
        self.number, self.late = 0, 0
        self._run = run
        self._at = 0.0
        self._before: dict[int, Any] = {}
        self._again: threading.Timer | None = None

    def __enter__(self) -> _Signals:
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                with suppress(ValueError):  # only the main thread may
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        self.late, self._at = self.late or number, self._at or now
        patient = now - self._at <= PATIENCE_SECONDS
        if self._run.saving:
            return
        if patient and self._run.receiving and not self.number and not _keeps_rows(frame):
            self._again = threading.Timer(AGAIN_SECONDS, signal.raise_signal, [number])
            self._again.start()
        elif not self.number or not patient:
            self.number, self._at = self.number or number, now
            raise KeyboardInterrupt


def _keeps_rows(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_qualname not in KEEP_ROWS:
        frame = frame.f_back
    return frame is not None


@contextmanager
def _safe_streams() -> Iterator[Any]:
    """Put streams that cannot fail or be steered in place; yields what tells a failed output."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed stream keeps its number, else the next file that is opened gets it
    os.close(number)
    before = sys.stdout, sys.stderr
    out, err = SafeStream(sys.stdout), SafeStream(sys.stderr)

    def failed_output() -> int:
        out.flush()
        err.flush()
        if out.error is None or isinstance(out.error, BrokenPipeError):
            return 0
        say(f"hooked-analytics: the output could not be written: {out.error}")
        return 1

    sys.stdout, sys.stderr = out, err
    try:
        yield failed_output
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def _messages(verbose: int) -> Iterator[None]:
    """Say a warning in a line, and the package's log: -v what it decides, -vv every request."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"hooked-analytics: {without_python(str(message))}")

    logger, handler = logging.getLogger("hooked_analytics"), logging.StreamHandler(sys.stderr)
    before = logger.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    if verbose:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
