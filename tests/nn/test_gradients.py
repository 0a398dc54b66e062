"""The step SGD takes follows the gradient of the cost: numerically, by hand, at the output."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from nnexp.nn.activations import ACTIVATIONS, HIDDEN, OUTPUT
from nnexp.nn.backprop import forward
from nnexp.nn.costs import COSTS, legal_costs, legal_outputs
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD
from nnexp.nn.types import Array, Examples

PAIRS = [(cost, output) for cost in COSTS for output in legal_outputs(cost)]
H = 1e-5


def targets(cost: str, n: int, n_out: int, rng: np.random.Generator) -> Array:
    """Draw targets on which the cost is defined."""
    kind = COSTS[cost].targets
    if kind == "real":
        return rng.normal(size=(n, n_out))
    if kind == "unit":
        return rng.uniform(size=(n, n_out))
    one_hot = np.eye(n_out)[rng.integers(n_out, size=n)]
    return np.concatenate([one_hot[: n // 2], rng.dirichlet(np.ones(n_out), size=n - n // 2)])


def distance_to_kink(network: Network, x: Array) -> float:
    """Return the smallest |z| in the hidden layers."""
    a, smallest = x, np.inf
    for w, b in list(zip(network.weights, network.biases, strict=True))[:-1]:
        z = a @ w.T + b
        smallest = min(smallest, float(np.abs(z).min()))
        a = ACTIVATIONS[network.activation](z)
    return smallest


def draw(sizes: list[int], activation: str, output: str, n: int) -> tuple[Network, Array]:
    """Draw a network and inputs at which the numeric gradient exists."""
    for seed in count():
        rng = np.random.default_rng(seed)
        network = Network.random(
            sizes,
            activation=activation,
            output=output,
            initializer=scaled,
            rng=rng,
            dtype=np.float64,
        )
        x = rng.normal(size=(n, sizes[0]))
        if activation != "relu" or distance_to_kink(network, x) > 100 * H:
            return network, x
    raise AssertionError


def numeric_gradient(network: Network, cost: str, x: Array, y: Array) -> Array:
    """Differentiate the mean cost by every parameter, by central differences."""
    gradient = np.empty_like(network.parameters)
    for i, kept in enumerate(network.parameters.copy()):
        around = []
        for h in (H, -H):
            network.parameters[i] = kept + h
            z = forward(network, x).z[-1]
            around.append(COSTS[cost].value(network.output, z, y).mean())
        network.parameters[i] = kept
        gradient[i] = (around[0] - around[1]) / (2 * H)
    return gradient


def one_step(network: Network, cost: str, x: Array, y: Array, eta: float) -> Array:
    """Take one step on the whole batch and return how far it went, divided by η."""
    before = network.parameters.copy()
    sgd = SGD(network, cost=cost, batch_size=len(x))
    assert list(sgd.epoch(Examples(x, y), np.arange(len(x)), eta=eta)) == [len(x)]
    return np.asarray((before - network.parameters) / eta)


@pytest.mark.parametrize("hidden", [[], [5], [5, 4]], ids=["none", "one", "two"])
@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_step_is_the_numeric_gradient(cost: str, output: str, hidden: list[int]) -> None:
    """A step is -η times the gradient of the batch's mean cost, for every legal combination."""
    for activation in HIDDEN:
        network, x = draw([3, *hidden, 4], activation, output, n=7)
        y = targets(cost, 7, 4, np.random.default_rng(0))
        due = numeric_gradient(network, cost, x, y)
        assert np.abs(due).max() > 0.01
        step = one_step(network, cost, x, y, eta=0.25)
        np.testing.assert_allclose(step, due, rtol=1e-6, atol=1e-9, err_msg=activation)


@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_output_error_is_the_derivative_by_the_logits(cost: str, output: str) -> None:
    """The fused output error is the Jacobian times the gradient, and both are ∂C/∂z."""
    rng = np.random.default_rng(1)
    z = rng.normal(scale=2, size=(6, 4))
    y = targets(cost, 6, 4, rng)
    a = ACTIVATIONS[output](z)
    due = np.empty_like(z)
    for j in range(4):
        step = H * np.eye(4)[j]
        above, below = (COSTS[cost].value(output, z + sign * step, y) for sign in (1, -1))
        due[:, j] = (above - below) / (2 * H)
    for error in (COSTS[cost].output_error(output), COSTS[cost].general_error(output)):
        out, work = np.full((2, 6, 4), np.nan)
        error(z, a, y, out, work)
        np.testing.assert_allclose(out, due, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", HIDDEN)
def test_derivative_of_an_activation(name: str) -> None:
    """`derivative` returns σ'(z), given the value σ(z)."""
    z = np.array([[-3.0, -0.7, -0.01, 0.01, 0.7, 3.0]])
    activation = ACTIVATIONS[name]
    due = (activation(z + H) - activation(z - H)) / (2 * H)
    np.testing.assert_allclose(activation.derivative(activation(z)), due, rtol=1e-8)


def test_relu_is_flat_at_its_kink() -> None:
    """The derivative of relu at z = 0 is taken as 0, and -0.0 is no exception."""
    relu = ACTIVATIONS["relu"]
    np.testing.assert_array_equal(relu.derivative(relu(np.array([[0.0, -0.0]]))), [[0, 0]])


def test_one_step_worked_by_hand() -> None:
    """A step on a 2-2-1 network of sigmoids gives exactly the numbers worked out on paper."""
    # x = (1, 2), y = 1, quadratic cost, η = 8; all weights chosen so that every z is 0.
    #   z1 = (2·1 - 1·2, 4·1 - 2·2) = (0, 0)           a1 = (1/2, 1/2)
    #   z2 = 2·1/2 - 4·1/2 + 1 = 0                     a2 = 1/2
    #   δ2 = (a2 - y) a2 (1 - a2) = -1/2 · 1/4         = -1/8
    #   ∂C/∂w2 = δ2 a1 = (-1/16, -1/16)                ∂C/∂b2 = δ2 = -1/8
    #   δ1 = w2 δ2 a1 (1 - a1) = (2, -4) · -1/8 · 1/4  = (-1/16, 1/8)
    #   ∂C/∂W1 = δ1 xᵀ = ((-1/16, -1/8), (1/8, 1/4))   ∂C/∂b1 = δ1
    # and θ - 8 ∂C/∂θ is:
    network = Network.explicit(
        [np.array([[2.0, -1.0], [4.0, -2.0]]), np.array([[2.0, -4.0]])],
        [np.zeros(2), np.ones(1)],
        activation="sigmoid",
        output="sigmoid",
        dtype=np.float64,
    )
    one_step(network, "quadratic", np.array([[1.0, 2.0]]), np.array([[1.0]]), eta=8)
    np.testing.assert_array_equal(network.weights[0], [[2.5, 0.0], [3.0, -4.0]])
    np.testing.assert_array_equal(network.biases[0], [0.5, -1.0])
    np.testing.assert_array_equal(network.weights[1], [[2.5, -3.5]])
    np.testing.assert_array_equal(network.biases[1], [2.0])


def test_tables_agree() -> None:
    """Every output has a legal cost, and the two ways to ask for legal pairs agree."""
    other_way = {(cost, output) for output in OUTPUT for cost in legal_costs(output)}
    assert other_way == set(PAIRS)
    assert {output for _, output in PAIRS} == set(OUTPUT)
    assert all(name == cost.name for name, cost in COSTS.items())
    assert all(name == activation.name for name, activation in ACTIVATIONS.items())
