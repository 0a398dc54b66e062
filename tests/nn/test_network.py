"""Initial parameters, the flat vector and its views, the forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from nnexp.nn.network import INITIALIZERS, Initializer, Network, glorot, he, large, scaled, zeros
from nnexp.nn.types import Array


def draw(sizes: list[int], dtype: type[np.floating], initializer: Initializer = scaled) -> Network:
    """Draw a network from seed 0."""
    return Network.random(
        sizes,
        activation="tanh",
        output="softmax",
        initializer=initializer,
        rng=np.random.default_rng(0),
        dtype=dtype,
    )


def within(values: Array, variance: float) -> bool:
    """Tell whether the mean is 0 and the variance as promised, within five standard errors."""
    unit = values.ravel() / variance**0.5
    fourth = float((unit**4).mean())
    errors = unit.size**-0.5, ((fourth - 1) / unit.size) ** 0.5
    return bool(abs(unit.mean()) < 5 * errors[0] and abs(unit.var() - 1) < 5 * errors[1])


@pytest.mark.parametrize(("name", "variance"), [("large", 1.0), ("scaled", 1 / 900)])
def test_large_and_scaled_are_normal(name: str, variance: float) -> None:
    """Weights and biases are normal with mean 0 and the variance that is promised."""
    w, b = INITIALIZERS[name](np.random.default_rng(0), 900, 1100)
    assert (w.shape, b.shape) == ((1100, 900), (1100,))
    for values in (w[0] / variance**0.5, b):
        assert within(values, 1.0)
        assert scipy.stats.kstest(values, "norm").pvalue > 0.001
    assert within(w, variance)
    assert abs(np.corrcoef(w[:, 0], b)[0, 1]) < 5 / len(b) ** 0.5


def test_scaled_is_large_divided() -> None:
    """The two initializers draw the same numbers; scaled divides its weights by √n_in."""
    (w, b), (w_scaled, b_scaled) = (f(np.random.default_rng(3), 25, 7) for f in (large, scaled))
    np.testing.assert_allclose(w_scaled * 5, w, rtol=1e-15)
    np.testing.assert_array_equal(b_scaled, b)


@pytest.mark.parametrize("initializer", INITIALIZERS.values(), ids=INITIALIZERS)
def test_precisions_start_from_the_same_point(initializer: Initializer) -> None:
    """A float32 network starts from the float64 network's parameters, rounded."""
    exact, rounded = (draw([20, 15, 4], t, initializer) for t in (np.float64, np.float32))
    assert [n.parameters.dtype.name for n in (exact, rounded)] == ["float64", "float32"]
    np.testing.assert_array_equal(rounded.parameters, exact.parameters.astype(np.float32))
    assert (exact.parameters != rounded.parameters).any() == exact.parameters.any()


def test_layers_are_drawn_one_after_another() -> None:
    """The first layers of a deeper network are those of a shallower one with the same seed."""
    shallow, deep = draw([5, 4, 3], np.float64), draw([5, 4, 3, 2], np.float64)
    for ours, theirs in zip(shallow.layers, deep.layers, strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_views_write_through() -> None:
    """Weights, biases and layers are views of the flat vector, and cover each number once."""
    network = draw([3, 4, 2], np.float64)
    assert network.parameters.size == 4 * (3 + 1) + 2 * (4 + 1)
    network.parameters[:] = 0
    for view in (*network.weights, *network.biases):
        view[:] += 1
    np.testing.assert_array_equal(network.parameters, 1)
    for i, layer in enumerate(network.layers):
        layer[:] = i + 2
    assert [set(w.ravel()) for w in network.weights] == [{2}, {3}]
    assert [set(b) for b in network.biases] == [{2}, {3}]


def test_explicit_keeps_its_parameters() -> None:
    """The matrices and vectors come back, in copies that the caller's arrays do not share."""
    weights, biases = [np.arange(6.0).reshape(2, 3)], [np.array([7.0, 8.0])]
    network = Network.explicit(
        weights, biases, activation="relu", output="linear", dtype=np.float64
    )
    network.parameters[:] += 1
    np.testing.assert_array_equal(network.weights[0], np.arange(1.0, 7).reshape(2, 3))
    np.testing.assert_array_equal(network.biases[0], [8, 9])
    np.testing.assert_array_equal(weights[0], np.arange(6.0).reshape(2, 3))
    assert network.sizes == (3, 2)


@pytest.mark.parametrize(
    ("weights", "biases"),
    [
        ([(4, 3), (2, 5)], [(4,), (2,)]),  # 4 units, then weights for 5
        ([(4, 3), (2, 4)], [(4,), (3,)]),  # a bias too many
        ([(4, 3), (2, 4)], [(4,)]),  # a layer without biases
        ([(4, 3)], [(4,), (2,)]),  # biases without a layer
        ([(4, 3)], [(4, 1)]),  # biases as a column
        ([(4, 3)], [(1,)]),  # would broadcast
        ([(4, 3), (4,)], [(4,), (4,)]),  # weights as a vector
    ],
)
def test_explicit_refuses_shapes_that_do_not_fit(
    weights: list[tuple[int, ...]], biases: list[tuple[int, ...]]
) -> None:
    """Shapes that do not fit each other are refused, never broadcast."""
    with pytest.raises(ValueError, match=r"expected|zip"):
        Network.explicit(
            [np.ones(shape) for shape in weights],
            [np.ones(shape) for shape in biases],
            activation="tanh",
            output="linear",
            dtype=np.float64,
        )


def test_a_copy_has_parameters_of_its_own() -> None:
    """Changing a copy leaves the network as it was."""
    network = draw([3, 2], np.float32)
    copy, kept = network.copy(), network.parameters.copy()
    copy.parameters[:] += 1
    np.testing.assert_array_equal(network.parameters, kept)
    assert (copy.sizes, copy.activation, copy.output) == ((3, 2), "tanh", "softmax")


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
