"""Keys that nobody told us: values behind a name that only a key has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hooked_analytics.leaks.forms import PUBLIC_KEYS, SHORTEST_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(rb"(?:x[-_])?api[-_]?key")
_QUOTE = rb"\\{0,3}[\"']"
_VALUE = rb"(?P<value>[A-Za-z0-9$%_+/~-][!#$%*+./0-9:=?@A-Z^_a-z~|-]{0,511})"
_BEHIND = re.compile(
    rb"(?P<quoted>(?:" + _QUOTE + rb")?)\]?"
    # an annotation between name and value, as in  api_key: str = "..."
    rb"(?:[ \t]*:[ \t]*[A-Za-z][\w .|\[\]]{0,40}?(?==))?"
    rb"[ \t]*(?:[:=]{1,2}>?|(?P<comma>,)|(?P<blank>[ \t]))[ \t]*b?(?P<opened>(?:" + _QUOTE + rb")?)" + _VALUE
)
# perhaps remembered, then the head of another text, as pickle writes them
_PICKLED = re.compile(rb"(?s)(?:\x94|q.|r.{4})?(?:\x8c.|[UC].|[XTB].{4})(?P<value>[!-~]{8,512})")

# Spoken for: words, names of variables and calls, dots and crosses.
_WORDS = (
    r"key|your|example|placeholder|secret|token|test|dummy|sample|fake|redacted|hidden|change"
    r"|none|null|true|false|undefined|string|optional|value|required|default|missing|invalid"
)
_PLACEHOLDER = re.compile(
    rf"""(?ix)
      [$%] .*                              # $HOOKED_API_KEY, %HOOKED_API_KEY%
    | .* (?: \.\.\. | \*\*\* | x{{6,}} ) .*
    | (?: your | my | insert | paste ) [-_] .*
    | [^0-9]* (?: {_WORDS} ) [^0-9]*
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
        behind = _BEHIND.match(text, name.end())
        shown = _plain_name(lower, name)
        if behind and _is_key(behind, text, start=name.start(), header=shown != "api_key"):
            yield name.start(), behind.end(), shown
        elif packed := _PICKLED.match(text, name.end()):
            value = packed["value"].decode("ascii")
            if any(sign.isdigit() for sign in value) and not _PLACEHOLDER.fullmatch(value):
                yield name.start(), packed.end(), shown


def _plain_name(lower: bytes, name: re.Match[bytes]) -> str:
    if name[0].startswith(b"x"):
        return "x-api-key"
    owner = lower[max(name.start() - 7, 0) : name.start()]
    return "HOOKED_API_KEY" if owner == b"hooked_" else "api_key"


def _is_key(behind: re.Match[bytes], text: bytes, *, start: int, header: bool) -> bool:
    value = behind["value"].decode("ascii").rstrip(".:,?!")
    if len(value) < SHORTEST_KEY or value in PUBLIC_KEYS or _PLACEHOLDER.fullmatch(value):
        return False
    digits = any(sign.isdigit() for sign in value)
    if behind["comma"] or behind["blank"]:
        # ("x-api-key", "...") in a list of headers, %env HOOKED_API_KEY ..., or only words
        quoted = bool(behind["quoted"] and behind["opened"])
        return digits and len(value) >= _SURE and (quoted if behind["comma"] else header)
    if behind["opened"] or text[start - 1 : start] in {b"?", b"&"}:
        return True
    # Without quotes it is a value in a shell and a header, and a variable in code.
    if text[behind.end() : behind.end() + 1] in {b"(", b"["}:
        return False
    if (header and not behind["quoted"]) or not _EXPRESSION.fullmatch(value):
        return True
    return _looks_drawn(value, digits=digits)


def _looks_drawn(value: str, *, digits: bool) -> bool:
    """Tell letters drawn by chance from a name that somebody thought of."""
    return "." not in value and (digits or (len(value) >= _SURE and "_" not in value))
