"""The software bill of materials says what is pinned."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# What `import nnexp` and its commands need, as pyproject.toml says.
CORE = {"numpy", "click", "pyyaml", "tqdm", "pydantic", "matplotlib", "threadpoolctl"}


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    """The bill that `make sbom` writes."""
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "docs" / "sbom.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.bill()
    return found


def test_every_pinned_package_is_in_it_once(bill: dict[str, Any]) -> None:
    """Name and version of each line of constraints.txt are a component with its purl."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    expected = [line.lower().replace("_", "-").split("==") for line in lines]
    components = [[c["name"], c["version"]] for c in bill["components"]]
    assert components == sorted(expected)
    for c in bill["components"]:
        assert c["purl"] == c["bom-ref"] == f"pkg:pypi/{c['name']}@{c['version']}"


def test_what_nnexp_needs_is_required_and_pinned(bill: dict[str, Any]) -> None:
    """The core packages are required, the extras optional, the tools of the tests excluded."""
    scopes = {c["name"]: c["scope"] for c in bill["components"]}
    assert {name for name in CORE if scopes[name] == "required"} == CORE
    assert (scopes["distributed"], scopes["optuna"]) == ("optional", "optional")
    assert (scopes["pytest"], scopes["ruff"]) == ("excluded", "excluded")


def test_its_graph_names_components_only(bill: dict[str, Any]) -> None:
    """Every end of a dependency is a component, or nnexp itself."""
    refs = {c["bom-ref"] for c in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {entry["ref"] for entry in bill["dependencies"]} == refs
    for entry in bill["dependencies"]:
        assert set(entry["dependsOn"]) <= refs
