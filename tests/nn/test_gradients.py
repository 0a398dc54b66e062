"""Backpropagation and the step follow the gradient of the cost: numerically, by hand, together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric import (
    PAIRS,
    H,
    combinations,
    differentiate,
    draw_smooth,
    flat,
    is_smooth,
    one_step,
    targets,
    weighted_inputs,
)

from nnexp.nn.activations import ACTIVATIONS, HIDDEN, OUTPUT
from nnexp.nn.backprop import backpropagate, forward
from nnexp.nn.costs import COSTS, TARGETS, legal_costs
from nnexp.nn.network import Network, large
from nnexp.nn.sgd import Techniques
from nnexp.nn.types import Array
from nnexp.nn.update import Penalty

M, N, N_IN, N_OUT = 7, 20, 3, 4
DEPTHS: tuple[tuple[int, ...], ...] = ((), (5,), (5, 4))
# λ₁, λ₂ and the dropout of each hidden layer.
TECHNIQUES: dict[str, tuple[float, float, tuple[float, ...]]] = {
    "plain": (0, 0, ()),
    "l1": (2, 0, ()),
    "l2": (0, 3, ()),
    "dropout": (0, 0, (0.3, 0.5)),
    "all": (2, 3, (0.3, 0.5)),
}


def masks_of(seed: int, rates: tuple[float, ...], hidden: tuple[int, ...]) -> list[Array]:
    """Draw the masks of one step as training draws them: layer by layer, (units, m) each."""
    rng = np.random.default_rng(seed)
    return [
        (rng.random((n, M)) >= rate).T / (1 - rate) for n, rate in zip(hidden, rates, strict=True)
    ]


def backpropagated(network: Network, cost: str, x: Array, y: Array) -> Array:
    """Return the textbook's gradient as one vector."""
    gradients = backpropagate(network, cost, y, *forward(network, x))
    return flat(network, gradients.weights, gradients.biases)


@pytest.mark.parametrize("hidden", DEPTHS, ids=["none", "one", "two"])
@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_gradients_are_the_numeric_ones(
    cost: str, output: str, technique: str, hidden: tuple[int, ...]
) -> None:
    """-step/η is the gradient of the cost that is minimized, for every legal combination.

    So is, without a technique, what backpropagation returns.
    """
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(M, N_IN)), targets(cost, M, N_OUT, rng)
    l1, l2, dropout = TECHNIQUES[technique]
    rates = dropout[: len(hidden)]
    masks = masks_of(5, rates, hidden) if rates else []
    for activation, softmax_scale in combinations(output):
        network = draw_smooth(
            [N_IN, *hidden, N_OUT],
            cost,
            x,
            y,
            masks,
            activation=activation,
            output=output,
            softmax_scale=softmax_scale,
        )

        def value(network: Network = network) -> float:
            z = weighted_inputs(network, x, masks)[-1]
            w = np.concatenate([weights.ravel() for weights in network.weights])
            unregularized = COSTS[cost].value(output, z, y).mean()
            return float(unregularized + l2 / (2 * N) * (w**2).sum() + l1 / N * np.abs(w).sum())

        expected = differentiate(value, network.parameters)
        assert np.abs(expected).max() > 0.001
        stream = np.random.default_rng(5)
        techniques = Techniques(Penalty(l1, l2, N), dropout=rates, dropout_stream=stream)
        results = [one_step(network, cost, x, y, techniques)]
        if technique == "plain":
            results.append(backpropagated(network, cost, x, y))
        for result in results:
            np.testing.assert_allclose(
                result, expected, rtol=1e-6, atol=1e-8, err_msg=f"{activation} {softmax_scale}"
            )


