"""Print the lowest versions that pyproject.toml declares, as pip constraints."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def oldest_versions() -> list[str]:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return sorted({line.replace(">=", "==") for line in wanted if re.search(r"\w>=\d", line)})


if __name__ == "__main__":
    print("\n".join(oldest_versions()))
