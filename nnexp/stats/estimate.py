"""Estimates: the level and intervals that all statistics share, effect sizes, and power.

Power is that of the paired t test at the level that a sign-flip test of n pairs attains. It assumes
normal differences; with stuck runs no such number can be trusted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import cbrt, ceil, expm1, fsum, log1p, log2, sqrt
from statistics import fmean
from typing import NamedTuple

import numpy as np

from nnexp.stats.distributions import noncentral_t_tail, t_quantile

ALPHA = 0.05
# Sums that differ by less than this fraction of the sum of magnitudes are equal but for rounding.
ROUNDING = 1e-9
POWER = 0.8
LEAST = 6
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, both ends included."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Tell whether it lies wholly on one side of 0."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """Tell whether it lies in ±margin, but for rounding."""
        return max(-self.low, self.high) <= margin * (1 + ROUNDING)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The difference of two arms' means, arm - baseline, and what the runs say of it.

    Attributes:
        paired: whether it is a mean of differences between runs that share a seed.
        n: the pairs; unpaired, the runs of the smaller arm.
        mean: the difference.
        sd: of the differences of pairs; unpaired, what it would be for independent pairs,
            √(s² + s₀²); None where there are too few to tell.
        interval: 95 % interval of the difference; None where so few runs do not bound it.
        p: two-sided, of a permutation test.
        floor: the smallest p that so many runs can give, whatever their values.
    """

    paired: bool
    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    p: float
    floor: float


def variance(values: Sequence[float]) -> float:
    """Return s² = Σ(x - x̄)²/(n - 1) of two values or more; their order does not matter.

    >>> variance([1.0, 2.0, 3.0])
    1.0
    """
    mean = fmean(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation s; None for fewer than two values."""
    return sqrt(variance(values)) if len(values) > 1 else None


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of a mean by Hall's transformation; None for fewer than two values.

    With g the skewness m₃/m₂^1.5 and y = ±t/√n, t of Student's distribution, the ends are x̄ - s q,
    q = (3/g) ((1 + g (y - g/(6n)))^⅓ - 1): Student's x̄ ± t s/√n where g is 0, and further out on
    the side of the longer tail. Hall, J. R. Statist. Soc. B 54 (1992).

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.484..., high=4.484...)
    """
    n = len(values)
    if n < 2:
        return None
    mean, sd, skew = fmean(values), sqrt(variance(values)), skewness(values)
    y = t_quantile(n - 1, ALPHA / 2) / sqrt(n)
    return Interval(mean - sd * _unskewed(y, skew, n), mean - sd * _unskewed(-y, skew, n))


def skewness(values: Sequence[float]) -> float:
    """Return m₃/m₂^1.5 of the central moments; 0 where all values are equal.

    >>> skewness([1.0, 1.0, 4.0])
    0.7071...
    """
    mean = fmean(values)
    size = max(abs(value - mean) for value in values)
    if size <= ROUNDING * abs(mean):
        return 0.0
    # In units of the largest deviation no power is too large or too small.
    scaled = [(value - mean) / size for value in values]
    second, third = fmean(x * x for x in scaled), fmean(x * x * x for x in scaled)
    return third / (second * sqrt(second))


def _unskewed(y: float, skew: float, n: int) -> float:
    """Return q of `mean_interval`; without the digits that a small skewness would cancel."""
    if not skew:
        return y
    change = skew * (y - skew / (6 * n))
    cube_root = expm1(log1p(change) / 3) if abs(change) < 0.5 else cbrt(1 + change) - 1
    return 3 * cube_root / skew


class Wins(NamedTuple):
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
