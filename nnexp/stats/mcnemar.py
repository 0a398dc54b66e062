"""Two single runs on one test set: McNemar's exact test.

It speaks of two trained networks, not of the methods that trained them: another seed gives another
network, and the test knows nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnexp.nn.types import Array
from nnexp.stats.distributions import fair_binomial_cdf


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two networks on the same n examples.

    Attributes:
        only_first: examples that only the first got right, b.
        only_second: examples that only the second got right, c.
        difference: of the accuracies, first - second, (b - c)/n.
        p: exact, two-sided.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    p: float


def mcnemar(
    labels: Sequence[int] | Array, first: Sequence[int] | Array, second: Sequence[int] | Array
) -> McNemar:
    """Compare the classes that two networks predict for the same examples, each (n,).

    Of the b + c examples that one got right and the other wrong, as many should fall to each where
    they are equally good: p = 2 P(X ≤ min(b, c)), X binomial (b + c, ½), at most 1.
    McNemar, Psychometrika 12 (1947), in its exact form.

    Raises:
        ValueError: the arrays differ in length or are empty.

    >>> round(mcnemar([0] * 12, [0] * 11 + [1], [1] * 11 + [0]).p, 4)
    0.0063
    """
    y, a, b = (np.asarray(values) for values in (labels, first, second))
    if not y.size or y.shape != a.shape or y.shape != b.shape:
        raise ValueError(f"labels {y.shape} and predictions {a.shape}, {b.shape} do not match")
    only_first = int(np.count_nonzero((a == y) & (b != y)))
    only_second = int(np.count_nonzero((a != y) & (b == y)))
    least, discordant = min(only_first, only_second), only_first + only_second
    p = min(1.0, 2 * fair_binomial_cdf(least, discordant))
    return McNemar(len(y), only_first, only_second, (only_first - only_second) / len(y), p)
