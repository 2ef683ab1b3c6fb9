"""Arguments that many functions take, checked with an error that names them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from decimal import Decimal
from math import nan
from numbers import Real
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence


def group_keys(by: str | Sequence[str], figures: Sequence[str] = ()) -> list[str]:
    """
    Read *by* as a list of columns, none of them called like one of the answer's *figures*.

    >>> group_keys("type"), group_keys(["type", "status"])
    (['type'], ['type', 'status'])
    """
    keys = [by] if isinstance(by, str) else list(by) if isinstance(by, Iterable) else []
    if not keys or "" in keys or len(set(keys)) < len(keys):
        raise ValueError(f"by takes a column or several different ones, not {by!r}")
    for key in keys:
        if key in figures:
            raise ValueError(f"by: {key!r} is a figure of the answer; rename the column of yours")
    return keys


def as_number(value: Any) -> float:
    """
    Give a number as a float, and NaN for what is none: text, a truth value, a list, `pandas.NA`.

    >>> as_number(2), as_number("2")
    (2.0, nan)
    """
    try:
        number = isinstance(value, Real | Decimal) and not isinstance(value, bool)
        return float(value) if number else nan
    except (ValueError, OverflowError):  # a signalling Decimal, 10**400
        return nan


def require_amount(name: str, value: Any) -> None:
    """
    Check that an amount, where there is one, is a finite number of 0 or more.

    >>> require_amount("budget", "100")
    Traceback (most recent call last):
    ValueError: budget is 0 or more, not '100'
    """
    if value is not None and not 0 <= as_number(value) < float("inf"):
        raise ValueError(f"{name} is 0 or more, not {value!r}")


def require_zone(timezone: Any) -> None:
    """
    Check that a time zone is one that pandas knows.

    >>> require_zone("Mars")
    Traceback (most recent call last):
    ValueError: timezone is a name such as UTC or Europe/Berlin, not 'Mars'
    """
    try:
        if isinstance(timezone, str | tzinfo):
            pd.Timestamp("2000-01-01", tz=timezone)
            return
    except (LookupError, ValueError, TypeError, OSError):
        pass
    named = "timezone is a name such as UTC or Europe/Berlin"
    raise ValueError(f"{named}, not {timezone!r}")