@given(
    pair=st.sampled_from(PAIRS),
    activation=st.sampled_from(HIDDEN),
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    m=st.integers(1, 9),
    softmax_scale=st.sampled_from([1.0, 0.4, 2.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_compiled_step_is_backpropagation(
    pair: tuple[str, str],
    activation: str,
    sizes: list[int],
    m: int,
    softmax_scale: float,
    seed: int,
) -> None:
    """The step goes, but for rounding, where the textbook's gradient points."""
    cost, output = pair
    if output == "softmax":
        sizes[-1] += 1
    rng = np.random.default_rng(seed)
    network = Network.random(
        sizes,
        activation=activation,
        output=output,
        initializer=large,
        rng=rng,
        dtype=np.float64,
        softmax_scale=softmax_scale if output == "softmax" else 1.0,
    )
    x, y = rng.normal(size=(m, sizes[0])), targets(cost, m, sizes[-1], rng)
    expected = backpropagated(network, cost, x, y)
    scale = max(1.0, float(np.abs(expected).max()), float(np.abs(network.parameters).max()))
    step = one_step(network, cost, x, y, eta=1.0)
    np.testing.assert_allclose(step, expected, rtol=0, atol=1e-13 * scale)


def test_the_forward_pass_keeps_every_layer() -> None:
    """Z and a are those of the definition, the inputs first, in the network's precision."""
    rng = np.random.default_rng(0)
    network = Network.random(
        [3, 5, 4, 2],
        activation="tanh",
        output="softmax",
        initializer=large,
        rng=rng,
        dtype=np.float32,
        softmax_scale=2.5,
    )
    x = rng.normal(size=(6, 3))
    z, a = forward(network, x)
    np.testing.assert_array_equal(a[0], x.astype(np.float32))
    for ours, theirs, activation, name in zip(
        z, weighted_inputs(network, x), a[1:], network.activations, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        np.testing.assert_array_equal(activation, ACTIVATIONS[name](ours))
        assert activation.dtype == np.float32


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 2), (1, 2, 3)])
def test_the_forward_pass_refuses_inputs_of_another_shape(shape: tuple[int, ...]) -> None:
    """Inputs that are not (n, n_in) are refused."""
    network = Network.explicit(
        [np.ones((2, 3))], [np.ones(2)], activation="tanh", output="linear", dtype=np.float64
    )
    with pytest.raises(ValueError, match=r"expected inputs of shape \(n, 3\), got"):
        forward(network, np.ones(shape))


@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_output_error_is_the_derivative_by_the_logits(cost: str, output: str) -> None:
    """The fused output error is the Jacobian times the gradient, and both are ∂C/∂z."""
    rng = np.random.default_rng(1)
    y = targets(cost, 6, N_OUT, rng)

    def value(z: Array) -> Array:
        return COSTS[cost].value(output, z, y)

    draws = (rng.normal(scale=2, size=(6, N_OUT)) for _ in range(1000))
    z = next(z for z in draws if is_smooth(value, z))
    a = ACTIVATIONS[output](z)
    directions = H * np.eye(N_OUT)
    expected = np.transpose([(value(z + d) - value(z - d)) / (2 * H) for d in directions])
    for error in (COSTS[cost].output_error(output), COSTS[cost].general_error(output)):
        out, work = np.full((2, 6, N_OUT), np.nan)
        error(z, a, y, out, work)
        np.testing.assert_allclose(out, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", HIDDEN)
def test_derivative_of_an_activation(name: str) -> None:
    """`derivative` returns σ'(z) from the value σ(z)."""
    z = np.array([[-3.0, -0.7, -0.01, 0.01, 0.7, 3.0]])
    activation = ACTIVATIONS[name]
    expected = (activation(z + H) - activation(z - H)) / (2 * H)
    np.testing.assert_allclose(
        activation.derivative(activation(z)), expected, rtol=1e-8, atol=1e-12
    )


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
    weights = [np.array([[2.0, -1.0], [4.0, -2.0]]), np.array([[2.0, -4.0]])]
    biases = [np.zeros(2), np.ones(1)]
    network = Network.explicit(
        weights, biases, activation="sigmoid", output="sigmoid", dtype=np.float64
    )
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    gradients = backpropagate(network, "quadratic", y, *forward(network, x))
    assert [d.tolist() for d in gradients.delta] == [[[-1 / 16, 1 / 8]], [[-1 / 8]]]
    expected = [-1 / 16, -1 / 8, -1 / 16, 1 / 8, 1 / 4, 1 / 8, -1 / 16, -1 / 16, -1 / 8]
    assert backpropagated(network, "quadratic", x, y).tolist() == expected
    assert one_step(network, "quadratic", x, y, eta=8).tolist() == expected


def test_tables_agree() -> None:
    """Every output has a legal cost, and what a cost asks of its targets has words."""
    assert {(cost, output) for output in OUTPUT for cost in legal_costs(output)} == set(PAIRS)
    assert {output for _, output in PAIRS} == set(OUTPUT)
    assert {cost.targets for cost in COSTS.values()} <= set(TARGETS)
