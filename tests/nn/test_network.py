"""Initial parameters, the flat vector and its views, the forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.backprop import forward
from nnexp.nn.network import INITIALIZERS, Initializer, Network, large, scaled
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


@pytest.mark.parametrize(("name", "variance"), [("large", 1.0), ("scaled", 1 / 900)])
def test_moments_of_initial_weights(name: str, variance: float) -> None:
    """Weights and biases are normal with mean 0 and the variance that is promised."""
    w, b = INITIALIZERS[name](np.random.default_rng(0), 900, 1100)
    assert (w.shape, b.shape) == ((1100, 900), (1100,))
    for values, due in ((w.ravel(), variance), (b, 1.0)):
        n, unit = values.size, values / due**0.5
        # Five standard errors of the mean, the variance and the fourth moment of N(0, 1).
        assert abs(unit.mean()) < 5 / n**0.5
        assert abs(unit.var() - 1) < 5 * (2 / n) ** 0.5
        assert abs((unit**4).mean() - 3) < 5 * (96 / n) ** 0.5
    assert scipy.stats.kstest(b, "norm").pvalue > 0.001
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


def test_explicit_keeps_what_it_is_given() -> None:
    """Given matrices and vectors come back, in copies that the caller's arrays do not share."""
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
    with pytest.raises(ValueError, match=r"due|zip"):
        Network.explicit(
            [np.ones(shape) for shape in weights],
            [np.ones(shape) for shape in biases],
            activation="tanh",
            output="linear",
            dtype=np.float64,
        )


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 2), (1, 2, 3)])
def test_forward_refuses_inputs_of_another_shape(shape: tuple[int, ...]) -> None:
    """Inputs that are not (n, n_in) are refused."""
    with pytest.raises(ValueError, match=r"expected inputs of shape \(n, 3\)"):
        forward(draw([3, 2], np.float64), np.ones(shape)).z[-1]


def test_forward_is_layer_after_layer() -> None:
    """Outputs are the activation of W a + b, for each example by itself and for many alike."""
    network = draw([3, 5, 4, 2], np.float64)
    x = np.random.default_rng(1).normal(size=(6, 3))
    due: list[Array] = []
    for example in x:
        a = example
        names = ["tanh", "tanh", "softmax"]
        for w, b, name in zip(network.weights, network.biases, names, strict=True):
            a = ACTIVATIONS[name]((w @ a + b)[None])[0]
        due.append(a)
    np.testing.assert_allclose(forward(network, x).a[-1], due, rtol=1e-13)
    np.testing.assert_allclose(ACTIVATIONS["softmax"](forward(network, x).z[-1]), due, rtol=1e-13)


def test_a_copy_has_parameters_of_its_own() -> None:
    """Changing a copy leaves the network as it was."""
    network = draw([3, 2], np.float32)
    copy, kept = network.copy(), network.parameters.copy()
    copy.parameters[:] += 1
    np.testing.assert_array_equal(network.parameters, kept)
    assert (copy.sizes, copy.activation, copy.output) == ((3, 2), "tanh", "softmax")
