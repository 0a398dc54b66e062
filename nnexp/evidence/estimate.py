"""What all statistics share: the level, intervals, and the estimate of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from statistics import fmean

from nnexp.evidence.distributions import t_quantile

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
    """Return Student's 95 % interval x̄ ± t s/√n of a mean; None for fewer than two values.

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.484..., high=4.484...)
    """
    if len(values) < 2:
        return None
    half = t_quantile(len(values) - 1, ALPHA / 2) * sqrt(variance(values) / len(values))
    mean = fmean(values)
    return Interval(mean - half, mean + half)
