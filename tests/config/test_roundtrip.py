"""Any config survives being written and read again; any text is read or refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from nnexp.config.loader import dump, load
from nnexp.config.schema import Experiment
from nnexp.errors import NnexpError
from nnexp.names import SETS
from nnexp.nn.activations import HIDDEN
from nnexp.nn.costs import COSTS
from nnexp.nn.network import INITIALIZERS
from nnexp.nn.types import DTYPES

LETTERS = "abcxyzEON0189"
words = st.builds(
    str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + "._+=-", max_size=12)
) | st.sampled_from(["1e-3", "08", "no", "true", "null", "1_0", "2026-11-22", "0o17", "1.5"])
texts = st.text(max_size=40) | words
naturals = st.integers(1, 10**6)
reals = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000)
positives = st.floats(min_value=0, exclude_min=True, allow_infinity=False) | naturals
fractions = st.floats(0, 1, exclude_max=True)
percents = st.floats(1, 100, exclude_min=True)
paths = st.text(st.characters(codec="utf-8", exclude_characters="\0~"), min_size=1, max_size=30)


def mapping(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with all of the required keys and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


def matrices(rows: int, columns: int) -> st.SearchStrategy[list[list[float]]]:
    """Return lists of lists of numbers."""
    row = st.lists(reals, min_size=columns, max_size=columns)
    return st.lists(row, min_size=rows, max_size=rows)


@st.composite
def data(draw: st.DrawFn, n_in: int, n_out: int) -> Any:
    """Return one of the forms of data, for small networks."""
    sizes = fractions | st.integers(1, 5000)
    images = {"train": naturals, "validation": sizes, "test": naturals}
    n = draw(st.integers(1, 4))
    classes = st.lists(st.integers(0, n_out - 1), min_size=n, max_size=n)
    targets: st.SearchStrategy[Any] = matrices(n, n_out) | classes
    inline = mapping({"x": matrices(n, n_in), "y": targets})
    return draw(
        mapping({"path": paths.filter(lambda path: not PurePath(path).suffix)}, **images)
        | mapping({"path": paths.map(lambda p: p + ".npz")}, **images)
        | mapping(
            {"path": paths.map(lambda p: p + ".CSV"), "target": texts},
            task=st.sampled_from(["classes", "regression"]),
            validation=fractions,
            test=fractions,
            standardize=st.booleans(),
        )
        | mapping({"inline": inline})
    )


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Return the values of a valid config."""
    cost = draw(st.sampled_from(sorted(COSTS)))
    output = draw(st.sampled_from(sorted(COSTS[cost].values)))
    hidden = draw(st.lists(st.integers(1, 4), max_size=2))
    mnist = draw(st.booleans())
    n_in = 784 if mnist else draw(st.integers(1, 4))
    n_out = 10 if mnist else draw(st.integers(2 if output == "softmax" else 1, 3))
    layers = [n_in, *hidden, n_out]
    named: st.SearchStrategy[Any] = st.sampled_from(sorted(set(INITIALIZERS) - {"zeros"}))
    pairs = list(pairwise(layers))
    explicit = mapping(
        {
            "weights": st.tuples(*(matrices(o, i) for i, o in pairs)).map(list),
            "biases": st.tuples(*(matrices(1, o).map(lambda m: m[0]) for _, o in pairs)).map(list),
        }
    )
    parts = {"train": st.integers(1, 50_000), "validation": st.integers(0, 10_000)}
    figures = {f"{s}_accuracy": percents for s in SETS} | {f"{s}_cost": reals for s in SETS}
    statistic = st.sampled_from(["last", "best-epoch", "peak"])
    embedded: st.SearchStrategy[Any] = st.just("mnist") | mapping(
        {"name": st.just("mnist")}, **parts
    )
    required = {
        "data": embedded if mnist else data(n_in, n_out),
        "layers": st.just(layers),
        "cost": st.just(cost),
        "output": st.just(output),
    }
    return draw(
        mapping(
            required,
            name=words,
            description=texts,
            tags=st.lists(words, max_size=3),
            activation=st.sampled_from(HIDDEN),
            init=named if mnist else named | explicit,
            eta=positives,
            epochs=naturals,
            batch_size=naturals,
            seed=st.integers(0, 2**63 - 1),
            dtype=st.sampled_from(sorted(DTYPES)),
            monitor=st.lists(st.sampled_from(SETS), unique=True),
            reference=mapping({}, **figures, statistic=statistic, source=texts),
        )
    )


