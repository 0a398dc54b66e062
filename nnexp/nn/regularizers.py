"""L1 and L2 regularization, as the cost they add.

    C = C_0 + (λ₂ / 2n) Σ w² + (λ₁ / n) Σ |w|          (Nielsen, eq. 85 and 95)

n is the size of the training set, whichever set the cost is evaluated on. Biases are never
penalized.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnexp.nn.network import Network


@dataclass(frozen=True, slots=True)
class Penalty:
    """The strengths λ₁ and λ₂ and the size n of the training set they are divided by."""

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
        # A diverging run is told by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            for w in network.weights if self else ():
                total += self.l2 / 2 * float(np.square(w, dtype=np.float64).sum())
                total += self.l1 * float(np.abs(w).sum(dtype=np.float64))
        return total / self.n
