"""What a caller or the environment gives, checked before it is used."""

from __future__ import annotations

import hashlib
import math
import os
import re
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from hooked_analytics._internal.atomic import local_path
from hooked_analytics._internal.net import is_loopback, web_address
from hooked_analytics._internal.secret import (
    SecretStr,
    secret_from_environment,
    variables_of_environment,
)
from hooked_analytics.errors import AuthenticationError, InvalidVideoIdError
from hooked_analytics.schema import clean_id

DEFAULT_URL = "https://api.hooked.so"
KEY_VARIABLE = "HOOKED_API_KEY"
URL_VARIABLE = "HOOKED_API_URL"
LIMIT_VARIABLE = "HOOKED_REQUESTS_PER_MINUTE"
# Hooked states no grammar for ids; this takes every form seen and nothing that changes a path.
VIDEO_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_ENDPOINTS = frozenset({"list"})
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,512}")
_NO_KEY = re.compile(rf"https?://|['\"]|{KEY_VARIABLE}", re.IGNORECASE)
_MAX_SECONDS = 1e8
MAX_WORKERS, MAX_ATTEMPTS = 1_000, 100
# argument -> what it can do, and what it is
_PARTS = {
    "client": (("check_video_id",), "a HookedClient"),
    "archive": (("append",), "a VideoArchive, such as VideoArchive('archive')"),
    "webhooks": (("subscribe",), "a WebhookReceiver"),
    "stop": (("is_set", "set", "wait"), "a threading.Event"),
}
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class _NotGiven(float):
    """The limit of a caller who named none."""

    def __repr__(self) -> str:
        return "60"


LIMIT_NOT_GIVEN = _NotGiven(60)


def checked_key(given: SecretStr | None, *, profile: str | None = None) -> SecretStr:
    """Take the key that was given, else the one of the environment; no message echoes it."""
    variable = key_variable(profile)
    if given is not None and profile is not None:
        raise ValueError("api_key or profile, not both")
    key = SecretStr(given.reveal().strip()) if given else secret_from_environment(variable)
    if key is None or not key.reveal():
        raise AuthenticationError(
            f"No API key in {variable}. Set the environment variable {KEY_VARIABLE}, or "
            f"{KEY_VARIABLE}_AGENCY for a profile named agency. In Python, "
            "HookedClient(api_key=key) takes a key and HookedClient(profile='agency') a profile. "
            "Keys are made in Hooked's settings."
        )
    if not _PRINTABLE.fullmatch(key.reveal()):
        raise AuthenticationError(
            "The API key is not one line of visible ASCII characters. "
            "Copy it anew; it is not shown here on purpose."
        )
    if _NO_KEY.match(key.reveal()):
        raise AuthenticationError(
            "The API key begins with a quotation mark, like an address or like an assignment. Give "
            "the key alone; an address is for base_url. It is not shown here on purpose."
        )
    return key


def key_variable(profile: str | None) -> str:
    """Name the variable that holds the key of a profile."""
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
    folder = local_path(os.getenv("XDG_CACHE_HOME") or "~/.cache") / "hooked_analytics"
    digest = hashlib.blake2b(f"{base_url}\n{key.reveal()}".encode(), digest_size=8).hexdigest()
    return folder / f"limit-{digest}.json"


def checked_base_url(given: str | None) -> str:
    """Accept https anywhere and http on this machine; the key goes nowhere else."""
    plain = plain_address(given or os.getenv(URL_VARIABLE) or DEFAULT_URL)
    address = web_address(plain)
    if plain is None or address is None:
        raise ValueError(
            f"base_url is a full address such as {DEFAULT_URL}: a host and perhaps a path, no "
            "user, query or fragment"
        )
    if address.scheme == "http" and not is_loopback(address.host):
        raise ValueError(
            f"base_url {address.host!r} is not this machine, so it needs https: "
            "over http the API key would be readable on the way"
        )
    return plain.removesuffix("/v1")  # every path has it already


def plain_address(text: object) -> str | None:
    r"""
    Take an address of a host and perhaps a path; None for anything else.

    >>> plain_address(" https://api.example.com/hooked/\n"), plain_address("https://a.example?b")
    ('https://api.example.com/hooked', None)
    """
    plain = text.strip().rstrip("/") if isinstance(text, str) else ""
    address = web_address(plain)
    return None if address is None or address.climbs or {"?", "#"} & set(plain) else plain


def checked_limit(given: float | None) -> float | None:
    """Take the limit that was given, else the one of the environment, else 60."""
    if given is not LIMIT_NOT_GIVEN:
        if given is not None and not (_is_real(given) and 1 <= given < math.inf):
            raise ValueError("requests_per_minute is at least 1, or None for no limit")
        return given
    try:
        limit = float(os.getenv(LIMIT_VARIABLE) or 60)
    except ValueError:
        limit = math.nan
    if not 1 <= limit < math.inf:
        raise ValueError(f"{LIMIT_VARIABLE} in the environment is a number of at least 1")
    return int(limit) if limit.is_integer() else limit


def checked_pattern(pattern: str) -> str:
    """Take a regular expression."""
    try:
        re.compile(pattern)
    except (re.error, TypeError):
        raise ValueError(f"video_id_pattern is a regular expression, not {pattern!r:.40}") from None
    return pattern


def check_video_id(value: object, *, pattern: str = VIDEO_ID_PATTERN) -> str:
    r"""
    Return the id without surrounding white space, or refuse it before any request.

    >>> check_video_id(" vid_abc123\n")
    'vid_abc123'
    """
    if not isinstance(value, str):
        raise InvalidVideoIdError(f"{value!r:.40} is no video id: it is not text")
    video_id = clean_id(value)
    if len(video_id) > 128:
        raise InvalidVideoIdError(f"a text of {len(video_id):,} characters is no video id")
    if video_id in _ENDPOINTS:
        raise InvalidVideoIdError(f"{video_id!r} is an address of the API, not a video id")
    if not re.fullmatch(pattern, video_id, re.ASCII) or ".." in video_id:
        raise InvalidVideoIdError(
            f"{video_id!r} is no video id: letters, digits, '_', '-' and single '.' only, "
            "at most 128, beginning with a letter or digit"
        )
    return video_id


def check_parts(**given: Any) -> None:
    """Refuse what cannot be the part that it is given as; None is one that is not given."""
    for name, part in given.items():
        methods, what = _PARTS[name]
        fits = not isinstance(part, type) and all(hasattr(part, method) for method in methods)
        if part is not None and not fits:
            raise TypeError(f"{name} is {what}, not {type(part).__name__}")


def check_seconds(**given: Any) -> None:
    """Refuse what is no time above 0."""
    for name, seconds in given.items():
        if not _is_real(seconds) or not 0 < seconds <= _MAX_SECONDS:
            raise ValueError(f"{name} is a number of seconds above 0, not {seconds!r:.40}")


def check_whole(minimum: int, maximum: int, **given: Any) -> None:
    """Refuse what is no whole number between two others."""
    for name, number in given.items():
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        if not whole or not minimum <= number <= maximum:
            raise ValueError(
                f"{name} is a whole number, at least {minimum:,} and at most {maximum:,}, not "
                f"{number!r:.40}"
            )


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
