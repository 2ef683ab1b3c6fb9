"""Check the docstrings of the public names by numpydoc; the codes are in pyproject.toml."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import hooked_analytics

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def public() -> Iterator[str]:
    """Public functions and classes, and what those classes define themselves."""
    for name in hooked_analytics.__all__:
        thing = getattr(hooked_analytics, name)
        if inspect.isclass(thing):
            yield name
            yield from (
                f"{name}.{member}"
                for member, value in vars(thing).items()
                if not member.startswith("_") and (callable(value) or isinstance(value, property))
            )
        elif callable(thing):
            yield name


def has_no_parameters_of_its_own(name: str) -> bool:
    """Whether it is an error like its base, or a result, whose fields stand under Attributes."""
    thing = getattr(hooked_analytics, name.partition(".")[0])
    if not inspect.isclass(thing):
        return False
    error = issubclass(thing, BaseException) and "__init__" not in vars(thing)
    return error or dataclasses.is_dataclass(thing)


def main() -> int:
    from numpydoc.validate import validate

    settings = tomllib.loads(PYPROJECT.read_text())["tool"]["numpydoc_validation"]
    wrong = [
        f"{name}: {code} {text}"
        for name in public()
        for code, text in validate(f"hooked_analytics.{name}")["errors"]
        if code in settings["checks"]
        and not (code == "PR01" and has_no_parameters_of_its_own(name))
    ]
    print("\n".join(wrong) or f"docstrings of {sum(1 for _ in public())} public names are fine")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
