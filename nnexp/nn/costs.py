"""Costs, their gradients and the output error δ = ∂C/∂z of each legal pair with an output.

The formulas are for one example with outputs a = σ(z) and targets y (Nielsen, chapter 3; eq. 6, 63
and 80). The cross-entropy and the log-likelihood are evaluated on the logits z, so that they stay
finite and exact at any z. The general output error is the activation's Jacobian applied to ∂C/∂a;
where that product has a closed form without a vanishing denominator, the fused form replaces it. A
pair is legal when the cost is defined over the output's whole range and, for the log-likelihood,
the outputs are a probability distribution. Adding a cost is its functions and one entry in `COSTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nnexp.nn.activations import ACTIVATIONS, OUTPUT
from nnexp.nn.types import Array

Value = Callable[[Array, Array, Array], Array]
OutputError = Callable[[Array, Array, Array, Array, Array], None]

# What a cost can ask of its targets y, in words.
TARGETS = {
    "real": "any numbers",
    "unit": "between 0 and 1",
    "distribution": "between 0 and 1, summing to 1",
}


def _quadratic(z: Array, a: Array, y: Array) -> Array:
    difference = a - y
    np.square(difference, difference)
    return np.asarray(difference.sum(axis=-1) / 2)


def _fused_difference(z: Array, a: Array, y: Array, out: Array, work: Array) -> None:
    np.subtract(a, y, out)


def _cross_entropy_sigmoid(z: Array, a: Array, y: Array) -> Array:
    # ln(1 + exp(z)) - y z = ln(1 + exp(-|z|)) + (max(z, 0) - y z): nothing overflows, and for
    # y = 0 and 1 nothing cancels. np.logaddexp is several times slower.
    out = np.abs(z)
    np.negative(out, out)
    np.exp(out, out)
    np.log1p(out, out)
    out += np.maximum(z, 0) - y * z
    return np.asarray(out.sum(axis=-1))


def _cross_entropy_gradient(a: Array, y: Array, out: Array) -> None:
    np.divide(a - y, a * (1 - a), out)


def _log_sum_exp(z: Array) -> Array:
    top = z.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(z - top).sum(axis=-1, keepdims=True)) + top)


def _log_sum_exp_without_each(z: Array) -> Array:
    """Return L_k = ln Σ_{j≠k} exp(z_j) for every k, of z's shape."""
    units = z.shape[-1]
    others = np.repeat(z[..., None, :], units, axis=-2)
    others[..., np.arange(units), np.arange(units)] = -np.inf
    return _log_sum_exp(others)[..., 0]


def _cross_entropy_softmax(z: Array, a: Array, y: Array) -> Array:
    # ln a_k = z_k - L and ln(1 - a_k) = L_k - L, with L and L_k as above.
    total = _log_sum_exp(z)
    without = _log_sum_exp_without_each(z)
    return np.asarray((y * (total - z) + (1 - y) * (total - without)).sum(axis=-1))


def _cross_entropy_softmax_error(z: Array, a: Array, y: Array, out: Array, work: Array) -> None:
    # ∂C/∂z_j = n_out a_j - y_j - Σ_{k≠j} (1 - y_k) exp(z_j - L_k)
    without = _log_sum_exp_without_each(z)
    share = np.exp(np.minimum(z[..., :, None] - without[..., None, :], 0))
    units = z.shape[-1]
    share[..., np.arange(units), np.arange(units)] = 0
    np.multiply(a, units, out)
    np.subtract(out, y, out)
    np.subtract(out, np.einsum("...jk,...k->...j", share, 1 - y), out)


def _log_likelihood_softmax(z: Array, a: Array, y: Array) -> Array:
    return np.asarray((y * (_log_sum_exp(z) - z)).sum(axis=-1))


def _log_likelihood_gradient(a: Array, y: Array, out: Array) -> None:
    np.divide(-y, a, out)


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost: its value and output error for every output it is defined on.

    Attributes:
        formula: C of one example, for the documentation.
        targets: what y must be, a key of `TARGETS`.
        values: output name -> function of (z, a, y), all of the shape (n, n_out), returning C of
            each example, (n,). Its keys are the legal outputs.
        gradient: writes ∂C/∂a into its third argument.
        fused: output name -> function of (z, a, y, out, work) writing δ = ∂C/∂z into `out`.
    """

    formula: str
    targets: str
    values: Mapping[str, Value]
    gradient: Callable[[Array, Array, Array], object]
    fused: Mapping[str, OutputError] = field(default_factory=dict)

    def value(self, output: str, z: Array, y: Array) -> Array:
        """Return C of each example, (n,), from the logits z (n, n_out) and targets y.

        >>> COSTS["cross_entropy"].value("sigmoid", np.array([[1000.0]]), np.array([[0.0]]))
        array([1000.])
        """
        return self.values[output](z, ACTIVATIONS[output](z), y)

    def output_error(self, output: str) -> OutputError:
        """Return the function (z, a, y, out, work) that writes δ = ∂C/∂z of this pair into `out`.

        >>> z, a, y, out, work = np.array([0.0, 0.5, 1.0, 0.0, 0.0])[:, None, None]
        >>> COSTS["quadratic"].output_error("sigmoid")(z, a, y, out, work)
        >>> out
        array([[-0.125]])
        """
        return self.fused.get(output) or self.general_error(output)

    def general_error(self, output: str) -> OutputError:
        """Return the output error as the output's Jacobian times ∂C/∂a (Nielsen, eq. BP1)."""
        gradient, backward = self.gradient, ACTIVATIONS[output].backward

        def error(z: Array, a: Array, y: Array, out: Array, work: Array) -> None:
            gradient(a, y, out)
            backward(out, a, work)

        return error


COSTS = {
    "quadratic": Cost(
        formula="½ Σ (a - y)²",
        targets="real",
        values=dict.fromkeys(OUTPUT, _quadratic),
        gradient=np.subtract,
        fused={"linear": _fused_difference},
    ),
    "cross_entropy": Cost(
        formula="-Σ [y ln a + (1 - y) ln(1 - a)]",
        targets="unit",
        values={"sigmoid": _cross_entropy_sigmoid, "softmax": _cross_entropy_softmax},
        gradient=_cross_entropy_gradient,
        fused={"sigmoid": _fused_difference, "softmax": _cross_entropy_softmax_error},
    ),
    "log_likelihood": Cost(
        formula="-Σ y ln a",
        targets="distribution",
        values={"softmax": _log_likelihood_softmax},
        gradient=_log_likelihood_gradient,
        fused={"softmax": _fused_difference},
    ),
}


def legal_costs(output: str) -> tuple[str, ...]:
    """Return the costs that are defined on an output.

    >>> legal_costs("tanh")
    ('quadratic',)
    """
    return tuple(name for name, cost in COSTS.items() if output in cost.values)
