"""The secret part of the receiver's address."""

from __future__ import annotations

import hmac
import re
from typing import NoReturn

MIN_SECRET_LENGTH = 16


class SecretStr:
    """
    A text that no repr, str, pickle or JSON can show.

    Examples
    --------
    >>> secret = SecretStr("a-long-secret")
    >>> secret, secret.is_same(b"a-long-secret")
    (***, True)
    """

    __slots__ = ("_bytes",)

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()

    def is_same(self, given: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given, self._bytes)

    def reveal(self) -> str:
        """Give the text itself."""
        return self._bytes.decode()

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def checked_token(token: str | None) -> SecretStr | None:
    """
    Take a token from the user; an error never repeats it.

    Examples
    --------
    >>> checked_token("short")
    Traceback (most recent call last):
    ValueError: the token is text of at least 16 characters; make one with
    secrets.token_urlsafe()
    """
    if token is None:
        return None
    cleaned = token.strip() if isinstance(token, str) else ""
    long = len(cleaned) >= MIN_SECRET_LENGTH
    secret = SecretStr(cleaned) if re.fullmatch("[A-Za-z0-9_-]+", cleaned, re.ASCII) else None
    # a traceback with locals must not show a token that was refused
    del token, cleaned
    if not long:
        raise ValueError(
            f"the token is text of at least {MIN_SECRET_LENGTH} characters; make one with "
            "secrets.token_urlsafe()"
        )
    if secret is None:
        raise ValueError("the token has characters that do not fit into a path")
    return secret
