"""Every text in a notebook, with the cell it stands in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hooked_analytics.leaks.search import Find

_ONE_OF = {"cells": "cell", "outputs": "output", "worksheets": "worksheet"}


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON in which a name may come twice: both are in the file."""


def notebook_texts(body: bytes) -> Iterator[tuple[str, bytes, Callable[[str, Find], str]]]:
    r"""
    Give sources, outputs, metadata, widget state and attachments.

    Yields
    ------
    where it is, the text, and how a place in it is called

    Raises
    ------
    ValueError
        It is not JSON.

    Examples
    --------
    >>> body = b'{"cells": [{"source": ["x = 1\\n", "y = 2"]}]}'
    >>> [(place, text) for place, text, _ in notebook_texts(body) if text.startswith(b"x")]
    [('cell 1, source', b'x = 1\ny = 2')]
    """
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_Pairs)
        for place, text in _texts(document, ""):
            yield place, text.encode(errors="replace"), _line
    except RecursionError:
        raise ValueError("nested beyond reason") from None


def _line(place: str, find: Find) -> str:
    return f"{place}, line {find.line:,}" if place.endswith("source") else place


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Pairs):
        yield from _object(value, place)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            # a text is a list of its lines, as often as not
            yield place, "".join(value)
            return
        before, _, last = place.rpartition(", ")
        one = f"{before}, {_ONE_OF.get(last, last)}" if before else _ONE_OF.get(last, last)
        for number, item in enumerate(value, 1):
            yield from _texts(item, f"{one} {number}")
    elif isinstance(value, str | int | float):
        yield place, str(value)


def _object(pairs: _Pairs, place: str) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        yield f"{place} (a name)", name
        inner = f"{place}, {name}" if place else name
        if isinstance(value, str) and "key" in name.lower():
            yield inner, f'"{name}": {json.dumps(value)}'
        yield from _texts(value, inner)
    named = dict(pairs)
    if named.get("model_name") == "PasswordModel" and isinstance(named.get("state"), _Pairs):
        typed = dict(named["state"]).get("value")
        yield f"{place}, password field", f"api_key={json.dumps(typed)}"
