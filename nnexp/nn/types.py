"""Arrays, and a set of examples as the mathematics sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
DTYPES: dict[str, type[np.floating[Any]]] = {"float32": np.float32, "float64": np.float64}

# Examples that are gathered, or evaluated, at a time.
CHUNK = 1000


@dataclass(frozen=True)
class Examples:
    """Inputs and targets; inputs stay in their compact form until a chunk of them is needed.

    Attributes:
        x: stored inputs, (n, n_in), uint8 or floating; the network sees x · scale.
        y: targets, (n, n_out).
        scale: what a stored value is multiplied with.
        labels: class of each example, (n,), or None for regression.
    """

    x: Array
    y: Array
    scale: float = 1.0
    labels: Array | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that do not belong together."""
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y):
            raise ValueError(f"expected (n, n_in), (n, n_out), got {self.x.shape}, {self.y.shape}")

    def __len__(self) -> int:
        """Return n."""
        return len(self.x)

    def first(self, n: int) -> Examples:
        """Return the first n of them."""
        labels = None if self.labels is None else self.labels[:n]
        return Examples(self.x[:n], self.y[:n], self.scale, labels)

    def gather(self, rows: Array, stored: Array, out: Array) -> None:
        """Write the inputs of `rows`, and a column of ones after them, into `out`, (m, n_in + 1).

        `stored` is a buffer of x's type. Scaling all of `out`, which is contiguous, and setting the
        ones again is faster than multiplying into its columns.
        """
        np.take(self.x, rows, axis=0, out=stored, mode="clip")
        np.copyto(out[:, :-1], stored, casting="same_kind")
        if self.scale != 1:
            np.multiply(out, np.asarray(self.scale, out.dtype), out)
        out[:, -1] = 1
