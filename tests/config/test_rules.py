"""What may stand beside what: cost and output, layers and data, layers and initial parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nnexp.config.schema import ExplicitInit
from nnexp.errors import ConfigError, did_you_mean, one_of
from nnexp.nn.activations import HIDDEN, OUTPUT
from nnexp.nn.costs import COSTS
from nnexp.nn.network import INITIALIZERS
from nnexp.nn.types import DTYPES
from nnexp.text import quoted

if TYPE_CHECKING:
    from conftest import LoadText

XOR = "data: {inline: {x: [[0, 0], [0, 1]], y: [[0, 1], [1, 0]]}}\nlayers: [2, 3, 2]\n"


def refusal(load_text: LoadText, text: str) -> str:
    """Return the one line a config is refused with."""
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize("output", OUTPUT)
@pytest.mark.parametrize("cost", COSTS)
def test_each_pair_of_cost_and_output_is_legal_or_refused_by_name(
    load_text: LoadText, cost: str, output: str
) -> None:
    """A pair without a meaning is refused with the outputs of the cost and the costs of the output.

    The legal ones of the book's costs are written out, from the range on which each is defined.
    """
    legal: dict[str, set[str]] = {
        **{name: set(entry.values) for name, entry in COSTS.items()},
        "quadratic": set(OUTPUT),
        "cross_entropy": {"sigmoid", "softmax"},
        "log_likelihood": {"softmax"},
    }
    text = f"{XOR}cost: {cost}\noutput: {output}\n"
    if output in legal[cost]:
        experiment = load_text(text).experiment
        assert (experiment.cost, experiment.output) == (cost, output)
        return
    outputs = [name for name in OUTPUT if name in legal[cost]]
    costs = [name for name in COSTS if output in legal[name]]
    assert refusal(load_text, text) == (
        f"a.yaml:3: cost: {cost} is not defined for output {output}: "
        f"use output {one_of(outputs)}, or cost {one_of(costs)}"
    )


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("activation", HIDDEN),
        ("dtype", DTYPES),
        ("init", INITIALIZERS),
        ("cost", COSTS),
        ("output", OUTPUT),
    ],
)
def test_a_name_that_is_none_of_a_table_is_refused_with_the_table(
    load_text: LoadText, key: str, names: tuple[str, ...]
) -> None:
    """A mistyped name is answered with all that there are and the one that is meant."""
    meant = next(iter(names))
    message = refusal(load_text, f"{XOR}{key}: {meant}e\n")
    assert message.startswith(f"a.yaml:3: {key}: expected {meant}")
    assert all(name in message for name in names)
    assert message.endswith(f"; did you mean {meant}?")


def test_softmax_of_one_output_is_refused(load_text: LoadText) -> None:
    """A softmax over a single output is always 1, so nothing could be learned."""
    text = "data: {inline: {x: [[0]], y: [[0]]}}\nlayers: [1, 1]\noutput: softmax\n"
    assert refusal(load_text, text) == (
        "a.yaml:3: output: softmax of one output is always 1: use sigmoid, or two outputs"
    )


@pytest.mark.parametrize(
    ("layers", "right"),
    [
        ("[784, 30, 9]", "[784, 30, 10]"),
        ("[100, 10]", "[784, 10]"),
        ("[10, 5, 784]", "[784, 5, 10]"),
    ],
)
def test_layers_that_do_not_fit_mnist_are_refused_with_those_that_do(
    load_text: LoadText, layers: str, right: str
) -> None:
    """MNIST has 784 pixels and 10 classes, and the hidden layers are the user's."""
    for data in ("mnist", "{name: mnist, train: 100}"):
        assert refusal(load_text, f"data: {data}\nlayers: {layers}\n") == (
            f"a.yaml:2: layers: {layers} does not fit the 784 inputs and 10 classes of mnist: "
            f"use {right}"
        )


def test_initial_parameters_of_the_layers_shapes_are_taken(load_text: LoadText) -> None:
    """One matrix (n_out rows of n_in) and one vector (n_out) a layer."""
    weights = "[[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5, 6]]]"
    text = f"{XOR}init: {{weights: {weights}, biases: [[1, 2, 3], [4, 5]]}}\n"
    init = load_text(text).experiment.init
    assert isinstance(init, ExplicitInit)
    assert init.weights[0] == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        (
            "[[[1, 2]]]",
            "[[1, 2, 3], [4, 5]]",
            "init.weights: expected 2, one per layer after the first of [2, 3, 2], got 1",
        ),
        (
            "[[[1, 2], [3, 4]], [[1, 2, 3], [4, 5, 6]]]",
            "[[1, 2, 3], [4, 5]]",
            "init.weights.0: layers [2, 3, 2] need 3 rows of 2 numbers here",
        ),
        (
            "[[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5]]]",
            "[[1, 2, 3], [4, 5]]",
            "init.weights.1: layers [2, 3, 2] need 2 rows of 3 numbers here",
        ),
        (
            "[[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5, 6]]]",
            "[[1, 2, 3], [4, 5, 6]]",
            "init.biases.1: layers [2, 3, 2] need 2 numbers here",
        ),
        (
            "[[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5, 6]]]",
            "[]",
            "init.biases: expected 2, one per layer after the first of [2, 3, 2], got 0",
        ),
    ],
)
def test_initial_parameters_of_other_shapes_are_refused(
    load_text: LoadText, weights: str, biases: str, message: str
) -> None:
    """Explicit parameters that do not fit the layers are refused with the expected shape."""
    text = f"{XOR}init: {{weights: {weights}, biases: {biases}}}\n"
    assert refusal(load_text, text) == f"a.yaml:3: {message}"


def test_a_set_is_monitored_once(load_text: LoadText) -> None:
    """A set that is listed twice is refused."""
    message = refusal(load_text, f"{XOR}monitor: [test, train, test]\n")
    assert message == "a.yaml:3: monitor: test is listed twice"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "nothing"),
        (0.5, "0.5"),
        ("fast", "'fast'"),
        ({"a": 1}, "{'a': 1}"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, …"),
    ],
)
def test_a_value_is_shown_as_it_was_written(value: object, text: str) -> None:
    """Messages quote a value in YAML's words, at most 60 characters of it."""
    assert quoted(value) == text


def test_a_suggestion_is_close_or_there_is_none() -> None:
    """A word is answered by the nearest choice, whatever its case, or by nothing."""
    assert did_you_mean("Epoch", ["eta", "epochs"]) == "; did you mean epochs?"
    assert did_you_mean("momentum", ["eta", "epochs"]) == ""
