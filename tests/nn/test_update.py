"""Update rules: momentum, Nesterov's form of it and the penalties, by their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numeric import flat, one_step

from nnexp.nn.backprop import backpropagate, forward
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Techniques
from nnexp.nn.types import Array, Examples
from nnexp.nn.update import Penalty

ETAS = (0.5, 0.25, 1.0, 0.125)
N, BATCH = 7, 3
PENALTIES = {"none": (0.0, 0.0), "l1": (0.3, 0.0), "l2": (0.0, 0.4), "both": (0.3, 0.4)}


def draw(dtype: type[np.floating] = np.float64) -> tuple[Network, Examples]:
    """Draw a network and examples; the last batch of an epoch has a single one."""
    rng = np.random.default_rng(0)
    network = Network.random(
        [3, 4, 2],
        activation="tanh",
        output="sigmoid",
        initializer=scaled,
        rng=rng,
        dtype=dtype,
    )
    return network, Examples(rng.normal(size=(N, 3)), rng.uniform(size=(N, 2)))


def gradient(network: Network, theta: Array, batch: Examples, l1: float, l2: float) -> Array:
    """Return ∂C/∂θ of a batch at θ: the textbook's, and the penalty's by definition."""
    there = replace(network, parameters=theta)
    of_cost = backpropagate(there, "cross_entropy", batch.y, *forward(there, batch.x))
    penalized = [
        gradient + l2 / N * w + l1 / N * np.sign(w)
        for gradient, w in zip(of_cost.weights, there.weights, strict=True)
    ]
    return flat(network, penalized, of_cost.biases)


@pytest.mark.parametrize("mu", [0.5, 0.99])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("nesterov", [False, True], ids=["momentum", "nesterov"])
def test_each_epoch_ends_where_the_definition_ends(nesterov: bool, penalty: str, mu: float) -> None:
    """Each step is v <- μv - η∂C/∂θ, θ <- θ + v; Nesterov's has its gradient at θ + μv."""
    # Sutskever et al. 2013, eq. 1 to 4. With Nesterov the point that is kept is θ + μv.
    network, examples = draw()
    l1, l2 = PENALTIES[penalty]
    techniques = Techniques(penalty=Penalty(l1, l2, N), momentum=mu, nesterov=nesterov)
    sgd = SGD(network, cost="cross_entropy", batch_size=BATCH, techniques=techniques)
    theta, v = network.parameters.copy(), np.zeros_like(network.parameters)
    rng = np.random.default_rng(2)
    for eta in ETAS:
        order = rng.permutation(N)
        list(sgd.epoch(examples, order, eta=eta))
        for start in range(0, N, BATCH):
            rows = order[start : start + BATCH]
            batch = Examples(examples.x[rows], examples.y[rows])
            at = theta + mu * v if nesterov else theta
            v = mu * v - eta * gradient(network, at, batch, l1, l2)
            theta = theta + v
        kept = theta + mu * v if nesterov else theta
        np.testing.assert_allclose(network.parameters, kept, rtol=1e-10, atol=1e-12)
        assert sgd.velocity is not None
        np.testing.assert_allclose(sgd.velocity, v, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("nesterov", "steps"),
    [
        # C = z²/2, z = w + b, η = μ = 1/2, so ∂C/∂w = ∂C/∂b = z; v as (v_w, v_b):
        #   w, b = 4, 0: z = 4     v = 0 - 2 = -2             w, b = 2, -2
        #   z = 0                  v = -1 - 0 = -1            w, b = 1, -3
        #   z = -2                 v = -1/2 + 1 = 1/2         w, b = 3/2, -5/2
        (False, [[2, -2], [1, -3], [1.5, -2.5]]),
        # The point that is kept, φ = θ + μv, moves by -ηz + μv, v the new velocity:
        #   φ = 4, 0: z = 4        v = -2      φ = 4 - 2 - 1, 0 - 2 - 1 = 1, -3
        #   z = -2                 v = 0       φ = 1 + 1 + 0, -3 + 1 + 0 = 2, -2
        #   z = 0                  v = 0       φ = 2, -2
        (True, [[1, -3], [2, -2], [2, -2]]),
    ],
    ids=["momentum", "nesterov"],
)
def test_three_steps_worked_by_hand(nesterov: bool, steps: list[list[float]]) -> None:
    """Weight and bias of one linear neuron are, step by step, the numbers worked out on paper."""
    network = Network.explicit(
        [np.array([[4.0]])], [np.zeros(1)], activation="tanh", output="linear", dtype=np.float64
    )
    sgd = SGD(
        network,
        cost="quadratic",
        batch_size=1,
        techniques=Techniques(momentum=0.5, nesterov=nesterov),
    )
    examples = Examples(np.ones((1, 1)), np.zeros((1, 1)))
    for expected in steps:
        list(sgd.epoch(examples, np.arange(1), eta=0.5))
        assert network.parameters.tolist() == expected


