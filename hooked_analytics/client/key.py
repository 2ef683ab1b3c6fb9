"""The API key: from the caller or the environment, checked before it is used."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from hooked_analytics._internal.secret import (
    SecretStr,
    secret_from_environment,
    variables_of_environment,
)
from hooked_analytics.errors import AuthenticationError

KEY_VARIABLE = "HOOKED_API_KEY"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,512}")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked_key(given: SecretStr | None, *, profile: str | None = None) -> SecretStr:
    """
    Take the key that was given, else the one of the environment.

    Parameters
    ----------
    given : SecretStr or None
        What the caller passed.
    profile : str, optional
        Read ``HOOKED_API_KEY_<PROFILE>`` instead of ``HOOKED_API_KEY``.

    Returns
    -------
    SecretStr
        The key without surrounding white space.

    Raises
    ------
    AuthenticationError
        The key is missing or holds what no header can carry. The message never echoes it.

    Examples
    --------
    >>> checked_key(SecretStr(" my-key ")).reveal()
    'my-key'
    """
    variable = key_variable(profile)
    if given is None:
        key = secret_from_environment(variable)
    elif profile is not None:
        raise ValueError("api_key or profile, not both")
    else:
        key = SecretStr(given.reveal().strip())
    if key is None or not key.reveal():
        raise AuthenticationError(
            f"No API key in {variable}. "
            f"Set the environment variable {KEY_VARIABLE}, pass HookedClient(api_key=...), or use "
            f"HookedClient(profile='agency') with {KEY_VARIABLE}_AGENCY set. Keys are made in "
            "Hooked's settings."
        )
    if not _PRINTABLE.fullmatch(key.reveal()):
        raise AuthenticationError(
            "The API key is not one line of visible ASCII characters. "
            "Copy it anew; it is not shown here on purpose."
        )
    return key


def key_variable(profile: str | None) -> str:
    """
    Name the variable that holds the key of a profile.

    Examples
    --------
    >>> key_variable(None), key_variable("big-agency")
    ('HOOKED_API_KEY', 'HOOKED_API_KEY_BIG_AGENCY')
    """
    if profile is None:
        return KEY_VARIABLE
    if not isinstance(profile, str) or not _PROFILE.fullmatch(profile):
        raise ValueError("profile is a short name of letters, digits, '_' and '-'")
    return f"{KEY_VARIABLE}_{profile.upper().replace('-', '_')}"


def keys_of_environment() -> dict[str, SecretStr]:
    """Keys in ``HOOKED_API_KEY`` and every ``HOOKED_API_KEY_*``, by the name of the variable."""
    names = [KEY_VARIABLE, *variables_of_environment(f"{KEY_VARIABLE}_")]
    found = ((name, secret_from_environment(name)) for name in names)
    return {name: key for name, key in found if key is not None}


def limit_file(key: SecretStr, base_url: str) -> Path:
    """Name the file that counts the requests of a key, by a digest that tells nothing of it."""
    folder = Path(os.getenv("XDG_CACHE_HOME") or Path.home() / ".cache") / "hooked_analytics"
    digest = hashlib.blake2b(f"{base_url}\n{key.reveal()}".encode(), digest_size=8).hexdigest()
    return folder / f"limit-{digest}.json"
