"""The JSON Schema says what the loader says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nnexp.config.json_schema import json_schema
from nnexp.config.schema import Experiment
from nnexp.config.yaml import parse
from nnexp.nn.costs import COSTS

CONFIGS = Path(__file__).parents[2] / "configs"
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))
FILES = sorted(set(CONFIGS.rglob("*.yaml")) - set(STUDIES))
GOOD = {"data": "mnist", "layers": [784, 10]}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Give a validator of configs."""
    return Draft202012Validator(json_schema())


def test_the_schema_is_one() -> None:
    """The exported schema obeys JSON Schema, draft 2020-12, and says so."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_the_schema_has_every_key_with_its_meaning() -> None:
    """An editor can complete each key and say what it is for."""
    properties = json_schema()["properties"]
    assert list(properties) == list(Experiment.model_fields)
    assert all(node.get("description") for node in properties.values())
    assert properties["cost"]["enum"] == list(COSTS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_config_satisfies_the_schema(validator: Draft202012Validator, path: Path) -> None:
    """No config that comes with nnexp is marked wrong by an editor."""
    values = parse(path.read_text(encoding="utf-8"), str(path)).values
    assert [error.message for error in validator.iter_errors(values)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"eta": "fast"},
        {"eta": 0},
        {"epochs": 1.5},
        {"epochs": 0},
        {"layers": [784]},
        {"layers": [784, 0]},
        {"cost": "quadratik"},
        {"etta": 1},
        {"data": "mnits"},
        {"data": {"name": "mnist", "train": 0}},
        {"data": {"path": "a.csv", "tagret": "y"}},
        {"monitor": ["tests"]},
        {"init": "ones"},
        {"init": {"weights": []}},
        {"reference": {"test_accuracy": 0.95}},
        {"name": "a b"},
        {"dtype": "float16"},
    ],
)
def test_what_the_loader_refuses_is_marked_by_the_schema(
    validator: Draft202012Validator, change: dict[str, Any]
) -> None:
    """An editor shows the same mistakes as the command line, those between keys aside."""
    assert validator.is_valid(GOOD)
    assert not validator.is_valid({**GOOD, **change})


@pytest.mark.parametrize("key", ["data", "layers"])
def test_the_schema_requires_what_the_loader_requires(
    validator: Draft202012Validator, key: str
) -> None:
    """Data and layers must be there."""
    assert not validator.is_valid({name: v for name, v in GOOD.items() if name != key})
