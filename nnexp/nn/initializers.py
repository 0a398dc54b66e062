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


def glorot(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from U(-r, r) with r² = 6 / (n_in + n_out), b = 0 (Glorot and Bengio 2010, eq. 16).

    >>> import numpy as np
    >>> W, b = glorot(np.random.default_rng(0), 300, 300)
    >>> bool(abs(W).max() <= 0.1), bool(b.any())
    (True, False)
    """
    bound = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_out, n_in)), np.zeros(n_out)


def he(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Draw W from N(0, 2/n_in), b = 0: for rectified units (He et al. 2015, eq. 10).

    >>> import numpy as np
    >>> W, b = he(np.random.default_rng(0), 200, 30)
    >>> round(W.std() * 10, 1)
    np.float64(1.0)
    """
    return rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in), np.zeros(n_out)


def zeros(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Array, Array]:
    """Return W = 0 and b = 0: for an output layer; hidden neurons would stay alike for ever.

    >>> import numpy as np
    >>> zeros(np.random.default_rng(0), 2, 1)
    (array([[0., 0.]]), array([0.]))
    """
    return np.zeros((n_out, n_in)), np.zeros(n_out)


INITIALIZERS: dict[str, Initializer] = {
    "large": large,
    "scaled": scaled,
    "glorot": glorot,
    "he": he,
    "zeros": zeros,
}
