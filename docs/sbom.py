"""Write the software bill of materials of nnexp: `make sbom`.

It is in CycloneDX's format (JSON, version 1.6), made from the versions that constraints.txt pins
and from what the installed packages say of themselves. The same tree gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nnexp

ROOT = Path(__file__).resolve().parents[1]
SPEC_VERSION = "1.6"
OWN = "nnexp"


def pins() -> dict[str, str]:
    """Return the version of each package that constraints.txt names."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def needed(name: str, extras: tuple[str, ...] = ("",)) -> set[str]:
    """Return the packages that an installed package needs here; none where it is not installed."""
    try:
        entries = [Requirement(entry) for entry in requires(name) or ()]
    except PackageNotFoundError:
        return set()
    return {
        canonicalize_name(entry.name)
        for entry in entries
        if any(entry.marker is None or entry.marker.evaluate({"extra": e}) for e in extras)
    }


def reachable(roots: set[str]) -> set[str]:
    """Return packages and all that they need."""
    found: set[str] = set()
    left = set(roots)
    while left:
        found |= left
        left = {other for name in left for other in needed(name)} - found
    return found


def component(name: str, version: str, scope: str) -> dict[str, Any]:
    """Return a package as CycloneDX has it."""
    found = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "scope": scope,
    }
    try:
        licence = metadata(name).get("License-Expression")
    except PackageNotFoundError:
        licence = None
    return found | ({"licenses": [{"expression": licence}]} if licence else {})


def bill() -> dict[str, Any]:
    """Return the bill: what nnexp needs is required, its extras optional, its tests excluded."""
    versions = pins()
    core = reachable(needed(OWN))
    extra = reachable(needed(OWN, ("cluster", "tune")) - needed(OWN)) - core
    scopes = dict.fromkeys(core, "required") | dict.fromkeys(extra, "optional")
    components = [
        component(name, version, scopes.get(name, "excluded"))
        for name, version in sorted(versions.items())
    ]
    own = f"pkg:pypi/{OWN}@{nnexp.__version__}"
    graph = {own: needed(OWN, ("", "cluster", "tune")) & versions.keys()}
    graph |= {c["bom-ref"]: needed(c["name"]) & versions.keys() for c in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": OWN,
                "version": nnexp.__version__,
                "purl": own,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": [f"pkg:pypi/{n}@{versions[n]}" for n in sorted(others)]}
            for ref, others in graph.items()
        ],
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill(), indent=2) + "\n", encoding="utf-8")
