"""Evaluation in chunks, on padded layers and compact inputs, is the direct formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import PAIRS

from nnexp.nn.activations import HIDDEN
from nnexp.nn.backprop import forward
from nnexp.nn.costs import COSTS
from nnexp.nn.metrics import evaluate
from nnexp.nn.network import Network, large
from nnexp.nn.types import CHUNK, Examples

# Around one tile of 16 columns, and no hidden layer at all.
HIDDEN_SIZES = [[], [7], [16], [17, 30], [3, 33, 16]]
# What is stored, its scale, the network's precision and how close the two ways must come.
STORED: list[tuple[type[np.number[Any]], float, type[np.floating[Any]], float]] = [
    (np.uint8, 1 / 256, np.float32, 2e-5),
    (np.uint8, 1 / 256, np.float64, 1e-12),
    (np.float32, 1.0, np.float32, 2e-5),
    (np.float64, 0.25, np.float64, 1e-12),
    (np.float32, 2.0, np.float64, 1e-12),
]


def check(network: Network, cost: str, examples: Examples, tolerance: float) -> None:
    """Compare `evaluate` with the cost of the logits of all examples at once, in float64."""
    exact = Network(
        network.sizes, network.activation, network.output, network.parameters.astype(np.float64)
    )
    z, y = forward(exact, examples.x * examples.scale).z[-1], examples.y.astype(np.float64)
    expected = COSTS[cost].value(network.output, z, y).mean()
    evaluation = evaluate(network, cost, examples)
    assert evaluation.cost == pytest.approx(expected, rel=tolerance)
    assert evaluation.predicted is not None
    assert examples.labels is not None
    np.testing.assert_array_equal(evaluation.predicted, z.argmax(axis=1))
    assert evaluation.accuracy == np.mean(z.argmax(axis=1) == examples.labels)


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 500])
def test_sets_of_any_size(n: int) -> None:
    """Cost, accuracy and predictions do not depend on how a set falls into chunks."""
    for hidden in HIDDEN_SIZES:
        for stored, scale, dtype, tolerance in STORED:
            rng = np.random.default_rng(n)
            network = Network.random(
                [5, *hidden, 3],
                activation="tanh",
                output="softmax",
                initializer=large,
                rng=rng,
                dtype=dtype,
            )
            top = 256 if stored == np.uint8 else 3
            x = rng.uniform(0, top, size=(n, 5)).astype(stored)
            labels = rng.integers(3, size=n)
            examples = Examples(x, np.eye(3, dtype=dtype)[labels], scale, labels)
            check(network, "log_likelihood", examples, tolerance)


@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_every_legal_combination(cost: str, output: str) -> None:
    """Evaluation is the direct formula for every cost, output and hidden activation."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=1200)
    x, y = rng.normal(size=(1200, 5)), np.eye(3)[labels]
    for activation in HIDDEN:
        for hidden in HIDDEN_SIZES:
            network = Network.random(
                [5, *hidden, 3],
                activation=activation,
                output=output,
                initializer=large,
                rng=rng,
                dtype=np.float64,
            )
            if output != "linear":
                # Outputs that are all 1 to the last bit would have the first class picked.
                network.parameters[:] /= 8
            check(network, cost, Examples(x, y, labels=labels), 1e-11)


def test_regression_has_no_accuracy() -> None:
    """Without labels there is a cost, but neither accuracy nor predictions."""
    network = Network.explicit(
        [np.array([[2.0]])], [np.array([1.0])], activation="tanh", output="linear", dtype=np.float64
    )
    # z = 2 x + 1 = (1, 3, 5), z - y = (1, 2, 3), C = (1 + 4 + 9) / 2 / 3
    column = np.array([[0.0], [1.0], [2.0]])
    evaluation = evaluate(network, "quadratic", Examples(column, column))
    assert (evaluation.cost, evaluation.accuracy, evaluation.predicted) == (14 / 6, None, None)


def test_evaluation_changes_nothing() -> None:
    """Evaluating writes neither to the network nor to the examples."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1001, 2)), rng.normal(size=(1001, 1))
    network = Network.random(
        [2, 3, 1], activation="relu", output="linear", initializer=large, rng=rng, dtype=np.float64
    )
    for array in (x, y, network.parameters):
        array.flags.writeable = False
    first = evaluate(network, "quadratic", Examples(x, y, 0.5))
    assert evaluate(network, "quadratic", Examples(x, y, 0.5)).cost == first.cost


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_parameters_that_are_not_finite(bad: float) -> None:
    """A network that has diverged is evaluated without a warning, and its cost says so."""
    network = Network.explicit(
        [np.full((2, 1), bad), np.ones((2, 2))],
        [np.zeros(2), np.zeros(2)],
        activation="linear",
        output="softmax",
        dtype=np.float32,
    )
    data = Examples(np.ones((3, 1)), np.eye(2)[[0, 1, 0]], labels=np.array([0, 1, 0]))
    assert not np.isfinite(evaluate(network, "log_likelihood", data).cost)
