"""Momentum and Nesterov's form of it, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

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
    """Return ∂C/∂θ of a batch at θ: what one plain step goes, and the penalty's by definition."""
    there = Network.explicit(
        [layer[:, :-1] for layer in network.split(theta)],
        [layer[:, -1] for layer in network.split(theta)],
        activation=network.activation,
        output=network.output,
        dtype=np.float64,
    )
    list(
        SGD(there, cost="cross_entropy", batch_size=N).epoch(batch, np.arange(len(batch)), eta=1.0)
    )
    found = theta - there.parameters
    for layer, at in zip(network.split(found), network.split(theta), strict=True):
        w = at[:, :-1]
        layer[:, :-1] += l2 / N * w + l1 / N * np.sign(w)
    return found


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
    for due in steps:
        list(sgd.epoch(examples, np.arange(1), eta=0.5))
        assert network.parameters.tolist() == due


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
