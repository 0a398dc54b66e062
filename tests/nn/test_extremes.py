"""Costs, activations and output errors at logits where naive formulas overflow or vanish."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numeric import PAIRS

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.metrics import evaluate
from nnexp.nn.network import Network
from nnexp.nn.sgd import SGD
from nnexp.nn.types import DTYPES, Array, Examples

# σ at z = (1000, -1000, 0), exactly.
LIMITS = {
    "sigmoid": [1, 0, 0.5],
    "tanh": [1, -1, 0],
    "relu": [1000, 0, 0],
    "linear": [1000, -1000, 0],
    "softmax": [1, 0, 0],
}

# Cost, output, z, y, C and δ = ∂C/∂z, all exact to the last bit of float32: exp(-1000) is 0 beside
# anything. Softmax: ln a = z - max z, and ln(1 - a_k) = ln Σ_{j≠k} exp(z_j) - max z.
#   z = (1000, -1000):     ln a = (0, -2000), ln(1 - a) = (-2000, 0)
#   z = (1000, -1000, 0):  ln a = (0, -2000, -1000), ln(1 - a) = (-1000, 0, 0)
# Near there C is linear in z: with y = (0, 1, 0), C = -ln a_2 - ln(1 - a_1) = 2 z_1 - z_2 - z_3.
EXACT = [
    ("cross_entropy", "sigmoid", [1000], [0], 1000, [1]),
    ("cross_entropy", "sigmoid", [1000], [1], 0, [0]),
    ("cross_entropy", "sigmoid", [-1000], [0], 0, [0]),
    ("cross_entropy", "sigmoid", [-1000], [1], 1000, [-1]),
    ("cross_entropy", "sigmoid", [1000, -1000], [0.5, 0.25], 750, [0.5, -0.25]),
    ("log_likelihood", "softmax", [1000, -1000], [1, 0], 0, [0, 0]),
    ("log_likelihood", "softmax", [1000, -1000], [0, 1], 2000, [1, -1]),
    ("log_likelihood", "softmax", [1000, -1000, 0], [0.5, 0.25, 0.25], 750, [0.5, -0.25, -0.25]),
    ("cross_entropy", "softmax", [1000, -1000], [1, 0], 0, [0, 0]),
    ("cross_entropy", "softmax", [1000, -1000], [0, 1], 4000, [2, -2]),
    ("cross_entropy", "softmax", [1000, -1000, 0], [0, 1, 0], 3000, [2, -1, -1]),
    ("cross_entropy", "softmax", [1000, -1000, 0], [0, 0, 1], 2000, [2, 0, -2]),
    ("cross_entropy", "softmax", [1000, -1000, 0], [1, 0, 0], 0, [0, 0, 0]),
    ("quadratic", "sigmoid", [1000, -1000], [0, 1], 1, [0, 0]),
    ("quadratic", "softmax", [1000, -1000], [0, 1], 1, [0, 0]),
    ("quadratic", "tanh", [1000, -1000], [-1, 1], 4, [0, 0]),
    ("quadratic", "linear", [1000, -1000], [0, 1000], 2_500_000, [1000, -2000]),
]


def error_of(cost: str, output: str, z: Array, y: Array) -> Array:
    """Return δ = ∂C/∂z as the training step computes it."""
    out, work = np.full((2, *z.shape), np.nan, z.dtype)
    COSTS[cost].output_error(output)(z, ACTIVATIONS[output](z), y, out, work)
    return np.asarray(out)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits_of_activations(name: str, dtype: type[np.floating]) -> None:
    """An activation at z = ±1000 is finite, without a warning, in z's own precision; see LIMITS."""
    a = ACTIVATIONS[name](np.array([[1000, -1000, 0]], dtype))
    assert np.isfinite(a).all()
    assert a.dtype == dtype
    np.testing.assert_array_equal(a, [LIMITS.get(name, a[0])])


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("cost", "output", "z", "y", "value", "error"), EXACT)
def test_exact_costs_and_errors(
    cost: str,
    output: str,
    z: list[float],
    y: list[float],
    value: float,
    error: list[float],
    dtype: type[np.floating],
) -> None:
    """At z = ±1000 a cost and its output error are the limits, exactly, without a warning."""
    logits, target = np.array([z], dtype), np.array([y], dtype)
    np.testing.assert_array_equal(COSTS[cost].value(output, logits, target), [value])
    np.testing.assert_array_equal(error_of(cost, output, logits, target), [error])


@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_errors_far_out_follow_the_cost(cost: str, output: str) -> None:
    """Far from 0 the output error is still the slope of the cost, for every legal pair."""
    rng = np.random.default_rng(0)
    z = np.array([[*p, -2000.0] for p in permutations([1000.0, -1000.0, 500.0])])
    y = rng.dirichlet(np.ones(4), size=len(z))
    # There each cost is linear or quadratic, so that a central difference with h = 1 is exact.
    slope = np.empty_like(z)
    for j, unit in enumerate(np.eye(4)):
        above, below = (COSTS[cost].value(output, z + h * unit, y) for h in (1, -1))
        slope[:, j] = (above - below) / 2
    np.testing.assert_allclose(error_of(cost, output, z, y), slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cost", ["cross_entropy", "log_likelihood"])
def test_softmax_ignores_a_common_shift(cost: str) -> None:
    """Adding the same to all logits changes neither the softmax nor its costs and errors."""
    rng = np.random.default_rng(0)
    z = rng.integers(-8, 9, size=(9, 4)).astype(np.float64)
    y = rng.dirichlet(np.ones(4), size=9)
    for shift in (-5000.0, 5000.0):
        np.testing.assert_array_equal(ACTIVATIONS["softmax"](z + shift), ACTIVATIONS["softmax"](z))
        for function in (COSTS[cost].value, lambda o, z, y: error_of(cost, o, z, y)):
            shifted, unshifted = (function("softmax", logits, y) for logits in (z + shift, z))
            np.testing.assert_allclose(shifted, unshifted, rtol=1e-11, atol=1e-11)


def test_small_costs_keep_their_digits() -> None:
    """A cost near 0 has full relative precision: it is not a difference from 1."""
    z, one = np.array([[30.0]]), np.array([[1.0]])
    small = np.exp(-30.0)  # ln(1 + exp(-30)) = exp(-30) (1 - exp(-30)/2 + ...)
    expected = small * (1 - small / 2)
    np.testing.assert_allclose(
        COSTS["cross_entropy"].value("sigmoid", z, one), expected, rtol=1e-14
    )


@pytest.mark.parametrize(("cost", "output"), [pair for pair in PAIRS if pair[1] != "linear"])
def test_step_and_evaluation_of_a_saturated_network(cost: str, output: str) -> None:
    """Training on and evaluating saturated neurons give finite numbers without a warning."""
    network = Network.explicit(
        [np.array([[2000.0], [-3000.0]]), np.array([[1000.0, -1000], [-1000, 1000]])],
        [np.zeros(2), np.zeros(2)],
        activation="sigmoid",
        output=output,
        dtype=np.float32,
    )
    examples = Examples(
        np.array([[1.0], [-1.0]], np.float32), np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    )
    # The first layer gives (1, 0) and (0, 1), so that z is ±1000 and each answer is the wrong one.
    wrong = COSTS[cost].value(output, np.array([[1000.0, -1000.0]]), np.array([[0.0, 1.0]]))
    assert evaluate(network, cost, examples).cost == wrong[0] < np.inf
    list(SGD(network, cost=cost, batch_size=2).epoch(examples, np.arange(2), eta=0.5))
    assert np.isfinite(network.parameters).all()
