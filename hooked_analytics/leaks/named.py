"""Keys that nobody told us: values behind a name that only a key has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hooked_analytics.leaks.forms import MIN_KEY, PUBLIC_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(rb"api[-_]?key")
_QUOTE = rb"\\{0,3}[\"']"
_VALUE = rb"(?P<value>[A-Za-z0-9$%_+/~-][!#$%*+./0-9:=?@A-Z^_a-z~|-]{0,511})"
_BEHIND = re.compile(
    rb"(?P<quoted>(?:" + _QUOTE + rb")?)\]?"
    # an annotation between name and value, as in  api_key: str = "..."
    rb"(?:[ \t]*:[ \t]*[A-Za-z][\w .|\[\]]{0,40}?(?==))?"
    rb"[ \t]*(?P<mark>[:=]{1,2}>?|[, \t])[ \t]*b?(?P<opened>(?:" + _QUOTE + rb")?)" + _VALUE
)
# perhaps remembered, then the head of another text, as pickle writes them
_PICKLED = re.compile(rb"(?s)(?:\x94|q.|r.{4})?(?:\x8c.|[UC].|[XTB].{4})(?P<value>[!-~]{8,512})")

# Words that stand for a key in a manual or a test; a key of nothing but these is none.
_WORDS = (
    r"my|your|our|the|a|an|own|here|goes|api|key|token|secret|example|placeholder|test|dummy|sample"
    r"|fake|sandbox|redacted|hidden|change|me|none|null|true|false|undefined|string|optional|value"
    r"|required|default|missing|invalid|hooked|insert|paste|real|wrong|bad|good|other|some|any|not"
)
_PLACEHOLDER = re.compile(
    rf"""(?ix)
      [$%] .*                              # $HOOKED_API_KEY, %HOOKED_API_KEY%
    | .* (?: \.\.\. | \*\*\* | x{{6,}} ) .*
    | (?: your | my | insert | paste ) [-_] .*
    | (?: (?: {_WORDS} ) [-_.]? )+
    | (?: os\.environ | os\.getenv | getenv | getpass | process\.env | secrets\. | env\. ) .*
    | (.) \1+                              # one sign again and again
    """
)
_EXPRESSION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.?")
_SURE = 16


def named_keys(text: bytes) -> Iterator[tuple[int, int, str]]:
    """
    Find values behind ``x-api-key:``, ``api_key=``, ``HOOKED_API_KEY=`` and their like.

    Yields
    ------
    where it begins, where it ends, the plain name it stands behind

    Examples
    --------
    >>> [name for _, _, name in named_keys(b'{"x-api-key": "%s"}' % (b"9f86d081" * 4))]
    ['x-api-key']
    >>> list(named_keys(b'api_key=os.environ["HOOKED_API_KEY"], HOOKED_API_KEY=...'))
    []
    """
    lower = text.lower()
    for name in _NAME.finditer(lower):
        shown = _plain_name(lower[max(name.start() - 7, 0) : name.start()])
        behind = _BEHIND.match(text, name.end())
        if behind and _is_key(behind, text, start=name.start(), shown=shown):
            yield name.start(), behind.end(), shown
        elif packed := _PICKLED.match(text, name.end()):
            value = packed["value"].decode("ascii")
            if any(sign.isdigit() for sign in value) and not _PLACEHOLDER.fullmatch(value):
                yield name.start(), packed.end(), shown


def _plain_name(before: bytes) -> str:
    if before.endswith((b"x-", b"x_")):
        return "x-api-key"
    return "HOOKED_API_KEY" if before == b"hooked_" else "api_key"


def _is_key(behind: re.Match[bytes], text: bytes, *, start: int, shown: str) -> bool:
    value = behind["value"].decode("ascii").rstrip(".:,?!")
    if len(value) < MIN_KEY or value in PUBLIC_KEYS or _PLACEHOLDER.fullmatch(value):
        return False
    mark, header = behind["mark"], shown != "api_key"
    if mark in b", \t":
        # ("x-api-key", "...") in a list of headers, %env HOOKED_API_KEY ..., or only words
        allowed = behind["quoted"] and behind["opened"] if mark == b"," else header
        return bool(allowed) and len(value) >= _SURE and not value.isalpha()
    if behind["opened"] or text[start - 1 : start] in {b"?", b"&"}:
        return True
    # Without quotes it is a value in a shell and a header, and a variable in code.
    if text[behind.end() : behind.end() + 1] in {b"(", b"["}:
        return False
    if header and not behind["quoted"] and not (value.islower() and value.isalpha()):
        return True
    return not _EXPRESSION.fullmatch(value) or _looks_drawn(value)


def _looks_drawn(value: str) -> bool:
    """Tell letters drawn by chance from a name that somebody thought of."""
    digits = any(sign.isdigit() for sign in value)
    return "." not in value and (digits or (len(value) >= _SURE and "_" not in value))
