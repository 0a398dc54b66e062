"""The JSON Schema says what the loader says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nnexp.config.schema import Experiment
from nnexp.config.study_file import StudyFile, json_schema, study_schema
from nnexp.config.yaml import parse
from nnexp.nn.costs import COSTS

CONFIGS = Path(__file__).parents[2] / "configs"
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))
FILES = sorted(set(CONFIGS.rglob("*.yaml")) - set(STUDIES))
PARTS = ("Tune", "Confirm")
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


@pytest.fixture(scope="module")
def of_studies() -> Draft202012Validator:
    """Give a validator of studies."""
    return Draft202012Validator(study_schema())


def test_the_schema_of_studies_is_one_and_has_every_key() -> None:
    """It obeys the draft, and an editor can say what each key is for."""
    schema = study_schema()
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == list(StudyFile.model_fields)
    for properties in (schema["properties"], *(schema["$defs"][n]["properties"] for n in PARTS)):
        assert all(node.get("description") for node in properties.values())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_each_study_satisfies_the_schema(of_studies: Draft202012Validator, path: Path) -> None:
    """No study that comes with nnexp is marked wrong by an editor."""
    values = parse(path.read_text(encoding="utf-8"), str(path)).values
    assert [error.message for error in of_studies.iter_errors(values)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"base": {"layers": [784, 10], "epochs": 3}},
        {"arms": {"a": {"eta": 1}, "b": None}},
        {"random": {"eta": {"log": [0.1, 1]}, "l2": [0, 1], "n": 3}},
        {"seeds": 3},
        {"seeds": [0, "2-4"]},
        {"tune": {"space": {"eta": {"uniform": [0.1, 1]}}}, "confirm": {"seeds": "5-9"}},
    ],
)
def test_what_a_study_may_say_is_not_marked(
    of_studies: Draft202012Validator, change: dict[str, Any]
) -> None:
    """A base may lack what the arms give, an arm may change nothing, seeds have many forms."""
    errors = of_studies.iter_errors({"base": "a.yaml", **change})
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "change",
    [
        {"base": 3},
        {"base": {"etta": 3}},
        {"armz": {}},
        {"arms": ["a"]},
        {"arms": {"a": 3}},
        {"arms": {"a b": {}}},
        {"grid": {"eta": 3}},
        {"grid": {"eta": []}},
        {"random": {"eta": [1, 2]}},
        {"random": {"eta": {"normal": [0, 1]}, "n": 3}},
        {"random": {"eta": {"log": [1]}, "n": 3}},
        {"random": {"eta": [1, 2], "n": 0}},
        {"seeds": {"from": 0}},
        {"metric": "accuracy"},
        {"at": "now"},
        {"margin": -1},
        {"tune": {}},
        {"tune": {"space": {"eta": 3}}},
        {"tune": {"space": {"eta": [1]}, "trials": 0}},
        {"confirm": {"seed": 3}},
    ],
)
def test_what_a_study_may_not_say_is_marked(
    of_studies: Draft202012Validator, change: dict[str, Any]
) -> None:
    """An editor shows the same mistakes as the command line, those between keys aside."""
    assert of_studies.is_valid({"base": "a.yaml"})
    assert not of_studies.is_valid({"base": "a.yaml", **change})
    assert not of_studies.is_valid({})
