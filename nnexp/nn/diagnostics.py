"""Why a network learns slowly: gradients and saturation, layer by layer.

Everything is measured on a fixed sample of the training set, after an epoch. σ' is called near 0
below a hundredth of its largest value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.examples import Examples
from nnexp.nn.network import Network
from nnexp.nn.types import Array

SAMPLE = 1000
NEAR_ZERO = 0.01


@dataclass(frozen=True, slots=True)
class LayerState:
    """A layer after the input, over the sample.

    Attributes:
        gradient: Euclidean norm of ∂C_0/∂[W | b], the gradient of the mean cost.
        derivative: mean |σ'(z)| of each neuron, (units,).
        saturated: fraction of its neurons whose mean |σ'(z)| is near 0.
    """

    gradient: float
    derivative: Array
    saturated: float


@dataclass(frozen=True, slots=True)
class State:
    """A network over the sample.

    Attributes:
        layers: one state a layer, the output's last.
        confidently_wrong: fraction of all outputs with |a - y| > ½ while σ'(z) is near 0: the
            learning slowdown of chapter 3 as a number.
        missed: for each output, the fraction of its targets above ½ for which it stays below ½
            while σ'(z) is near 0, (n_out,); NaN where it has no such target.
    """

    layers: tuple[LayerState, ...]
    confidently_wrong: float
    missed: Array


def _derivative(name: str, a: Array) -> Array:
    # Softmax's Jacobian is full; its diagonal has the sigmoid's form.
    return ACTIVATIONS["sigmoid" if name == "softmax" else name].derivative(a)


def diagnose(network: Network, cost: str, examples: Examples) -> State:
    """Measure gradients and saturation of a network on (at most) the first `SAMPLE` examples.

    >>> net = Network.explicit([np.array([[2.0]])], [np.array([8.0])], activation="sigmoid",
    ...     output="sigmoid", dtype=np.float64)
    >>> state = diagnose(net, "quadratic", Examples(np.array([[1.0]]), np.array([[0.0]])))
    >>> state.confidently_wrong, state.layers[0].saturated
    (1.0, 1.0)
    """
    dtype = network.parameters.dtype
    n = min(SAMPLE, len(examples))
    x = examples.x[:n] * np.asarray(examples.scale, dtype)
    y = examples.y[:n]
    activations, errors = _backpropagate(network, cost, x, y)
    layers = []
    for name, a_in, a, delta in zip(
        network.activations, activations[:-1], activations[1:], errors, strict=True
    ):
        weights, biases = delta.T @ a_in / n, delta.sum(axis=0) / n
        norm = float(np.sqrt(np.square(weights).sum() + np.square(biases).sum()))
        mean = np.abs(_derivative(name, a)).mean(axis=0)
        saturated = float((mean < NEAR_ZERO * ACTIVATIONS[name].steepest).mean())
        layers.append(LayerState(norm, mean, saturated))
    flat = (
        _derivative(network.output, activations[-1])
        < NEAR_ZERO * ACTIVATIONS[network.output].steepest
    )
    wrong = flat & (np.abs(activations[-1] - y) > 0.5)
    due = y > 0.5
    with np.errstate(invalid="ignore"):
        missed = (wrong & due).sum(axis=0) / due.sum(axis=0)
    return State(tuple(layers), float(wrong.mean()), missed)


def _backpropagate(
    network: Network, cost: str, x: Array, y: Array
) -> tuple[list[Array], list[Array]]:
    """Return the activations of all layers, the input first, and each layer's ∂C/∂z."""
    c = network.softmax_scale
    activations, z = [x], x
    last = len(network.sizes) - 2
    with np.errstate(over="ignore", invalid="ignore"):
        for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            z = activations[-1] @ w.T + b
            if i == last:
                z = z * np.asarray(c, z.dtype)
            activations.append(ACTIVATIONS[network.activations[i]](z))
        delta, work = np.empty_like(z), np.empty_like(z)
        COSTS[cost].output_error(network.output)(z, activations[-1], y, delta, work)
        errors = [delta * np.asarray(c, z.dtype)]
        for i in range(last, 0, -1):
            delta = errors[0] @ network.weights[i]
            ACTIVATIONS[network.activation].backward(delta, activations[i], np.empty_like(delta))
            errors.insert(0, delta)
    return activations, errors
