"""How large a difference is, and how many seeds it takes to show it.

Power is that of the paired t test at the level that a sign-flip test of n pairs attains. It assumes
normal differences; with stuck runs no such number can be trusted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np

from nnexp.stats.distributions import noncentral_t_tail, t_quantile
from nnexp.stats.estimate import ALPHA

POWER = 0.8
LEAST = 6
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Wins:
    """In how many pairs of runs the arm was better, worse, or equal."""

    wins: int
    losses: int
    ties: int


def count_wins(pairs: Iterable[tuple[float, float]]) -> Wins:
    """Count the pairs (arm, baseline) of scores, the higher the better.

    >>> count_wins([(0.9, 0.8), (0.9, 0.9)])
    Wins(wins=1, losses=0, ties=1)
    """
    pairs = list(pairs)
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return Wins(wins, losses, len(pairs) - wins - losses)


def probability_of_improvement(a: Sequence[float], b: Sequence[float]) -> float:
    """Return P(A > B) + P(A = B)/2 over all pairs of a run of A and one of B.

    Of scores, the higher the better. It is the Mann-Whitney U/(n_a n_b). Agarwal et al., Deep
    Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021, section 4.3.

    >>> probability_of_improvement([3.0, 1.0], [1.0, 2.0])
    0.625
    """
    y = np.sort(b)
    below = np.searchsorted(y, a, "left").sum() + np.searchsorted(y, a, "right").sum()
    return float(below / (2 * len(a) * len(b)))


def error_reduction(accuracy: float, baseline: float) -> float | None:
    """Return the fraction of the baseline's errors that are gone, (a - a₀)/(1 - a₀).

    Nielsen, chapter 3, states improvements so. None where the baseline makes no errors.

    >>> round(error_reduction(0.98, 0.96), 3)
    0.5
    """
    return (accuracy - baseline) / (1 - baseline) if baseline < 1 else None


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
