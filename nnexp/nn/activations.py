"""Activations and their Jacobians.

Their functions take arrays of the shape (n, units) and allocate nothing where σ is element-wise.
Adding an activation is one pair of functions and one entry in `ACTIVATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnexp.nn.types import Array

# A 0-d array spares NumPy the conversion of a Python scalar, twice the cost of the operation on a
# mini-batch. 0 and 1 are exact in either precision.
_ONE = np.array(1, np.float32)
_ZERO = np.array(0, np.float32)


def _sigmoid(z: Array, out: Array) -> None:
    # exp overflows to inf below z = -88 (float32), and 1 / (1 + inf) = 0 is the right limit.
    np.negative(z, out)
    np.exp(out, out)
    np.add(out, _ONE, out)
    np.reciprocal(out, out)


def _sigmoid_backward(delta: Array, a: Array, work: Array) -> None:
    np.multiply(delta, a, delta)
    np.subtract(_ONE, a, work)
    np.multiply(delta, work, delta)


def _tanh_backward(delta: Array, a: Array, work: Array) -> None:
    np.multiply(a, a, work)
    np.subtract(_ONE, work, work)
    np.multiply(delta, work, delta)


def _relu(z: Array, out: Array) -> None:
    np.maximum(z, _ZERO, out=out)


def _relu_backward(delta: Array, a: Array, work: Array) -> None:
    np.sign(a, work)
    np.multiply(delta, work, delta)


def _linear(z: Array, out: Array) -> None:
    if out is not z:
        np.copyto(out, z)


def _linear_backward(delta: Array, a: Array, work: Array) -> None:
    """The Jacobian is the identity."""


def _softmax(z: Array, out: Array) -> None:
    np.subtract(z, z.max(axis=-1, keepdims=True), out)
    np.exp(out, out)
    np.divide(out, out.sum(axis=-1, keepdims=True), out)


def _softmax_backward(delta: Array, a: Array, work: Array) -> None:
    np.multiply(delta, a, work)
    np.subtract(delta, work.sum(axis=-1, keepdims=True), delta)
    np.multiply(delta, a, delta)


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation a = σ(z) and the product with its transposed Jacobian.

    Attributes:
        forward: (z, out) writes σ(z) into `out`, which may be z itself.
        backward: (delta, a, work) turns ∂C/∂a in `delta` into ∂C/∂z; `work` is scratch space.
        steepest: the largest |σ'(z)| (softmax: the largest ∂a_j/∂z_j).
        hidden: whether hidden layers may have it.
        output: whether the output layer may have it.
    """

    forward: Callable[[Array, Array], object]
    backward: Callable[[Array, Array, Array], None]
    steepest: float = 1.0
    hidden: bool = True
    output: bool = True

    def __call__(self, z: Array) -> Array:
        """Return σ(z) as a new array of z's shape; right at any finite z.

        >>> ACTIVATIONS["sigmoid"](np.array([[-1000.0, 0.0, 1000.0]]))
        array([[0. , 0.5, 1. ]])
        """
        out = np.empty_like(z)
        with np.errstate(over="ignore"):
            self.forward(z, out)
        return out

    def derivative(self, a: Array) -> Array:
        """Return σ'(z) of an element-wise activation, from its value a.

        >>> ACTIVATIONS["tanh"].derivative(np.array([[0.0, 0.5]]))
        array([[1.  , 0.75]])
        """
        delta = np.ones_like(a)
        self.backward(delta, a, np.empty_like(a))
        return delta


ACTIVATIONS = {
    # σ(z) = 1 / (1 + exp(-z)),  σ' = a (1 - a)                      (Nielsen, eq. 3)
    "sigmoid": Activation(_sigmoid, _sigmoid_backward, steepest=0.25),
    # σ(z) = tanh(z),  σ' = 1 - a²                                   (Nielsen, eq. 109)
    "tanh": Activation(np.tanh, _tanh_backward),
    # σ(z) = max(0, z),  σ' = [z > 0], taken as 0 at z = 0            (Nielsen, eq. 113)
    "relu": Activation(_relu, _relu_backward, output=False),
    # σ(z) = z,  σ' = 1
    "linear": Activation(_linear, _linear_backward),
    # a_j = exp(z_j) / Σ_k exp(z_k),  ∂a_j/∂z_k = a_j ([j = k] - a_k)  (Nielsen, eq. 78)
    "softmax": Activation(_softmax, _softmax_backward, steepest=0.25, hidden=False),
}

HIDDEN = tuple(name for name, activation in ACTIVATIONS.items() if activation.hidden)
OUTPUT = tuple(name for name, activation in ACTIVATIONS.items() if activation.output)
