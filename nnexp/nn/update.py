"""Update rules: from the gradient ∇C_0 of a mini-batch to the next parameters θ.

    plain       θ <- θ - η ∇C_0                                    (Nielsen, eq. 20 and 21)
    L2          w <- (1 - ηλ₂/n) w - η ∂C_0/∂w                     (eq. 93)
    L1          w <- w - (ηλ₁/n) sgn(w) - η ∂C_0/∂w                (eq. 97)
    momentum    v <- μ v - η ∇C,  θ <- θ + v                       (eq. 107 and 108)
    Nesterov    the same with ∇C at θ + μ v                        (Sutskever et al. 2013, eq. 3, 4)

n is the size of the training set; biases are never penalized. With momentum, ∇C contains the
gradients of the penalties; without it, L2 shrinks the weights instead, which saves a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnexp.nn.network import Network
from nnexp.nn.types import Array

Operation = tuple[Callable[..., object], tuple[Array, ...]]

# A quarter of a small second-level cache, bytes.
_CROWDED = 1 << 17


@dataclass(frozen=True, slots=True)
class Penalty:
    """What L1 and L2 regularization add to the cost.

        C = C_0 + (λ₂/2n) Σ w² + (λ₁/n) Σ |w|          (Nielsen, eq. 87 and 95)

    Attributes:
        l1: the strength λ₁.
        l2: the strength λ₂.
        n: the size of the training set, whichever set the cost is evaluated on.
    """

    l1: float = 0.0
    l2: float = 0.0
    n: int = 1

    def __bool__(self) -> bool:
        """Tell whether anything is penalized."""
        return self.l1 > 0 or self.l2 > 0

    def __call__(self, network: Network) -> float:
        """Return what is added to the cost.

        >>> net = Network.explicit([np.array([[3.0, -4.0]])], [np.array([9.0])],
        ...     activation="sigmoid", output="sigmoid", dtype=np.float64)
        >>> Penalty(l1=2.0, l2=1.0, n=10)(net)
        2.65
        """
        total = 0.0
        # No warnings: a diverging run is recognized by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            for w in network.weights if self else ():
                total += self.l2 / 2 * float(np.square(w, dtype=np.float64).sum())
                total += self.l1 * float(np.abs(w).sum(dtype=np.float64))
        return total / self.n


class Update:
    """One update rule as a list of array operations, in place, for the training step.

    Attributes:
        gradient: η ∇C_0, (parameters,); the step writes it before it runs the operations.
        velocity: v, (parameters,); None without momentum.
        operations: functions and their operands, to be called in this order.
    """

    def __init__(
        self,
        network: Network,
        penalty: Penalty,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        velocity: Array | None = None,
    ) -> None:
        self._network, self._penalty = network, penalty
        self.gradient = np.zeros_like(network.parameters)
        self.velocity = np.zeros_like(self.gradient) if momentum and velocity is None else velocity
        self._coefficients: list[tuple[Array, Callable[[float], float]]] = []
        self.operations = self._plan(np.asarray(momentum, self.gradient.dtype), nesterov)

    def set_eta(self, eta: float) -> None:
        """Compute the coefficients that depend on the learning rate η."""
        for weights, coefficient in self._coefficients:
            weights[...] = coefficient(eta)

    def _vector(self, coefficient: Callable[[float], float], biases: float) -> Array:
        """Return a vector with a function of η for each weight and a constant for each bias."""
        vector = np.full_like(self.gradient, biases)
        self._coefficients += [(w_b[:, :-1], coefficient) for w_b in self._network.split(vector)]
        return vector

    def _plan(self, mu: Array, nesterov: bool) -> list[Operation]:
        theta, gradient, velocity = self._network.parameters, self.gradient, self.velocity
        l1, l2, n = self._penalty.l1, self._penalty.l2, self._penalty.n
        scratch = np.empty_like(theta)
        plan: list[Operation] = []
        if l1:
            # η∇C = η∇C_0 + (ηλ₁/n) sgn(w)
            plan += [
                (np.sign, (theta, scratch)),
                (np.multiply, (scratch, self._vector(lambda eta: eta * l1 / n, 0), scratch)),
                (np.add, (gradient, scratch, gradient)),
            ]
        if velocity is None:
            # w <- (1 - ηλ₂/n) w,  θ <- θ - η∇C
            shrink = self._shrink(self._vector(lambda eta: 1 - eta * l2 / n, 1)) if l2 else []
            return [*plan, *shrink, (np.subtract, (theta, gradient, theta))]
        if l2:
            # η∇C = η∇C_0 + (ηλ₂/n) w
            plan += [
                (np.multiply, (theta, self._vector(lambda eta: eta * l2 / n, 0), scratch)),
                (np.add, (gradient, scratch, gradient)),
            ]
        # v <- μv - η∇C
        plan += [
            (np.multiply, (velocity, mu, velocity)),
            (np.subtract, (velocity, gradient, velocity)),
        ]
        if not nesterov:
            # θ <- θ + v
            return [*plan, (np.add, (theta, velocity, theta))]
        # The parameters kept are φ = θ + μv, where ∇C is taken:  φ <- φ - η∇C + μv
        return [
            *plan,
            (np.subtract, (theta, gradient, theta)),
            (np.multiply, (velocity, mu, scratch)),
            (np.add, (theta, scratch, theta)),
        ]

    def _shrink(self, factors: Array) -> list[Operation]:
        """List the operations that multiply the weights by their factors and leave the biases.

        One product with a vector of factors; where parameters and factors together would crowd the
        cache, one product with a number, between saving the biases and putting them back.
        """
        theta, biases = self._network.parameters, self._network.biases
        if theta.nbytes <= _CROWDED:
            return [(np.multiply, (theta, factors, theta))]
        saved = [(np.empty(len(b), theta.dtype), b) for b in biases]
        return [
            *((np.copyto, (copy, b)) for copy, b in saved),
            (np.multiply, (theta, factors[:1].reshape(()), theta)),
            *((np.copyto, (b, copy)) for copy, b in saved),
        ]
