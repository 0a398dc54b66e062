"""Glorot's, He's, zeros, and another initializer for the output layer."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from nnexp.nn.network import INITIALIZERS, Network, glorot, he, large, scaled, zeros
from nnexp.nn.types import Array


def within(values: Array, variance: float) -> bool:
    """Tell whether mean and variance are 0 and as given, within five standard errors."""
    unit = values.ravel() / variance**0.5
    fourth = float((unit**4).mean())
    errors = unit.size**-0.5, ((fourth - 1) / unit.size) ** 0.5
    return bool(abs(unit.mean()) < 5 * errors[0] and abs(unit.var() - 1) < 5 * errors[1])


@pytest.mark.parametrize(("n_in", "n_out"), [(900, 300), (50, 3000)])
def test_glorot_is_uniform_with_the_variance_of_both_sides(n_in: int, n_out: int) -> None:
    """W is from U(-r, r), r² = 6/(n_in + n_out), its variance 2/(n_in + n_out), and b = 0."""
    w, b = glorot(np.random.default_rng(0), n_in, n_out)
    bound = (6 / (n_in + n_out)) ** 0.5
    assert (w.shape, b.tolist()) == ((n_out, n_in), [0.0] * n_out)
    assert 0.999 * bound < np.abs(w).max() <= bound
    assert within(w, 2 / (n_in + n_out))
    assert scipy.stats.kstest(w[:20].ravel() / bound, "uniform", (-1, 2)).pvalue > 0.001


@pytest.mark.parametrize(("n_in", "n_out"), [(900, 300), (50, 3000)])
def test_he_is_normal_with_twice_the_variance_of_scaled(n_in: int, n_out: int) -> None:
    """W is from N(0, 2/n_in), the numbers of `scaled` times √2, and b = 0."""
    w, b = he(np.random.default_rng(0), n_in, n_out)
    assert (w.shape, b.tolist()) == ((n_out, n_in), [0.0] * n_out)
    assert within(w, 2 / n_in)
    np.testing.assert_allclose(w, 2**0.5 * scaled(np.random.default_rng(0), n_in, n_out)[0])


def test_he_keeps_the_size_of_rectified_activations() -> None:
    """Through ten layers of relus the mean square of z stays of order 1; with `scaled` it dies."""
    rng = np.random.default_rng(1)
    sizes = {}
    for initializer in (he, scaled):
        a = np.abs(rng.standard_normal((200, 100)))
        for _ in range(10):
            z = a @ initializer(rng, a.shape[1], 100)[0].T
            a = np.maximum(z, 0)
        sizes[initializer.__name__] = float(np.square(z).mean())
    assert 0.2 < sizes["he"] < 5
    assert sizes["scaled"] < 0.01


def test_zeros_draws_nothing() -> None:
    """W and b are 0, and the stream is where it was."""
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    w, b = zeros(rng, 4, 3)
    assert (w.shape, b.shape) == ((3, 4), (3,))
    assert not w.any()
    assert not b.any()
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("output", INITIALIZERS)
def test_the_output_layer_can_have_its_own(output: str) -> None:
    """Hidden layers are drawn by one initializer, the last by the other, from one stream."""
    network = Network.random(
        [6, 5, 4, 3],
        activation="relu",
        output="softmax",
        initializer=large,
        output_initializer=INITIALIZERS[output],
        rng=np.random.default_rng(2),
        dtype=np.float64,
    )
    rng = np.random.default_rng(2)
    drawn = [large(rng, 6, 5), large(rng, 5, 4), INITIALIZERS[output](rng, 4, 3)]
    for (w, b), weights, biases in zip(drawn, network.weights, network.biases, strict=True):
        np.testing.assert_array_equal(weights, w)
        np.testing.assert_array_equal(biases, b)
