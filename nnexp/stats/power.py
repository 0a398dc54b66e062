"""How many seeds it takes.

Power is that of the paired t test at the level that a sign-flip test of n pairs attains. It assumes
normal differences; with stuck runs no such number can be trusted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import ceil, log2, sqrt

from nnexp.stats.distributions import noncentral_t_tail, t_quantile
from nnexp.stats.estimate import ALPHA

POWER = 0.8
LEAST = 6
MOST = 10_000


def power(n: int, difference: float, sd: float, alpha: float = ALPHA) -> float:
    """Return the probability that a two-sided t test of n pairs finds a difference.

    P(T > t) for T noncentral t with n - 1 degrees of freedom and noncentrality √n |difference|/sd,
    t the 1 - α/2 quantile of Student's t. Findings in the wrong direction are not counted.

    >>> round(power(10, 1.0, 1.0), 3)
    0.803
    """
    if sd == 0:
        return 1.0 if difference and alpha > 0 else 0.0
    t = t_quantile(n - 1, alpha / 2)
    return noncentral_t_tail(t, n - 1, sqrt(n) * abs(difference) / sd)


def attained(n: int, alpha: float = ALPHA) -> float:
    """Return the largest p of a sign-flip test of n pairs that is at most α: a multiple of 2/2ⁿ.

    >>> attained(5), attained(6)
    (0.0, 0.03125)
    """
    return alpha if n > 50 else int(alpha * 2 ** (n - 1)) / 2 ** (n - 1)


def least_pairs(comparisons: int = 1) -> int:
    """Return the least n for which Holm's correction can leave a p ≤ α: m 2/2ⁿ ≤ α.

    >>> least_pairs(), least_pairs(7)
    (6, 9)
    """
    return ceil(log2(2 * comparisons / ALPHA))


def seeds_needed(difference: float, sd: float, alpha: float = ALPHA) -> int | None:
    """Return how many pairs find a difference with a power of 80 %; None if above 10,000.

    >>> seeds_needed(0.5, 1.0)
    34
    """
    return _least(lambda n: power(n, difference, sd, attained(n, alpha)))


def seeds_for_margin(difference: float, sd: float, margin: float) -> int | None:
    """Return how many pairs bring the interval into ±margin with a power of 80 %.

    Both sides count: P ≥ P(below the upper margin) + P(above the lower one) - 1. None if above
    10,000, or where the difference itself is not inside.
    """
    if abs(difference) >= margin:
        return None
    sides = (margin - abs(difference), margin + abs(difference))
    return _least(lambda n: sum(power(n, side, sd, attained(n)) for side in sides) - 1)


def _least(reached: Callable[[int], float]) -> int | None:
    n = LEAST + bisect_left(range(LEAST, MOST + 1), POWER, key=reached)
    return n if n <= MOST else None
