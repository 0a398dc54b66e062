"""A fully connected network: its parameters, and how they are initialized.

An initializer takes a Generator, the layer's n_in and n_out, and returns W (n_out, n_in) and
b (n_out,) in float64; the network rounds them to its own precision, so that runs in float32 and
in float64 start from the same point. Adding one is one function and one entry in `INITIALIZERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nnexp.nn.types import Array

Initializer = Callable[[np.random.Generator, int, int], tuple[Array, Array]]


def large(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W and b from N(0, 1): the book's chapter 1, network2's `large_weight_initializer`.

    >>> [array.shape for array in large(np.random.default_rng(0), 784, 30)]
    [(30, 784), (30,)]
    """
    return rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out)


def scaled(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from N(0, 1/n_in), b from N(0, 1): z starts of order 1 (Nielsen, chapter 3).

    >>> round(scaled(np.random.default_rng(0), 400, 30)[0].std() * 400**0.5, 1)
    np.float64(1.0)
    """
    return rng.standard_normal((n_out, n_in)) / np.sqrt(n_in), rng.standard_normal(n_out)


def glorot(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from U(-r, r) with r² = 6 / (n_in + n_out), b = 0 (Glorot and Bengio 2010, eq. 16).

    >>> bool(abs(glorot(np.random.default_rng(0), 300, 300)[0]).max() <= 0.1)
    True
    """
    bound = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_out, n_in)), np.zeros(n_out)


def he(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from N(0, 2/n_in), b = 0: for rectified units (He et al. 2015, eq. 10).

    >>> round(he(np.random.default_rng(0), 200, 30)[0].std() * 10, 1)
    np.float64(1.0)
    """
    return rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in), np.zeros(n_out)


def zeros(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Return W = 0 and b = 0: for an output layer; hidden neurons would stay equal for ever.

    >>> zeros(np.random.default_rng(0), 2, 1)
    (array([[0., 0.]]), array([0.]))
    """
    return np.zeros((n_out, n_in)), np.zeros(n_out)


INITIALIZERS = {draw.__name__: draw for draw in (large, scaled, glorot, he, zeros)}


def _flatten(layers: Iterable[tuple[Array, Array]], dtype: type[np.floating]) -> Array:
    return np.concatenate([np.column_stack(layer).ravel() for layer in layers]).astype(dtype)


@dataclass(frozen=True, slots=True)
class Network:
    """A network of `sizes` with one activation for its hidden layers and one for its output.

    Attributes:
        sizes: units of each layer, the input first; two sizes make a network without hidden layer.
        parameters: all weights and biases in one flat vector; `layers` are views of it.
        softmax_scale: softmax's constant c, a_j = exp(c z_j) / Σ_k exp(c z_k) (Nielsen, chapter 3):
            c -> infinity is the maximum.
    """

    sizes: tuple[int, ...]
    activation: str
    output: str
    parameters: Array
    softmax_scale: float = 1.0

    @classmethod
    def random(
        cls,
        sizes: Sequence[int],
        *,
        activation: str,
        output: str,
        initializer: Initializer,
        rng: np.random.Generator,
        dtype: type[np.floating],
        output_initializer: Initializer | None = None,
        softmax_scale: float = 1.0,
    ) -> Network:
        """Draw a network, layer after layer; the last one by `output_initializer`, if any.

        >>> net = Network.random([784, 30, 10], activation="sigmoid", output="softmax",
        ...     initializer=scaled, rng=np.random.default_rng(0), dtype=np.float32)
        >>> net.parameters.size, net.weights[0].shape, net.biases[1].shape
        (23860, (30, 784), (10,))
        """
        by_layer = [initializer] * (len(sizes) - 2) + [output_initializer or initializer]
        drawn = [
            draw(rng, n_in, n_out)
            for draw, (n_in, n_out) in zip(by_layer, pairwise(sizes), strict=True)
        ]
        return cls(tuple(sizes), activation, output, _flatten(drawn, dtype), softmax_scale)

    @classmethod
    def explicit(
        cls,
        weights: Sequence[Array],
        biases: Sequence[Array],
        *,
        activation: str,
        output: str,
        dtype: type[np.floating],
        softmax_scale: float = 1.0,
    ) -> Network:
        """Build a network from one W (n_out, n_in) and one b (n_out,) per layer.

        Raises:
            ValueError: the shapes do not fit each other.

        >>> net = Network.explicit([np.array([[2.0]])], [np.array([0.5])], activation="sigmoid",
        ...     output="linear", dtype=np.float64)
        >>> net.sizes, net.parameters
        ((1, 1), array([2. , 0.5]))
        """
        sizes = (weights[0].shape[1], *(len(w) for w in weights))
        for w, b, n_in, n_out in zip(weights, biases, sizes[:-1], sizes[1:], strict=True):
            if w.shape != (n_out, n_in) or b.shape != (n_out,):
                raise ValueError(f"expected shapes of {n_in} -> {n_out}, got {w.shape}, {b.shape}")
        flat = _flatten(zip(weights, biases, strict=True), dtype)
        return cls(sizes, activation, output, flat, softmax_scale)

    def split(self, flat: Array) -> list[Array]:
        """View a flat vector as one matrix [W | b], (n_out, n_in + 1), per layer."""
        matrices, start = [], 0
        for n_in, n_out in pairwise(self.sizes):
            end = start + n_out * (n_in + 1)
            matrices.append(flat[start:end].reshape(n_out, n_in + 1))
            start = end
        return matrices

    @property
    def layers(self) -> list[Array]:
        """The matrices [W | b], as views."""
        return self.split(self.parameters)

    @property
    def weights(self) -> list[Array]:
        """W of each layer, (n_out, n_in), as views."""
        return [layer[:, :-1] for layer in self.layers]

    @property
    def biases(self) -> list[Array]:
        """B of each layer, (n_out,), as views."""
        return [layer[:, -1] for layer in self.layers]

    @property
    def activations(self) -> list[str]:
        """The activation of each layer after the input."""
        return [self.activation] * (len(self.sizes) - 2) + [self.output]

    def copy(self) -> Network:
        """Return a network with parameters of its own."""
        return replace(self, parameters=self.parameters.copy())
