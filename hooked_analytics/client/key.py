"""The API key: held in one place, shown nowhere."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from hooked_analytics.errors import AuthenticationError

KEY_VARIABLE = "HOOKED_API_KEY"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,512}")


class ApiKey:
    """
    A key that no repr, str, pickle, copy or JSON can show.

    Not a str on purpose: a str would leak through f-strings, json and pickle.

    Raises
    ------
    AuthenticationError
        The key is missing or holds what no header can carry. The message never echoes it.

    Examples
    --------
    >>> key = ApiKey(" my-key ")
    >>> key, f"{key}"
    (***, '***')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | None = None) -> None:
        wanted = os.environ.get(KEY_VARIABLE, "") if text is None else text
        cleaned = wanted.strip() if isinstance(wanted, str) else ""
        fine = bool(_PRINTABLE.fullmatch(cleaned))
        absent = wanted == ""
        if fine:
            self._text = cleaned
        # a traceback with locals must not show a key that was refused
        del text, wanted, cleaned
        if not fine:
            raise AuthenticationError(
                f"No API key: set the environment variable {KEY_VARIABLE}, or pass "
                "HookedClient(api_key=...). Keys are made in Hooked's settings."
                if absent
                else "The API key is not one line of visible ASCII characters. "
                "Copy it anew; it is not shown here on purpose."
            )

    def header(self) -> dict[str, str]:
        """Give the header that carries the key; called last, in one function only."""
        return {"x-api-key": self._text}

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled; set HOOKED_API_KEY in the other process")
