"""Runs that lie far from the others of their arm: a mean over both speaks of neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from nnexp.numbers import name_seeds, quantity
from nnexp.stats.estimate import ROUNDING, variance

LEAST_OTHERS = 4
FAR = 8.0


@dataclass(frozen=True, slots=True)
class Apart:
    """A few runs that lie apart from the others.

    Attributes:
        kind: "outlier" for one run, "two groups" for more.
        seeds: those of the few.
        below: whether the few lie below the others.
        few: their least and greatest value.
        others: the others' least and greatest value.
        gap: the distance between them in standard deviations of the others.
    """

    kind: str
    seeds: tuple[int, ...]
    below: bool
    few: tuple[float, float]
    others: tuple[float, float]
    gap: float

    def sentence(self, metric: str, n: int) -> str:
        """Say it of an arm of n runs."""
        few = " to ".join(dict.fromkeys(quantity(metric, value) for value in self.few))
        others = " to ".join(dict.fromkeys(quantity(metric, value) for value in self.others))
        lie = "lies" if len(self.seeds) == 1 else "lie"
        return (
            f"{len(self.seeds)} of {n} runs {lie} far {'below' if self.below else 'above'} the "
            f"others: {name_seeds(self.seeds)} at {few}, the others at {others}"
        )


def find_apart(values: Mapping[int, float]) -> Apart | None:
    """Find runs that lie apart, by seed; None where there are none.

    Sorted, the values are cut in two at each gap; the others are the larger part (with halves,
    either), at least four runs. The few lie apart if the gap is at least eight standard deviations
    of the others; of several such cuts the widest in that measure counts. A standard deviation
    below the smallest step between two values is taken as that step, so that accuracies on a small
    test set, which come in steps, raise no alarm.

    How often it finds something, in % of the arms (benchmarks/simulation.py; skewed is lognormal
    with σ = ½, very skewed with σ = 1; stuck runs lie so many deviations low, and at least one and
    at most half of the runs are):

        runs in the arm       5     6     8    10    15    30
        normal              1.5   2.0   0.9   0.3   0.0   0.0
        skewed              4.7   5.5   2.9   1.5   0.5   0.1
        very skewed          15    17    17    14    10     8
        15 % stuck 10 low    52    61    63    59    53    29
        15 % stuck 20 low    74    93   100   100   100   100
        30 % stuck 20 low    55    78   100   100   100   100

    With runs apart on both sides it may miss both: each widens the others' deviation.

    >>> find_apart({0: 0.967, 1: 0.968, 2: 0.966, 3: 0.765, 4: 0.967, 5: 0.870}).seeds
    (3, 5)
    """
    by_value = sorted(values, key=lambda seed: (values[seed], seed))
    x = [values[seed] for seed in by_value]
    step = min((b - a for a, b in pairwise(x) if b > a), default=None)
    if step is None:
        return None
    cuts = (
        _cut(by_value, x, k, below, step)
        for k in range(1, min(len(x) // 2, len(x) - LEAST_OTHERS) + 1)
        for below in (True, False)
        if _may_be_far(x, k, below, step)
    )
    widest = max(cuts, key=lambda cut: cut.gap, default=None)
    return widest if widest is not None and widest.gap >= FAR else None


def _may_be_far(x: Sequence[float], k: int, below: bool, step: float) -> bool:
    """Tell at a glance whether a cut can lie far enough.

    m values of the range r have a standard deviation of at least r/√(2(m - 1)).
    """
    at, m = k if below else len(x) - k, len(x) - k
    spread = (x[-1] - x[at] if below else x[at - 1] - x[0]) / sqrt(2 * (m - 1))
    return x[at] - x[at - 1] >= FAR * max(spread, step) * (1 - ROUNDING)


def _cut(by_value: Sequence[int], x: Sequence[float], k: int, below: bool, step: float) -> Apart:
    """Describe the k lowest (or highest) values as if they lay apart."""
    at = k if below else len(x) - k
    lower, upper = x[:at], x[at:]
    few, others = (lower, upper) if below else (upper, lower)
    return Apart(
        kind="outlier" if k == 1 else "two groups",
        seeds=tuple(sorted(by_value[:at] if below else by_value[at:])),
        below=below,
        few=(few[0], few[-1]),
        others=(others[0], others[-1]),
        gap=(upper[0] - lower[-1]) / max(sqrt(variance(others)), step),
    )
