"""Gradients and saturation, layer by layer, numerically and on networks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import PAIRS, H, combinations, draw_smooth, targets

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.backprop import backpropagate, forward
from nnexp.nn.metrics import SAMPLE, diagnose
from nnexp.nn.network import Network
from nnexp.nn.types import Array, Examples

SIZES = [3, 5, 4, 3]


def layer(weights: list[list[float]], biases: list[float]) -> tuple[Array, Array]:
    """Return W and b."""
    return np.array(weights), np.array(biases)


def build(*layers: tuple[Array, Array], activation: str, output: str) -> Network:
    """Build a network from its layers."""
    weights, biases = zip(*layers, strict=True)
    return Network.explicit(weights, biases, activation=activation, output=output, dtype=np.float64)


@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_gradients_and_derivatives_of_every_legal_combination(cost: str, output: str) -> None:
    """A layer's gradient is the norm of backpropagation's, its derivative the mean slope at z.

    The slopes |∂a_j/∂z_j| are taken by central differences, neuron by neuron.
    """
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 3)), targets(cost, 9, 3, rng)
    for activation, softmax_scale in combinations(output):
        network = draw_smooth(
            SIZES, cost, x, y, activation=activation, output=output, softmax_scale=softmax_scale
        )
        diagnostics = diagnose(network, cost, Examples(x, y))
        z, a = forward(network, x)
        gradients = backpropagate(network, cost, y, z, a)
        for i, derivative in enumerate(diagnostics.derivatives):
            parts = np.append(gradients.weights[i], gradients.biases[i])
            assert diagnostics.gradients[i] == pytest.approx(np.linalg.norm(parts), rel=1e-12)
            sigma = ACTIVATIONS[network.activations[i]]
            slopes = [
                np.abs(sigma(z[i] + step) - sigma(z[i] - step))[:, j].mean() / (2 * H)
                for j, step in enumerate(H * np.eye(len(derivative)))
            ]
            np.testing.assert_allclose(derivative, slopes, rtol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_largest_derivative_of_each_activation(name: str) -> None:
    """What "near 0" is measured by is the maximum of |σ'|, and each activation has one."""
    z = np.linspace(-40, 40, 80_001)[:, None]
    a = ACTIVATIONS[name](np.hstack([z, np.zeros_like(z)]))[:, :1]
    slopes = np.diff(a, axis=0) / np.diff(z, axis=0)
    assert slopes.max() == pytest.approx(ACTIVATIONS[name].steepest, rel=1e-5)


@pytest.mark.parametrize(
    ("activation", "far"), [("sigmoid", 9.0), ("sigmoid", -9.0), ("tanh", 9.0), ("relu", -9.0)]
)
def test_neurons_that_are_saturated_are_counted(activation: str, far: float) -> None:
    """Of four hidden neurons one is saturated on every example, one on half of them."""
    network = build(
        layer([[0], [far], [0], [0]], [far, 0, 0.1, 0.2]),
        layer([[1, 1, 1, 1]], [0]),
        activation=activation,
        output="linear",
    )
    examples = Examples(np.array([[1.0], [0.0]]), np.zeros((2, 1)))
    if activation == "relu":  # at z = 0 a relu is flat as well
        network.biases[0][1] = 0.1
    result = diagnose(network, "quadratic", examples)
    assert result.saturated == [0.25, 0.0]
    if activation == "relu":
        assert result.derivatives[0].tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_near_zero_is_below_a_hundredth_of_the_largest(activation: str) -> None:
    """Of two neurons, a little below and a little above that slope, one is saturated."""
    slope = ACTIVATIONS[activation].steepest * np.array([0.0099, 0.0101])
    # σ' = a (1 - a) at z = ln a/(1 - a), and tanh' = 1 - a² at z = artanh a.
    a = (1 + np.sqrt(1 - 4 * slope)) / 2 if activation == "sigmoid" else np.sqrt(1 - slope)
    z = np.log(a / (1 - a)) if activation == "sigmoid" else np.arctanh(a)
    network = build(
        layer([[0], [0]], z.tolist()), layer([[1, 1]], [0]), activation=activation, output="linear"
    )
    result = diagnose(network, "quadratic", Examples(np.ones((1, 1)), np.ones((1, 1))))
    np.testing.assert_allclose(result.derivatives[0], slope, rtol=1e-9)
    assert result.saturated[0] == 0.5


@pytest.mark.parametrize(
    ("biases", "wrong", "missed"),
    [
        ([9, -9], 0.5, [0, 1]),  # (1, 0) where (1, 0) and (0, 1) are right
        ([-9, 9], 0.5, [1, 0]),
        ([1, -1], 0.0, [0, 0]),  # wrong as often, but not confidently
        ([-9, -9], 0.5, [1, 1]),
        ([9, 0], 0.25, [0, 0]),
    ],
)
def test_outputs_that_are_confidently_wrong_are_counted(
    biases: list[float], wrong: float, missed: list[float]
) -> None:
    """Wrong is more than ½ away where σ'(z) is near 0; missed is so where the target is 1."""
    network = build(layer([[0], [0]], biases), activation="tanh", output="sigmoid")
    result = diagnose(network, "cross_entropy", Examples(np.zeros((2, 1)), np.eye(2)))
    assert result.confidently_wrong == wrong
    assert result.missed.tolist() == missed


def test_softmax_and_linear_outputs() -> None:
    """Softmax saturates where one output has everything; a linear output never does."""
    examples = Examples(np.zeros((2, 1)), np.eye(2))
    zero = [[0.0], [0.0]]
    sure = build(layer(zero, [9, 0]), activation="tanh", output="softmax")
    result = diagnose(sure, "log_likelihood", examples)
    assert (result.saturated[0], result.confidently_wrong) == (1, 0.5)
    assert result.missed.tolist() == [0, 1]
    far = build(layer(zero, [1e6, 0]), activation="tanh", output="linear")
    result = diagnose(far, "quadratic", examples)
    assert (result.saturated[0], result.confidently_wrong) == (0, 0)


def test_an_output_without_targets_has_missed_none() -> None:
    """The fraction missed of nothing is no number, and there is no warning."""
    network = build(layer([[0], [0]], [0, 0]), activation="tanh", output="sigmoid")
    result = diagnose(network, "quadratic", Examples(np.zeros((1, 1)), np.array([[1.0, 0.0]])))
    assert result.missed[0] == 0
    assert np.isnan(result.missed[1])


def test_the_sample_is_the_first_thousand_scaled() -> None:
    """Stored values are scaled, only the first examples are looked at, and nothing is changed."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(256, size=(SAMPLE + 7, 3)).astype(np.uint8)
    y = rng.uniform(size=(SAMPLE + 7, 2))
    network = build(
        (rng.normal(size=(2, 3)), rng.normal(size=2)), activation="tanh", output="sigmoid"
    )
    kept, stored = network.parameters.copy(), pixels.copy()
    ours = diagnose(network, "cross_entropy", Examples(pixels, y, 1 / 256))
    expected = diagnose(
        network, "cross_entropy", Examples(pixels[:SAMPLE] / 256, np.ascontiguousarray(y[:SAMPLE]))
    )
    assert ours.gradients[0] == pytest.approx(expected.gradients[0], rel=1e-12)
    np.testing.assert_allclose(ours.derivatives[0], expected.derivatives[0], rtol=1e-12)
    np.testing.assert_array_equal(network.parameters, kept)
    np.testing.assert_array_equal(pixels, stored)
