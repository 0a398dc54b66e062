"""A fully connected network: its parameters and the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import Initializer
from nnexp.nn.types import Array


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
        """Draw a network, layer after layer; the last one by `output_initializer`, if given.

        >>> import numpy as np
        >>> from nnexp.nn.initializers import scaled
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
        weights, biases = zip(*drawn, strict=True)
        return cls.explicit(
            weights,
            biases,
            activation=activation,
            output=output,
            dtype=dtype,
            softmax_scale=softmax_scale,
        )

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
        """Build a network from one W (n_out, n_in) and one b (n_out,) a layer.

        Raises:
            ValueError: the shapes do not fit each other.

        >>> net = Network.explicit([np.array([[2.0]])], [np.array([0.5])], activation="sigmoid",
        ...     output="linear", dtype=np.float64)
        >>> net(np.array([[3.0]]))
        array([[6.5]])
        """
        sizes = (weights[0].shape[1], *(len(w) for w in weights))
        for w, b, n_in, n_out in zip(weights, biases, sizes[:-1], sizes[1:], strict=True):
            if w.shape != (n_out, n_in) or b.shape != (n_out,):
                raise ValueError(f"W {w.shape} and b {b.shape} where {n_in} -> {n_out} is due")
        layers = [np.column_stack(pair).ravel() for pair in zip(weights, biases, strict=True)]
        flat = np.concatenate(layers).astype(dtype)
        return cls(sizes, activation, output, flat, softmax_scale)

    def split(self, flat: Array) -> list[Array]:
        """View a flat vector as one matrix [W | b], (n_out, n_in + 1), a layer."""
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

    def logits(self, x: Array) -> Array:
        """Return z of the output layer times the softmax_scale, (n, n_out), for inputs x (n, n_in).

        Raises:
            ValueError: x has another number of columns than the network has inputs.
        """
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise ValueError(f"x has the shape {x.shape} where (n, {self.sizes[0]}) is due")
        a = x.astype(self.parameters.dtype, copy=False)
        for weights, biases, name in zip(self.weights, self.biases, self.activations, strict=True):
            z = a @ weights.T + biases
            a = ACTIVATIONS[name](z)
        return z if self.softmax_scale == 1 else z * self.softmax_scale

    def __call__(self, x: Array) -> Array:
        """Return the outputs a, (n, n_out), for inputs x (n, n_in)."""
        return ACTIVATIONS[self.output](self.logits(x))

    def copy(self) -> Network:
        """Return a network with parameters of its own."""
        return replace(self, parameters=self.parameters.copy())
