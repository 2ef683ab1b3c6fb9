"""What users call: every public signature, so that a change is made on purpose."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import hooked_analytics

SNAPSHOT = Path(__file__).parent / "data" / "signatures.json"


def signatures() -> dict[str, str]:
    """Public functions, classes and their public methods, without annotations."""

    def plain(thing: object) -> str:
        found = inspect.signature(thing)  # type: ignore[arg-type]
        bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
        return str(found.replace(parameters=bare, return_annotation=found.empty))

    found = {}
    for name in hooked_analytics.__all__:
        thing = getattr(hooked_analytics, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found[name] = plain(thing)
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            found |= {
                f"{name}.{member}": plain(value)
                for member, value in inspect.getmembers(thing, inspect.isfunction)
                if not member.startswith("_") and value.__module__.startswith("hooked_analytics")
            }
    return found


def test_the_public_signatures_are_those_of_the_snapshot():
    assert signatures() == json.loads(SNAPSHOT.read_text())


if __name__ == "__main__":  # python -m tests.test_signatures writes the snapshot anew
    SNAPSHOT.write_text(json.dumps(signatures(), indent=1) + "\n")
    sys.stdout.write(f"{SNAPSHOT}\n")
