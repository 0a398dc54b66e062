"""What all statistics share: the level, intervals, and the estimate of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cbrt, expm1, fsum, isfinite, log1p, sqrt
from statistics import fmean

from nnexp.stats.distributions import t_quantile

ALPHA = 0.05
# Sums that differ by less than this fraction of the sum of magnitudes are equal but for rounding.
ROUNDING = 1e-9


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

    @classmethod
    def bounded(cls, low: float, high: float) -> Interval | None:
        """Return the interval; None where an end is infinite, which says nothing."""
        return cls(low, high) if isfinite(low) and isfinite(high) else None


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
