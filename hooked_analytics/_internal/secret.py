"""A string that hides itself, and the one place where the environment is read for one."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_MIN_LENGTH = 8


class SecretStr:
    """
    A text that no repr, str, pickle, copy, JSON or traceback with locals can show.

    It is not a str on purpose: a str would leak through f-strings, json and pickle.

    >>> secret = SecretStr("a-long-secret")
    >>> secret, f"{secret}", secret.reveal(), secret.is_same(b"a-long-secret")
    (***, '***', 'a-long-secret', True)
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]

    def __init__(self, text: str) -> None:
        # A method of the text itself: its repr is an address, and it has no frame that a
        # debugger could open.
        self.reveal = text.__str__

    def is_same(self, given: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given, self.reveal().encode())

    def blot_out(self, body: bytes) -> bytes:
        """Put ``***`` in its place, also as JSON writes it, unless it may be an ordinary word."""
        if len(self.reveal()) < _MIN_LENGTH:
            return body
        body = body.replace(self.reveal().encode(), b"***")
        return body.replace(self.reveal().replace("/", r"\/").encode(), b"***")

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled; read it anew in the other process")


def secret_from_environment(name: str) -> SecretStr | None:
    """
    Read a secret from a variable of the environment; None where it is not set or blank.

    >>> secret_from_environment("HOOKED_API_KEY_NOBODY") is None
    True
    """
    # No frame names the environment or the value: `%xmode Verbose` prints what a line names.
    secret = SecretStr(os.getenv(name, "").strip())
    return secret if secret.reveal() else None


def variables_of_environment(prefix: str) -> list[str]:
    """Names of the variables that begin so, in order."""
    return sorted(name for name in os.environ if name.startswith(prefix))
