"""Text from elsewhere, made safe to show on one line."""

from __future__ import annotations

import unicodedata

# Characters that print as nothing although Unicode does not count them as control characters.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}


def one_line(text: str, max_length: int = 300) -> str:
    r"""
    Put text on one line, without control, direction and zero-width characters.

    Parameters
    ----------
    text : str
        Text from anywhere; white space of any kind becomes one space.
    max_length : int, optional
        A longer text is cut and ends in "…".

    Examples
    --------
    >>> one_line("a\nb\u202e\u200bc\x1b[31m"), one_line("x" * 200, 3)
    ('a bc[31m', 'xx…')
    """
    seen = "".join(c for c in text if c.isspace() or _is_visible(c))
    line = " ".join(seen.split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] != "C" and character not in _BLANK
