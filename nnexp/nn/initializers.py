"""Initial weights and biases.

An initializer takes a Generator, the layer's n_in and n_out, and returns W (n_out, n_in) and
b (n_out,) in float64; the network rounds them to its own precision, so that runs in float32 and
in float64 start from the same point. Adding one is one function and one entry in `INITIALIZERS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnexp.nn.types import Array

Initializer = Callable[[np.random.Generator, int, int], tuple[Array, Array]]


def large(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W and b from N(0, 1): the book's chapter 1, network2's `large_weight_initializer`.

    >>> import numpy as np
    >>> W, b = large(np.random.default_rng(0), 784, 30)
    >>> W.shape, b.shape, round(W.std(), 1)
    ((30, 784), (30,), np.float64(1.0))
    """
    return rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out)


def scaled(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from N(0, 1/n_in), b from N(0, 1): z starts of order 1 (Nielsen, chapter 3).

    >>> import numpy as np
    >>> W, b = scaled(np.random.default_rng(0), 400, 30)
    >>> round(W.std() * 400**0.5, 1)
    np.float64(1.0)
    """
    return rng.standard_normal((n_out, n_in)) / np.sqrt(n_in), rng.standard_normal(n_out)


INITIALIZERS: dict[str, Initializer] = {"large": large, "scaled": scaled}