def test_without_momentum_there_is_no_velocity() -> None:
    """A μ of 0 is plain descent, to the byte, in either precision."""
    for dtype in (np.float32, np.float64):
        (plain, examples), (other, _) = draw(dtype), draw(dtype)
        sgd = SGD(
            other, cost="cross_entropy", batch_size=BATCH, techniques=Techniques(momentum=0.0)
        )
        assert sgd.velocity is None
        for run in (SGD(plain, cost="cross_entropy", batch_size=BATCH), sgd):
            list(run.epoch(examples, np.arange(N), eta=0.5))
        assert plain.parameters.tobytes() == other.parameters.tobytes()


@pytest.mark.parametrize("nesterov", [False, True])
def test_float32_follows_float64(nesterov: bool) -> None:
    """In float32 the same steps lead to the same place to float32's precision."""
    techniques = Techniques(penalty=Penalty(0.3, 0.4, N), momentum=0.9, nesterov=nesterov)
    ends = []
    for dtype in (np.float32, np.float64):
        network, examples = draw(dtype)
        sgd = SGD(network, cost="cross_entropy", batch_size=BATCH, techniques=techniques)
        for eta in ETAS:
            list(sgd.epoch(examples, np.arange(N), eta=eta))
        assert network.parameters.dtype == dtype
        ends.append(network.parameters)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("penalty", ["l1", "l2", "both"])
def test_a_penalty_adds_its_gradient_to_the_step_and_nothing_else(
    penalty: str, momentum: float
) -> None:
    """The step changes by λ₂w/n + λ₁ sign(w)/n to rounding; a weight of 0 and biases by nothing."""
    network, examples = draw()
    network.weights[0][:, 1] = 0
    l1, l2 = PENALTIES[penalty]
    plain, ours = (
        one_step(network, "cross_entropy", examples.x, examples.y, techniques)
        for techniques in (None, Techniques(Penalty(l1, l2, N), momentum=momentum))
    )
    expected = np.zeros_like(plain)
    for layer, w in zip(network.split(expected), network.weights, strict=True):
        layer[:, :-1] = (l2 * w + l1 * np.sign(w)) / N
    np.testing.assert_allclose(ours - plain, expected, rtol=0, atol=1e-14)
    assert np.count_nonzero(expected) == 8 + 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_biases_are_never_penalized(dtype: type[np.floating], momentum: float) -> None:
    """Where the data ask for no change, every weight shrinks and every bias keeps its bytes."""
    network = Network.explicit(
        [np.array([[2.0, -3.0], [4.0, 5.0]])],
        [np.array([6.0, -7.0])],
        activation="tanh",
        output="linear",
        dtype=dtype,
    )
    x = np.array([[1.0, 2.0], [0.5, -4.0]], dtype)
    examples = Examples(x, forward(network, x).a[-1])
    before = network.copy()
    techniques = Techniques(penalty=Penalty(0.5, 0.25, 2), momentum=momentum)
    list(
        SGD(network, cost="quadratic", batch_size=1, techniques=techniques).epoch(
            Examples(examples.x[:1], examples.y[:1]), np.arange(1), eta=0.5
        )
    )
    assert network.biases[0].tobytes() == before.biases[0].tobytes()
    assert (np.abs(network.weights[0]) < np.abs(before.weights[0])).all()


def test_the_penalty_of_a_diverged_network_is_infinite_without_a_warning() -> None:
    """Squares that overflow give no warning: the cost shows that the run has diverged."""
    network = Network.explicit(
        [np.array([[1e200, 1.0]])],
        [np.zeros(1)],
        activation="tanh",
        output="linear",
        dtype=np.float64,
    )
    assert Penalty(l2=1.0)(network) == np.inf
    assert Penalty()(network) == 0
