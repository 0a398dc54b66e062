"""Backpropagation as the book writes it, in arrays: read it beside chapter 2 of Nielsen's book.

It works for every cost, output, activation and depth. The diagnostics use it, and the tests compare
the compiled step of `sgd` with it, which computes the same in place.

In the book x, z, a and δ are columns of one example. Here they are rows, n examples at a time, so
that the book's W a is a Wᵀ, and one matrix product sums over the examples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.network import Network
from nnexp.nn.types import Array


class Forward(NamedTuple):
    """The result of a forward pass.

    Attributes:
        z: weighted inputs of each layer after the input, (n, units); z[-1] are the logits.
        a: activations of each layer, (n, units); a[0] are the inputs, a[-1] the outputs.
    """

    z: list[Array]
    a: list[Array]


class Gradients(NamedTuple):
    """The result of backpropagation, with one array per layer after the input.

    Attributes:
        delta: the errors δ = ∂C_x/∂z of each example, (n, units), z before any softmax scale.
        biases: ∂C/∂b, the mean over the examples, (units,).
        weights: ∂C/∂W, the mean over the examples, (units, units of the layer before).
    """

    delta: list[Array]
    biases: list[Array]
    weights: list[Array]


def forward(network: Network, x: Array) -> Forward:
    """Compute weighted inputs and activations of all layers for the inputs x, (n, n_in).

    Raises:
        ValueError: x does not have the shape (n, n_in).

    >>> net = Network.explicit([np.array([[2.0]])], [np.array([0.5])], activation="sigmoid",
    ...     output="linear", dtype=np.float64)
    >>> forward(net, np.array([[3.0]])).a[-1]
    array([[6.5]])
    """
    if x.ndim != 2 or x.shape[1] != network.sizes[0]:
        raise ValueError(f"expected inputs of shape (n, {network.sizes[0]}), got {x.shape}")
    z: list[Array] = []
    a = [x.astype(network.parameters.dtype, copy=False)]
    scales = [1.0] * (len(network.sizes) - 2) + [network.softmax_scale]
    for weights, biases, c, name in zip(
        network.weights, network.biases, scales, network.activations, strict=True
    ):
        # (25)   a^l = σ(z^l),  z^l = W^l a^(l-1) + b^l;  a softmax with scale c has c z^L for z^L
        z.append((a[-1] @ weights.T + biases) * c)
        a.append(ACTIVATIONS[name](z[-1]))
    return Forward(z, a)


def backpropagate(
    network: Network, cost: str, y: Array, z: list[Array], a: list[Array]
) -> Gradients:
    """Compute the gradients of the mean cost C = (1/n) Σ_x C_x, without any penalty.

    Args:
        network: the network of the forward pass.
        cost: a name from `costs.COSTS` that is defined on the network's output.
        y: targets, (n, n_out).
        z: weighted inputs of each layer, from `forward`.
        a: activations of each layer, from `forward`.

    >>> net = Network.explicit([np.array([[0.5]])], [np.array([-1.0])], activation="sigmoid",
    ...     output="sigmoid", dtype=np.float64)
    >>> x, y = np.array([[2.0], [2.0]]), np.array([[0.0], [0.0]])
    >>> backpropagate(net, "cross_entropy", y, *forward(net, x)).weights
    [array([[1.]])]
    """
    # (BP1)  δ^L = ∂C_x/∂a^L ⊙ σ'(z^L), and times c where z^L was
    error, work = np.empty_like(z[-1]), np.empty_like(z[-1])
    COSTS[cost].output_error(network.output)(z[-1], a[-1], y, error, work)
    delta = [error * network.softmax_scale]
    for weights, activation in zip(network.weights[:0:-1], a[-2:0:-1], strict=True):
        # (BP2)  δ^l = (W^(l+1))ᵀ δ^(l+1) ⊙ σ'(z^l);  σ'(z^l) follows from a^l
        error = delta[0] @ weights
        ACTIVATIONS[network.activation].backward(error, activation, np.empty_like(error))
        delta.insert(0, error)
    n = len(y)
    return Gradients(
        delta,
        # (BP3)  ∂C_x/∂b^l = δ^l
        biases=[d.sum(axis=0) / n for d in delta],
        # (BP4)  ∂C_x/∂W^l = δ^l (a^(l-1))ᵀ
        weights=[d.T @ below / n for d, below in zip(delta, a[:-1], strict=True)],
    )
