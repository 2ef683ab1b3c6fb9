"""Secrets of the receiver: the token in its path, and the signature of a call."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_SECRET = 16
# How far the time of a signed call may be from ours, before or after.
WINDOW_SECONDS = 300.0
_REMEMBERED = 10_000


class Hidden:
    """
    Bytes that no repr, str, pickle or JSON can show.

    Examples
    --------
    >>> hidden = Hidden("a long secret")
    >>> hidden, hidden.is_same(b"a long secret")
    (***, True)
    """

    __slots__ = ("_bytes",)

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()

    def is_same(self, given: bytes) -> bool:
        """Compare in a time that tells nothing."""
        return hmac.compare_digest(given, self._bytes)

    def reveal(self) -> str:
        """Give the text itself."""
        return self._bytes.decode()

    def sign(self, message: bytes) -> str:
        """Make the HMAC-SHA256 of a message, in hexadecimal."""
        return hmac.new(self._bytes, message, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Signature:
    """
    Judge whether a call was signed with a secret, and is not an old one sent again.

    Hooked documents no signature, so the names are the user's to set. Signed is the body as it
    came, or ``<time>.<body>`` where a header tells the time.

    Parameters
    ----------
    secret : shared with whoever signs
    header : carries the HMAC-SHA256 in hexadecimal, perhaps after ``sha256=``
    timestamp_header : carries the time of sending [Unix s]; None where there is none

    Examples
    --------
    >>> signature = Signature(Hidden("a long secret"), header="x-hooked-signature")
    >>> signature.refusal({}, b"{}")
    'the call is not signed'
    """

    def __init__(self, secret: Hidden, *, header: str, timestamp_header: str | None = None) -> None:
        self._secret = secret
        self._header = header.lower()
        self._timestamp_header = timestamp_header.lower() if timestamp_header else None
        self._seen: OrderedDict[str, None] = OrderedDict()

    def refusal(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Say why a call is not believed; None when it is."""
        given = headers.get(self._header, "").removeprefix("sha256=").strip().lower()
        if not given:
            return "the call is not signed"
        message = body
        if self._timestamp_header:
            sent_at = headers.get(self._timestamp_header, "").strip()
            if not re.fullmatch(r"\d{1,12}", sent_at, re.ASCII):
                return "the call does not say when it was sent"
            if abs(time.time() - int(sent_at)) > WINDOW_SECONDS:
                return "the call was sent at another time"
            message = f"{sent_at}.".encode() + body
        expected = self._secret.sign(message)
        if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
            return "the signature is wrong"
        return None

    def is_new(self, body: bytes) -> bool:
        """Whether this signed body comes for the first time; remembers it."""
        mark = hashlib.sha256(body).hexdigest()
        if mark in self._seen:
            return False
        self._seen[mark] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


def checked_secret(text: str | None, *, what: str, pattern: str = r"[\x20-\x7e]+") -> Hidden | None:
    """
    Take a secret from the user; an error never echoes it.

    Examples
    --------
    >>> checked_secret("short", what="token")
    Traceback (most recent call last):
    ValueError: the token is text of at least 16 characters; make one with
    secrets.token_urlsafe()
    """
    if text is None:
        return None
    cleaned = text.strip() if isinstance(text, str) else ""
    long = len(cleaned) >= SHORTEST_SECRET
    fine = re.fullmatch(pattern, cleaned, re.ASCII) is not None
    hidden = Hidden(cleaned) if fine else None
    # a traceback with locals must not show a secret that was refused
    del text, cleaned
    if not long:
        raise ValueError(
            f"the {what} is text of at least {SHORTEST_SECRET} characters; make one with "
            "secrets.token_urlsafe()"
        )
    if hidden is None:
        raise ValueError(f"the {what} has characters that do not fit its place")
    return hidden
