"""JSON from elsewhere, decoded strictly: what is not plain JSON is refused, and said."""

from __future__ import annotations

import json
from typing import Any

from hooked_analytics.schema.records import clean_text


def decode(body: bytes) -> Any:
    """
    Decode JSON strictly: no NaN, no repeated keys, no numbers or nesting beyond reason.

    A ValueError says what it is instead, without quoting it.
    """
    start = body[:64].lstrip()
    if not start:
        raise ValueError("an empty body")
    if start[:1] == b"<":
        raise ValueError("a web page instead of JSON")
    try:
        text = body.decode("utf-8-sig")
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise ValueError("text that is not UTF-8") from None
    except RecursionError:
        raise ValueError("JSON nested beyond reason") from None
    except _RefusedError as refused:
        raise ValueError(str(refused)) from None
    except ValueError:
        raise ValueError("text that is not JSON") from None
    return _clean(value) if "\\ud" in text or "\\uD" in text else value


class _RefusedError(ValueError):
    pass


def _refuse(constant: str) -> None:
    raise _RefusedError(f"JSON with the number {constant}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RefusedError("JSON that gives a field twice")
    return made


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value
