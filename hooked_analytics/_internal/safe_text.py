"""Text from elsewhere, made safe to show: on one line, and on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import unicodedata
from typing import TextIO

# Characters that print as nothing although Unicode does not count them as control characters.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# They move the cursor, change colours or the direction of reading. Line ends and tabs stay, and so
# does the carriage return by which a progress bar draws over itself.
_STEERING = dict.fromkeys(
    code
    for first, last in ((0, 0x20), (0x7F, 0xA0), (0x61C, 0x61D), (0x200E, 0x2010), (0x202A, 0x202F),
                        (0x2066, 0x206A))
    for code in range(first, last)
    if chr(code) not in "\n\r\t"
)  # fmt: skip


def one_line(text: str, max_length: int = 300) -> str:
    r"""
    Put text on one line, without control, direction and zero-width characters.

    >>> one_line("a\nb\u202e\u200bc\x1b[31m"), one_line("x" * 200, 3)
    ('a bc[31m', 'xx…')
    """
    seen = "".join(c for c in text if c.isspace() or _is_visible(c))
    line = " ".join(seen.split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] != "C" and character not in _BLANK


class SafeStream(io.TextIOBase):
    r"""
    A standard stream that no text can steer and that never fails.

    Characters that its encoding lacks become "?". Once a write fails (a closed pipe, a full
    disk) the rest is dropped; `error` says why.

    >>> under = io.StringIO()
    >>> SafeStream(under).write("a\x1b[2Jb\n"), under.getvalue()
    (7, 'a[2Jb\n')
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.error: Exception | None = None
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream below; ASCII where there is none."""
        return getattr(self._stream, "encoding", None) or "ascii"

    def write(self, text: str, /) -> int:
        """Write what does not steer."""
        self._try("write", text.translate(_STEERING))
        return len(text)

    def flush(self) -> None:
        """Hand on what waits."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self.error is None and self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Of the stream below."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def _try(self, what: str, *given: str) -> None:
        if self._stream is None or self.error is not None:
            return
        try:
            getattr(self._stream, what)(*given)
        except (OSError, ValueError) as error:
            self.error = error
            # what is left in its buffer must not fail again when Python ends
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
