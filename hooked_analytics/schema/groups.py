"""Grouping as every table function does it: a missing key is a group, nothing is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def group_keys(by: str | Sequence[str]) -> list[str]:
    """
    Read *by* as a list of columns.

    Examples
    --------
    >>> group_keys("type"), group_keys(["type", "status"])
    (['type'], ['type', 'status'])
    """
    return [by] if isinstance(by, str) else list(by)


def grouped(table: pd.DataFrame, keys: list[str]) -> Any:
    """
    Group by *keys*, keeping rows whose key is missing and only the groups that occur.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"type": ["class", None, None], "credits": [1, 2, 3]})
    >>> grouped(table, ["type"])["credits"].sum().tolist()
    [1, 5]
    """
    return table.groupby(keys, dropna=False, observed=True, sort=True)
