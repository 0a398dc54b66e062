"""Several values summarized: spread, an arm by seed, runs that lie apart, trials of a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product
from math import inf, isfinite, sqrt
from statistics import fmean

from nnexp.names import higher_is_better
from nnexp.numbers import name_seeds, plural, quantity
from nnexp.stats.estimate import ROUNDING, Interval, deviation, mean_interval, variance


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and spread of a value over runs; sd (n - 1 in the denominator) needs two of them."""

    n: int
    mean: float
    sd: float | None
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Summarize the finite values; None when there is none.

        >>> Spread.of([1.0, 2.0, 3.0])
        Spread(n=3, mean=2.0, sd=1.0, low=1.0, high=3.0)
        """
        # Zero has no sign: -0.0 + 0.0 is 0.0.
        finite = [value + 0.0 for value in values if value is not None and isfinite(value)]
        if not finite:
            return None
        return cls(len(finite), fmean(finite), deviation(finite), min(finite), max(finite))


# Above, squares overflow; a cost that large has diverged in all but name.
LARGEST = 1e100


@dataclass(frozen=True)
class Sample:
    """The runs of one arm, by seed.

    Attributes:
        metric: what the values are of; decides which of two is better.
        values: one that is not finite, or above 1e100, counts as a failure.
        failures: how the runs without a value ended, as in "diverged in epoch 3".
    """

    name: str
    metric: str
    values: Mapping[int, float]
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def seeds(self) -> set[int]:
        """The seeds it was run with."""
        return self.values.keys() | self.failures.keys()

    @cached_property
    def failed(self) -> dict[int, str]:
        """How every run without a usable value ended."""
        wild = {s: f"ended at {v:g}" for s, v in self.values.items() if not abs(v) < LARGEST}
        return wild | dict(self.failures)

    @cached_property
    def finite(self) -> dict[int, float]:
        """The values of the runs that did not fail, in the order of their seeds."""
        return {s: value for s, value in sorted(self.values.items()) if s not in self.failed}

    @cached_property
    def scores(self) -> dict[int, float]:
        """The values so that higher is better; a failed run is worse than any other."""
        sign = 1 if higher_is_better(self.metric) else -1
        return dict.fromkeys(self.failed, -inf) | {s: sign * v for s, v in self.finite.items()}

    @property
    def spread(self) -> Spread | None:
        """Mean and spread of the runs that did not fail."""
        return Spread.of(self.finite.values())

    @property
    def interval(self) -> Interval | None:
        """Hall's 95 % interval of the mean; None for fewer than two runs."""
        return mean_interval([*self.finite.values()])

    @property
    def best(self) -> int | None:
        """The seed of the best run that did not fail, the first of equals."""
        return max(self.finite, key=self.scores.__getitem__, default=None)

    @property
    def worst(self) -> int | None:
        """The seed of the worst run that did not fail, the first of equals."""
        return min(self.finite, key=self.scores.__getitem__, default=None)

    @cached_property
    def apart(self) -> Apart | None:
        """The runs that lie far from the others, if any."""
        return find_apart(self.finite)

    def notes(self) -> list[str]:
        """Say what its mean hides."""
        notes = []
        if self.apart is not None:
            notes.append(f"{self.name}: {self.apart.sentence(self.metric, len(self.finite))}")
        if self.failed:
            seeds: dict[str, list[int]] = {}
            for seed, why in sorted(self.failed.items()):
                seeds.setdefault(why, []).append(seed)
            which = ", ".join(f"{name_seeds(those)} ({why})" for why, those in seeds.items())
            notes.append(f"{self.failure_count()}: {which}")
        return notes

    def failure_count(self) -> str:
        """Say how many of the runs failed."""
        return f"{len(self.failed)} of {plural(len(self.seeds), 'run')} of {self.name} failed"

    def fails_more(self, other: Sample) -> bool:
        """Tell whether it fails more often: of all runs, or on the seeds both were run with."""
        rates = [len(arm.failed) / max(len(arm.seeds), 1) for arm in (self, other)]
        both = self.seeds & other.seeds
        counts = [len(arm.failed.keys() & both) for arm in (self, other)]
        return rates[0] > rates[1] or counts[0] > counts[1]


LEAST_OTHERS = 4
FAR = 8.0


@dataclass(frozen=True, slots=True)
class Apart:
    """A few runs that lie apart from the others.

    Attributes:
        seeds: those of the few.
        below: whether the few lie below the others.
        few: their least and greatest value.
        others: the others' least and greatest value.
        gap: the distance between them in standard deviations of the others.
    """

    seeds: tuple[int, ...]
    below: bool
    few: tuple[float, float]
    others: tuple[float, float]
    gap: float

    @property
    def kind(self) -> str:
        """An outlier is one run; more are a group."""
        return "outlier" if len(self.seeds) == 1 else "two groups"

    def sentence(self, metric: str, n: int) -> str:
        """Say it of an arm of n runs."""
        few, others = (
            " to ".join(dict.fromkeys(quantity(metric, end) for end in ends))
            for ends in (self.few, self.others)
        )
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
    x, n = [values[seed] for seed in by_value], len(values)
    step = min((b - a for a, b in pairwise(x) if b > a), default=inf)
    widest = None
    for k, below in product(range(1, min(n // 2, n - LEAST_OTHERS) + 1), (True, False)):
        at = k if below else n - k
        low, high = (x[0], x[at - 1]), (x[at], x[-1])
        few, others = (low, high) if below else (high, low)
        gap = high[0] - low[1]
        # m values of the range r have a standard deviation of at least r/√(2(m - 1)).
        least = (others[1] - others[0]) / sqrt(2 * (n - k - 1))
        if gap < FAR * max(least, step) * (1 - ROUNDING):
            continue
        gap /= max(sqrt(variance(x[at:] if below else x[:at])), step)
        if gap >= FAR and (widest is None or gap > widest.gap):
            seeds = by_value[:at] if below else by_value[at:]
            widest = Apart(tuple(sorted(seeds)), below, few, others, gap)
    return widest


@dataclass(frozen=True, slots=True)
class Flatness:
    """The values of the trials of a search; a trial without one is worse than any with one.

    Attributes:
        best: the best value; None where no trial has one.
        median: the middle value; of an even number, the mean of both in the middle.
        worst: the worst value; None where a trial has none.
        near: how many trials, the best included, lie within 0.1 points of the best (of an
            accuracy or R²) or within 1 % of it (of a cost).
        nearby: the same within 1 point, or within 10 %.

    >>> Flatness.of([0.75, None, 0.7495, 0.5], "validation_accuracy")
    Flatness(best=0.75, median=0.62475, worst=None, near=2, nearby=2)
    """

    best: float | None
    median: float | None
    worst: float | None
    near: int
    nearby: int

    @classmethod
    def of(cls, values: Sequence[float | None], metric: str) -> Flatness:
        """Summarize the values of a metric, one a trial."""
        higher = higher_is_better(metric)
        numbers = sorted((value for value in values if value is not None), reverse=higher)
        if not numbers:
            return cls(None, None, None, 0, 0)
        ranked = [*numbers, *[None] * (len(values) - len(numbers))]
        low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
        median = None if low is None or high is None else (low + high) / 2
        scale = 1.0 if higher else 10 * abs(numbers[0])
        near, nearby = (
            sum(abs(value - numbers[0]) <= part * scale + ROUNDING for value in numbers)
            for part in (0.001, 0.01)
        )
        return cls(numbers[0], median, ranked[-1], near, nearby)
