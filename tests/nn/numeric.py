"""What several tests of this folder share: legal combinations and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np

from nnexp.nn.activations import ACTIVATIONS, HIDDEN
from nnexp.nn.costs import COSTS, legal_outputs
from nnexp.nn.network import Network, scaled
from nnexp.nn.types import Array

H = 1e-5
PAIRS = [(cost, output) for cost in COSTS for output in legal_outputs(cost)]


def combinations(output: str) -> Iterator[tuple[str, float]]:
    """Yield every hidden activation with every softmax_scale to try on an output."""
    for activation in HIDDEN:
        for softmax_scale in (1.0, 0.4, 2.5) if output == "softmax" else (1.0,):
            yield activation, softmax_scale


def targets(cost: str, n: int, n_out: int, rng: np.random.Generator) -> Array:
    """Draw targets on which the cost is defined."""
    kind = COSTS[cost].targets
    if kind == "real":
        return rng.normal(size=(n, n_out))
    return rng.uniform(size=(n, n_out)) if kind == "unit" else rng.dirichlet(np.ones(n_out), size=n)


def forward(network: Network, x: Array, masks: Sequence[Array] = ()) -> tuple[Array, float]:
    """Return the output's logits, by the definition, and the smallest |z| of the hidden layers.

    The activations of hidden layer i are multiplied by masks[i], if there are any.
    """
    a, smallest = x, np.inf
    hidden = ACTIVATIONS[network.activation]
    for i, (w, b) in enumerate(zip(network.weights[:-1], network.biases[:-1], strict=True)):
        z = a @ w.T + b
        smallest = min(smallest, float(np.abs(z).min()))
        a = hidden(z) * (masks[i] if masks else 1)
    return (a @ network.weights[-1].T + network.biases[-1]) * network.softmax_scale, smallest


def draw_smooth(
    sizes: list[int],
    x: Array,
    masks: Sequence[Array] = (),
    *,
    activation: str,
    output: str,
    softmax_scale: float = 1.0,
) -> Network:
    """Draw a network at which no relu is near its kink for inputs x, and no weight is near 0."""
    for seed in count():
        network = Network.random(
            sizes,
            activation=activation,
            output=output,
            initializer=scaled,
            rng=np.random.default_rng(seed),
            dtype=np.float64,
            softmax_scale=softmax_scale,
        )
        kink = np.inf if activation != "relu" else forward(network, x, masks)[1]
        if min(kink, np.abs(network.parameters).min()) > 20 * H:
            return network
    raise AssertionError


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
