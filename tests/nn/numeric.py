"""What several tests of this folder share: legal combinations, targets and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from nnexp.nn.activations import ACTIVATIONS, HIDDEN
from nnexp.nn.costs import COSTS
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Techniques
from nnexp.nn.types import Array, Examples

H = 1e-5
PAIRS = [(cost, output) for cost in COSTS for output in COSTS[cost].values]
# Half the width of the surroundings in which there must be no kink, and the sharpest bend that
# is none: the change of the slope over that width.
SURROUNDINGS, SHARPEST = 1e-3, 0.05


def combinations(output: str) -> Iterator[tuple[str, float]]:
    """Yield every hidden activation with every softmax scale to try on an output."""
    for activation in HIDDEN:
        for softmax_scale in (1.0, 0.4, 2.5) if output == "softmax" else (1.0,):
            yield activation, softmax_scale


def targets(cost: str, n: int, n_out: int, rng: np.random.Generator) -> Array:
    """Draw targets on which the cost is defined; half of the distributions are one-hot."""
    kind = COSTS[cost].targets
    if kind == "real":
        return rng.normal(size=(n, n_out))
    if kind == "unit":
        return rng.uniform(size=(n, n_out))
    one_hot = np.eye(n_out)[rng.integers(n_out, size=n)]
    return np.concatenate([one_hot[: n // 2], rng.dirichlet(np.ones(n_out), size=n - n // 2)])


def weighted_inputs(network: Network, x: Array, masks: Sequence[Array] = ()) -> list[Array]:
    """Return z of each layer, by the definition.

    The activations of hidden layer i are multiplied by masks[i], if there are any.
    """
    z, a = [], x
    for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        z.append(a @ w.T + b)
        a = ACTIVATIONS[network.activation](z[-1]) * (masks[i] if i < len(masks) else 1)
    return [*z[:-1], z[-1] * network.softmax_scale]


def is_smooth(function: Callable[[Array], Array], z: Array) -> bool:
    """Tell whether no element of z, (n, units), is near a kink of a function of each row."""
    for direction in SURROUNDINGS * np.eye(z.shape[1]):
        bend = np.abs(function(z + direction) - 2 * function(z) + function(z - direction))
        if bend.max() > SHARPEST * SURROUNDINGS:
            return False
    return True


def draw_smooth(
    sizes: list[int],
    cost: str,
    x: Array,
    y: Array,
    masks: Sequence[Array] = (),
    *,
    activation: str,
    output: str,
    softmax_scale: float = 1.0,
) -> Network:
    """Draw a network with no activation, cost or weight near a kink for examples x, y."""
    for seed in range(1000):
        network = Network.random(
            sizes,
            activation=activation,
            output=output,
            initializer=scaled,
            rng=np.random.default_rng(seed),
            dtype=np.float64,
            softmax_scale=softmax_scale,
        )
        *hidden, logits = weighted_inputs(network, x, masks)
        if (
            np.abs(network.parameters).min() > 20 * H
            and all(is_smooth(ACTIVATIONS[activation], z) for z in hidden)
            and is_smooth(lambda z: COSTS[cost].value(output, z, y), logits)
        ):
            return network
    raise AssertionError("no network without a kink")


def differentiate(value: Callable[[], float], parameters: Array) -> Array:
    """Differentiate by every parameter, by central differences; value() reads them."""
    gradient = np.empty_like(parameters)
    for i, kept in enumerate(parameters.copy()):
        around = []
        for h in (H, -H):
            parameters[i] = kept + h
            around.append(value())
        parameters[i] = kept
        gradient[i] = (around[0] - around[1]) / (2 * H)
    return gradient


def one_step(
    network: Network,
    cost: str,
    x: Array,
    y: Array,
    techniques: Techniques | None = None,
    *,
    eta: float = 0.25,
) -> Array:
    """Take one step on the whole batch, on a copy, and return how far it went, divided by η."""
    stepped = network.copy()
    sgd = SGD(stepped, cost=cost, batch_size=len(x), techniques=techniques)
    assert list(sgd.epoch(Examples(x, y), np.arange(len(x)), eta=eta)) == [len(x)]
    return np.asarray((network.parameters - stepped.parameters) / eta)


def flat(network: Network, weights: Sequence[Array], biases: Sequence[Array]) -> Array:
    """Return arrays per layer as one vector in the order of the parameters."""
    vector = np.empty_like(network.parameters)
    for layer, w, b in zip(network.split(vector), weights, biases, strict=True):
        layer[:, :-1], layer[:, -1] = w, b
    return vector
