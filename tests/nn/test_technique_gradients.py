"""With penalties, dropout and a softmax_scale, too, a step follows the gradient of the cost."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import PAIRS, combinations, differentiate, draw_smooth, forward, targets

import nnexp.nn.backprop
from nnexp.nn.costs import COSTS
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Techniques
from nnexp.nn.types import Array, Examples
from nnexp.nn.update import Penalty

SIZES, BATCH, N = [3, 5, 4, 3], 7, 20
RATES = (0.3, 0.5)
PENALTIES = {"none": (0.0, 0.0), "l1": (2.0, 0.0), "l2": (0.0, 3.0), "both": (2.0, 3.0)}


def one_step(
    network: Network, cost: str, x: Array, y: Array, *, eta: float = 0.25, **given: object
) -> Array:
    """Take one step on the whole batch, on a copy, and return how far it went, divided by η."""
    stepped = network.copy()
    techniques = Techniques(**given)  # type: ignore[arg-type]
    sgd = SGD(stepped, cost=cost, batch_size=len(x), techniques=techniques)
    list(sgd.epoch(Examples(x, y), np.arange(len(x)), eta=eta))
    return np.asarray((network.parameters - stepped.parameters) / eta)


def masks_of(seed: int, rates: tuple[float, ...], m: int) -> list[Array]:
    """Draw the masks of one step as training draws them: layer by layer, (units, m) each."""
    rng = np.random.default_rng(seed)
    return [
        (rng.random((n, m)) >= rate).T / (1 - rate)
        for n, rate in zip(SIZES[1:-1], rates, strict=True)
    ]


@pytest.mark.parametrize("rates", [(), RATES], ids=["whole", "dropout"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_a_step_is_the_numeric_gradient_of_the_penalized_cost(
    cost: str, output: str, penalty: str, rates: tuple[float, ...]
) -> None:
    """-step/η is the gradient of cost plus penalty, through the mask that the seed gives."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(BATCH, SIZES[0])), targets(cost, BATCH, SIZES[-1], rng)
    l1, l2 = PENALTIES[penalty]
    masks = masks_of(5, rates, BATCH) if rates else []
    for activation, softmax_scale in combinations(output):
        network = draw_smooth(
            SIZES, x, masks, activation=activation, output=output, softmax_scale=softmax_scale
        )

        def value(network: Network = network) -> float:
            z, _ = forward(network, x, masks)
            w = np.concatenate([weights.ravel() for weights in network.weights])
            data = COSTS[cost].value(output, z, y).mean()
            return float(data + l2 / (2 * N) * (w**2).sum() + l1 / N * np.abs(w).sum())

        step = one_step(
            network,
            cost,
            x,
            y,
            penalty=Penalty(l1, l2, N),
            dropout=rates,
            dropout_stream=np.random.default_rng(5),
        )
        due = differentiate(value, network.parameters)
        message = f"{activation}, softmax_scale {softmax_scale}"
        np.testing.assert_allclose(step, due, rtol=1e-6, atol=1e-8, err_msg=message)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("penalty", ["l1", "l2", "both"])
def test_a_penalty_adds_its_gradient_to_the_step_and_nothing_else(
    penalty: str, momentum: float
) -> None:
    """The step changes by λ₂w/n + λ₁ sign(w)/n to rounding; a weight of 0 and biases by nothing."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(BATCH, 3)), rng.uniform(size=(BATCH, 2))
    network = Network.random(
        [3, 4, 2],
        activation="tanh",
        output="sigmoid",
        initializer=scaled,
        rng=rng,
        dtype=np.float64,
    )
    network.weights[0][:, 1] = 0
    l1, l2 = PENALTIES[penalty]
    plain = one_step(network, "cross_entropy", x, y)
    ours = one_step(network, "cross_entropy", x, y, penalty=Penalty(l1, l2, N), momentum=momentum)
    due = np.zeros_like(plain)
    for layer, w in zip(network.split(due), network.weights, strict=True):
        layer[:, :-1] = (l2 * w + l1 * np.sign(w)) / N
    np.testing.assert_allclose(ours - plain, due, rtol=0, atol=1e-14)
    assert np.count_nonzero(due) == 8 + 8


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
    examples = Examples(x, nnexp.nn.backprop.forward(network, x).a[-1])
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
    """Squares that overflow are no news: the run is told to have diverged by its cost."""
    network = Network.explicit(
        [np.array([[1e200, 1.0]])],
        [np.zeros(1)],
        activation="tanh",
        output="linear",
        dtype=np.float64,
    )
    assert Penalty(l2=1.0)(network) == np.inf
    assert Penalty()(network) == 0
