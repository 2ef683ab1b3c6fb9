"""The secret token of the receiver's address, checked."""

from __future__ import annotations

import re

from hooked_analytics._internal.secret import SecretStr

MIN_SECRET_LENGTH = 16


def checked_token(token: str | None) -> SecretStr | None:
    """
    Take a token from the user; an error never repeats it.

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
