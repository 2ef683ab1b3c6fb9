"""The key in every form in which it may lie in a file; none of them is ever shown."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, quote_plus

from hooked_analytics.client.key import KEY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

# The sandbox's key is in its documentation.
PUBLIC_KEYS = frozenset({"sandbox-key"})
MIN_KEY = 8
_PIECE = 6  # so much of a key in a row is never printed
_ENOUGH = 8  # base64 characters that do not come together by chance

_WRITINGS: tuple[Callable[[str], str], ...] = (
    lambda key: quote(key, safe=""),
    quote,
    quote_plus,
    lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    lambda key: repr(f'"{key}')[2:-1],
    lambda key: html.escape(key, quote=False),
    html.escape,
    lambda key: html.escape(key, quote=False).replace('"', "&quot;"),
    lambda key: html.escape(key).replace("&#x27;", "&#39;"),
)


class KeyForms:
    """
    What to search for when the key is known.

    Parameters
    ----------
    key : visible ASCII characters, at least eight

    Examples
    --------
    >>> forms = KeyForms("a-key-of-no-one")
    >>> forms, forms.find(b"x=a-key-of-no-one"), forms.find(b"x=a-key")
    (***, 2, -1)
    >>> forms.mask("debug-a-key-of-no-one.log")
    'debug-***.log'
    """

    __slots__ = ("_needles", "_pieces")

    def __init__(self, key: str) -> None:
        written = {key} | {write(key) for write in _WRITINGS}
        twice = {write(text) for text in written for write in _WRITINGS}
        packed = {part for text in written for part in _packed(text.encode("ascii"))}
        self._needles = tuple({text.encode("ascii") for text in written | twice} | packed)
        self._pieces = frozenset(key[at : at + _PIECE] for at in range(len(key) - _PIECE + 1))

    def find(self, text: bytes, begin: int = 0) -> int:
        """Say where the first form of the key begins, -1 when there is none."""
        places = (text.find(needle, begin) for needle in self._needles)
        return min((place for place in places if place >= 0), default=-1)

    def mask(self, text: str) -> str:
        """Put ``***`` for every piece of the key."""
        hidden = {
            at + further
            for at in range(len(text) - _PIECE + 1)
            if text[at : at + _PIECE] in self._pieces
            for further in range(_PIECE)
        }
        starred = ("\0" if at in hidden else sign for at, sign in enumerate(text))
        return re.sub("\0+", "***", "".join(starred))

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled")


def _packed(key: bytes) -> set[bytes]:
    """Base64 of the key wherever it stands in a longer text: what its bits alone decide."""
    found = set()
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + key)
        middle = packed[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        if len(middle) >= _ENOUGH:
            found |= {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def key_of_environment() -> KeyForms | None:
    """
    Take the key to search for from the environment.

    Raises
    ------
    ValueError
        There is one, but it cannot be searched for.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key or key in PUBLIC_KEYS:
        return None
    if len(key) < MIN_KEY or not re.fullmatch(r"[\x21-\x7e]{1,512}", key):
        del key
        raise ValueError(
            f"{KEY_VARIABLE} is no key that can be searched for: it has fewer than "
            f"{MIN_KEY} characters, or some that no header can carry"
        )
    return KeyForms(key)
