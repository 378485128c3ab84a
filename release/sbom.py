"""The bill of materials: takes the installed packages, gives those that headrace runs with.

`python -m release.sbom FILE` writes CycloneDX as JSON. cyclonedx-py lists everything that is
installed, and follows the extras that nobody has asked for; here only what `headrace[all]` needs on
this platform stays. It needs no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parent.parent


def declared() -> list[str]:
    """What `headrace[all]` requires, as pyproject.toml says."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    optional = [each for name, found in extras.items() if name != "all" for each in found]
    return [*project["dependencies"], *optional]


def runtime_packages(requirements: Iterable[str]) -> set[str]:
    """The normalized names of all packages that some requirements need here.

    Args:
        requirements: of installed packages, such as "httpx>=0.28".
    """
    found: set[tuple[str, str]] = set()
    waiting = [each for each in map(Requirement, requirements) if _holds(each, "")]
    while waiting:
        each = waiting.pop()
        for extra in ("", *each.extras):
            if (each.name, extra) in found:
                continue
            found.add((each.name, extra))
            needed = map(Requirement, distribution(each.name).requires or ())
            waiting += [need for need in needed if _holds(need, extra)]
    return {canonicalize_name(name) for name, _ in found}


def _holds(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement holds here, for those who have asked for `extra`."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def bill_of_materials() -> dict[str, Any]:
    """The bill, as an object of CycloneDX."""
    command = ["environment", "--pyproject", "pyproject.toml", "--output-reproducible"]
    program = [sys.executable, "-m", "cyclonedx_py", *command, "--of", "JSON", sys.executable]
    listed = subprocess.run(program, cwd=_ROOT, capture_output=True, check=True).stdout
    return confined(json.loads(listed), runtime_packages(declared()))


def confined(bill: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """A bill of only those components, and of what they need among them."""
    components = [each for each in bill["components"] if canonicalize_name(each["name"]) in names]
    kept = {each["bom-ref"] for each in components} | {bill["metadata"]["component"]["bom-ref"]}
    dependencies = [
        {**each, "dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in kept]}
        for each in bill["dependencies"]
        if each["ref"] in kept
    ]
    return {**bill, "components": components, "dependencies": dependencies}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill_of_materials(), indent=2, sort_keys=True) + "\n")