class Quoting(yaml.SafeDumper):
    """Writes texts in double quotes, so that none of them can be taken for something else."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all examples of a property share."""
    return tmp_path_factory.mktemp("configs")


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(values=configs(), stem=words)
@example(values={"data": "mnist", "layers": [784, 10], "description": "1e5"}, stem="1e-3")
@example(values={"data": "mnist", "layers": [784, 10], "tags": ["08", "1e5"]}, stem="09")
def test_a_config_that_is_written_is_read_as_the_same_experiment(
    place: Path, values: dict[str, Any], stem: str
) -> None:
    """A run's config.yaml, dump(load(x)), is the experiment x; so is what run.json has of it."""
    first, second = place / f"{stem}.yaml", place / "sub" / "config.yaml"
    second.parent.mkdir(exist_ok=True)
    first.write_text(yaml.dump(values, Dumper=Quoting), encoding="utf-8", newline="")
    experiment = load(first).experiment
    text = dump(experiment)
    second.write_text(text, encoding="utf-8", newline="")
    again = load(second).experiment
    assert again == experiment
    assert dump(again) == text
    assert text.replace("\n", "").isprintable()
    recorded = json.dumps(experiment.model_dump(mode="json"), allow_nan=False)
    assert Experiment.model_validate(json.loads(recorded)) == experiment


def refusal(path: Path, *overrides: str) -> str | None:
    """Return the message a config is refused with, or None where it is taken."""
    try:
        load(path, overrides)
    except NnexpError as error:
        return str(error)
    return None


KEYS = [*Experiment.model_fields, "name", "path", "inline", "x", "y", "weights", "biases", "train"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["mnist", "a.csv", "sigmoid", "train", "quadratic", 784, 10, "["])
)
trees: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)


@settings(max_examples=120)
@given(
    values=st.dictionaries(st.sampled_from(list(Experiment.model_fields)), trees), right=configs()
)
def test_any_values_are_taken_or_refused_by_message(
    place: Path, values: dict[str, Any], right: dict[str, Any]
) -> None:
    """Whatever the keys hold, loading gives an experiment or a NnexpError with a message."""
    path = place / "any.yaml"
    path.write_text(yaml.safe_dump({**right, **values}, allow_unicode=True), encoding="utf-8")
    message = refusal(path)
    assert message is None or message.startswith(str(path))


@settings(max_examples=100)
@given(text=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(text=b"a: !!float ''")
@example(text=b'"\\ud800": 1')
@example(text=b"data: &x {inline: *x}\nlayers: *x")
def test_any_bytes_are_read_or_refused_by_message(place: Path, text: bytes) -> None:
    """No file, whatever it holds, ends in a traceback."""
    path = place / "bytes.yaml"
    path.write_bytes(text)
    assert refusal(path)


@settings(max_examples=100)
@given(
    name=st.lists(
        st.sampled_from([*KEYS, "0", "1", "²", "-1", "9" * 5000]) | st.text(max_size=3)
    ).map(".".join),
    value=st.text(max_size=15) | st.sampled_from(["1", "[1, 2]", "{a: 1}", "mnist", "&x [*x]"]),
)
def test_any_override_is_taken_or_refused_by_message(place: Path, name: str, value: str) -> None:
    """No --set, whatever it says, ends in a traceback."""
    assume("\0" not in name)
    path = place / "right.yaml"
    path.write_text("data: mnist\nlayers: [784, 30, 10]\neta: 0.5\n")
    assert refusal(path, f"{name}={value}") != ""
