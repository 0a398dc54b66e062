"""The keys of the techniques: written and read again, refused by message, marked by the schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nnexp.config.loader import dump, load
from nnexp.config.schema import WATCHED, Experiment, HalveSchedule
from nnexp.config.study_file import json_schema
from nnexp.data.augmentation import Augment, Elastic
from nnexp.errors import NnexpError
from nnexp.nn.network import INITIALIZERS
from nnexp.run.assembly import early_stopping, initial_network, learning_rates

if TYPE_CHECKING:
    from conftest import LoadText

GOOD = {"data": "mnist", "layers": [784, 4, 3, 10], "output": "softmax", "cost": "cross_entropy"}
PLAIN = "data: mnist\nlayers: [784, 4, 3, 10]\noutput: softmax\n"
fractions = st.floats(0, 1, exclude_max=True)
inside = st.floats(0, 1, exclude_min=True, exclude_max=True)
positive = st.floats(0, 1e6, exclude_min=True) | st.integers(1, 1000)
names = st.sampled_from(sorted(INITIALIZERS))
hidden = names.filter(lambda name: name != "zeros")
naturals = st.integers(1, 500)


def mapping(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with all of the required keys and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


techniques = mapping(
    {},
    l1=positive | st.just(0),
    l2=positive | st.just(0),
    dropout=fractions | st.lists(fractions, min_size=2, max_size=2),
    softmax_scale=positive,
    augment=st.none()
    | mapping(
        {},
        shifts=st.booleans(),
        rotate=st.floats(0, 180, exclude_min=True),
        affine=inside,
        elastic=mapping({}, alpha=positive, sigma=positive),
    ),
    init=hidden | mapping({"hidden": hidden, "output": names}),
    schedule=st.sampled_from(["constant", "cosine"])
    | mapping({"name": st.just("step"), "every": naturals}, factor=inside)
    | mapping({"name": st.just("exponential"), "factor": inside})
    | mapping({"name": st.just("halve")}, patience=naturals, stop=st.integers(2, 999)),
    early_stopping=st.none()
    | mapping({}, metric=st.sampled_from(WATCHED), patience=naturals, min_delta=positive),
) | mapping({"momentum": inside}, nesterov=st.booleans())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all examples of a property share."""
    return tmp_path_factory.mktemp("configs")


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Give a validator of configs."""
    return Draft202012Validator(json_schema())


@settings(max_examples=100)
@given(techniques)
def test_techniques_are_written_and_read_again_and_can_be_built(
    place: Path, validator: Draft202012Validator, given_keys: dict[str, Any]
) -> None:
    """Any valid keys satisfy the schema, give a schedule and a network, and survive config.yaml."""
    assert validator.is_valid({**GOOD, **given_keys})
    first, second = place / "a.yaml", place / "b.yaml"
    first.write_text(yaml.safe_dump({**GOOD, **given_keys}), encoding="utf-8")
    experiment = load(first).experiment
    second.write_text(dump(experiment), encoding="utf-8")
    again = load(second).experiment
    assert again.model_copy(update={"name": experiment.name}) == experiment
    assert learning_rates(again).eta(1) == experiment.eta
    assert initial_network(again).sizes == (784, 4, 3, 10)
    stopping = early_stopping(again)
    assert (stopping is None) == (given_keys.get("early_stopping") is None)


KEYS = [
    *Experiment.model_fields,
    *("name", "every", "factor", "patience", "stop", "metric", "min_delta", "one", "each", "word"),
    *("shifts", "rotate", "affine", "elastic", "alpha", "sigma", "hidden", "output", "weights"),
    *("step", "exponential", "halve", "layers", "explicit"),
]
scalars = st.sampled_from(
    [None, True, False, 0, 1, 2, -1, 0.5, 1.0, float("nan"), "step", "halve", "he", "zeros", "one"]
)
trees: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
TECHNIQUES = (
    "schedule",
    "init",
    "dropout",
    "augment",
    "early_stopping",
    "monitor",
    "softmax_scale",
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(TECHNIQUES), trees, min_size=1, max_size=3))
def test_whatever_a_key_holds_is_taken_or_refused_by_that_key(
    place: Path, given_keys: dict[str, Any]
) -> None:
    """No value ends in a traceback, and each problem names a key that is there or is missing."""
    path = place / "any.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **given_keys}), encoding="utf-8")
    try:
        load(path)
    except NnexpError as error:
        for line in str(error).splitlines():
            where, key, message = line.split(": ", 2)
            assert where.startswith(f"{path}:")
            assert key.split(".")[0] in {*given_keys, "early_stopping", "schedule"}
            assert message


@pytest.mark.parametrize(
    "change",
    [
        {"l1": -1},
        {"l2": "much"},
        {"dropout": 1},
        {"dropout": [0.5, 1.0]},
        {"momentum": 1},
        {"nesterov": 1},
        {"schedule": "step"},
        {"schedule": {"name": "step"}},
        {"schedule": {"name": "exponential", "factor": 1}},
        {"schedule": {"name": "halve", "stop": 1}},
        {"early_stopping": {"metric": "accuracy"}},
        {"early_stopping": {"patience": 0}},
        {"augment": "shifts"},
        {"augment": {"shift": True}},
        {"augment": {"rotate": 0}},
        {"augment": {"elastic": {"alpha": -1}}},
        {"softmax_scale": 0},
        {"init": {"hidden": "he"}},
        {"init": {"hidden": "he", "output": "hee"}},
        {"monitor": ["parameter"]},
        {"monitor_every": 0},
    ],
    ids=str,
)
def test_what_the_loader_refuses_of_a_technique_is_marked_by_the_schema(
    place: Path, validator: Draft202012Validator, change: dict[str, Any]
) -> None:
    """An editor shows the same mistakes as the command line."""
    assert validator.is_valid(GOOD)
    assert not validator.is_valid({**GOOD, **change})
    path = place / "bad.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}), encoding="utf-8")
    with pytest.raises(NnexpError, match=f": {next(iter(change))}"):
        load(path)


def test_defaults_of_a_technique_that_is_named(load_text: LoadText) -> None:
    """A mapping with only what must be there has the book's and the papers' figures."""
    experiment = load_text(
        f"{PLAIN}schedule: {{name: halve}}\nearly_stopping: {{}}\nexpand: {{elastic: {{}}}}\n"
    ).experiment
    assert isinstance(experiment.schedule, HalveSchedule)
    assert (experiment.schedule.patience, experiment.schedule.stop) == (10, 128)
    assert experiment.early_stopping is not None
    assert (experiment.early_stopping.metric, experiment.early_stopping.patience) == (
        "validation_accuracy",
        10,
    )
    assert experiment.augment == Augment(elastic=Elastic(alpha=34.0, sigma=4.0))


@pytest.mark.parametrize(
    ("dropout", "rates"),
    [
        ("0.5", (0.5, 0.5)),
        ("[0.2, 0.7]", (0.2, 0.7)),
        ("[0.0, 0.7]", (0.0, 0.7)),
        ("0", ()),
        ("[0, 0.0]", ()),
    ],
)
def test_one_rate_is_for_all_hidden_layers(
    load_text: LoadText, dropout: str, rates: tuple[float, ...]
) -> None:
    """A number is each hidden layer's rate, a list is theirs in order, and only zeros are none."""
    assert load_text(f"{PLAIN}dropout: {dropout}\n").experiment.dropouts() == rates


def test_an_override_reaches_into_a_technique(load_text: LoadText) -> None:
    """`--set` makes and changes the parts of a schedule as those of any other mapping."""
    config = load_text(PLAIN, "schedule.name=step", "schedule.every=3", "augment.rotate=5")
    assert (
        config.experiment.schedule
        == load_text(f"{PLAIN}schedule: {{name: step, every: 3}}\n").experiment.schedule
    )
    assert config.experiment.augment == Augment(rotate=5.0)
